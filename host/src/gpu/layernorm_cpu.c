/* Records the unrolled LayerNorm kernel. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/layernorm_cpu.h"

#include "base/round.h"
#include "cpu/cpu_layernorm.h"
#include "gpu/cpu_output.h"

enum {
  ROWS = CPU_LAYERNORM_ROWS,
  TABLE = CPU_LAYERNORM_TABLE,
  MAX_ROWS = TABLE * TABLE * ROWS, /* of a dispatch */
  MAX_DIM = 4096                   /* the code grows with it */
};

_Static_assert(sizeof (struct cpu_layernorm_params) <= MAX_PUSH, "push constants over the guaranteed size");

bool
layernorm_cpu_suits (const vit_device *dev, const struct layernorm_params *p)
{
  const struct caps *caps = device_caps (dev);
  return caps->unrolled && !caps->loops && p->dim % 4 == 0 && p->dim >= caps->subgroup_size && p->dim <= MAX_DIM
      && p->y_first % 4 == 0 && p->y_stride % 4 == 0 && 4ull * p->y_stride <= cpu_output_limit (caps);
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
    .y_row = p->y_stride / 4,
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
  uint64_t fit = cpu_output_limit (caps) / (4ull * p->y_stride), most = fit < MAX_ROWS ? fit : MAX_ROWS;
  for (uint32_t row = 0; row < p->rows; row += push.rows) {
    push.rows = p->rows - row < most ? p->rows - row : (uint32_t) most;
    push.x = x.buffer->address + x.offset + 4 * ((uint64_t) p->x_first + (uint64_t) row * p->x_stride);
    uint64_t floats = (push.rows - 1) * (uint64_t) p->y_stride + p->dim;
    d.bind[3] = cpu_output (y, p->y_first + (uint64_t) row * p->y_stride, floats, &push.y);
    push.y /= 4;
    uint32_t groups = ceil_div (push.rows, ROWS);
    d.groups[0] = groups < TABLE ? groups : TABLE;
    d.groups[1] = ceil_div (groups, TABLE);
    d.groups[2] = 1;
    if (!recorder_dispatch (rec, &d, err))
      return false;
  }
  return true;
}
