/* Reads, folds, packs and uploads every tensor of a checkpoint. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/load.h"

#include <float.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/share.h"
#include "model/scratch.h"

/* Of one thread. */
struct loader {
  vit_model *m;
  const struct checkpoint *file;
  struct scratch *scratch;    /* for weights */
  uint64_t parameters, bytes; /* loaded by it: numbers; device memory */
  vit_error *err;
};

/* What the threads share. */
struct loading {
  vit_model *m;
  const struct checkpoint *file;
  struct load_progress *progress;
  struct scratch scratch;
  pthread_mutex_t lock; /* of the model's sums */
};

/* ---- slots ---- */

static bool
read_into (struct loader *l, enum slot slot, uint32_t block, float *data)
{
  if (!checkpoint_read (l->file, slot, block, data, l->err))
    return false;
  l->parameters += slot_count (&l->m->cfg, slot);
  return true;
}

/* A slot as float, to be freed; NULL on failure. */
static float *
read_slot (struct loader *l, enum slot slot, uint32_t block)
{
  size_t count = slot_count (&l->m->cfg, slot);
  float *data = malloc (count * sizeof *data);
  if (!data)
    fail_memory (l->err, slot_name (slot), count * sizeof *data);
  if (data && read_into (l, slot, block, data))
    return data;
  free (data);
  return NULL;
}

/* The same in scratch memory. */
static float *
read_weight (struct loader *l, enum slot slot, uint32_t block)
{
  float *data = scratch_take (l->scratch, slot_count (&l->m->cfg, slot), slot_name (slot), l->err);
  if (data && read_into (l, slot, block, data))
    return data;
  scratch_give (l->scratch, data);
  return NULL;
}

/* The same as double. */
static double *
read_doubles (struct loader *l, enum slot slot, uint32_t block)
{
  size_t count = slot_count (&l->m->cfg, slot);
  float *data = read_slot (l, slot, block);
  double *out = data ? malloc (count * sizeof *out) : NULL;
  if (data && !out)
    fail_memory (l->err, slot_name (slot), count * sizeof *out);
  for (size_t i = 0; out && i < count; i++)
    out[i] = data[i];
  free (data);
  return out;
}

static bool
upload_vector (struct loader *l, const void *data, size_t bytes, const char *name, struct buffer *out)
{
  bool ok = buffer_create (l->m->dev, MEMORY_LOCAL, bytes, name, out, l->err)
      && buffer_write (l->m->dev, out, 0, data, bytes, l->err);
  l->bytes += out->size;
  return ok;
}

static bool
load_vector (struct loader *l, enum slot slot, uint32_t block, struct buffer *out)
{
  if (!slot_present (&l->m->cfg, slot))
    return true;
  float *data = read_slot (l, slot, block);
  bool ok = data && upload_vector (l, data, slot_count (&l->m->cfg, slot) * sizeof *data, slot_name (slot), out);
  free (data);
  return ok;
}

/* Every norm has its weight and bias slots side by side. */
static bool
load_norm (struct loader *l, enum slot weight, uint32_t block, struct norm *out)
{
  return load_vector (l, weight, block, &out->weight) && load_vector (l, (enum slot) (weight + 1), block, &out->bias);
}

/* ---- linears ---- */

/* weight and bias slots lie side by side; scale: a layer scale, or NUM_SLOTS */
static bool
read_layer (struct loader *l, enum slot weight, enum slot scale, uint32_t block, uint32_t in_dim, struct layer *out)
{
  const struct vit_config *c = &l->m->cfg;
  enum slot bias = (enum slot) (weight + 1);
  uint32_t out_dim = (uint32_t) (slot_count (c, weight) / in_dim);
  float *w = read_weight (l, weight, block), *b = NULL, *s = NULL;
  bool ok = w && (!slot_present (c, bias) || (b = read_slot (l, bias, block)) != NULL)
      && layer_init (out, w, b, in_dim, out_dim, l->err);
  if (!ok)
    scratch_give (l->scratch, w);
  if (ok && scale != NUM_SLOTS && slot_present (c, scale)) {
    ok = (s = read_slot (l, scale, block)) != NULL;
    for (uint32_t n = 0; ok && n < out_dim; n++)
      layer_scale_rows (out, n, 1, s[n]);
  }
  free (b);
  free (s);
  return ok;
}

/* Accepts a zeroed one. */
static void
drop_layer (struct loader *l, struct layer *layer)
{
  scratch_give (l->scratch, layer->w);
  layer_finish (layer);
}

