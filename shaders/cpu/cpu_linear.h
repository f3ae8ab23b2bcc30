/* What the unrolled linear kernel and the code that records it must agree on. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_CPU_LINEAR_H
#define VIT_CPU_LINEAR_H

#include <stdint.h>

enum {
  CPU_LINEAR_TABLE = 17, /* entries of the table of ids: workgroups in each dimension, subgroups of a workgroup */
  CPU_LINEAR_ROWS = 13,  /* of a tile: accumulators, which fit in 16 registers with a vector of weights and a product;
                            50, 65, 197 and 257 tokens are hardly less than whole tiles */
  CPU_LINEAR_BLOCK = 96, /* values of k in the unrolled part */
  CPU_LINEAR_MAX_BLOCKS = 11,  /* of a workgroup: a tile of x as wide as they go should stay in a CPU's cache */
  CPU_LINEAR_LONG_BLOCK = 192, /* the same of 16 lanes where in_dim is a multiple of it */
  CPU_LINEAR_MAX_LONG_BLOCKS = 8,
  CPU_LINEAR_MAX_PANELS = 4, /* of a workgroup: memory for its subgroups is asked for but once */
  CPU_LINEAR_MAX_SUBGROUPS = 12
};

/* Bits of flags. */
enum {
  CPU_LINEAR_ADD = 8, /* y = before + result */
  CPU_LINEAR_BIAS = 16,
  CPU_LINEAR_GO_ON = 32,   /* before holds the sum over the values of k before these: y = act (before + ...) */
  CPU_LINEAR_STEP = 8,     /* shift, 8 bits: rows of a tile that are stored, CPU_LINEAR_ROWS or 1 */
  CPU_LINEAR_GROUPS_Y = 16 /* shift: workgroups in dimension y */
};

/* Push constants. A panel of the packed weight holds LANES columns: for each round over k their scales (float, only
 * where weights are bytes) and bias (float), then whole blocks of LANES weights: floats, halves or bytes. */
struct cpu_linear_params {
  uint64_t x;       /* address of the first value that the first block of k reads */
  uint64_t w;       /* of the first panel's first weight of that block */
  uint64_t before;  /* address of y, or of what else is added; rows y_stride apart too */
  uint32_t y_first; /* floats of the binding of y before the first output */
  uint32_t rows, out_dim;
  uint32_t y_stride; /* floats */
  uint32_t x_row;    /* bytes from one row to the next */
  uint32_t panel;    /* bytes from one panel to the next */
  uint32_t k_last;   /* bytes to the last block of x, which begins early too: its doubled weights are zero */
  uint32_t flags;
  uint32_t table[CPU_LINEAR_TABLE]; /* table[i] = i */
};

#endif
