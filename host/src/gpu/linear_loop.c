/* Packs weights for the looping linear kernel and records it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear_loop.h"

#include <string.h>

#include "base/round.h"
#include "cpu/cpu_loop.h"
#include "gpu/cpu_output.h"
#include "gpu/half.h"

enum { MIN_BLOCK = 32, MAX_BLOCK = 64 };

_Static_assert(sizeof (struct cpu_loop_linear_params) <= MAX_PUSH, "push constants over the guaranteed size");

/* Outputs of one subgroup: accumulators, weights and a product must fit into the CPU's registers. Measured on lavapipe
 * of Mesa 26.2, two Zen 4 cores, 197 x 768 x 768 and B/16's other shapes: 16 lanes 18 x 1 best, float by up to 10 %
 * before 8 x 2, halves and bytes by 10 to 15 %, for a weight is widened half as often a product; 8 lanes 6 x 2. */
struct tile {
  uint32_t rows, columns; /* columns: panels */
};

static struct tile
choose_tile (uint32_t lanes, uint32_t rows)
{
  if (lanes == 16 && rows >= 18)
    return (struct tile) { 18, 1 };
  uint32_t most = lanes == 16 ? 8 : 6;
  return (struct tile) { rows >= most ? most : rows >= 4 ? 4 : 1, 2 };
}

/* Values of k that the kernel does in one round: more is faster by a twentieth, less wastes less. */
static uint32_t
block_of (uint32_t in_dim)
{
  return in_dim % MAX_BLOCK ? MIN_BLOCK : MAX_BLOCK;
}

static size_t
panel_bytes (uint32_t lanes, enum store store, uint32_t in_dim)
{
  return (size_t) round_up (in_dim, block_of (in_dim)) * lanes * store_size (store);
}

/* An even number of panels, because tiles are up to two wide. */
static uint32_t
num_panels (uint32_t lanes, uint32_t out_dim)
{
  return ceil_div (out_dim, 2 * lanes) * 2;
}

bool
linear_loop_suits (const vit_device *dev, uint32_t in_dim, uint32_t out_dim)
{
  const struct caps *caps = device_caps (dev);
  return caps->loops && in_dim >= MIN_BLOCK && in_dim % 2 == 0
      && num_panels (caps->subgroup_size, out_dim) / 2 <= caps->max_groups[1]
      && panel_bytes (caps->subgroup_size, STORE_F32, in_dim) <= UINT32_MAX / 2;
}

/* One panel of columns from c0 on, into zeros; columns that aren't there stay zero. Block b begins at k = block * b,
 * the last one earlier where it would run over the end; what the block before has done stays zero in it. In the same
 * way the last panel begins early where there are as many columns as a panel has; its first ones are done twice. */
static void
pack_panel (uint8_t *panel, uint32_t lanes, const struct weight *shape, const struct weight_values *v, uint32_t c0)
{
  uint32_t in_dim = shape->in_dim, columns = shape->out_dim - c0 < lanes ? shape->out_dim - c0 : lanes;
  uint32_t block = block_of (in_dim);
  for (uint32_t k = 0; k < in_dim; k++) {
    uint32_t b = k / block, k0 = b * block < in_dim - block ? b * block : in_dim - block;
    size_t to = (size_t) b * block + k - k0;
    for (uint32_t n = 0; n < columns; n++) {
      size_t from = (size_t) (c0 + n) * in_dim + k;
      if (shape->store == STORE_I8)
        ((int8_t *) panel)[to * lanes + n] = v->q[from];
      else if (shape->store == STORE_F16)
        ((uint16_t *) (void *) panel)[to * lanes + n] = half_from_float (v->w[from]);
      else
        ((float *) (void *) panel)[to * lanes + n] = v->w[from];
    }
  }
}

size_t
linear_loop_bytes (const vit_device *dev, const struct weight *shape)
{
  uint32_t lanes = device_caps (dev)->subgroup_size;
  return num_panels (lanes, shape->out_dim) * panel_bytes (lanes, shape->store, shape->in_dim);
}

