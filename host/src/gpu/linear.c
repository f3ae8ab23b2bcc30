/* Linear layers: the table of kernels, the choice among them without timing, and weights packed for them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/round.h"
#include "gpu/half.h"
#include "gpu/linear_coopmat.h"
#include "gpu/linear_cpu.h"
#include "gpu/linear_loop.h"
#include "gpu/linear_rows.h"
#include "gpu/linear_tile.h"
#include "gpu/plan.h"
#include "gpu/quantize.h"
#include "gpu/trust.h"
#include "gpu/tuner.h"

/* Shader by the stores of x, w and y; NUM_SHADERS: never asked for. */
static enum shader
plain_shader (enum store x, enum store w, enum store y)
{
  static const enum shader table[2][3][2] = {
    [STORE_F32] = { [STORE_F32] = { SHADER_linear_xf_wf_yf, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_xf_wh_yf, SHADER_linear_xf_wh_yh },
        [STORE_I8] = { SHADER_linear_xf_wq_yf, SHADER_linear_xf_wq_yh } },
    [STORE_F16] = { [STORE_F32] = { NUM_SHADERS, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_xh_wh_yf, SHADER_linear_xh_wh_yh },
        [STORE_I8] = { SHADER_linear_xh_wq_yf, SHADER_linear_xh_wq_yh } },
  };
  return table[x][w][y];
}

static bool
plain_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k)
{
  (void) dev, (void) k;
  return call->weight->layout == LAYOUT_ROWS;
}

/* rows: of one invocation, 1 or 8 */
static bool
record_rows (struct recorder *rec, const struct linear_call *call, uint32_t rows, vit_error *err)
{
  const struct weight *w = call->weight;
  const struct linear_params *p = &call->p;
  struct dispatch d = {
    .shader = plain_shader (call->x_store, w->store, call->y_store),
    .spec = { 2, { rows, p->norm } },
    .bind = { call->x, span_all (&w->data), span_all (w->bias.handle ? &w->bias : &w->data), call->y },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->rows, 8 * rows), ceil_div (p->out_dim, 64), 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

static bool
record_plain (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k, vit_error *err)
{
  (void) k;
  return record_rows (rec, call, call->p.rows <= 8 ? 1 : 8, err); /* a head's few rows shouldn't cost a whole tile */
}

static bool
unrolled_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k)
{
  (void) dev, (void) k;
  return call->weight->layout == LAYOUT_PANELS && !call->p.norm;
}

static bool
loop_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k)
{
  (void) dev, (void) k;
  return call->weight->layout == LAYOUT_LOOP && !call->p.norm;
}

#define TILE_OF(name, ...)                                                                                             \
  {                                                                                                                    \
    name, linear_tile_suits, record_linear_tile, &(const struct tile_shape)                                            \
    {                                                                                                                  \
      __VA_ARGS__                                                                                                      \
    }                                                                                                                  \
  }
#define TILE(text, bm, bn, bk, tm, tn, split)   TILE_OF ("tile_" text, bm, bn, bk, tm, tn, split, false)
#define PACKED(text, bm, bn, bk, tm, tn, split) TILE_OF ("packed_" text, bm, bn, bk, tm, tn, split, true)

#define COOPMAT(text, rows, columns, sums)                                                                             \
  {                                                                                                                    \
    "coopmat_" text, linear_coopmat_suits, record_linear_coopmat, &(const struct coopmat_tile)                         \
    {                                                                                                                  \
      rows, columns, sums                                                                                              \
    }                                                                                                                  \
  }

static const struct linear_kernel kernels[] = {
  { "loop", loop_suits, record_linear_loop, NULL },
  { "unrolled", unrolled_suits, record_linear_cpu, NULL },
  { "rows", linear_rows_suits, record_linear_rows, NULL },
  COOPMAT ("128x128", 128, 128, 64),
  COOPMAT ("64x64", 64, 64, 32),
  COOPMAT ("32x32", 32, 32, 16),
  TILE ("128x128", 128, 128, 16, 8, 8, 1),
  TILE ("128x64", 128, 64, 16, 8, 8, 1),
  TILE ("64x64", 64, 64, 16, 8, 4, 1),
  TILE ("32x64_split4", 32, 64, 16, 4, 8, 4),
  TILE ("32x32_split4", 32, 32, 16, 4, 4, 4),
  PACKED ("64x64", 64, 64, 16, 8, 4, 1),
  PACKED ("32x32_split4", 32, 32, 16, 4, 4, 4),
  { "plain", plain_suits, record_plain, NULL },
};
/* What keeps a large GPU busy. A small one loses little by smaller tiles; else most of it would idle. */
enum { ENOUGH_GROUPS = 128 };
enum { NUM_KERNELS = sizeof kernels / sizeof *kernels };

uint32_t
linear_num_kernels (void)
{
  return NUM_KERNELS;
}

const struct linear_kernel *
linear_kernel_at (uint32_t index)
{
  return &kernels[index];
}

