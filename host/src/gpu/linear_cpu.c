/* Packs weights for the unrolled linear kernels, cuts a linear layer into their dispatches and records them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/round.h"
#include "cpu/cpu_linear.h"
#include "gpu/cpu_output.h"
#include "gpu/half.h"

enum { TABLE = CPU_LINEAR_TABLE, ROWS = CPU_LINEAR_ROWS };

_Static_assert(sizeof (struct cpu_linear_params) <= MAX_PUSH, "push constants over the guaranteed size");

static uint32_t
min (uint32_t a, uint32_t b)
{
  return a < b ? a : b;
}

/* How in_dim is cut: `blocks` subgroups of `block` values of k, `rounds` times one after the other; `panels` of them
 * are a workgroup. */
struct cut {
  uint32_t block, blocks, rounds, panels;
};

/* The fewest rounds, or one or two more where that leaves fewer blocks of zeros. Of long blocks 8 are one round, but
 * more are done by fours: 3072 values as 768 are, whose kernel need not be compiled again. */
static struct cut
cut_k (uint32_t lanes, uint32_t in_dim)
{
  bool wide = lanes == 16 && in_dim % CPU_LINEAR_LONG_BLOCK == 0;
  uint32_t block = wide ? CPU_LINEAR_LONG_BLOCK : CPU_LINEAR_BLOCK;
  uint32_t all = in_dim > block ? ceil_div (in_dim, block) : 1;
  uint32_t most = !wide ? CPU_LINEAR_MAX_BLOCKS : CPU_LINEAR_MAX_LONG_BLOCKS >> (all > CPU_LINEAR_MAX_LONG_BLOCKS);
  uint32_t best = ceil_div (all, most);
  for (uint32_t rounds = best + 1; rounds <= best + 2 && rounds <= all; rounds++)
    if (ceil_div (all, rounds) * rounds < ceil_div (all, best) * best)
      best = rounds;
  uint32_t blocks = ceil_div (all, best);
  return (struct cut) { block, blocks, best, min (CPU_LINEAR_MAX_SUBGROUPS / blocks, CPU_LINEAR_MAX_PANELS) };
}

/* How groups of panels are cut into dispatches of y x z workgroups, no dimension beyond the table of ids. */
struct grid {
  uint32_t parts;  /* dispatches */
  uint32_t groups; /* of a part; the last may have fewer */
  uint32_t y, z;   /* y * z >= groups: what is over finds zeros and stores nothing */
};

static struct grid
cut_panels (const struct cut *cut, uint32_t panels)
{
  uint32_t all = ceil_div (panels, cut->panels);
  struct grid g = { .parts = ceil_div (all, TABLE * TABLE) };
  g.groups = ceil_div (all, g.parts);
  g.y = min (g.groups, TABLE);
  g.z = ceil_div (g.groups, g.y);
  for (uint32_t y = g.y; y >= 1 && ceil_div (g.groups, y) <= TABLE; y--)
    if (y * ceil_div (g.groups, y) < g.y * g.z) {
      g.y = y;
      g.z = ceil_div (g.groups, y);
    }
  return g;
}

/* Bytes before a round's blocks: bias, or scales and bias. */
static size_t
header_bytes (uint32_t lanes, enum store store)
{
  return lanes * sizeof (float) * (store == STORE_I8 ? 2 : 1);
}

/* Bytes of one round of one panel. */
static size_t
round_bytes (uint32_t lanes, enum store store, const struct cut *cut)
{
  return header_bytes (lanes, store) + (size_t) cut->blocks * cut->block * lanes * store_size (store);
}

static size_t
panel_bytes (uint32_t lanes, enum store store, const struct cut *cut)
{
  return cut->rounds * round_bytes (lanes, store, cut);
}

static size_t
packed_bytes (uint32_t lanes, enum store store, uint32_t in_dim, uint32_t out_dim)
{
  struct cut cut = cut_k (lanes, in_dim);
  struct grid g = cut_panels (&cut, ceil_div (out_dim, lanes));
  return ((size_t) (g.parts - 1) * g.groups + g.y * g.z) * cut.panels * panel_bytes (lanes, store, &cut);
}

bool
linear_cpu_suits (vit_device *dev, uint32_t in_dim, uint32_t out_dim)
{
  const struct caps *caps = device_caps (dev);
  uint32_t lanes = caps->subgroup_size;
  return caps->unrolled && !caps->loops && caps->max_invocations >= lanes * CPU_LINEAR_MAX_SUBGROUPS
      && in_dim >= CPU_LINEAR_BLOCK && out_dim >= lanes
      && packed_bytes (lanes, STORE_F32, in_dim, out_dim) <= UINT32_MAX;
}

/* `num` values of k of a block, of `lanes` columns. */
static inline void
transpose (float *restrict block, const float *restrict w, size_t in_dim, uint32_t num, uint32_t lanes)
{
  for (uint32_t k = 0; k < num; k++)
    for (uint32_t n = 0; n < lanes; n++)
      block[k * lanes + n] = w[n * in_dim + k];
}

