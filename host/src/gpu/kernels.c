/* Records the kernels that need no choice: norms, tokens, pooling, preprocessing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/round.h"
#include <string.h>

#include "gpu/layernorm_cpu.h"
#include "gpu/plan.h"
#include "gpu/rows_loop.h"
#include "gpu/trust.h"

enum { GROUPS_X = 32768 }; /* rows beyond that go to the second dimension: 65535 a dimension is guaranteed */

/* The best first; what none of them does is the plain kernel's. */
static const struct layernorm_kernel layernorms[] = {
  { "loop", layernorm_loop_suits, record_layernorm_loop },
  { "unrolled", layernorm_cpu_suits, record_layernorm_cpu },
};

bool
record_layernorm (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, enum store y_store, const struct layernorm_params *p, vit_error *err)
{
  vit_device *dev = recorder_device (rec);
  for (uint32_t i = 0; y_store == STORE_F32 && i < sizeof layernorms / sizeof *layernorms; i++) {
    const struct layernorm_kernel *k = &layernorms[i];
    if (!k->suits (dev, p) || trust_refuses (dev, TRUST_LAYERNORM, k->name, p->dim))
      continue;
    struct plan *plan = recorder_dry_plan (rec);
    struct special s = { .kind = SPECIAL_LAYERNORM, .layernorm = k, .has_weight = weight != NULL, .p.layernorm = *p };
    if (plan && !plan_special (plan, &s, err))
      return false;
    bool ok = k->record (rec, x, weight, bias, y, p, err);
    if (plan)
      plan_end_special (plan);
    return ok;
  }
  return record_layernorm_plain (rec, x, weight, bias, y, y_store, p, err);
}

bool
record_layernorm_plain (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, enum store y_store, const struct layernorm_params *p, vit_error *err)
{
  struct dispatch d = {
    .shader = y_store == STORE_F16 ? SHADER_layernorm_xf_yh : SHADER_layernorm_xf_yf,
    .spec = { 1, { weight != NULL } },
    /* without them their bindings are never read, but must be there */
    .bind = { x, weight ? span_all (weight) : x, bias ? span_all (bias) : x, y },
    .push = p,
    .push_size = sizeof *p,
    .groups = { p->rows < GROUPS_X ? p->rows : GROUPS_X, ceil_div (p->rows, GROUPS_X), 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
record_tokens (struct recorder *rec, struct span patches, const struct buffer *prefix, const struct buffer *pos,
    struct span y, const struct tokens_params *p, vit_error *err)
{
  uint32_t rows = p->batch * p->tokens;
  struct dispatch d = {
    .shader = SHADER_tokens,
    /* without prefix tokens their binding is never read, but must be there */
    .bind = { patches, span_all (p->num_prefix ? prefix : pos), span_all (pos), y },
    .push = p,
    .push_size = sizeof *p,
    .groups = { rows < GROUPS_X ? rows : GROUPS_X, ceil_div (rows, GROUPS_X), 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
record_pool (struct recorder *rec, struct span x, struct span y, const struct pool_params *p, vit_error *err)
{
  struct dispatch d = {
    .shader = SHADER_pool,
    .bind = { x, { 0 }, { 0 }, y },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->dim, 64), p->batch, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

/* In steps, so that pictures of about a size share a pipeline. */
enum { ROWS_STEP = 32 };

bool
preprocess_at_once (const vit_device *dev, uint32_t tile_rows)
{
  const struct caps *caps = device_caps (dev);
  return !caps->unrolled && tile_rows > 0 && caps->max_invocations >= VIT_TILE_SIDE * VIT_TILE_SIDE
      && round_up (tile_rows, ROWS_STEP) <= caps->max_shared / (VIT_TILE_SIDE * sizeof (uint32_t));
}

bool
record_preprocess (struct recorder *rec, struct span frame, struct span tables, struct span patches, enum store store,
    const struct preprocess_h_params *h, const struct preprocess_v_params *v, uint32_t tile_rows, vit_error *err)
{
  struct preprocess_params p = {
    .planes = h->planes,
    .width = v->width,
    .height = v->height,
    .x_groups = h->max_groups,
    .y_groups = v->max_groups,
    .last_row = v->last_row,
    .patch_width = v->patch_width,
    .patch_height = v->patch_height,
    .fill = v->fill,
    .out_first = v->out_first,
    .out_stride = v->out_stride,
    .zeros = v->zeros,
  };
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_preprocess_yh : SHADER_preprocess_yf,
    .spec = { 8, { h->kind, round_up (tile_rows, ROWS_STEP) } },
    .bind = { frame, tables, { 0 }, patches },
    .push = &p,
    .push_size = sizeof p,
    .groups = { ceil_div (v->width, VIT_TILE_SIDE), ceil_div (v->height, VIT_TILE_SIDE), 1 },
  };
  memcpy (&d.spec.value[2], v->scale, sizeof v->scale); /* floats by their bits */
  memcpy (&d.spec.value[5], v->offset, sizeof v->offset);
  return recorder_dispatch (rec, &d, err);
}

bool
record_preprocess_h (struct recorder *rec, struct span frame, struct span tables, struct span rows,
    const struct preprocess_h_params *p, vit_error *err)
{
  bool vertical = p->kind & VIT_FRAME_VERTICAL;
  uint32_t blocks = ceil_div (p->num_rows + p->planes.chroma_y_phase, VIT_FRAME_BLOCK);
  struct dispatch d = {
    .shader = SHADER_preprocess_h,
    .spec = { 1, { p->kind } },
    .bind = { frame, tables, { 0 }, rows },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->width, 64), vertical ? p->num_rows : blocks, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
record_preprocess_v (struct recorder *rec, struct span rows, struct span tables, struct span patches, enum store store,
    const struct preprocess_v_params *p, vit_error *err)
{
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_preprocess_v_yh : SHADER_preprocess_v_yf,
    .bind = { rows, tables, { 0 }, patches },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->width, 256), p->height, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