const struct linear_kernel *
linear_kernel_named (const char *name)
{
  for (uint32_t i = 0; i < NUM_KERNELS; i++)
    if (strcmp (kernels[i].name, name) == 0)
      return &kernels[i];
  return NULL;
}

struct linear_call
linear_complete (const struct linear_call *call)
{
  struct linear_call c = *call;
  c.p.in_dim = call->weight->in_dim;
  c.p.out_dim = call->weight->out_dim;
  c.p.w_stride = call->weight->stride;
  c.p.bias_rows = call->weight->bias_rows;
  return c;
}

/* A kernel for weights that the plain one can't read is judged before they are packed, not here. */
static bool
linear_trusted (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k)
{
  return call->weight->layout != LAYOUT_ROWS || !trust_refuses (dev, TRUST_LINEAR, k->name, call->p.in_dim);
}

/* Workgroups of a kernel that comes in tiles of several sizes; 0: it has one way only. */
static uint32_t
tiles_of (const struct linear_kernel *k, const struct linear_call *call)
{
  if (k->record == record_linear_coopmat)
    return linear_coopmat_groups (call, k->shape);
  return k->record == record_linear_tile ? linear_tile_groups (call, k->shape) : 0;
}

/* Tiles and the kernel for a few rows, whose invocations meet in shared memory, are for GPUs; sums in half for those
 * who timed them. */
static bool
out_of_place (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k)
{
  if (k->record == record_linear_tile && ((const struct tile_shape *) k->shape)->packed)
    return true;
  return (tiles_of (k, call) || k->record == record_linear_rows) && !device_caps (dev)->gpu;
}

/* The first that suits; of a family of tiles the largest that keeps the device busy, or else the smallest. */
const struct linear_kernel *
linear_static_choice (const vit_device *dev, const struct linear_call *call)
{
  const struct linear_kernel *smallest = NULL;
  for (uint32_t i = 0; i < NUM_KERNELS; i++) {
    const struct linear_kernel *k = &kernels[i];
    bool last = i + 1 == NUM_KERNELS, suits = last || (k->suits (dev, call, k) && linear_trusted (dev, call, k));
    uint32_t tiles = suits ? tiles_of (k, call) : 0;
    if (smallest && k->record != smallest->record)
      return smallest;
    if (!suits || out_of_place (dev, call, k))
      continue;
    if (!tiles || tiles >= ENOUGH_GROUPS)
      return k;
    smallest = k;
  }
  return smallest;
}

bool
linear_normalises (const vit_device *dev, const struct linear_call *without, const struct linear_call *with)
{
  struct linear_call plain = linear_complete (without), normed = linear_complete (with);
  const struct linear_kernel *k = linear_static_choice (dev, &plain);
  return k->suits (dev, &normed, k);
}

bool
record_linear (struct recorder *rec, const struct linear_call *call, vit_error *err)
{
  struct linear_call c = linear_complete (call);
  const struct linear_kernel *k = tuner_linear (recorder_device (rec), &c);
  struct plan *plan = k == &kernels[NUM_KERNELS - 1] ? NULL : recorder_dry_plan (rec);
  struct special s = { .kind = SPECIAL_LINEAR,
    .linear = k,
    .weight = *c.weight,
    .x_store = c.x_store,
    .y_store = c.y_store,
    .p.linear = c.p };
  if (!plan_call (recorder_dry_plan (rec), &s, err))
    return false;
  if (plan && !plan_special (plan, &s, err))
    return false;
  bool ok = k->record (rec, &c, k, err);
  if (plan)
    plan_end_special (plan);
  return ok;
}

/* One row an invocation is slower than eight and half the code: lavapipe of Mesa 22.3 compiles it in 0.5 s instead of
 * 1.1 s. */
bool
record_linear_reference (struct recorder *rec, const struct linear_call *call, vit_error *err)
{
  struct linear_call c = linear_complete (call);
  return record_rows (rec, &c, 1, err);
}

/* (out_dim, in_dim) -> rows of `stride` with zeros behind */
static void
pack_rows (const struct weight *shape, const struct weight_values *v, uint8_t *out)
{
  uint32_t in_dim = shape->in_dim;
  size_t size = store_size (shape->store), row_bytes = shape->stride * size;
  for (size_t n = 0; n < shape->out_dim; n++) {
    uint8_t *row = out + n * row_bytes;
    if (v->q)
      memcpy (row, v->q + n * in_dim, in_dim);
    else if (shape->store == STORE_F16)
      half_from_floats ((uint16_t *) (void *) row, v->w + n * in_dim, in_dim);
    else
      memcpy (row, v->w + n * in_dim, in_dim * sizeof *v->w);
    memset (row + in_dim * size, 0, row_bytes - in_dim * size);
  }
}

