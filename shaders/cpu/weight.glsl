// A vector of packed weights that a subgroup reads in one instruction: floats, halves or bytes.
// SPDX-License-Identifier: LGPL-2.1-or-later

#if defined(W_I8)
#define STORED int8_t
#define FOUR   i8vec4
const uint BYTES = 1; // of a weight
#elif defined(W_F16)
#define STORED uint16_t
#define FOUR   u16vec4
const uint BYTES = 2;
#else
#define STORED float
#define FOUR   vec4
const uint BYTES = 4;
#endif
layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Weight { FOUR v[]; };

// Lane i gets weight i of vector `index`. What is narrow is chosen narrow: then the compiler makes one load of all,
// which widens them. here[i]: this is lane i.
float
pick (Weight w, uint index, bool here[LANES])
{
  STORED v = STORED (0);
  [[unroll]] for (uint i = 0; i < LANES; i += 4) {
    const FOUR f = w.v[(index * LANES + i) / 4];
    [[unroll]] for (uint j = 0; j < 4; j++)
      v = mix (v, f[j], here[i + j]);
  }
#ifdef W_F16
  return unpackHalf2x16 (uint (v)).x;
#else
  return float (v);
#endif
}
