// y = (x - mean) * rsqrt (var + eps), times weight plus bias where there are any, for devices that are a CPU; LANES is
// the size of their subgroups.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "cpu_layernorm.h"

// One subgroup does one row, LANES neighbouring values at a time. gen_linear.c says why addresses come from a table and
// why nothing loops. Not gl_LocalInvocationID, which takes each lane two divisions (Mesa 25.0).
layout (local_size_x = LANES, local_size_y = CPU_LAYERNORM_ROWS) in;
layout (constant_id = 0) const uint DIM = 64; // fours, LANES at least
layout (constant_id = 1) const bool AFFINE = true; // there is a weight and a bias
layout (constant_id = 2) const bool BROADCAST = false; // is how one lane's value gets to others, else a shuffle
const uint NUM = (DIM + LANES - 1) / LANES, TABLE = CPU_LAYERNORM_TABLE;

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Fours { vec4 v[]; };
layout (std430, binding = 3) volatile writeonly buffer Output { vec4 Y[]; };
layout (push_constant) uniform P { cpu_layernorm_params p; };

#include "lanes.glsl"

// Lane i gets the i-th float from `at` on.
#define FOUR_OF(from, i) from.v[i]
float
load (uint64_t from, uint at)
{
  Fours here = Fours (from + uint64_t (at * 4));
  return pick (QUADS (FOUR_OF, here));
}

// MOVE (name, from): a function of v that gives lane i what lane from (i) has, in one of two ways, which gen_linear.c
// explains.
#define LANE(from, i) subgroupBroadcast (v, from (i))
#define ALL(from, i) vec4 (LANE (from, 4 * i), LANE (from, 4 * i + 1), LANE (from, 4 * i + 2), LANE (from, 4 * i + 3))
#define MOVE(name, from)                                                                                               \
  float name (float v)                                                                                                 \
  {                                                                                                                    \
    return mix (subgroupShuffle (v, from (gl_SubgroupInvocationID)), pick (QUADS (ALL, from)), BROADCAST);             \
  }
#define OVER1(i) ((i) ^ 1)
#define OVER2(i) ((i) ^ 2)
#define OVER4(i) (((i) ^ 4) & LANES - 1)
#define OVER8(i) (((i) ^ 8) & LANES - 1)
MOVE (over1, OVER1)
MOVE (over2, OVER2)
MOVE (over4, OVER4)
MOVE (over8, OVER8)

// The sum over all lanes, in all of them.
float
sum (float v)
{
  v += over1 (v);
  v += over2 (v);
  if (LANES > 4)
    v += over4 (v);
  if (LANES > 8)
    v += over8 (v);
  return v;
}

// The last values are reached by beginning early: `again` of them were there before.
#define START(i) min ((i) * LANES, DIM - LANES)
#define AGAIN(i) ((i) * LANES - START (i))

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  const uint wanted = (p.table[gl_WorkGroupID.y] * TABLE + p.table[gl_WorkGroupID.x]) * CPU_LAYERNORM_ROWS
      + p.table[gl_SubgroupID];
  const uint64_t x = p.x + uint64_t (min (wanted, p.rows - 1u) * p.x_row);
  vec2 part = vec2 (0.0);
  [[unroll]] for (uint i = 0; i < NUM; i++)
    part[i & 1] += mix (0.0, load (x, START (i)), lane >= AGAIN (i));
  const float mean = sum (part.x + part.y) / float (DIM);
  part = vec2 (0.0);
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    const float v = mix (0.0, load (x, START (i)) - mean, lane >= AGAIN (i));
    part[i & 1] += v * v;
  }
  const float scale = inversesqrt (sum (part.x + part.y) / float (DIM) + p.eps);

  const uint y = mix (OUTSIDE, p.y + wanted * p.y_row, wanted < p.rows);
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    float v = (load (x, START (i)) - mean) * scale;
    if (AFFINE)
      v = v * load (p.weight, START (i)) + load (p.bias, START (i));
    PUT (Y, y + START (i) / 4, v)
  }
}
