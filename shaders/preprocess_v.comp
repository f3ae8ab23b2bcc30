// value = clip8 ((sum over t of coeff[y][t] * rows[first[y] + t][x] + 2^21) >> 22)
// patches[patch][c][py][px] = value * scale[c] + offset[c]
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The second half of PIL's 8-bit resize (along y, or along x where the first went along y), rounded to 8 bits like the
// first, then normalised and stored as the patch rows that the patch embedding multiplies. One invocation makes 4
// neighbours of one output row; along y they share their coefficients and arrive in one load.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"
#include "precision.glsl"

layout (local_size_x = 64) in;

layout (push_constant) uniform Params { preprocess_v_params p; };
layout (binding = 0) readonly buffer Rows { uvec4 rows[]; };       // (last_row + 1, rows_stride / 4)
layout (binding = 1) readonly buffer Tables { ivec4 tables[]; };
layout (binding = 3) writeonly buffer Patches { Y_DATA patches[]; }; // (patches, out_stride)

ivec4 sum_r = ivec4 (1 << 21), sum_g = ivec4 (1 << 21), sum_b = ivec4 (1 << 21);

bvec4 outside = bvec4 (false);

void
accumulate (uint row, uint x4, int coeff)
{
  uvec4 w = rows[min (row, p.last_row) * (p.rows_stride >> 2) + x4];
  sum_r += coeff * ivec4 (w & 0xffu);
  sum_g += coeff * ivec4 ((w >> 8) & 0xffu);
  sum_b += coeff * ivec4 ((w >> 16) & 0xffu);
}

void
along_y (uint x4, uint y)
{
  ivec4 head = tables[p.taps_offset + y];
  uint tap = p.taps_offset + p.height + y * p.max_groups, row = uint (head.x);
  for (int t = 0; t < head.y; t++, row += 4u) {
    ivec4 c = tables[tap++];
    accumulate (row, x4, c.x);
    accumulate (row + 1u, x4, c.y);
    accumulate (row + 2u, x4, c.z);
    accumulate (row + 3u, x4, c.w);
  }
  outside = bvec4 (head.y == 0);
}

void
along_x (uint x, uint y)
{
  for (int i = 0; i < 4; i++) {
    uint column = min (x + uint (i), p.width - 1u);
    ivec4 head = tables[p.taps_offset + column];
    uint tap = p.taps_offset + p.width + column * p.max_groups, at = y * (p.rows_stride >> 2) + uint (head.x);
    for (int t = 0; t < head.y; t++) {
      ivec4 c = tables[tap++];
      uvec4 w = rows[at++];
      ivec4 r = c * ivec4 (w & 0xffu), g = c * ivec4 ((w >> 8) & 0xffu), b = c * ivec4 ((w >> 16) & 0xffu);
      sum_r[i] += r.x + r.y + r.z + r.w;
      sum_g[i] += g.x + g.y + g.z + g.w;
      sum_b[i] += b.x + b.y + b.z + b.w;
    }
    outside[i] = head.y == 0;
  }
}

// 4 values of one channel, as the network wants them. precise: a fused multiply-add would round otherwise on some
// devices.
vec4
normalised (ivec4 sum, int channel)
{
  ivec4 fill = ivec4 ((p.fill >> (8 * channel)) & 0xffu);
  precise vec4 value = vec4 (mix (clamp (sum >> 22, 0, 255), fill, outside)) * p.scale[channel] + p.offset[channel];
  return value;
}

void
main ()
{
  uint x4 = gl_GlobalInvocationID.x, x = x4 * 4u, y = gl_WorkGroupID.y;
  uint invocations = gl_NumWorkGroups.x * 64u * gl_NumWorkGroups.y;
  for (uint i = y * gl_NumWorkGroups.x * 64u + x4; i < p.zeros; i += invocations)
    patches[p.out_first - 1u - i] = Y_STORE (0.0);
  if (x >= p.width)
    return;
  if (p.along_x != 0u)
    along_x (x, y);
  else
    along_y (x4, y);
  vec4 r = normalised (sum_r, 0), g = normalised (sum_g, 1), b = normalised (sum_b, 2);
  uint across = p.width / p.patch_width, area = p.patch_width * p.patch_height;
  uint px = x % p.patch_width;
  uint at = p.out_first + ((y / p.patch_height) * across + x / p.patch_width) * p.out_stride
      + (y % p.patch_height) * p.patch_width + px;
  for (uint i = 0u; i < 4u && x + i < p.width; i++) {
    patches[at] = Y_STORE (r[i]);
    patches[at + area] = Y_STORE (g[i]);
    patches[at + 2u * area] = Y_STORE (b[i]);
    bool next_patch = ++px == p.patch_width;
    at += next_patch ? p.out_stride - p.patch_width + 1u : 1u;
    px = next_patch ? 0u : px;
  }
}
