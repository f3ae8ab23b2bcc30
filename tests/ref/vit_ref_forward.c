/* The whole forward pass of one image in double, from a checkpoint's own numbers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "ref/vit_ref.h"

struct pass {
  const struct checkpoint *c;
  const struct vit_config *cfg;
  ref_tap tap;
  void *ctx;
  vit_error *err;
  double *x;             /* (tokens, dim) the residual stream */
  double *a, *b;         /* each large enough for any intermediate tensor of one image */
  double *weight, *bias; /* large enough for any slot */
  float *raw;
};

/* Shows a tensor; block < 0: name stands alone. */
static void
show (const struct pass *p, int block, const char *name, const double *data, uint32_t rows, uint32_t columns)
{
  char full[64];
  if (!p->tap)
    return;
  if (block < 0)
    snprintf (full, sizeof full, "%s", name);
  else
    snprintf (full, sizeof full, "blocks.%d%s%s", block, *name ? "." : "", name);
  p->tap (p->ctx, full, data, rows, columns);
}

static bool
read_slot (struct pass *p, enum slot slot, int block, double *out)
{
  if (!checkpoint_read (p->c, slot, block < 0 ? 0 : (uint32_t) block, p->raw, p->err))
    return false;
  size_t n = slot_count (p->cfg, slot);
  for (size_t i = 0; i < n; i++)
    out[i] = p->raw[i];
  return true;
}

/* y = act (x w^T + b), (rows, in) -> (rows, out) */
static bool
linear (struct pass *p, int block, enum slot w, enum slot b, uint32_t rows, uint32_t in, uint32_t out, uint32_t act,
    const double *x, double *y)
{
  struct linear_params params = { .rows = rows,
    .in_dim = in,
    .out_dim = out,
    .x_stride = in,
    .y_stride = out,
    .act = act,
    .bias_rows = slot_present (p->cfg, b) };
  if (!read_slot (p, w, block, p->weight) || (params.bias_rows && !read_slot (p, b, block, p->bias)))
    return false;
  ref_linear (&params, x, p->weight, p->bias, y);
  return true;
}

/* (rows, dim) -> (rows, dim); x may be y */
static bool
norm (struct pass *p, int block, enum slot w, enum slot b, uint32_t rows, const double *x, double *y)
{
  uint32_t dim = p->cfg->dim;
  struct layernorm_params params = { .rows = rows, .dim = dim, .x_stride = dim, .y_stride = dim, .eps = p->cfg->eps };
  if (!read_slot (p, w, block, p->weight) || !read_slot (p, b, block, p->bias))
    return false;
  ref_layernorm (&params, x, p->weight, p->bias, y);
  return true;
}

/* x += scale * branch, (tokens, dim), scale (dim) or all ones */
static bool
add_branch (struct pass *p, int block, enum slot scale, const double *branch)
{
  size_t dim = p->cfg->dim, n = config_tokens (p->cfg) * dim;
  bool scaled = slot_present (p->cfg, scale);
  if (scaled && !read_slot (p, scale, block, p->weight))
    return false;
  for (size_t i = 0; i < n; i++)
    p->x[i] += branch[i] * (scaled ? p->weight[i % dim] : 1);
  return true;
}

