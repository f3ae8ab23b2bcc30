/* Whole numbers divided and rounded upwards. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_ROUND_H
#define VIT_BASE_ROUND_H

#include <stdint.h>

static inline uint32_t
ceil_div (uint32_t a, uint32_t b)
{
  return a / b + (a % b != 0);
}

/* The least multiple of `step` that is no less than n; n <= UINT32_MAX - step. */
static inline uint32_t
round_up (uint32_t n, uint32_t step)
{
  return ceil_div (n, step) * step;
}

#endif
