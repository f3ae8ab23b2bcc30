/* Linear layers by tiles in shared memory and registers, for GPUs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_TILE_H
#define VIT_GPU_LINEAR_TILE_H

#include "gpu/linear.h"

/* shape of a linear_kernel: what shaders/linear_tile.comp is specialised to. Every invocation loads 16 bytes at least
 * of each operand's tile: bm * bn / (tm * tn) <= bk / 8 * the smaller of bm and bn, in each group of split. */
struct tile_shape {
  uint32_t bm, bn; /* outputs of a workgroup */
  uint32_t bk;     /* of a step, where an operand is half; float ones take half of it */
  uint32_t tm, tn; /* outputs of an invocation */
  uint32_t split;  /* groups of invocations that take turns along k */
  bool packed;     /* steps are summed in half: never chosen without having been tried and timed */
};

bool linear_tile_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k);
bool record_linear_tile (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k,
    vit_error *err);
uint32_t linear_tile_groups (const struct linear_call *call, const struct tile_shape *s);

#endif
