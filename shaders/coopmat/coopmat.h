/* What the cooperative-matrix kernels and the code that records them must agree on; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_COOPMAT_H
#define VIT_COOPMAT_H

/* Kept apart from params.h: the kernels' SPIR-V is in the tree too and would be stale with every change there. */
#ifdef VIT_C
#include <stdint.h>
#define uint uint32_t
#endif

#define COOPMAT_STEP    32u                  /* values of k between two barriers of the linear */
#define COOPMAT_BLOCK   32u                  /* tokens between two barriers of attention */
#define COOPMAT_QUERIES (2u * COOPMAT_BLOCK) /* of a workgroup: they lie where keys and values will */

/* Bits of a specialization constant of the linear. */
#define COOPMAT_ADD    1u  /* y += result */
#define COOPMAT_NORM   2u  /* x is float and every row of it is normalised */
#define COOPMAT_Y_HALF 4u  /* else y is float */
#define COOPMAT_FOURS  8u  /* rows of y and of bias are whole vectors of four */
#define COOPMAT_TAIL   16u /* in_dim is no multiple of COOPMAT_STEP */
#define COOPMAT_BIAS   32u
#define COOPMAT_TABLE  64u  /* a bias for each of bias_rows rows; with COOPMAT_BIAS */
#define COOPMAT_BYTES  128u /* w is bytes, whose scales stand before the bias */

/* linear_params as this kernel wants it. Of x and w in units of 8 elements. */
struct coopmat_linear_params {
  uint rows, in_dim, out_dim; /* elements */
  uint x_first, x_stride;
  uint w_stride;
  uint y_first, y_stride; /* elements */
  uint bias_rows;
  float eps;
};

/* attention_params as this kernel wants it. Of qkv in units of 8 elements. */
struct coopmat_attention_params {
  uint tokens, queries;
  uint qkv_stride, width; /* width: from q to k and from k to v */
  uint out_stride;        /* elements */
  float scale;
};

#ifdef VIT_C
#undef uint
#endif
#endif
