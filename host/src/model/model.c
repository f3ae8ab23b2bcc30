/* Loads a checkpoint onto a device: reads, folds, packs and uploads every tensor. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "gpu/device.h"
#include "model/checkpoint.h"

struct loader {
  vit_model *m;
  const struct checkpoint *file;
  struct progress progress; /* blocks, and what lies before and after them */
  vit_error *err;
};

/* A slot as float, to be freed; NULL on failure. */
static float *
read_slot (struct loader *l, enum slot slot, uint32_t block)
{
  size_t count = slot_count (&l->m->cfg, slot);
  float *data = malloc (count * sizeof *data);
  if (!data) {
    fail_memory (l->err, slot_name (slot), count * sizeof *data);
    return NULL;
  }
  if (checkpoint_read (l->file, slot, block, data, l->err)) {
    l->m->parameters += count;
    return data;
  }
  free (data);
  return NULL;
}

static bool
load_vector (struct loader *l, enum slot slot, uint32_t block, struct buffer *out)
{
  if (!slot_present (&l->m->cfg, slot))
    return true;
  size_t bytes = slot_count (&l->m->cfg, slot) * sizeof (float);
  float *data = read_slot (l, slot, block);
  bool ok = data && buffer_create (l->m->dev, MEMORY_LOCAL, bytes, slot_name (slot), out, l->err)
      && buffer_write (l->m->dev, out, 0, data, bytes, l->err);
  free (data);
  l->m->bytes += out->size;
  return ok;
}

/* Every norm has its weight and bias slots side by side. */
static bool
load_norm (struct loader *l, enum slot weight, uint32_t block, struct norm *out)
{
  return load_vector (l, weight, block, &out->weight) && load_vector (l, (enum slot) (weight + 1), block, &out->bias);
}

/* diag (scale) * (W x + b) is one linear: layer scale costs nothing at run time. */
static bool
fold_scale (struct loader *l, enum slot scale, uint32_t block, float *w, float *b, uint32_t in_dim, uint32_t out_dim)
{
  if (scale == NUM_SLOTS || !slot_present (&l->m->cfg, scale))
    return true;
  float *s = read_slot (l, scale, block);
  if (!s)
    return false;
  for (size_t n = 0; n < out_dim; n++) {
    for (size_t k = 0; k < in_dim; k++)
      w[n * in_dim + k] *= s[n];
    if (b)
      b[n] *= s[n];
  }
  free (s);
  return true;
}

/* weight and bias slots lie side by side; scale: a layer scale to fold in, or NUM_SLOTS */
static bool
load_linear (struct loader *l, enum slot weight, enum slot scale, uint32_t block, uint32_t in_dim, struct weight *out)
{
  vit_model *m = l->m;
  enum slot bias = (enum slot) (weight + 1);
  if (!slot_present (&m->cfg, weight))
    return true;
  uint32_t out_dim = (uint32_t) (slot_count (&m->cfg, weight) / in_dim);
  float *w = read_slot (l, weight, block), *b = NULL;
  bool ok = w && (!slot_present (&m->cfg, bias) || (b = read_slot (l, bias, block)) != NULL)
      && fold_scale (l, scale, block, w, b, in_dim, out_dim)
      && weight_create (m->dev, m->store, m->activations, w, b, b != NULL, in_dim, out_dim, slot_name (weight), out,
          l->err);
  free (w);
  free (b);
  m->bytes += weight_bytes (out);
  return ok;
}

static bool
load_block (struct loader *l, uint32_t i)
{
  const struct vit_config *c = &l->m->cfg;
  struct block *b = &l->m->blocks[i];
  return load_norm (l, SLOT_NORM1_W, i, &b->norm1) && load_linear (l, SLOT_QKV_W, NUM_SLOTS, i, c->dim, &b->qkv)
      && load_linear (l, SLOT_PROJ_W, SLOT_LS1, i, c->heads * c->head_dim, &b->proj)
      && load_norm (l, SLOT_NORM2_W, i, &b->norm2) && load_linear (l, SLOT_FC1_W, NUM_SLOTS, i, c->dim, &b->fc1)
      && load_linear (l, SLOT_FC2_W, SLOT_LS2, i, c->mlp_dim, &b->fc2);
}

