/* Half precision on the CPU: exact conversions, for tests to round as the device does. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_HALF_H
#define VIT_TESTS_HALF_H

#include <math.h>
#include <stdint.h>

#define HALF_MAX 65504.0

/* Round to nearest, ties to even; beyond the largest half: infinity. */
static inline uint16_t
half_from_double (double x)
{
  uint16_t sign = signbit (x) ? 0x8000 : 0;
  double a = fabs (x);
  int exponent;
  if (isnan (x))
    return sign | 0x7e00;
  if (a >= 65520)
    return sign | 0x7c00;
  frexp (a, &exponent); /* a = m * 2^exponent, m in [0.5, 1) */
  if (a == 0 || exponent < -13)
    return sign | (uint16_t) nearbyint (ldexp (a, 24)); /* a multiple of 2^-24; may round up to the first normal */
  uint32_t mantissa = (uint32_t) nearbyint (ldexp (a, 11 - exponent)); /* 1024 to 2048 */
  return sign | (uint16_t) (((uint32_t) (exponent + 14) << 10) + mantissa - 1024);
}

static inline double
half_to_double (uint16_t h)
{
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  double a = exponent == 31 ? (mantissa ? NAN : INFINITY)
      : exponent            ? ldexp (1024 + mantissa, exponent - 25)
                            : ldexp (mantissa, -24);
  return h & 0x8000 ? -a : a;
}

#endif