/* Drops the layer. */
static bool
upload_layer (struct loader *l, struct layer *layer, enum slot name, struct weight *out)
{
  vit_model *m = l->m;
  float *bias = malloc (layer->out_dim * sizeof *bias);
  bool ok = bias || fail_memory (l->err, slot_name (name), layer->out_dim * sizeof *bias);
  if (ok) {
    bool any = layer_apply (layer, bias);
    ok = weight_create (m->dev, slot_per_block (name) ? m->store : m->outer, m->activations, layer->w,
        any ? bias : NULL, any, layer->in_dim, layer->out_dim, slot_name (name), out, l->err);
  }
  free (bias);
  drop_layer (l, layer);
  l->bytes += weight_bytes (out);
  return ok;
}

/* Stores other than half hold whatever a float does. Half rounds to 11 bits from 2^-14 on and holds 65504 at most:
 * below 2^-10 for the largest weight of all, those that matter beside it would lose bits. */
static bool
scale_columns (const struct loader *l, struct layer *layer, const double *factor, uint32_t period)
{
  bool half = l->m->outer == STORE_F16;
  return layer_scale_columns (layer, factor, period, half ? 0x1p-10 : 0, half ? 65504 : FLT_MAX);
}

/* The norm whose output the layer reads: into the layer, or to the device. Where in_dim is several times the norm's
 * dim, several normalised tokens lie side by side. */
static bool
take_norm (struct loader *l, enum slot weight, uint32_t block, struct layer *layer, struct norm *out)
{
  vit_model *m = l->m;
  if (!slot_present (&m->cfg, weight))
    return true;
  if (!(m->folds & FOLD_NORMS))
    return load_norm (l, weight, block, out);
  double *gamma = read_doubles (l, weight, block), *beta = NULL;
  bool ok = gamma && (beta = read_doubles (l, (enum slot) (weight + 1), block)) != NULL;
  if (ok && (out->folded = scale_columns (l, layer, gamma, m->cfg.dim)))
    layer_shift (layer, beta, m->cfg.dim);
  else if (ok) {
    l->parameters -= 2 * (uint64_t) m->cfg.dim; /* read twice */
    ok = load_norm (l, weight, block, out);
  }
  free (gamma);
  free (beta);
  return ok;
}

/* ---- the network ---- */

/* Attention's weights are softmax (..k..) and sum to 1: a shift of every score by q.b_k changes nothing, and b_v comes
 * out of it as it went in. */
static void
fold_biases (struct layer *qkv, struct layer *proj)
{
  uint32_t width = qkv->out_dim / 3;
  double *k = qkv->bias + width, *v = k + width;
  layer_shift (proj, v, width);
  memset (k, 0, 2 * width * sizeof *k);
}

static bool
load_attention (struct loader *l, uint32_t i)
{
  const vit_model *m = l->m;
  const struct vit_config *c = &m->cfg;
  struct block *b = &l->m->blocks[i];
  uint32_t width = c->heads * c->head_dim;
  struct layer qkv = { 0 }, proj = { 0 };
  bool ok = read_layer (l, SLOT_QKV_W, NUM_SLOTS, i, c->dim, &qkv) && take_norm (l, SLOT_NORM1_W, i, &qkv, &b->norm1)
      && read_layer (l, SLOT_PROJ_W, SLOT_LS1, i, width, &proj);
  if (ok && (m->folds & FOLD_BIASES))
    fold_biases (&qkv, &proj);
  if (ok && (m->folds & FOLD_SCALE))
    layer_scale_rows (&qkv, 0, width, c->qk_scale * LOG2_E);
  ok = ok && upload_layer (l, &qkv, SLOT_QKV_W, &b->qkv) && upload_layer (l, &proj, SLOT_PROJ_W, &b->proj);
  drop_layer (l, &qkv);
  drop_layer (l, &proj);
  return ok;
}

/* A linear after a norm; the norm's slot may be NUM_SLOTS. */
static bool
load_linear (struct loader *l, enum slot weight, enum slot scale, enum slot norm, uint32_t block, uint32_t in_dim,
    struct norm *norm_out, struct weight *out)
{
  struct layer layer = { 0 };
  bool ok = read_layer (l, weight, scale, block, in_dim, &layer)
      && (norm == NUM_SLOTS || take_norm (l, norm, block, &layer, norm_out)) && upload_layer (l, &layer, weight, out);
  drop_layer (l, &layer);
  return ok;
}

/* The picture's bytes come as (value - 128) / 128, which half holds exactly and which lie about zero as normalised ones
 * do: so half weights are rounded to no more effect than without this. */
