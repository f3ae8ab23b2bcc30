/* Records the kernel for linear layers of a few rows, whole ones and such that come in parts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear_rows.h"

#include "base/round.h"

/* Beyond that many rows each weight is read too often. */
enum { MAX_ROWS = 8, THREADS = 256 };

/* Shader by the stores of x, w and y; NUM_SHADERS: never asked for. */
static enum shader
rows_shader (enum store x, enum store w, enum store y)
{
  static const enum shader table[2][3][2] = {
    [STORE_F32] = { [STORE_F32] = { SHADER_linear_rows_xf_wf_yf, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_rows_xf_wh_yf, SHADER_linear_rows_xf_wh_yh },
        [STORE_I8] = { SHADER_linear_rows_xf_wq_yf, SHADER_linear_rows_xf_wq_yh } },
    [STORE_F16] = { [STORE_F32] = { NUM_SHADERS, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_rows_xh_wh_yf, SHADER_linear_rows_xh_wh_yh },
        [STORE_I8] = { SHADER_linear_rows_xh_wq_yf, SHADER_linear_rows_xh_wq_yh } },
  };
  return table[x][w][y];
}

/* Vectors of 4 in a row. */
static uint32_t
fours_of (const struct linear_call *c)
{
  return ceil_div (c->p.in_dim, 4);
}

bool
linear_rows_suits (const vit_device *dev, const struct linear_call *c, const struct linear_kernel *k)
{
  (void) k;
  const struct caps *caps = device_caps (dev);
  return !caps->plain && c->weight->layout == LAYOUT_ROWS && c->p.rows <= MAX_ROWS && c->p.bias_rows <= 1
      && c->p.x_first % 4 == 0 && c->p.x_stride % 4 == 0 && c->p.x_stride >= 4 * fours_of (c)
      && THREADS <= caps->max_invocations && 16 * (fours_of (c) + THREADS) <= caps->max_shared;
}

static bool
record (struct recorder *rec, const struct linear_call *c, uint32_t parts, uint32_t part_stride, vit_error *err)
{
  const struct weight *w = c->weight;
  struct rows_params p = { .of = c->p, .parts = parts, .part_stride = part_stride };
  struct dispatch d = {
    .shader = rows_shader (c->x_store, w->store, c->y_store),
    .spec = { 1, { fours_of (c) } },
    .bind = { c->x, span_all (&w->data), span_all (w->bias.handle ? &w->bias : &w->data), c->y },
    .push = &p,
    .push_size = sizeof p,
    .groups = { ceil_div (c->p.out_dim, VIT_ROWS_OUT), c->p.rows, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
record_linear_rows (struct recorder *rec, const struct linear_call *c, const struct linear_kernel *k, vit_error *err)
{
  (void) k;
  return record (rec, c, 1, 0, err);
}

bool
record_linear_parts (struct recorder *rec, const struct linear_call *call, uint32_t parts, vit_error *err)
{
  struct linear_call c = linear_complete (call);
  return record (rec, &c, parts, c.p.x_stride / parts, err);
}
