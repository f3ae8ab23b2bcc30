// y = (x - mean) * rsqrt (var + eps), times weight plus bias where there are any: for CPUs that keep loops uniform.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#include "cpu_loop.h"
#include "store.glsl"
#include "vector.glsl"

// One subgroup a row, which it keeps in registers or on the stack; in two passes over it, for the variance of outliers
// doesn't survive the difference of two large sums. linear_loop.comp says how scalar loads become vectors; the last
// vector begins early, so as not to run over the end. Written out: a round of a loop waits some 50 cycles for the mask
// and the counter, which lavapipe passes through memory.
layout (local_size_x = LANES) in;
layout (constant_id = 0) const bool AFFINE = true; // there is a weight and a bias
layout (constant_id = 1) const uint DIM = 64;      // LANES or more
layout (constant_id = 2) const bool BOUND = false; // y is bound, and DIM whole elements of it
const uint NUM = (DIM + LANES - 1) / LANES;

layout (buffer_reference, std430, buffer_reference_align = 4) writeonly buffer Anywhere { float v[]; };
layout (push_constant) uniform P { cpu_loop_layernorm_params p; };

#define COLUMN(i) min ((i) * LANES, DIM - LANES)

void
main ()
{
  const uint row = gl_WorkGroupID.x, lane = gl_SubgroupInvocationID;
  bool here[LANES];
  [[unroll]] for (uint i = 0; i < LANES; i++)
    here[i] = lane == i;
  const uint64_t x = p.x + uint64_t (row) * p.x_row;
  float v[NUM], sum = 0.0, squares = 0.0, rest = 0.0;
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    v[i] = vector (x + COLUMN (i) * 4, here);
    sum += mix (0.0, v[i], COLUMN (i) + lane >= i * LANES);
  }
  const float mean = subgroupAdd (sum) * (1.0 / float (DIM));
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    v[i] -= mean;
    const float d = mix (0.0, v[i], COLUMN (i) + lane >= i * LANES);
    squares += d * d;
    rest += d; // what rounding has kept from the mean, which matters in rows of one large value
  }
  rest = subgroupAdd (rest) * (1.0 / float (DIM));
  const float scale = inversesqrt (max (subgroupAdd (squares) * (1.0 / float (DIM)) - rest * rest, 0.0) + p.eps);
  if (!BOUND && row >= p.rows) // never, but scatters in the same block as the loads cost LLVM a second
    return;
  Anywhere y = Anywhere (p.y + uint64_t (row) * p.y_row);
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    float t = (v[i] - rest) * scale;
    if (AFFINE)
      t = t * vector (p.weight + COLUMN (i) * 4, here) + vector (p.bias + COLUMN (i) * 4, here);
    if (BOUND)
      store (p.y_at + row * (p.y_row / (4 * STORE_FLOATS)) + COLUMN (i) / STORE_FLOATS, t);
    else
      y.v[COLUMN (i) + lane] = t;
  }
}