static bool
fold_pixels (struct loader *l, struct layer *layer)
{
  vit_model *m = l->m;
  const struct vit_preprocess *p = &m->preprocess;
  uint32_t area = layer->in_dim / 3;
  double *factor = malloc (layer->in_dim * sizeof *factor), *shift = malloc (layer->in_dim * sizeof *shift);
  bool ok = (factor && shift) || fail_memory (l->err, "the pixels' scale", 2 * layer->in_dim * sizeof *factor);
  for (uint32_t i = 0; ok && i < layer->in_dim; i++) {
    double mean = p->mean[i / area], deviation = p->std[i / area];
    factor[i] = 128 / (255 * deviation);
    shift[i] = factor[i] - mean / deviation;
  }
  if (ok && scale_columns (l, layer, factor, layer->in_dim))
    layer_shift (layer, shift, layer->in_dim);
  else
    m->folds &= ~(uint32_t) FOLD_PIXELS;
  free (factor);
  free (shift);
  return ok;
}

/* The table (tokens, dim): what each token gets whatever the picture. The rows of prefix tokens are zero otherwise. */
static bool
upload_embedding (struct loader *l, struct layer *layer)
{
  vit_model *m = l->m;
  const struct vit_config *c = &m->cfg;
  size_t tokens = config_tokens (c), dim = c->dim, prefix_count = c->num_prefix * dim;
  float *table = read_slot (l, SLOT_POS, 0), *prefix = NULL, *bias = malloc (dim * sizeof *bias);
  bool ok = table && (bias || fail_memory (l->err, slot_name (SLOT_PATCH_B), dim * sizeof *bias))
      && (c->num_prefix == 0 || (prefix = read_slot (l, SLOT_PREFIX, 0)) != NULL);
  if (ok) {
    for (size_t i = 0; i < tokens * dim; i++)
      table[i] = (float) (table[i] + (i < prefix_count ? prefix[i] : layer->bias[i % dim]));
    layer_apply (layer, bias);
    ok = weight_create (m->dev, m->outer, m->activations, layer->w, table, (uint32_t) tokens, layer->in_dim,
        layer->out_dim, slot_name (SLOT_PATCH_W), &m->patch_embed, l->err);
  }
  l->bytes += weight_bytes (&m->patch_embed);
  free (table);
  free (prefix);
  free (bias);
  return ok;
}

static bool
load_embedding (struct loader *l)
{
  vit_model *m = l->m;
  const struct vit_config *c = &m->cfg;
  struct layer patch = { 0 };
  if (c->patch_norm) /* stands between the two */
    m->folds &= ~(uint32_t) FOLD_POSITIONS;
  bool ok = read_layer (l, SLOT_PATCH_W, NUM_SLOTS, 0, 3 * c->patch_width * c->patch_height, &patch);
  ok = ok && (!(m->folds & FOLD_PIXELS) || fold_pixels (l, &patch));
  if (ok && (m->folds & FOLD_POSITIONS))
    ok = upload_embedding (l, &patch);
  else
    ok = ok && upload_layer (l, &patch, SLOT_PATCH_W, &m->patch_embed) && load_vector (l, SLOT_PREFIX, 0, &m->prefix)
        && load_vector (l, SLOT_POS, 0, &m->pos);
  drop_layer (l, &patch);
  return ok && load_norm (l, SLOT_PATCH_NORM_W, 0, &m->patch_norm) && load_norm (l, SLOT_PRE_NORM_W, 0, &m->pre_norm);
}

/* The mean of two heads is one linear over both tokens side by side: rows of half of each one's weights. */
static bool
load_distilled (struct loader *l, enum slot norm, struct norm *norm_out)
{
  vit_model *m = l->m;
  size_t dim = m->cfg.dim, classes = m->cfg.classes;
  const char *name = slot_name (SLOT_HEAD_W);
  float *stored = read_slot (l, SLOT_HEAD_W, 0), *b = NULL;
  float *w = stored ? scratch_take (l->scratch, 2 * classes * dim, name, l->err) : NULL;
  struct layer layer = { 0 };
  bool ok = w && (!m->cfg.head_bias || (b = read_slot (l, SLOT_HEAD_B, 0)) != NULL);
  for (size_t i = 0; ok && i < 2 * classes; i++)
    memcpy (w + (i % classes * 2 + i / classes) * dim, stored + i * dim, dim * sizeof *w);
  ok = ok && layer_init (&layer, w, b, (uint32_t) (2 * dim), (uint32_t) classes, l->err);
  if (!ok)
    scratch_give (l->scratch, w);
  for (size_t n = 0; ok && b && n < classes; n++)
    layer.bias[n] += b[classes + n];
  if (ok)
    layer_scale_rows (&layer, 0, (uint32_t) classes, 0.5);
  ok = ok && (norm == NUM_SLOTS || take_norm (l, norm, 0, &layer, norm_out))
      && upload_layer (l, &layer, SLOT_HEAD_W, &m->head);
  drop_layer (l, &layer);
  free (stored);
  free (b);
  return ok;
}

/* The last norm before the head's first linear goes into it: a mean of normalised tokens, too, may be scaled
 * afterwards. */
