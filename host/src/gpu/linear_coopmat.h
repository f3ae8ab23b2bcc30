/* Linear layers by products of matrices that a subgroup does at once: the kernel of shaders/coopmat. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_COOPMAT_H
#define VIT_GPU_LINEAR_COOPMAT_H

#include "gpu/linear.h"

/* struct linear_kernel: shape. */
struct coopmat_tile {
  uint32_t rows, columns; /* of a workgroup's outputs */
  uint32_t sums;          /* of an invocation */
};

bool linear_coopmat_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k);
bool record_linear_coopmat (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k,
    vit_error *err);
uint32_t linear_coopmat_groups (const struct linear_call *call, const struct coopmat_tile *t); /* workgroups */

#endif
