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
layout (constant_id = 0) const uint BLOCKS = 1; // of k: subgroups of a workgroup
layout (constant_id = 1) const uint ACT = 0;    // VIT_ACT_
layout (constant_id = 2) const bool PAIRS = true; // outputs lie at even places: two rows stored at once
layout (constant_id = 3) const bool BROADCAST = false; // is how one lane's value gets to all, else a shuffle

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Inputs { vec2 v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) buffer Output { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uint64_t v[]; };
layout (buffer_reference, std430, buffer_reference_align = 16) readonly buffer Bias { vec4 v[]; };
layout (buffer_reference, std430, buffer_reference_align = 16) volatile readonly buffer Weight { vec4 v[]; };

layout (push_constant) uniform Params { // cpu_linear.h
  uint64_t x, w, y, before;
  uint rows, out_dim, y_stride, x_row, panel, k_last, flags;
  uint table[17];
} p;

// The odd element hides the low bits of addresses: known ones would keep scalars from becoming vectors.
struct Vector {
  vec4 q0;
  float odd;
};
shared Vector sums[BLOCKS * 3];

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

vec2
pair (float v)
{
  const uint j = 2u * gl_SubgroupInvocationID & 3u;
  return mix (vec2 (subgroupShuffle (v, j), subgroupShuffle (v, j + 1u)), vec2 (
      pick (vec4 (subgroupBroadcast (v, 0u), subgroupBroadcast (v, 2u),
      subgroupBroadcast (v, 0u), subgroupBroadcast (v, 2u))),
      pick (vec4 (subgroupBroadcast (v, 1u), subgroupBroadcast (v, 3u),
      subgroupBroadcast (v, 1u), subgroupBroadcast (v, 3u)))), bvec2 (BROADCAST));
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
finish (uint r, uint64_t panel, uint64_t last)
{
  float t = pick (sums[r].q0);
  t += mix (0.0, pick (sums[min (1u, BLOCKS - 1u) * 3u + r].q0), BLOCKS > 1u);
  t += mix (0.0, pick (sums[min (2u, BLOCKS - 1u) * 3u + r].q0), BLOCKS > 2u);
  Bias bias = Bias (panel - 16ul);
  t += mix (0.0, pick (bias.v[0]), (p.flags & 16u) != 0u);
  Floats earlier = Floats (last);
  const float before = pick (vec4 (earlier.v[0], earlier.v[1], earlier.v[2], earlier.v[3]));
  t = activate (t + mix (0.0, before, ACT != 0u && (p.flags & 32u) != 0u));
  return t + mix (0.0, before, (p.flags & 8u) != 0u);
}

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  const uint mb = p.table[gl_WorkGroupID.x], s = p.table[gl_SubgroupID] & 31u;
  const uint nb = p.table[gl_WorkGroupID.y] + p.table[gl_WorkGroupID.z] * (p.flags >> 16);
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
  const uint mine = s * 3u + (p.table[0] & 1u);
  if (BROADCAST) {
    sums[mine + 0u].q0 = vec4 (subgroupBroadcast (a0, 0u), subgroupBroadcast (a0, 1u),
      subgroupBroadcast (a0, 2u), subgroupBroadcast (a0, 3u));
    sums[mine + 1u].q0 = vec4 (subgroupBroadcast (a1, 0u), subgroupBroadcast (a1, 1u),
      subgroupBroadcast (a1, 2u), subgroupBroadcast (a1, 3u));
  } else {
    sums[mine + 0u].q0 = vec4 (subgroupShuffle (a0, 0u), subgroupShuffle (a0, 1u),
      subgroupShuffle (a0, 2u), subgroupShuffle (a0, 3u));
    sums[mine + 1u].q0 = vec4 (subgroupShuffle (a1, 0u), subgroupShuffle (a1, 1u),
      subgroupShuffle (a1, 2u), subgroupShuffle (a1, 3u));
  }
  sums[mine].odd = uintBitsToFloat (p.table[1]);
  barrier ();
  const uint each = (2u + BLOCKS - 1u) / BLOCKS, column = min (nb * 4u, p.out_dim - 4u);
  const uint64_t offset = uint64_t ((tile * p.y_stride + column) * 4u), y = p.y + offset, last = p.before + offset;
  const uint old_columns = nb * 4u - column, old_rows = mb * step - tile, row_bytes = p.y_stride * 4u;
  const uint end = min (s * each + each, step);
  [[unroll]] for (uint i = 0u; i < each; i += PAIRS ? 2u : 1u) {
    const uint r0 = s * each + i, r1 = r0 + 1u, q0 = min (r0, step - 1u), q1 = min (r1, step - 1u);
    const float t0 = finish (min (r0, 1u), panel, last + uint64_t (q0 * row_bytes));
    float t1 = 0.0;
    if (PAIRS && i + 1u < each)
      t1 = finish (min (r1, 1u), panel, last + uint64_t (q1 * row_bytes));
    if (PAIRS) {
      const uint j = 2u * lane & 3u, r = r0 + lane / 2u;
      const vec2 both = mix (pair (t0), pair (t1), bvec2 (lane >= 2u));
      Pairs to = Pairs (y);
      const uint at = r * (p.y_stride / 2u) + j / 2u;
      if (r < end && r >= old_rows && j >= old_columns)
        to.v[at] = uint64_t (floatBitsToUint (both.x)) | uint64_t (floatBitsToUint (both.y)) << p.table[8] * 4u;
    } else {
      Output to = Output (y + uint64_t (q0 * row_bytes));
      if (r0 < end && r0 >= old_rows && lane >= old_columns)
        to.v[lane] = t0;
    }
  }
}
