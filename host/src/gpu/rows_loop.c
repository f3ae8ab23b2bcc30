/* Records the looping attention and LayerNorm kernels. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/rows_loop.h"

#include "base/round.h"
#include "cpu/cpu_loop.h"
#include "gpu/cpu_output.h"

enum {
  MAX_HEAD_DIM = 256,
  MAX_NORM_DIM = 4096, /* the code and the stack grow with these two */
  MAX_BOUND = 32       /* vectors of a row whose stores are worth the time that LLVM takes for them */
};

_Static_assert(sizeof (struct cpu_loop_attention_params) <= MAX_PUSH, "push constants over the guaranteed size");
_Static_assert(sizeof (struct cpu_loop_layernorm_params) <= MAX_PUSH, "push constants over the guaranteed size");

bool
attention_loop_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k)
{
  (void) k;
  const struct caps *caps = device_caps (dev);
  return store == STORE_F32 && caps->loops && p->head_dim % 4 == 0 && p->head_dim <= MAX_HEAD_DIM
      && p->qkv_stride % 2 == 0 && p->out_stride % 2 == 0 && p->heads <= caps->max_groups[1]
      && p->batch <= caps->max_groups[2];
}

/* Their scores are accumulators, and a round of the loop costs some 50 cycles and every sum's way to memory and back:
 * as many as fit into registers, of which 16 lanes have 32, and the same number in each round. Measured on lavapipe of
 * Mesa 26.2, Zen 4, 197 x 64: 16 lanes 17, 20 and 28 alike and a sixth faster than 8; 8 lanes, of AVX-512 and of AVX2
 * alone, 8 and 10 alike and up to a third faster than 14 and 20. */
static uint32_t
keys_at_once (uint32_t lanes, uint32_t tokens)
{
  uint32_t most = lanes == 16 ? 20 : 8;
  return ceil_div (tokens, ceil_div (tokens, most));
}

bool
record_attention_loop (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err)
{
  (void) store, (void) k;
  uint32_t lanes = device_caps (recorder_device (rec))->subgroup_size;
  struct cpu_loop_attention_params push = {
    .qkv = qkv.buffer->address + qkv.offset,
    .y = out.buffer->address + out.offset,
    .tokens = p->tokens,
    .queries = p->queries,
    .token = 4 * p->qkv_stride,
    .y_token = 4 * p->out_stride,
    .width = 4 * p->heads * p->head_dim,
    .scale = p->scale,
    .half_bits = 32,
  };
  struct dispatch d = {
    .shader = lanes == 4 ? SHADER_cpu_attention_loop_4
        : lanes == 8     ? SHADER_cpu_attention_loop_8
                         : SHADER_cpu_attention_loop_16,
    .spec = { 2, { p->head_dim, keys_at_once (lanes, p->tokens) } },
    .push = &push,
    .push_size = sizeof push,
    .groups = { ceil_div (p->queries, lanes), p->heads, p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}

bool
layernorm_loop_suits (const vit_device *dev, const struct layernorm_params *p)
{
  const struct caps *caps = device_caps (dev);
  return caps->loops && caps->subgroup_arithmetic && p->dim >= caps->subgroup_size && p->dim <= MAX_NORM_DIM;
}

bool
record_layernorm_loop (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, const struct layernorm_params *p, vit_error *err)
{
  const struct caps *caps = device_caps (recorder_device (rec));
  uint32_t lanes = caps->subgroup_size;
  for (uint32_t row = 0, rows; row < p->rows; row += rows) {
    rows = p->rows - row < caps->max_groups[0] ? p->rows - row : caps->max_groups[0];
    uint64_t x_first = p->x_first + (uint64_t) row * p->x_stride, y_first = p->y_first + (uint64_t) row * p->y_stride;
    struct cpu_loop_layernorm_params push = {
      .x = x.buffer->address + x.offset + 4 * x_first,
      .y = y.buffer->address + y.offset + 4 * y_first,
      .weight = weight ? weight->address : 0,
      .bias = bias ? bias->address : 0,
      .rows = rows,
      .x_row = 4 * p->x_stride,
      .y_row = 4 * p->y_stride,
      .eps = p->eps,
    };
    struct span bound = { 0 };
    bool wide = p->dim % 8 == 0 && p->dim <= MAX_BOUND * lanes
        && cpu_output_wide (caps, y, y_first, rows, p->y_stride, p->dim, &bound, &push.y_at);
    struct dispatch d = {
      .shader = lanes == 4 ? SHADER_cpu_layernorm_loop_4
          : lanes == 8     ? SHADER_cpu_layernorm_loop_8
                           : SHADER_cpu_layernorm_loop_16,
      .spec = { 3, { weight != NULL, p->dim, wide } },
      .bind = { [3] = bound },
      .push = &push,
      .push_size = sizeof push,
      .groups = { rows, 1, 1 },
    };
    if (!recorder_dispatch (rec, &d, err))
      return false;
  }
  return true;
}
