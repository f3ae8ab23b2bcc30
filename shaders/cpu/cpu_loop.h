/* What the looping kernels for CPUs and the code that records them must agree on; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_CPU_LOOP_H
#define VIT_CPU_LOOP_H

#ifdef VIT_C
#include <stdint.h>
#define uint uint32_t
#endif

/* Push constants. A panel of the packed weight holds LANES columns: in_dim rounded up to whole blocks times LANES
 * weights, floats, halves or bytes. Addresses are bytes. */
struct cpu_loop_linear_params {
  uint64_t x, w, y;
  uint64_t bias;  /* (bias_rows, out_dim), row r of y gets row r % bias_rows of it; none where that is 0, but something
                     to read */
  uint64_t scale; /* (out_dim), of weights that are bytes */
  uint rows, out_dim;
  uint x_row, y_row; /* bytes from one row to the next */
  uint panel;        /* bytes from one panel to the next */
  uint blocks;       /* of k */
  uint k_last;       /* bytes to the last block of x, which begins early: its doubled weights are zero */
  uint add;          /* 1: y += result */
  uint bias_rows;
  uint y_at; /* elements of the binding before the first row */
};

/* Of all heads of all images. Addresses are bytes. */
struct cpu_loop_attention_params {
  uint64_t qkv, y;
  uint tokens, queries;
  uint token, y_token; /* bytes from one token's q, k and v to the next's; of the output */
  uint width;          /* bytes from a token's q to its k, and on to its v */
  float scale;         /* of q k^T, times log2 (e) */
  uint half_bits;      /* 32, which the compiler must not know */
};

struct cpu_loop_layernorm_params {
  uint64_t x, y, weight, bias; /* addresses; without AFFINE the last two are not read */
  uint rows;
  uint x_row, y_row; /* bytes from one row to the next */
  uint y_at;         /* elements of the binding before the first row */
  float eps;
};

#ifdef VIT_C
#undef uint
#endif

#endif