static enum weight_layout
choose_layout (vit_device *dev, enum store activations, uint32_t in_dim, uint32_t out_dim)
{
  if (activations != STORE_F32)
    return LAYOUT_ROWS;
  if (linear_loop_suits (dev, in_dim, out_dim) && !trust_refuses (dev, TRUST_LINEAR, "loop", in_dim))
    return LAYOUT_LOOP;
  if (linear_cpu_suits (dev, in_dim, out_dim) && !trust_refuses (dev, TRUST_LINEAR, "unrolled", in_dim))
    return LAYOUT_PANELS;
  return LAYOUT_ROWS;
}

void
weight_plan (vit_device *dev, enum store store, enum store activations, uint32_t bias_rows, uint32_t in_dim,
    uint32_t out_dim, struct weight *out)
{
  *out = (struct weight) {
    .bias_rows = bias_rows,
    .in_dim = in_dim,
    .out_dim = out_dim,
    .store = store,
    .layout = choose_layout (dev, activations, in_dim, out_dim),
    .stride = round_up (in_dim, WEIGHT_ALIGN),
  };
}

/* Scales and bias, where data doesn't hold them. */
static bool
create_vectors (vit_device *dev, const struct weight_values *v, const char *name, struct weight *out, vit_error *err)
{
  bool panels = out->layout == LAYOUT_PANELS;
  VkDeviceSize row = out->out_dim * sizeof (float), scales = v->scales && !panels ? row : 0;
  VkDeviceSize bias = panels && out->bias_rows == 1 ? 0 : out->bias_rows * row;
  return (!scales && !bias)
      || (buffer_create (dev, MEMORY_LOCAL, scales + bias, name, &out->bias, err)
          && (!scales || buffer_write (dev, &out->bias, 0, v->scales, scales, err))
          && (!bias || buffer_write (dev, &out->bias, scales, v->bias, bias, err)));
}

/* STORE_I8: fills q and scales, to be freed. */
static bool
quantize (const struct weight *shape, struct weight_values *v, const char *name, vit_error *err)
{
  size_t count = (size_t) shape->out_dim * shape->in_dim;
  v->q = malloc (count);
  v->scales = malloc (shape->out_dim * sizeof *v->scales);
  if (!v->q || !v->scales)
    return fail_memory (err, name, count + shape->out_dim * sizeof *v->scales);
  quantize_rows (v->w, shape->out_dim, shape->in_dim, v->q, v->scales);
  return true;
}

static size_t
packed_bytes (const vit_device *dev, const struct weight *shape)
{
  return shape->layout == LAYOUT_PANELS ? linear_cpu_bytes (dev, shape)
      : shape->layout == LAYOUT_LOOP    ? linear_loop_bytes (dev, shape)
                                        : (size_t) shape->out_dim * shape->stride * store_size (shape->store);
}

/* Packs in the device's own memory where the CPU can write to it. */
static bool
create_data (vit_device *dev, const struct weight_values *v, const char *name, struct weight *out, vit_error *err)
{
  size_t bytes = packed_bytes (dev, out);
  if (!buffer_create (dev, MEMORY_LOCAL, bytes, name, &out->data, err))
    return false;
  uint8_t *apart = out->data.map ? NULL : malloc (bytes), *to = out->data.map ? out->data.map : apart;
  if (!to)
    return fail_memory (err, name, bytes);
  if (apart || device_caps (dev)->software) /* ordinary memory */
    pages_expect (to, bytes);
  if (out->layout == LAYOUT_PANELS)
    linear_cpu_pack (dev, out, v, to);
  else if (out->layout == LAYOUT_LOOP)
    linear_loop_pack (dev, out, v, to);
  else
    pack_rows (out, v, to);
  bool ok = apart ? buffer_write (dev, &out->data, 0, apart, bytes, err) : buffer_flush (dev, &out->data, err);
  free (apart);
  return ok;
}

bool
weight_fill (vit_device *dev, const float *w, const float *bias, const char *name, struct weight *out, vit_error *err)
{
  struct weight_values v = { .w = w, .bias = bias };
  bool ok = (out->store != STORE_I8 || quantize (out, &v, name, err)) && create_data (dev, &v, name, out, err)
      && create_vectors (dev, &v, name, out, err);
  free (v.q);
  free (v.scales);
  if (!ok)
    weight_destroy (dev, out);
  return ok;
}

bool
weight_create (vit_device *dev, enum store store, enum store activations, const float *w, const float *bias,
    uint32_t bias_rows, uint32_t in_dim, uint32_t out_dim, const char *name, struct weight *out, vit_error *err)
{
  weight_plan (dev, store, activations, bias_rows, in_dim, out_dim, out);
  return weight_fill (dev, w, bias, name, out, err);
}

void
weight_destroy (vit_device *dev, struct weight *w)
{
  buffer_destroy (dev, &w->data);
  buffer_destroy (dev, &w->bias);
}

uint64_t
weight_bytes (const struct weight *w)
{
  return w->data.size + w->bias.size;
}