static bool
load_network (struct loader *l)
{
  vit_model *m = l->m;
  const struct vit_config *c = &m->cfg;
  m->blocks = calloc (c->depth, sizeof *m->blocks);
  if (!m->blocks)
    return fail_memory (l->err, "the blocks", c->depth * sizeof *m->blocks);
  bool ok = load_linear (l, SLOT_PATCH_W, NUM_SLOTS, 0, 3 * c->patch_width * c->patch_height, &m->patch_embed)
      && load_norm (l, SLOT_PATCH_NORM_W, 0, &m->patch_norm) && load_vector (l, SLOT_PREFIX, 0, &m->prefix)
      && load_vector (l, SLOT_POS, 0, &m->pos) && load_norm (l, SLOT_PRE_NORM_W, 0, &m->pre_norm);
  for (uint32_t i = 0; ok && i < c->depth; i++) {
    progress_set (&l->progress, i + 1);
    ok = load_block (l, i);
  }
  return ok && load_norm (l, SLOT_NORM_W, 0, &m->norm) && load_norm (l, SLOT_POOL_NORM_W, 0, &m->pool_norm)
      && load_norm (l, SLOT_HEAD_NORM_W, 0, &m->head_norm)
      && load_linear (l, SLOT_HEAD_FC1_W, NUM_SLOTS, 0, c->dim, &m->head_fc1)
      && load_linear (l, SLOT_HEAD_W, NUM_SLOTS, 0, c->head == HEAD_LINEAR ? c->dim : c->head_hidden, &m->head);
}

static bool
load_labels (struct loader *l)
{
  vit_model *m = l->m;
  m->labels = calloc (m->cfg.classes, sizeof *m->labels);
  if (!m->labels)
    return fail_memory (l->err, "the labels", m->cfg.classes * sizeof *m->labels);
  for (uint32_t i = 0; i < m->cfg.classes; i++) {
    const char *text = checkpoint_label (l->file, i);
    if (!(m->labels[i] = strdup (text)))
      return fail_memory (l->err, "a label", strlen (text) + 1);
  }
  return true;
}

/* Numbers of all slots. */
static double
count_numbers (const struct vit_config *c)
{
  double n = 0;
  for (enum slot slot = 0; slot < NUM_SLOTS; slot++)
    if (slot_present (c, slot))
      n += (double) slot_count (c, slot) * (slot_per_block (slot) ? c->depth : 1);
  return n;
}

/* How much memory the weights need in all, and what would need less. */
static void
explain_memory (const vit_model *m, vit_error *err)
{
  double bytes = count_numbers (&m->cfg);
  bool half = m->store == STORE_F16;
  if (half || !device_caps (m->dev)->storage16)
    fail_memory_add (err, "; the weights need %.1f MB in all as %s: a smaller model needs less",
        bytes * store_size (m->store) * 1e-6, half ? "fp16" : "fp32");
  else
    fail_memory_add (err, "; the weights need %.1f MB in all as fp32: precision fp16 needs %.1f MB",
        bytes * store_size (STORE_F32) * 1e-6, bytes * store_size (STORE_F16) * 1e-6);
}

static enum store
choose_store (const vit_device *dev, enum vit_precision wanted)
{
  const struct caps *caps = device_caps (dev);
  if (wanted == VIT_F16 && !caps->storage16)
    device_log (dev, VIT_LOG_WARNING,
        "precision fp16 needs the feature storageBuffer16BitAccess, which %.100s lacks: using fp32", dev->info.name);
  if (!caps->storage16 || wanted == VIT_F32)
    return STORE_F32;
  /* half the memory traffic is speed on a GPU; a CPU converts every number it reads */
  return wanted == VIT_F16 || !caps->software ? STORE_F16 : STORE_F32;
}

