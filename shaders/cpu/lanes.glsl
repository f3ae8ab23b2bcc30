// A vector of LANES floats in shared memory, how lanes read it in one instruction, and what barriers do to values.
// SPDX-License-Identifier: LGPL-2.1-or-later

struct Vector {
  vec4 q[LANES / 4];
  float odd; // hides the low bits of addresses
};

// Lane i gets u[i].
float
pick (float u[LANES])
{
  float v = u[LANES - 1];
  [[unroll]] for (uint i = 0; i < LANES - 1; i++)
    v = mix (v, u[i], gl_SubgroupInvocationID == i);
  return v;
}

#define LOAD(to, from)                                                                                                 \
  {                                                                                                                    \
    float u_[LANES];                                                                                                   \
    [[unroll]] for (uint i_ = 0; i_ < LANES; i_ += 4) {                                                                \
      const vec4 f_ = from.q[i_ / 4];                                                                                  \
      u_[i_] = f_.x;                                                                                                   \
      u_[i_ + 1] = f_.y;                                                                                               \
      u_[i_ + 2] = f_.z;                                                                                               \
      u_[i_ + 3] = f_.w;                                                                                               \
    }                                                                                                                  \
    to = pick (u_);                                                                                                    \
  }

// Before a barrier, of what is used behind it; low: below all values. LLVM's coroutines compute again behind a barrier
// what is plain arithmetic, and keep in memory what that began with: of a sum of products (LLVM 19, Mesa 25.0) every
// operand. A maximum is a call and is kept itself. Of exp2, low is not 0, which compilers know it exceeds.
#define KEEP(v, low) max (v, low)
