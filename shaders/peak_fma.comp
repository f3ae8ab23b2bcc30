// out[i] = sum over chains of a, after rounds of a = a * factor + term: as many multiply-adds as a device can do.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"

// Chains hide the latency of one multiply-add behind the others; they and the two operands fit into the 16 vector
// registers of a CPU without AVX-512. No chain can be folded: factor and term are not known when this is compiled.
layout (local_size_x = VIT_PEAK_GROUP) in;
layout (std430, binding = 3) writeonly buffer Y { float y[]; };
layout (push_constant) uniform P { peak_params p; };

#define STEP(a, b, c) \
  a = fma (a, p.factor, p.term); \
  b = fma (b, p.factor, p.term); \
  c = fma (c, p.factor, p.term);
#define STEPS_1 STEP (a0, a1, a2) STEP (a3, a4, a5) STEP (a6, a7, a8) STEP (a9, a10, a11)
#define STEPS_4 STEPS_1 STEPS_1 STEPS_1 STEPS_1
#define STEPS_16 STEPS_4 STEPS_4 STEPS_4 STEPS_4

void
main ()
{
  uint i = gl_GlobalInvocationID.x;
  float a0 = float (i & 1u), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
  float a6 = a0 + 1.0, a7 = a6, a8 = a6, a9 = a6, a10 = a6, a11 = a6;
  a1 += 1.0; // no two the same, or a compiler does one of them for both
  a2 += 2.0;
  a3 += 3.0;
  a4 += 4.0;
  a5 += 5.0;
  a6 += 6.0;
  a7 += 7.0;
  a8 += 8.0;
  a9 += 9.0;
  a10 += 10.0;
  a11 += 11.0;
  for (uint round = 0u; round < p.rounds; round++) {
    STEPS_16
  }
  y[i] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
}
