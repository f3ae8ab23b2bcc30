// A vector of LANES floats that a subgroup stores in a few instructions.
// SPDX-License-Identifier: LGPL-2.1-or-later

// By address, lavapipe stores what lanes have as a scatter: 16 lanes take as long as 28 products of vectors. What goes
// to a binding, to a place that is the same in all lanes, is a scalar store, and LLVM makes one of 16 bytes of two
// neighbouring ones of 8. For that they must be parts of one store here, no branch or loop may be around it, and the
// driver must not compare with the binding's end: the device is opened without robustness.
#if LANES == 4
#define STORE_FLOATS 4
layout (std430, binding = 3) writeonly buffer Output { u64vec2 Y[]; };
#else
#define STORE_FLOATS 8
layout (std430, binding = 3) writeonly buffer Output { u64vec4 Y[]; };
#endif

// lanes.glsl warns of packs; those of numbers that are the same in all lanes are safe.
#define ONE(v, i) floatBitsToUint (subgroupBroadcast (v, i))
#define TWO(v, i) packUint2x32 (uvec2 (ONE (v, i), ONE (v, i + 1)))

// at: in elements of Y, the same in all lanes.
void
store (uint at, float v)
{
#if LANES == 4
  Y[at] = u64vec2 (TWO (v, 0), TWO (v, 2));
#else
  Y[at] = u64vec4 (TWO (v, 0), TWO (v, 2), TWO (v, 4), TWO (v, 6));
#endif
#if LANES == 16
  Y[at + 1] = u64vec4 (TWO (v, 8), TWO (v, 10), TWO (v, 12), TWO (v, 14));
#endif
}