static bool
load_head (struct loader *l)
{
  vit_model *m = l->m;
  const struct vit_config *c = &m->cfg;
  const struct {
    enum slot slot;
    struct norm *out;
  } norms[] = { { SLOT_NORM_W, &m->norm }, { SLOT_POOL_NORM_W, &m->pool_norm }, { SLOT_HEAD_NORM_W, &m->head_norm } };
  int last = -1;
  bool ok = true;
  for (int i = 0; i < 3; i++)
    last = slot_present (c, norms[i].slot) ? i : last;
  for (int i = 0; ok && i < last; i++)
    ok = load_norm (l, norms[i].slot, 0, norms[i].out);
  enum slot norm = last < 0 ? NUM_SLOTS : norms[last].slot;
  struct norm *out = last < 0 ? NULL : norms[last].out;
  if (c->distilled)
    return ok && load_distilled (l, norm, out);
  if (c->head == HEAD_LINEAR)
    return ok && load_linear (l, SLOT_HEAD_W, NUM_SLOTS, norm, 0, c->dim, out, &m->head);
  return ok && load_linear (l, SLOT_HEAD_FC1_W, NUM_SLOTS, norm, 0, c->dim, out, &m->head_fc1)
      && load_linear (l, SLOT_HEAD_W, NUM_SLOTS, NUM_SLOTS, 0, c->head_hidden, NULL, &m->head);
}

/* In parts of about a size: whole blocks would leave one thread with nothing to do while the other does the last. */
enum { PARTS = 3 };

static bool
load_part (struct loader *l, uint32_t i, uint32_t part)
{
  const struct vit_config *c = &l->m->cfg;
  struct block *b = &l->m->blocks[i];
  if (part == 0)
    return load_attention (l, i);
  if (part == 1)
    return load_linear (l, SLOT_FC1_W, NUM_SLOTS, SLOT_NORM2_W, i, c->dim, &b->norm2, &b->fc1);
  return load_linear (l, SLOT_FC2_W, SLOT_LS2, NUM_SLOTS, i, c->mlp_dim, NULL, &b->fc2);
}

static bool
load_item (void *ctx, uint32_t i, vit_error *err)
{
  struct loading *all = ctx;
  struct loader l = { .m = all->m, .file = all->file, .scratch = &all->scratch, .err = err };
  uint32_t block = i / PARTS;
  bool ok = block < l.m->cfg.depth ? load_part (&l, block, i % PARTS) : load_head (&l);
  pthread_mutex_lock (&all->lock);
  all->m->parameters += l.parameters;
  all->m->bytes += l.bytes;
  pthread_mutex_unlock (&all->lock);
  return ok;
}

static void
tell (void *ctx, uint32_t i)
{
  struct load_progress *p = ((struct loading *) ctx)->progress;
  uint32_t block = i / PARTS, depth = p->layers.total - 1;
  progress_set (&p->layers, block < depth ? (i + 1) / PARTS : depth + 1); /* the last is the head */
  progress_set (&p->kernels, compile_done (p->compile));
}

/* Two parts at a time, for kernels are made meanwhile; but each part under way takes the memory of a matrix of floats,
 * and loading should take little more than the weights themselves: one at a time where two are over a sixteenth. */
static uint32_t
choose_threads (const vit_model *m)
{
  double all = 0, largest = 0;
  for (enum slot slot = 0; slot < NUM_SLOTS; slot++)
    if (slot_per_block (slot) && slot_present (&m->cfg, slot)) {
      double count = (double) slot_count (&m->cfg, slot);
      largest = count > largest ? count : largest;
      all += count * m->cfg.depth * (double) store_size (m->store);
    }
  return 2 * largest * sizeof (float) <= all / 16 ? 2 : 1;
}

bool
load_network (vit_model *m, const struct checkpoint *file, struct load_progress *progress, vit_error *err)
{
  const struct vit_config *c = &m->cfg;
  struct loading all = { .m = m, .file = file, .progress = progress };
  struct loader first = { .m = m, .file = file, .scratch = &all.scratch, .err = err };
  if (c->pool != POOL_TOKEN)
    m->folds &= ~(uint32_t) FOLD_LAST;
  if (!m->blocks && !(m->blocks = calloc (c->depth, sizeof *m->blocks)))
    return fail_memory (err, "the blocks", c->depth * sizeof *m->blocks);
  scratch_init (&all.scratch);
  bool ok = load_embedding (&first); /* what is folded there the others want to know */
  m->parameters += first.parameters;
  m->bytes += first.bytes;
  pthread_mutex_init (&all.lock, NULL);
  struct share work = { .num = c->depth * PARTS + 1,
    .threads = choose_threads (m),
    .ctx = &all,
    .item = load_item,
    .before = tell };
  ok = ok && share_out (&work, err);
  pthread_mutex_destroy (&all.lock);
  scratch_finish (&all.scratch);
  return ok;
}
