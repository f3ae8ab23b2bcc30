/* Weights on their way to the device, and their rounding to 8-bit integers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_QUANTIZE_H
#define VIT_GPU_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

/* What a weight is made of. */
struct weight_values {
  const float *w;    /* (out_dim, in_dim) */
  const float *bias; /* (bias_rows, out_dim) or NULL */
  int8_t *q;         /* STORE_I8: w is q (out_dim, in_dim) times scales (out_dim), the row's */
  float *scales;
};

/* w (rows, columns) ~ q[n][k] * scales[n], q from -127 to 127, each off by half a scale at most. A row of zeros has
 * scale 0. */
void quantize_rows (const float *w, size_t rows, size_t columns, int8_t *q, float *scales);

#endif
