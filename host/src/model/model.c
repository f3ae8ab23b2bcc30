/* A model's life: what it is loaded as, its labels, its facts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"
#include "model/start.h"

static bool
load_labels (vit_model *m, const struct checkpoint *file, vit_error *err)
{
  m->labels = calloc (m->cfg.classes, sizeof *m->labels);
  if (!m->labels)
    return fail_memory (err, "the labels", m->cfg.classes * sizeof *m->labels);
  for (uint32_t i = 0; i < m->cfg.classes; i++) {
    const char *text = checkpoint_label (file, i);
    if (!(m->labels[i] = strdup (text)))
      return fail_memory (err, "a label", strlen (text) + 1);
  }
  return true;
}

/* Bytes of all slots, those of the blocks stored the one way, the others the other. */
static double
count_bytes (const struct vit_config *c, enum store blocks, enum store outer)
{
  double n = 0;
  for (enum slot slot = 0; slot < NUM_SLOTS; slot++)
    if (slot_present (c, slot))
      n +=
          (double) slot_count (c, slot) * (slot_per_block (slot) ? c->depth * store_size (blocks) : store_size (outer));
  return n;
}

/* How much memory the weights need in all, and what would need less. */
static void
explain_memory (const vit_model *m, vit_error *err)
{
  static const char *const names[] = { [STORE_F32] = "fp32", [STORE_F16] = "fp16", [STORE_I8] = "int8" };
  enum store outer = device_caps (m->dev)->storage16 ? STORE_F16 : STORE_F32;
  double now = count_bytes (&m->cfg, m->store, m->outer) * 1e-6;
  double half = count_bytes (&m->cfg, outer, outer) * 1e-6, bytes = count_bytes (&m->cfg, STORE_I8, outer) * 1e-6;
  if (m->store == STORE_I8)
    fail_memory_add (err, "; the weights need %.1f MB in all as int8: a smaller model needs less", now);
  else if (m->store == outer)
    fail_memory_add (err, "; the weights need %.1f MB in all as %s: precision int8 needs %.1f MB", now, names[outer],
        bytes);
  else
    fail_memory_add (err, "; the weights need %.1f MB in all as fp32: precision fp16 needs %.1f MB, int8 %.1f MB", now,
        half, bytes);
}

/* Fills store, outer and activations. */
static void
choose_stores (vit_model *m, enum vit_precision wanted)
{
  const struct caps *caps = device_caps (m->dev);
  if (wanted == VIT_F16 && !caps->storage16)
    device_log (m->dev, VIT_LOG_WARNING,
        "precision fp16 needs the feature storageBuffer16BitAccess, which %.100s lacks: using fp32", m->dev->info.name);
  /* half the memory traffic is speed on a GPU; a CPU converts every number it reads */
  bool half = caps->storage16 && wanted != VIT_F32 && (wanted != VIT_AUTO || !caps->software);
  m->outer = half ? STORE_F16 : STORE_F32;
  m->store = wanted == VIT_I8 ? STORE_I8 : m->outer;
  /* half activations save memory traffic that a CPU's cache doesn't have, and cost it conversions */
  m->activations = caps->unrolled ? STORE_F32 : m->outer;
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
  choose_stores (m, params ? params->precision : VIT_AUTO);
  struct checkpoint *file = checkpoint_open (path, err);
  bool ok = file != NULL && fold_wanted (&m->folds, err);
  if (ok) {
    m->cfg = *checkpoint_config (file);
    m->preprocess = *checkpoint_preprocess (file);
    ok = start_network (m, file, params, err) && load_labels (m, file, err);
    if (!ok)
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
model_clear (vit_model *m)
{
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
  m->parameters = m->bytes = 0;
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
  model_clear (m);
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
    .precision = m->store == STORE_I8 ? VIT_I8
        : m->store == STORE_F16       ? VIT_F16
                                      : VIT_F32,
  };
  snprintf (out->name, sizeof out->name, "%s", c->name);
  snprintf (out->family, sizeof out->family, "%s", c->family);
}

const char *
vit_model_label (const vit_model *m, uint32_t class_index)
{
  return class_index < m->cfg.classes ? m->labels[class_index] : NULL;
}
