// y = (x - mean) * rsqrt (var + eps), times weight plus bias where there are any: for CPUs that keep loops uniform.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_basic : require
#include "cpu_loop.h"

// One subgroup a row, in two passes over it: the variance of outliers doesn't survive the difference of two large sums.
// linear_loop.comp says how scalar loads become vectors; the last vector begins early, so as not to run over the end.
layout (local_size_x = LANES) in;
layout (constant_id = 0) const bool AFFINE = true; // there is a weight and a bias

layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) writeonly buffer Output { float v[]; };
layout (push_constant) uniform P { cpu_loop_layernorm_params p; };

float
load (uint64_t row, uint column)
{
  Floats from = Floats (row + uint64_t (column * 4u));
  float u[LANES];
  [[unroll]] for (uint i = 0; i < LANES; i++)
    u[i] = from.v[i];
  float v = u[LANES - 1];
  [[unroll]] for (uint i = 0; i < LANES - 1; i++)
    v = mix (v, u[i], gl_SubgroupInvocationID == i);
  return v;
}

#define COLUMN(i) min ((i) * LANES, p.dim - LANES)

void
main ()
{
  const uint row = gl_WorkGroupID.x + gl_WorkGroupID.y * CPU_LOOP_GROUPS, lane = gl_SubgroupInvocationID;
  const uint64_t x = p.x + uint64_t (min (row, p.rows - 1)) * p.x_row;
  const uint num = (p.dim + LANES - 1) / LANES;
  float sum = 0.0, squares = 0.0, rest = 0.0;
  [[dont_unroll]] for (uint i = 0; i < num; i++)
    sum += mix (0.0, load (x, COLUMN (i)), COLUMN (i) + lane >= i * LANES);
  const float mean = subgroupAdd (sum) / float (p.dim);
  [[dont_unroll]] for (uint i = 0; i < num; i++) {
    const float d = mix (0.0, load (x, COLUMN (i)) - mean, COLUMN (i) + lane >= i * LANES);
    squares += d * d;
    rest += d; // what rounding has kept from the mean, which matters in rows of one large value
  }
  rest = subgroupAdd (rest) / float (p.dim);
  const float scale = inversesqrt (max (subgroupAdd (squares) / float (p.dim) - rest * rest, 0.0) + p.eps);
  if (row >= p.rows)
    return;
  Output y = Output (p.y + uint64_t (row) * p.y_row);
  [[dont_unroll]] for (uint i = 0; i < num; i++) {
    float v = (load (x, COLUMN (i)) - mean - rest) * scale;
    if (AFFINE)
      v = v * load (p.weight, COLUMN (i)) + load (p.bias, COLUMN (i));
    y.v[COLUMN (i) + lane] = v;
  }
}