/* A compiler that knows how many lanes there are unrolls them. */
static void
pack_floats (float *block, uint32_t lanes, const float *w, size_t in_dim, uint32_t num)
{
  switch (lanes) {
    case 4:
      transpose (block, w, in_dim, num, 4);
      break;
    case 8:
      transpose (block, w, in_dim, num, 8);
      break;
    default:
      transpose (block, w, in_dim, num, 16);
  }
}

static void
pack_halves (uint16_t *block, uint32_t lanes, const float *w, size_t in_dim, uint32_t num)
{
  for (uint32_t n = 0; n < lanes; n++)
    for (uint32_t k = 0; k < num; k++)
      block[k * lanes + n] = half_from_float (w[n * in_dim + k]);
}

static void
pack_bytes (int8_t *block, uint32_t lanes, const int8_t *q, size_t in_dim, uint32_t num)
{
  for (uint32_t n = 0; n < lanes; n++)
    for (uint32_t k = 0; k < num; k++)
      block[k * lanes + n] = q[n * in_dim + k];
}

/* One panel of columns from c0 on. Block b begins at k = block * b, the last one earlier where it would run over the
 * end; values of k that the block before has done, and blocks beyond the last, are zero. */
static void
pack_panel (uint8_t *panel, uint32_t lanes, const struct weight *shape, const struct weight_values *v, uint32_t c0)
{
  struct cut c = cut_k (lanes, shape->in_dim);
  size_t one_k = lanes * store_size (shape->store), row = lanes * sizeof (float);
  uint8_t *at = panel;
  for (uint32_t b = 0; b < c.blocks * c.rounds; b++, at += c.block * one_k) {
    if (b % c.blocks == 0) {
      memset (at, 0, header_bytes (lanes, shape->store));
      at += header_bytes (lanes, shape->store);
      if (v->scales)
        memcpy (at - 2 * row, v->scales + c0, row);
      if (v->bias && shape->bias_rows == 1)
        memcpy (at - row, v->bias + c0, row);
    }
    uint32_t k0 = min (b * c.block, shape->in_dim - c.block), first = min (b * c.block - k0, c.block);
    uint32_t num = c.block - first;
    size_t from = (size_t) c0 * shape->in_dim + k0 + first;
    memset (at, 0, first * one_k);
    uint8_t *to = at + first * one_k;
    if (shape->store == STORE_I8)
      pack_bytes ((int8_t *) to, lanes, v->q + from, shape->in_dim, num);
    else if (shape->store == STORE_F16)
      pack_halves ((uint16_t *) (void *) to, lanes, v->w + from, shape->in_dim, num);
    else
      pack_floats ((float *) (void *) to, lanes, v->w + from, shape->in_dim, num);
  }
}

size_t
linear_cpu_bytes (const vit_device *dev, const struct weight *shape)
{
  return packed_bytes (device_caps (dev)->subgroup_size, shape->store, shape->in_dim, shape->out_dim);
}

void
linear_cpu_pack (const vit_device *dev, const struct weight *shape, const struct weight_values *v, uint8_t *out)
{
  uint32_t lanes = device_caps (dev)->subgroup_size, panels = ceil_div (shape->out_dim, lanes);
  struct cut cut = cut_k (lanes, shape->in_dim);
  size_t panel = panel_bytes (lanes, shape->store, &cut);
  for (uint32_t i = 0; i < panels; i++)
    pack_panel (out + i * panel, lanes, shape, v, min (i * lanes, shape->out_dim - lanes));
  memset (out + panels * panel, 0, linear_cpu_bytes (dev, shape) - panels * panel);
}

static enum shader
unrolled_shader (uint32_t lanes, uint32_t block, enum store store)
{
  static const enum shader table[4][3] = {
    { SHADER_cpu_linear_4_wf, SHADER_cpu_linear_4_wh, SHADER_cpu_linear_4_wq },
    { SHADER_cpu_linear_8_wf, SHADER_cpu_linear_8_wh, SHADER_cpu_linear_8_wq },
    { SHADER_cpu_linear_16_wf, SHADER_cpu_linear_16_wh, SHADER_cpu_linear_16_wq },
    { SHADER_cpu_linear_16_long_wf, SHADER_cpu_linear_16_long_wh, SHADER_cpu_linear_16_long_wq },
  };
  return table[lanes == 4 ? 0 : lanes == 8 ? 1 : block == CPU_LINEAR_BLOCK ? 2 : 3][store];
}

/* One round over k, of some panels, of some tiles: what one dispatch does. */
struct part {
  struct cut cut;
  struct grid grid;
  uint32_t round, panel0, tile0, tiles;
};

