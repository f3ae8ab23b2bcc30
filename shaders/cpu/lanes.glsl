// A vector of LANES floats in shared memory, how lanes read it in one instruction, and what barriers do to values.
// SPDX-License-Identifier: LGPL-2.1-or-later

struct Vector {
  vec4 q[LANES / 4];
  float odd; // hides the low bits of addresses
};

// QUADS (f, x): f (x, 0), f (x, 1), ..., as many as a Vector has fours.
#if LANES == 4
#define QUADS(f, x) f (x, 0)
#define QUAD_NAMES(type, name) type name##0
#elif LANES == 8
#define QUADS(f, x) f (x, 0), f (x, 1)
#define QUAD_NAMES(type, name) type name##0, type name##1
#else
#define QUADS(f, x) f (x, 0), f (x, 1), f (x, 2), f (x, 3)
#define QUAD_NAMES(type, name) type name##0, type name##1, type name##2, type name##3
#endif

// In falling order, each lane once: else LLVM doesn't make one load of it.
#define AMONG(v, q, i)                                                                                                 \
  v = mix (v, q.z, lane == i + 2);                                                                                     \
  v = mix (v, q.y, lane == i + 1);                                                                                     \
  v = mix (v, q.x, lane == i);
#define LAST(v, q, i) v = mix (v, q.w, lane == i + 3);

// Lane i gets component i. Without a loop or an array, which Mesa takes many turns to be rid of.
float
pick (QUAD_NAMES (vec4, q))
{
  const uint lane = gl_SubgroupInvocationID;
#if LANES == 4
  float v = q0.w;
#elif LANES == 8
  float v = q1.w;
  AMONG (v, q1, 4)
  LAST (v, q0, 0)
#else
  float v = q3.w;
  AMONG (v, q3, 12)
  LAST (v, q2, 8)
  AMONG (v, q2, 8)
  LAST (v, q1, 4)
  AMONG (v, q1, 4)
  LAST (v, q0, 0)
#endif
  AMONG (v, q0, 0)
  return v;
}

#define QUAD_OF(vector, i) vector.q[i]
#define LOAD(from) pick (QUADS (QUAD_OF, from))

// STORE (to, v): to gets v of all lanes. gen_linear.c says why there are two ways.
#define FOUR(way, v, i) vec4 (way (v, 4 * i), way (v, 4 * i + 1), way (v, 4 * i + 2), way (v, 4 * i + 3))
#if LANES == 4
#define STORE_BY(way, to, v) { to.q[0] = FOUR (way, v, 0); }
#elif LANES == 8
#define STORE_BY(way, to, v) { to.q[0] = FOUR (way, v, 0); to.q[1] = FOUR (way, v, 1); }
#else
#define STORE_BY(way, to, v)                                                                                           \
  { to.q[0] = FOUR (way, v, 0); to.q[1] = FOUR (way, v, 1); to.q[2] = FOUR (way, v, 2); to.q[3] = FOUR (way, v, 3); }
#endif
#define STORE(to, v) if (BROADCAST) STORE_BY (subgroupBroadcast, to, v) else STORE_BY (subgroupShuffle, to, v)

// PUT (to, at, v): fours of a bound buffer from `at` on, which is the same in all lanes, get v. Outside of branches and
// loops each value is a scalar store behind a comparison with the binding's end; by address it is a loop over lanes.
#if LANES == 4
#define PUT_BY(way, to, at, v) { to[at] = FOUR (way, v, 0); }
#elif LANES == 8
#define PUT_BY(way, to, at, v) { to[at] = FOUR (way, v, 0); to[(at) + 1] = FOUR (way, v, 1); }
#else
#define PUT_BY(way, to, at, v)                                                                                         \
  { to[at] = FOUR (way, v, 0); to[(at) + 1] = FOUR (way, v, 1);                                                        \
    to[(at) + 2] = FOUR (way, v, 2); to[(at) + 3] = FOUR (way, v, 3); }
#endif
#define PUT(to, at, v) if (BROADCAST) PUT_BY (subgroupBroadcast, to, at, v) else PUT_BY (subgroupShuffle, to, at, v)
#define OUTSIDE 0x7ffffffu // fours: behind the end of any binding, where nothing is stored

// Before a barrier, of what is used behind it; low: below all values. LLVM's coroutines compute again behind a barrier
// what is plain arithmetic, and keep in memory what that began with: of a sum of products (LLVM 19, Mesa 25.0) every
// operand. A maximum is a call and is kept itself. Of exp2, low is not 0, which compilers know it exceeds.
#define KEEP(v, low) max (v, low)

// Two floats in the order of memory; eight: 8, which the compiler must not know. A pack, and what it takes for one,
// ends the process on lavapipe of Mesa 26.2 at 16 lanes: it writes over the driver's stack.
uint64_t
join (vec2 v, uint eight)
{
  return uint64_t (floatBitsToUint (v.x)) | uint64_t (floatBitsToUint (v.y)) << eight * 4u;
}
