/* Records the tiled linear kernel: which variant a call needs, and whether the device has room for its tile. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear_tile.h"

#include "base/round.h"

/* Shader by the stores of x, w and y, and whether halves are numbers to the device or only a way to store them. */
static enum shader
tile_shader (const struct caps *caps, const struct linear_call *c)
{
  static const enum shader of_floats[3][2] = {
    [STORE_F32] = { SHADER_linear_tile_xf_wf_yf, NUM_SHADERS },
    [STORE_F16] = { SHADER_linear_tile_xf_wh_yf, SHADER_linear_tile_xf_wh_yh },
    [STORE_I8] = { SHADER_linear_tile_xf_wq_yf, SHADER_linear_tile_xf_wq_yh },
  };
  static const enum shader of_halves[2][3][2] = {
    [false] = { [STORE_F32] = { NUM_SHADERS, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_tile_xh_wh_yf, SHADER_linear_tile_xh_wh_yh },
        [STORE_I8] = { SHADER_linear_tile_xh_wq_yf, SHADER_linear_tile_xh_wq_yh } },
    [true] = { [STORE_F32] = { NUM_SHADERS, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_tile_a16_xh_wh_yf, SHADER_linear_tile_a16_xh_wh_yh },
        [STORE_I8] = { SHADER_linear_tile_a16_xh_wq_yf, SHADER_linear_tile_a16_xh_wq_yh } },
  };
  return c->x_store == STORE_F32 ? of_floats[c->weight->store][c->y_store]
                                 : of_halves[caps->float16][c->weight->store][c->y_store];
}

/* Halves are numbers to it, and bytes times halves would soon exceed them. */
static bool
can_pack (const struct caps *caps, const struct linear_call *c)
{
  return caps->float16 && c->x_store == STORE_F16 && c->weight->store == STORE_F16;
}

static uint32_t
step_of (const struct linear_call *c, const struct tile_shape *s)
{
  return c->x_store == STORE_F32 && c->weight->store == STORE_F32 ? s->bk / 2 : s->bk;
}

static uint32_t
threads_of (const struct tile_shape *s)
{
  return s->split * (s->bm / s->tm) * (s->bn / s->tn);
}

/* Of shared memory, where bytes are halves; the arithmetic of the shader's declarations. */
static uint32_t
shared_bytes (const struct linear_call *c, const struct tile_shape *s, uint32_t stages)
{
  uint32_t w_size = c->weight->store == STORE_F32 ? 4 : 2;
  uint32_t bytes = step_of (c, s) * ((s->bm + 4) * store_size (c->x_store) + (s->bn + 4) * w_size);
  uint32_t tiles = s->split * stages * bytes, sums = s->split > 1 ? s->bm * s->bn * (uint32_t) sizeof (float) : 0;
  uint32_t norms = c->p.norm ? threads_of (s) * (uint32_t) sizeof (float) + s->bm * 2 * (uint32_t) sizeof (float) : 0;
  return (tiles > sums ? tiles : sums) + norms;
}

static bool
by_fours (const struct linear_call *c)
{
  return c->p.out_dim % 4 == 0 && c->p.y_stride % 4 == 0 && c->p.y_first % 4 == 0;
}

/* Normalising takes registers, and so do loads under way: four of them and 64 sums spill on gfx1100 (Mesa 22.3.6). */
static bool
fits_registers (const struct linear_call *c, const struct tile_shape *s)
{
  uint32_t loads = s->bm * step_of (c, s) * store_size (c->x_store) / 16 * s->split / threads_of (s);
  return !c->p.norm || s->tm * s->tn < 64 || loads <= 2;
}

bool
linear_tile_suits (const vit_device *dev, const struct linear_call *c, const struct linear_kernel *k)
{
  const struct caps *caps = device_caps (dev);
  const struct tile_shape *s = k->shape;
  return !caps->plain && (!s->packed || can_pack (caps, c)) && c->weight->layout == LAYOUT_ROWS
      && tile_shader (caps, c) != NUM_SHADERS && !(c->p.norm && c->x_store == STORE_F16)
      && !(c->p.bias_rows > 1 && (!by_fours (c) || c->weight->store == STORE_I8))
      && !(c->weight->store == STORE_I8 && !by_fours (c)) && c->p.x_first % ROW_ALIGN == 0
      && c->p.x_stride % ROW_ALIGN == 0 && (c->y_store == STORE_F32 || by_fours (c))
      && threads_of (s) <= caps->max_invocations && fits_registers (c, s) && shared_bytes (c, s, 1) <= caps->max_shared;
}

uint32_t
linear_tile_groups (const struct linear_call *c, const struct tile_shape *s)
{
  return ceil_div (c->p.out_dim, s->bn) * ceil_div (c->p.rows, s->bm);
}

bool
record_linear_tile (struct recorder *rec, const struct linear_call *c, const struct linear_kernel *k, vit_error *err)
{
  const struct caps *caps = device_caps (recorder_device (rec));
  const struct tile_shape *s = k->shape;
  const struct weight *w = c->weight;
  const struct linear_params *p = &c->p;
  uint32_t step = step_of (c, s), stages = shared_bytes (c, s, 2) <= caps->max_shared ? 2 : 1;
  uint32_t flags = (p->add ? VIT_TILE_ADD : 0) | (p->bias_rows ? VIT_TILE_BIAS : 0)
      | (p->bias_rows > 1 ? VIT_TILE_TABLE : 0) | (p->norm ? VIT_TILE_NORM : 0) | (s->packed ? VIT_TILE_PACKED : 0)
      | (p->in_dim % (step * s->split) ? VIT_TILE_TAIL : 0) | (by_fours (c) ? 0 : VIT_TILE_SINGLE);
  struct dispatch d = {
    .shader = tile_shader (caps, c),
    .spec = { 10, { threads_of (s), s->bm, s->bn, step, s->tm, s->tn, s->split, stages, p->act, flags } },
    .bind = { c->x, span_all (&w->data), span_all (w->bias_rows || w->store == STORE_I8 ? &w->bias : &w->data), c->y },
    .push = p,
    .push_size = sizeof *p,
    /* columns first: weights stay in the cache while rows stream by */
    .groups = { ceil_div (p->out_dim, s->bn), ceil_div (p->rows, s->bm), 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