void
linear_loop_pack (const vit_device *dev, const struct weight *shape, const struct weight_values *v, uint8_t *out)
{
  uint32_t lanes = device_caps (dev)->subgroup_size;
  size_t panel = panel_bytes (lanes, shape->store, shape->in_dim);
  for (uint32_t i = 0; i < num_panels (lanes, shape->out_dim); i++) {
    memset (out + i * panel, 0, panel);
    uint32_t last = shape->out_dim < lanes ? 0 : shape->out_dim - lanes;
    if (i * lanes < shape->out_dim)
      pack_panel (out + i * panel, lanes, shape, v, i * lanes < last ? i * lanes : last);
  }
}

static enum shader
loop_shader (uint32_t lanes, enum store store)
{
  static const enum shader table[3][3] = {
    { SHADER_cpu_linear_loop_4_wf, SHADER_cpu_linear_loop_4_wh, SHADER_cpu_linear_loop_4_wq },
    { SHADER_cpu_linear_loop_8_wf, SHADER_cpu_linear_loop_8_wh, SHADER_cpu_linear_loop_8_wq },
    { SHADER_cpu_linear_loop_16_wf, SHADER_cpu_linear_loop_16_wh, SHADER_cpu_linear_loop_16_wq },
  };
  return table[lanes == 4 ? 0 : lanes == 8 ? 1 : 2][store];
}

/* Can y be bound as shaders/cpu/store.glsl has it? One row is done once: not worth a kernel of its own. */
static bool
bind_y (const vit_device *dev, const struct linear_call *call, struct tile tile, struct span *y, uint32_t *at)
{
  const struct caps *caps = device_caps (dev);
  const struct linear_params *p = &call->p;
  uint32_t out_dim = call->weight->out_dim;
  return tile.rows > 1 && out_dim % (tile.columns * caps->subgroup_size) == 0
      && cpu_output_wide (caps, call->y, p->y_first, p->rows, p->y_stride, out_dim, y, at);
}

bool
record_linear_loop (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k, vit_error *err)
{
  (void) k;
  const struct weight *w = call->weight;
  const struct linear_params *p = &call->p;
  uint32_t lanes = device_caps (recorder_device (rec))->subgroup_size;
  uint32_t block = block_of (w->in_dim);
  struct tile tile = choose_tile (lanes, p->rows);
  uint64_t scales = w->store == STORE_I8 ? 4 * (uint64_t) w->out_dim : 0;
  struct cpu_loop_linear_params push = {
    .x = call->x.buffer->address + call->x.offset + 4 * (uint64_t) p->x_first,
    .w = w->data.address,
    .y = call->y.buffer->address + call->y.offset + 4 * (uint64_t) p->y_first,
    .bias = p->bias_rows ? w->bias.address + scales : w->data.address,
    .scale = w->bias.address,
    .rows = p->rows,
    .out_dim = w->out_dim,
    .x_row = 4 * p->x_stride,
    .y_row = 4 * p->y_stride,
    .panel = (uint32_t) panel_bytes (lanes, w->store, w->in_dim),
    .blocks = ceil_div (w->in_dim, block),
    .k_last = 4 * (w->in_dim - block),
    .add = p->add,
    .bias_rows = p->bias_rows,
  };
  struct span y = { 0 };
  bool bound = bind_y (recorder_device (rec), call, tile, &y, &push.y_at);
  struct dispatch d = {
    .shader = loop_shader (lanes, w->store),
    .spec = { 6, { tile.rows, tile.columns, p->act, w->out_dim < lanes, block, bound } },
    .bind = { [3] = y },
    .push = &push,
    .push_size = sizeof push,
    .groups = { ceil_div (p->rows, tile.rows),
        (bound ? w->out_dim / lanes : num_panels (lanes, w->out_dim)) / tile.columns, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
