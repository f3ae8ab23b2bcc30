/* Rounds the rows of a matrix to 8-bit integers with a scale each. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/quantize.h"

#include <math.h>

/* The largest number of a row becomes 127. Clipping it would make the others finer: with a row's thousand weights, of
 * which the largest is some four deviations out, that loses as much as it gains. */
static void
quantize_row (const float *w, size_t columns, int8_t *q, float *scale)
{
  float largest = 0;
  for (size_t k = 0; k < columns; k++)
    largest = fmaxf (largest, fabsf (w[k]));
  float inverse = 127 / largest;
  if (!isfinite (inverse)) { /* zeros, or numbers too small to divide by */
    largest = 0;
    inverse = 0;
  }
  *scale = largest / 127;
  for (size_t k = 0; k < columns; k++) {
    float v = w[k] * inverse;
    q[k] = (int8_t) (v + (v < 0 ? -0.5f : 0.5f));
  }
}

void
quantize_rows (const float *w, size_t rows, size_t columns, int8_t *q, float *scales)
{
  for (size_t n = 0; n < rows; n++)
    quantize_row (w + n * columns, columns, q + n * columns, &scales[n]);
}
