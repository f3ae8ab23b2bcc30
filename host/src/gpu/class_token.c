/* Records a transformer block for one token of each image, and tells whether the device does that. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/round.h"
#include "gpu/device.h"
#include "gpu/recorder.h"

/* More images than that fill a GPU by themselves, and would read every weight too often. */
enum { MAX_IMAGES = 8, THREADS = 256, BINDINGS = 6 };

static bool
readable (const struct weight *w)
{
  return w->layout == LAYOUT_ROWS && w->in_dim % 4 == 0 && w->bias_rows <= 1;
}

/* Of both kernels and of linear_rows behind them; the arithmetic of the shaders' declarations. */
static uint32_t
shared_bytes (const struct class_block *b)
{
  uint32_t vectors = b->qkv->in_dim / 4 + THREADS + b->head_dim / 4 + VIT_CLASS_HIDDEN / 4;
  return 16 * vectors + 3 * (uint32_t) sizeof (float) * b->tokens;
}

bool
class_block_suits (const vit_device *dev, const struct class_block *b)
{
  const struct caps *caps = device_caps (dev);
  return !caps->unrolled && caps->bindings >= BINDINGS && caps->max_invocations >= THREADS && b->images <= MAX_IMAGES
      && readable (b->qkv) && readable (b->proj) && readable (b->fc1) && readable (b->fc2) && readable (b->next)
      && b->head_dim % 4 == 0 && shared_bytes (b) <= caps->max_shared;
}

uint32_t
class_mlp_parts (const struct class_block *b)
{
  return ceil_div (b->fc1->out_dim, VIT_CLASS_HIDDEN);
}

static struct span
bias_of (const struct weight *w)
{
  return span_all (w->bias.handle ? &w->bias : &w->data);
}

bool
record_class_attention (struct recorder *rec, struct span x, struct span parts, const struct class_block *b,
    vit_error *err)
{
  static const enum shader shaders[] = { [STORE_F32] = SHADER_class_attention_wf,
    [STORE_F16] = SHADER_class_attention_wh,
    [STORE_I8] = SHADER_class_attention_wq };
  struct class_attention_params p = {
    .w_stride = b->qkv->stride,
    .wp_stride = b->proj->stride,
    .has_bias = b->qkv->bias_rows,
    .has_bp = b->proj->bias_rows,
    .scale = b->scale,
    .eps = b->eps,
  };
  struct dispatch d = {
    .shader = shaders[b->qkv->store],
    .spec = { 3, { b->qkv->in_dim / 4, b->head_dim, b->tokens } },
    .bind = { x, span_all (&b->qkv->data), bias_of (b->qkv), parts, span_all (&b->proj->data), bias_of (b->proj) },
    .push = &p,
    .push_size = sizeof p,
    .groups = { b->proj->in_dim / b->head_dim, b->images, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
record_class_mlp (struct recorder *rec, struct span x, struct span parts, const struct class_block *b, vit_error *err)
{
  static const enum shader shaders
      [] = { [STORE_F32] = SHADER_class_mlp_wf, [STORE_F16] = SHADER_class_mlp_wh, [STORE_I8] = SHADER_class_mlp_wq };
  struct class_mlp_params p = {
    .parts = b->proj->in_dim / b->head_dim,
    .dim = b->fc1->in_dim,
    .hidden = b->fc1->out_dim,
    .w1_stride = b->fc1->stride,
    .w2_stride = b->fc2->stride,
    .has_b1 = b->fc1->bias_rows,
    .has_b2 = b->fc2->bias_rows,
    .act = b->act,
    .eps = b->eps,
  };
  struct dispatch d = {
    .shader = shaders[b->fc1->store],
    .spec = { 1, { b->fc1->in_dim / 4 } },
    .bind = { x, span_all (&b->fc1->data), bias_of (b->fc1), parts, span_all (&b->fc2->data), bias_of (b->fc2) },
    .push = &p,
    .push_size = sizeof p,
    .groups = { class_mlp_parts (b), b->images, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
