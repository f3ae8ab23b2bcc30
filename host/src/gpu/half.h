/* Half-precision numbers on the CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_HALF_H
#define VIT_GPU_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* IEEE 754 binary16, round to nearest even; beyond the range: the largest finite half. */
static inline uint16_t
half_from_float (float f)
{
  uint32_t bits;
  memcpy (&bits, &f, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000u, mag = bits & 0x7fffffffu;
  if (mag > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00u);
  if (mag >= 0x477ff000u) /* 65520 and up would round to infinity */
    return (uint16_t) (sign | 0x7bffu);
  if (mag < 0x38800000u) { /* subnormal: let the float adder round at 2^-24 */
    float magnitude;
    memcpy (&magnitude, &mag, sizeof magnitude);
    magnitude += 0.5f;
    memcpy (&mag, &magnitude, sizeof mag);
    return (uint16_t) (sign | (mag - 0x3f000000u));
  }
  mag += 0xfffu + (mag >> 13 & 1u);
  return (uint16_t) (sign | ((mag - 0x38000000u) >> 13));
}

static inline float
half_to_float (uint16_t h)
{
  uint32_t sign = (uint32_t) (h & 0x8000u) << 16, exponent = h >> 10 & 0x1fu, mantissa = h & 0x3ffu, bits;
  float f;
  if (exponent == 0) {
    f = (float) mantissa * 0x1p-24f;
    return sign ? -f : f;
  }
  bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | mantissa << 13;
  memcpy (&f, &bits, sizeof f);
  return f;
}

static inline void
half_from_floats (uint16_t *out, const float *in, size_t n)
{
  for (size_t i = 0; i < n; i++)
    out[i] = half_from_float (in[i]);
}

#endif