/* patches -> x */
static bool
embed (struct pass *p, const float *patches)
{
  const struct vit_config *g = p->cfg;
  uint32_t rows = config_patches (g), tokens = config_tokens (g), in = 3 * g->patch_height * g->patch_width;
  for (size_t i = 0; i < (size_t) rows * in; i++)
    p->a[i] = patches[i];
  show (p, -1, "patches", p->a, rows, in);
  if (!linear (p, -1, SLOT_PATCH_W, SLOT_PATCH_B, rows, in, g->dim, VIT_ACT_NONE, p->a, p->b))
    return false;
  if (g->patch_norm) {
    show (p, -1, "patch_embed.proj", p->b, rows, g->dim);
    if (!norm (p, -1, SLOT_PATCH_NORM_W, SLOT_PATCH_NORM_B, rows, p->b, p->b))
      return false;
  }
  show (p, -1, "patch_embed", p->b, rows, g->dim);

  struct tokens_params params = { .batch = 1, .tokens = tokens, .num_prefix = g->num_prefix, .dim = g->dim };
  if ((g->num_prefix && !read_slot (p, SLOT_PREFIX, -1, p->weight)) || !read_slot (p, SLOT_POS, -1, p->a))
    return false;
  ref_tokens (&params, p->b, p->weight, p->a, p->x);
  if (g->pre_norm) {
    show (p, -1, "pos_embed", p->x, tokens, g->dim);
    if (!norm (p, -1, SLOT_PRE_NORM_W, SLOT_PRE_NORM_B, tokens, p->x, p->x))
      return false;
  }
  show (p, -1, "tokens", p->x, tokens, g->dim);
  return true;
}

/* x -> x */
static bool
block (struct pass *p, int n)
{
  const struct vit_config *g = p->cfg;
  uint32_t tokens = config_tokens (g), width = g->heads * g->head_dim;
  struct attention_params attention = { .batch = 1,
    .tokens = tokens,
    .heads = g->heads,
    .head_dim = g->head_dim,
    .qkv_stride = 3 * width,
    .out_stride = width,
    .scale = (float) (g->qk_scale / log (2)) };

  if (!norm (p, n, SLOT_NORM1_W, SLOT_NORM1_B, tokens, p->x, p->a))
    return false;
  show (p, n, "norm1", p->a, tokens, g->dim);
  if (!linear (p, n, SLOT_QKV_W, SLOT_QKV_B, tokens, g->dim, 3 * width, VIT_ACT_NONE, p->a, p->b))
    return false;
  show (p, n, "attn.qkv", p->b, tokens, 3 * width);
  ref_attention (&attention, p->b, p->a);
  show (p, n, "attn", p->a, tokens, width);
  if (!linear (p, n, SLOT_PROJ_W, SLOT_PROJ_B, tokens, width, g->dim, VIT_ACT_NONE, p->a, p->b)
      || !add_branch (p, n, SLOT_LS1, p->b))
    return false;
  show (p, n, "attn.residual", p->x, tokens, g->dim);

  if (!norm (p, n, SLOT_NORM2_W, SLOT_NORM2_B, tokens, p->x, p->a))
    return false;
  show (p, n, "norm2", p->a, tokens, g->dim);
  if (!linear (p, n, SLOT_FC1_W, SLOT_FC1_B, tokens, g->dim, g->mlp_dim, g->act, p->a, p->b))
    return false;
  show (p, n, "mlp.act", p->b, tokens, g->mlp_dim);
  if (!linear (p, n, SLOT_FC2_W, SLOT_FC2_B, tokens, g->mlp_dim, g->dim, VIT_ACT_NONE, p->b, p->a)
      || !add_branch (p, n, SLOT_LS2, p->a))
    return false;
  show (p, n, "", p->x, tokens, g->dim);
  return true;
}

/* x -> a: (1, dim) */
static bool
pool (struct pass *p)
{
  const struct vit_config *g = p->cfg;
  uint32_t tokens = config_tokens (g);
  if (g->final_norm) {
    if (!norm (p, -1, SLOT_NORM_W, SLOT_NORM_B, tokens, p->x, p->x))
      return false;
    show (p, -1, "norm", p->x, tokens, g->dim);
  }
  struct pool_params params = { .batch = 1, .tokens = tokens, .num_prefix = g->num_prefix, .dim = g->dim };
  if (g->pool == POOL_MEAN)
    ref_pool (&params, p->x, p->a);
  size_t width = g->dim * (g->distilled + 1u); /* of the class token, and the distillation token beside it */
  for (size_t c = 0; g->pool == POOL_TOKEN && c < width; c++)
    p->a[c] = p->x[c];
  if (g->pool_norm) {
    show (p, -1, g->pool == POOL_MEAN ? "pool.mean" : "norm.token", p->a, 1, g->dim);
    if (!norm (p, -1, SLOT_POOL_NORM_W, SLOT_POOL_NORM_B, 1, p->a, p->a))
      return false;
  }
  show (p, -1, "pool", p->a, 1, (uint32_t) width);
  return true;
}