vit_model *
vit_model_load (vit_device *device, const char *path, const struct vit_model_params *params, vit_error *err)
{
  if (!device || !path) {
    fail (err, VIT_ERR_ARG, "vit_model_load: device and path must not be NULL");
    return NULL;
  }
  vit_model *m = calloc (1, sizeof *m);
  if (!m) {
    fail_memory (err, path, sizeof *m);
    return NULL;
  }
  atomic_init (&m->refs, 1);
  m->dev = device_ref (device);
  m->store = choose_store (device, params ? params->precision : VIT_AUTO);
  /* half activations save memory traffic that a CPU's cache doesn't have, and cost it conversions */
  m->activations = device_caps (device)->unrolled ? STORE_F32 : m->store;
  struct checkpoint *file = checkpoint_open (path, err);
  struct loader l = { .m = m, .file = file, .err = err };
  bool ok = file != NULL;
  if (ok) {
    m->cfg = *checkpoint_config (file);
    m->preprocess = *checkpoint_preprocess (file);
    l.progress = progress_begin (params ? params->progress : NULL, params ? params->progress_ctx : NULL, VIT_PHASE_LOAD,
        m->cfg.depth + 2);
    ok = load_network (&l) && load_labels (&l);
    if (ok)
      progress_set (&l.progress, l.progress.total);
    else
      explain_memory (m, err);
  }
  checkpoint_close (&file);
  if (!ok)
    vit_model_destroy (&m);
  return m;
}

vit_model *
model_ref (vit_model *m)
{
  atomic_fetch_add (&m->refs, 1);
  return m;
}

static void
norm_destroy (vit_device *dev, struct norm *n)
{
  buffer_destroy (dev, &n->weight);
  buffer_destroy (dev, &n->bias);
}

static void
block_destroy (vit_device *dev, struct block *b)
{
  norm_destroy (dev, &b->norm1);
  norm_destroy (dev, &b->norm2);
  weight_destroy (dev, &b->qkv);
  weight_destroy (dev, &b->proj);
  weight_destroy (dev, &b->fc1);
  weight_destroy (dev, &b->fc2);
}

void
vit_model_destroy (vit_model **model)
{
  if (!model || !*model)
    return;
  vit_model *m = *model;
  *model = NULL;
  if (atomic_fetch_sub (&m->refs, 1) > 1)
    return;
  vit_device *dev = m->dev;
  weight_destroy (dev, &m->patch_embed);
  buffer_destroy (dev, &m->prefix);
  buffer_destroy (dev, &m->pos);
  norm_destroy (dev, &m->patch_norm);
  norm_destroy (dev, &m->pre_norm);
  norm_destroy (dev, &m->norm);
  norm_destroy (dev, &m->pool_norm);
  norm_destroy (dev, &m->head_norm);
  for (uint32_t i = 0; m->blocks && i < m->cfg.depth; i++)
    block_destroy (dev, &m->blocks[i]);
  weight_destroy (dev, &m->head_fc1);
  weight_destroy (dev, &m->head);
  for (uint32_t i = 0; m->labels && i < m->cfg.classes; i++)
    free (m->labels[i]);
  free (m->labels);
  free (m->blocks);
  free (m);
  vit_device_destroy (&dev);
}

/* 2 per multiply-add of every matrix product; norms, softmax and activations are not counted. */
static double
count_flops (const struct vit_config *c)
{
  double patches = config_patches (c), tokens = config_tokens (c), dim = c->dim,
         width = (double) c->heads * c->head_dim;
  double block =
      tokens * dim * 3 * width + tokens * width * dim + 2 * tokens * tokens * width + 2 * tokens * dim * c->mlp_dim;
  double head = c->head == HEAD_LINEAR ? dim * c->classes : (dim + c->classes) * c->head_hidden;
  return 2 * (patches * dim * 3 * c->patch_width * c->patch_height + c->depth * block + head);
}

void
vit_model_get_info (const vit_model *m, struct vit_model_info *out)
{
  const struct vit_config *c = &m->cfg;
  *out = (struct vit_model_info) {
    .patch_width = c->patch_width,
    .patch_height = c->patch_height,
    .tokens = config_tokens (c),
    .dim = c->dim,
    .depth = c->depth,
    .heads = c->heads,
    .head_dim = c->head_dim,
    .mlp_dim = c->mlp_dim,
    .classes = c->classes,
    .preprocess = m->preprocess,
    .parameters = m->parameters,
    .weight_bytes = m->bytes,
    .flops = count_flops (c),
    .precision = m->store == STORE_F16 ? VIT_F16 : VIT_F32,
  };
  snprintf (out->name, sizeof out->name, "%s", c->name);
  snprintf (out->family, sizeof out->family, "%s", c->family);
}

const char *
vit_model_label (const vit_model *m, uint32_t class_index)
{
  return class_index < m->cfg.classes ? m->labels[class_index] : NULL;
}
