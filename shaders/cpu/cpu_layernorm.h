/* What the unrolled LayerNorm kernel and the code that records it must agree on; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_CPU_LAYERNORM_H
#define VIT_CPU_LAYERNORM_H

#ifdef VIT_C
#include <stdint.h>
#define uint uint32_t
#endif

#define CPU_LAYERNORM_ROWS  16u /* of a workgroup: one a subgroup */
#define CPU_LAYERNORM_TABLE 20u /* entries of the table of ids: workgroups in each dimension */

/* Push constants. */
struct cpu_layernorm_params {
  uint64_t x, weight, bias; /* addresses; without AFFINE the last two are not read */
  uint rows;
  uint x_row;    /* bytes from one row to the next */
  uint y, y_row; /* fours from the binding's beginning to the first row, and from one row to the next */
  float eps;
  uint table[CPU_LAYERNORM_TABLE]; /* table[i] = i */
};

#ifdef VIT_C
#undef uint
#endif

#endif