/* a: (1, dim) -> logits */
static bool
classify (struct pass *p, double *logits)
{
  const struct vit_config *g = p->cfg;
  uint32_t in = g->dim;
  const double *x = p->a;
  if (g->head != HEAD_LINEAR) {
    if (g->head == HEAD_MLP) {
      if (!norm (p, -1, SLOT_HEAD_NORM_W, SLOT_HEAD_NORM_B, 1, p->a, p->a))
        return false;
      show (p, -1, "head.norm", p->a, 1, g->dim);
    }
    if (!linear (p, -1, SLOT_HEAD_FC1_W, SLOT_HEAD_FC1_B, 1, in, g->head_hidden,
            g->head == HEAD_TANH ? VIT_ACT_TANH : g->act, p->a, p->b))
      return false;
    show (p, -1, "head.hidden", p->b, 1, g->head_hidden);
    in = g->head_hidden;
    x = p->b;
  }
  if (g->distilled) { /* each token by both heads: (2, 2 * classes), of which its own counts */
    if (!linear (p, -1, SLOT_HEAD_W, SLOT_HEAD_B, 2, in, 2 * g->classes, VIT_ACT_NONE, x, p->b))
      return false;
    for (size_t c = 0; c < g->classes; c++)
      logits[c] = (p->b[c] + p->b[3 * g->classes + c]) / 2;
  } else if (!linear (p, -1, SLOT_HEAD_W, SLOT_HEAD_B, 1, in, g->classes, VIT_ACT_NONE, x, logits))
    return false;
  show (p, -1, "logits", logits, 1, g->classes);
  return true;
}

static size_t
larger (size_t a, size_t b)
{
  return a > b ? a : b;
}

static bool
allocate (struct pass *p)
{
  const struct vit_config *g = p->cfg;
  size_t widest = larger (larger (g->mlp_dim, 3 * (size_t) g->heads * g->head_dim), larger (g->dim, g->head_hidden));
  widest = larger (widest, 2 * g->classes);
  size_t any = larger (widest * config_tokens (g), (size_t) config_patches (g) * 3 * g->patch_height * g->patch_width);
  size_t slot = 1;
  for (int s = 0; s < NUM_SLOTS; s++)
    if (slot_present (g, s))
      slot = larger (slot, slot_count (g, s));
  p->x = calloc (any, sizeof *p->x);
  p->a = calloc (any, sizeof *p->a);
  p->b = calloc (any, sizeof *p->b);
  p->weight = calloc (slot, sizeof *p->weight);
  p->bias = calloc (slot, sizeof *p->bias);
  p->raw = calloc (slot, sizeof *p->raw);
  if (!p->x || !p->a || !p->b || !p->weight || !p->bias || !p->raw)
    return fail_memory (p->err, "reference forward pass", any * sizeof *p->x);
  return true;
}

bool
ref_forward (const struct checkpoint *c, const float *patches, ref_tap tap, void *ctx, double *logits, vit_error *err)
{
  struct pass p = { .c = c, .cfg = checkpoint_config (c), .tap = tap, .ctx = ctx, .err = err };
  bool ok = allocate (&p) && embed (&p, patches);
  for (uint32_t n = 0; ok && n < p.cfg->depth; n++)
    ok = block (&p, (int) n);
  ok = ok && pool (&p) && classify (&p, logits);
  free (p.x);
  free (p.a);
  free (p.b);
  free (p.weight);
  free (p.bias);
  free (p.raw);
  return ok;
}
