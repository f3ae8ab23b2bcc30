/* Records the unrolled LayerNorm kernel. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/layernorm_cpu.h"

#include "base/round.h"
#include "cpu/cpu_layernorm.h"

enum {
  ROWS = CPU_LAYERNORM_ROWS,
  TABLE = CPU_LAYERNORM_TABLE,
  MAX_ROWS = TABLE * TABLE * TABLE * ROWS, /* of a dispatch */
  MAX_DIM = 4096                           /* the code grows with it */
};

_Static_assert(sizeof (struct cpu_layernorm_params) <= MAX_PUSH, "push constants over the guaranteed size");

bool
layernorm_cpu_suits (const vit_device *dev, const struct layernorm_params *p)
{
  const struct caps *caps = device_caps (dev);
  return caps->unrolled && !caps->loops && p->dim % 2 == 0 && p->dim >= 2 * caps->subgroup_size && p->dim <= MAX_DIM
      && p->y_first % 2 == 0 && p->y_stride % 2 == 0;
}

bool
record_layernorm_cpu (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, const struct layernorm_params *p, vit_error *err)
{
  const struct caps *caps = device_caps (recorder_device (rec));
  uint32_t lanes = caps->subgroup_size;
  struct cpu_layernorm_params push = {
    .weight = weight ? weight->address : 0,
    .bias = bias ? bias->address : 0,
    .x_row = 4 * p->x_stride,
    .y_row = 4 * p->y_stride,
    .eps = p->eps,
  };
  for (uint32_t i = 0; i < TABLE; i++)
    push.table[i] = i;
  struct dispatch d = {
    .shader = lanes == 4 ? SHADER_cpu_layernorm_4
        : lanes == 8     ? SHADER_cpu_layernorm_8
                         : SHADER_cpu_layernorm_16,
    .spec = { 3, { p->dim, weight != NULL, caps->broadcasts } },
    .push = &push,
    .push_size = sizeof push,
  };
  for (uint32_t row = 0; row < p->rows; row += MAX_ROWS) {
    push.rows = p->rows - row < MAX_ROWS ? p->rows - row : MAX_ROWS;
    push.x = x.buffer->address + x.offset + 4 * ((uint64_t) p->x_first + (uint64_t) row * p->x_stride);
    push.y = y.buffer->address + y.offset + 4 * ((uint64_t) p->y_first + (uint64_t) row * p->y_stride);
    uint32_t groups = ceil_div (push.rows, ROWS);
    d.groups[0] = groups < TABLE ? groups : TABLE;
    d.groups[1] = groups < TABLE * TABLE ? ceil_div (groups, TABLE) : TABLE;
    d.groups[2] = ceil_div (groups, TABLE * TABLE);
    if (!recorder_dispatch (rec, &d, err))
      return false;
  }
  return true;
}
