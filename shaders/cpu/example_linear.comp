// Written by gen_linear 4 f32.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require

layout (local_size_x = 4, local_size_y_id = 0) in;
layout (constant_id = 0) const uint SUBGROUPS = 1; // of a workgroup: all blocks of some panels
layout (constant_id = 1) const uint BLOCKS = 1;    // of k
layout (constant_id = 2) const uint ACT = 0;       // VIT_ACT_
layout (constant_id = 3) const bool FOURS = true;  // out_dim and places in y are whole fours
layout (constant_id = 4) const bool BROADCAST = false; // is how one lane's value gets to all, else a shuffle

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Inputs { vec2 v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };
layout (std430, binding = 0) writeonly buffer Output { float y[]; };
layout (std430, binding = 0) writeonly buffer OutputFours { vec4 y4[]; };
layout (buffer_reference, std430, buffer_reference_align = 16) readonly buffer Bias { vec4 v[]; };
layout (buffer_reference, std430, buffer_reference_align = 16) volatile readonly buffer Weight { vec4 v[]; };

layout (push_constant) uniform Params { // cpu_linear.h
  uint64_t x, w, before;
  uint y_first, rows, out_dim, y_stride, x_row, panel, k_last, flags;
  uint table[17];
} p;

// Lane i's value for all lanes.
#define ONE(v, i) mix (subgroupShuffle (v, i), subgroupBroadcast (v, i), BROADCAST)

// The odd element hides the low bits of addresses: known ones would keep scalars from becoming vectors.
struct Vector {
  vec4 q0;
  float odd;
};
shared Vector sums[SUBGROUPS * 3];

float
pick (vec4 q0)
{
  const uint lane = gl_SubgroupInvocationID;
  float u = q0.w;
  u = mix (u, q0.z, lane == 2u);
  u = mix (u, q0.y, lane == 1u);
  u = mix (u, q0.x, lane == 0u);
  return u;
}

// VIT_ACT_ of params.h; those that have an exponential share its code.
float
activate (float x)
{
  // GELU: 1 - erf (z) by Abramowitz and Stegun 7.1.26: |error| <= 1.5e-7
  const float z = abs (x) * 0.70710678, t = 1.0 / (1.0 + 0.3275911 * z);
  const float q = 0.5 * exp (-z * z) * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
      + t * (-1.453152027 + t * 1.061405429))));
  const float gelu = x * mix (1.0 - q, q, x < 0.0);
  const float inner = ACT == 2u ? 1.5957691 * (x + 0.044715 * x * x * x) : ACT == 3u ? 1.702 * x : 2.0 * x;
  const float u = 1.0 / (1.0 + exp (min (-inner, 80.0)));
  const float other = mix (x * u, 2.0 * u - 1.0, ACT == 5u);
  return mix (mix (mix (other, gelu, ACT == 1u), max (x, 0.0), ACT == 4u), x, ACT == 0u);
}

float
total (uint first, uint r)
{
  float t = pick (sums[first + r].q0);
  t += mix (0.0, pick (sums[first + min (1u, BLOCKS - 1u) * 3u + r].q0), BLOCKS > 1u);
  t += mix (0.0, pick (sums[first + min (2u, BLOCKS - 1u) * 3u + r].q0), BLOCKS > 2u);
  return t;
}

float
finish (float t, uint64_t panel, uint64_t last)
{
  Bias bias = Bias (panel - 16ul);
  t += mix (0.0, pick (bias.v[0]), (p.flags & 16u) != 0u);
  Floats earlier = Floats (last);
  const float before = pick (vec4 (earlier.v[0], earlier.v[1], earlier.v[2], earlier.v[3]));
  t = activate (t + mix (0.0, before, ACT != 0u && (p.flags & 32u) != 0u));
  return t + mix (0.0, before, (p.flags & 8u) != 0u);
}

const uint OUTSIDE = 0x1fffffffu; // behind the end of y

void
store (float t, uint at, uint old)
{
  if (FOURS) {
    y4[mix (OUTSIDE / 4u, at / 4u + 0u, 0u >= old)] = vec4 (ONE (t, 0u), ONE (t, 1u), ONE (t, 2u), ONE (t, 3u));
  } else {
    y[mix (OUTSIDE, at + 0u, 0u >= old)] = ONE (t, 0u);
    y[mix (OUTSIDE, at + 1u, 1u >= old)] = ONE (t, 1u);
    y[mix (OUTSIDE, at + 2u, 2u >= old)] = ONE (t, 2u);
    y[mix (OUTSIDE, at + 3u, 3u >= old)] = ONE (t, 3u);
  }
}

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  const uint mb = p.table[gl_WorkGroupID.x], all = p.table[gl_SubgroupID] & 31u;
  const uint which = mix (0u, all / BLOCKS, SUBGROUPS > BLOCKS), s = all - which * BLOCKS; // panel, block
  const uint group = p.table[gl_WorkGroupID.y] + p.table[gl_WorkGroupID.z] * (p.flags >> 16);
  const uint nb = group * (SUBGROUPS / BLOCKS) + which;
  const uint64_t panel = p.w + uint64_t (nb * p.panel);
  Weight w = Weight (panel + uint64_t (s * 32u));
  const uint step = p.flags >> 8 & 255u, tile = min (mb * step, p.rows - step);
  const uint64_t x = p.x + uint64_t (tile * p.x_row + min (s * 8u, p.k_last));
  const uint row = step > 1u ? p.x_row : 0u; // else the tile is one row
  Inputs x0 = Inputs (x + uint64_t (row * 0u));
  Inputs x1 = Inputs (x + uint64_t (row * 1u));
  float a0 = 0.0, a1 = 0.0;
  const float c0 = pick (w.v[0]);
  const vec2 x0_0 = x0.v[0];
  a0 += x0_0.x * c0;
  const vec2 x1_0 = x1.v[0];
  a1 += x1_0.x * c0;
  const float c1 = pick (w.v[1]);
  a0 += x0_0.y * c1;
  a1 += x1_0.y * c1;
  const uint mine = all * 3u + (p.table[0] & 1u);
  sums[mine + 0u].q0 = vec4 (ONE (a0, 0u), ONE (a0, 1u), ONE (a0, 2u), ONE (a0, 3u));
  sums[mine + 1u].q0 = vec4 (ONE (a1, 0u), ONE (a1, 1u), ONE (a1, 2u), ONE (a1, 3u));
  sums[mine].odd = uintBitsToFloat (p.table[1]);
  barrier ();
  const uint column = min (nb * 4u, p.out_dim - 4u), offset = tile * p.y_stride + column;
  const uint old_columns = nb * 4u - column, old_rows = mb * step - tile;
  const bool more = (p.flags & 40u) != 0u;
  const uint64_t last = mix (panel - 16ul, p.before + uint64_t (offset * 4u), more);
  const uint last_row = mix (0u, p.y_stride * 4u, more), end = mix (0u, step, old_columns < 4u);
  const uint each = (2u + BLOCKS - 1u) / BLOCKS, first = which * BLOCKS * 3u;
  [[unroll]] for (uint i = 0u; i < each; i++) {
    const uint r = s * each + i + p.table[0];
    const float t = finish (total (first, min (r, 1u)), panel, last + uint64_t (min (r, step - 1u) * last_row));
    const uint at = p.y_first + offset + r * p.y_stride;
    store (t, mix (OUTSIDE, at, r < s * each + each && r >= old_rows && r < end), old_columns);
  }
}