static bool
record_part (struct recorder *rec, const struct linear_call *call, const struct part *part, vit_error *err)
{
  const struct weight *w = call->weight;
  const struct linear_params *p = &call->p;
  const struct caps *caps = device_caps (recorder_device (rec));
  const struct cut *cut = &part->cut;
  uint32_t lanes = caps->subgroup_size;
  uint32_t step = p->rows >= ROWS ? ROWS : 1, row0 = part->tile0 * step, column0 = part->panel0 * lanes;
  uint32_t k0 = part->round * cut->blocks * cut->block;
  bool first = part->round == 0, last = part->round + 1 == cut->rounds;
  bool table = first && p->bias_rows > 1;
  size_t panel = panel_bytes (lanes, w->store, cut);
  uint64_t y = p->y_first + (uint64_t) row0 * p->y_stride + column0; /* the first output */
  struct cpu_linear_params push = {
    .x = call->x.buffer->address + call->x.offset + 4 * ((uint64_t) p->x_first + (uint64_t) row0 * p->x_stride + k0),
    .w = w->data.address + part->panel0 * panel + part->round * round_bytes (lanes, w->store, cut)
        + header_bytes (lanes, w->store),
    .before = table ? w->bias.address + 4 * ((uint64_t) row0 * p->y_stride + column0)
                    : call->y.buffer->address + call->y.offset + 4 * y,
    .rows = min (p->rows - row0, part->tiles * step),
    .out_dim = min (w->out_dim - column0, part->grid.groups * cut->panels * lanes),
    .y_stride = p->y_stride,
    .x_row = 4 * p->x_stride,
    .panel = (uint32_t) panel,
    .k_last = 4 * (w->in_dim - cut->block - k0),
  };
  uint32_t act = last ? p->act : VIT_ACT_NONE;
  push.flags = (first && p->bias_rows == 1 ? CPU_LINEAR_BIAS : 0) | step << CPU_LINEAR_STEP
      | part->grid.y << CPU_LINEAR_GROUPS_Y;
  if (!first)
    push.flags |= act == VIT_ACT_NONE ? CPU_LINEAR_ADD : CPU_LINEAR_GO_ON;
  if (p->add || table)
    push.flags |= CPU_LINEAR_ADD;
  for (uint32_t i = 0; i < TABLE; i++)
    push.table[i] = i;
  uint64_t floats = (push.rows - 1) * (uint64_t) p->y_stride + push.out_dim;
  struct span output = cpu_output (call->y, y, floats, &push.y_first);
  bool fours = w->out_dim % 4 == 0 && push.y_first % 4 == 0 && p->y_stride % 4 == 0;
  struct dispatch d = {
    .shader = unrolled_shader (lanes, cut->block, w->store),
    .spec = { 5, { cut->blocks * cut->panels, cut->blocks, act, fours, caps->broadcasts } },
    .bind = { output },
    .push = &push,
    .push_size = sizeof push,
    .groups = { part->tiles, part->grid.y, part->grid.z },
  };
  return recorder_dispatch (rec, &d, err);
}

/* All tiles and panels of one round; they don't touch each other's outputs. */
static bool
record_round (struct recorder *rec, const struct linear_call *call, struct part part, vit_error *err)
{
  uint32_t tiles = call->p.rows >= ROWS ? ceil_div (call->p.rows, ROWS) : call->p.rows, parts = ceil_div (tiles, TABLE);
  for (uint32_t i = 0; i < parts; i++) {
    /* even parts, so that the last has rows for a whole tile */
    part.tile0 = (uint32_t) ((uint64_t) tiles * i / parts);
    part.tiles = (uint32_t) ((uint64_t) tiles * (i + 1) / parts) - part.tile0;
    for (uint32_t j = 0; j < part.grid.parts; j++) {
      part.panel0 = j * part.grid.groups * part.cut.panels;
      if (!record_part (rec, call, &part, err))
        return false;
    }
  }
  return true;
}

static bool
record_rounds (struct recorder *rec, const struct linear_call *call, vit_error *err)
{
  const struct weight *w = call->weight;
  uint32_t lanes = device_caps (recorder_device (rec))->subgroup_size;
  struct part part = { .cut = cut_k (lanes, w->in_dim) };
  part.grid = cut_panels (&part.cut, ceil_div (w->out_dim, lanes));
  if (call->p.act != VIT_ACT_NONE && call->p.add && part.cut.rounds > 1)
    return fail (err, VIT_ERR_UNSUPPORTED,
        "a layer of %u inputs with an activation and a residual can't be done in parts", w->in_dim);
  for (; part.round < part.cut.rounds; part.round++) {
    if (part.round > 0)
      recorder_barrier (rec);
    if (!record_round (rec, call, part, err))
      return false;
  }
  return true;
}

/* Where rows have biases of their own, each group of bias_rows is a call. */
bool
record_linear_cpu (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k, vit_error *err)
{
  (void) k;
  struct linear_call c = *call;
  struct linear_params *p = &c.p;
  uint32_t rows = p->rows;
  if (p->bias_rows <= 1)
    return record_rounds (rec, call, err);
  if (p->y_stride != p->out_dim || p->add || p->act != VIT_ACT_NONE)
    return fail (err, VIT_ERR_UNSUPPORTED, "a layer with %u biases is not one of plain rows of %u", p->bias_rows,
        p->out_dim);
  for (uint32_t row = 0; row < rows; row += call->p.bias_rows) {
    p->rows = rows - row < call->p.bias_rows ? rows - row : call->p.bias_rows;
    p->x_first = call->p.x_first + row * p->x_stride;
    p->y_first = call->p.y_first + row * p->y_stride;
    if (!record_rounds (rec, &c, err))
      return false;
  }
  return true;
}
