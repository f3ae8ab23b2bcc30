// rows[y][x] = clip8 ((sum over t of coeff[x][t] * rgb (frame, first[x] + t, y) + 2^21) >> 22)
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The first half of PIL's 8-bit resize, from the frame's own planes: along x, and along y where VIT_FRAME_VERTICAL
// says so. Along x one invocation makes one pixel of each of 4 rows. It walks its source in quads of 4 pixels that
// begin on words of the frame: the taps come padded with zeros to whole quads, so that a quad costs a load of
// coefficients for 4 rows and one of luma for each; chroma is loaded once for 4 pixels, and 4 rows of it serve 4 of
// luma. Software drivers load lane by lane: with one row it took twice the time. Along y one invocation makes a quad.
// Everything is exact in 32-bit integers: the coefficients' magnitudes sum to less than 2 * 2^22.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"

layout (local_size_x = 64) in;
// p.kind, as a constant: CPUs walk through every side of a branch, taken or not.
layout (constant_id = 0) const uint FRAME = VIT_FRAME_RGB24;
const uint KIND = FRAME & VIT_FRAME_MASK;

layout (push_constant) uniform Params { preprocess_h_params p; };
layout (binding = 0) readonly buffer Frame { uint frame[]; };
layout (binding = 1) readonly buffer Tables { ivec4 tables[]; };
layout (binding = 3) writeonly buffer Rows { uint rows[]; };     // (num_rows, out_stride)

#include "colour.glsl"

const uint BLOCK = VIT_FRAME_BLOCK; // rows
ivec3 sums[BLOCK];

// What lies outside the frame is computed from the next row that is inside, and not stored.
uint
inside (int row)
{
  return uint (clamp (row, 0, int (p.last_row)));
}

// Samples 2i and 2i + 1 for each row of a block, whose first two lie in the same row of chroma; in quarters.
void
blend_block (int row, uint i, out chroma_pair c[BLOCK])
{
  if (KIND == VIT_FRAME_YUV_PACKED) {
    [[unroll]] for (uint k = 0u; k < BLOCK; k++)
      c[k] = blend_rows (chroma_rows_of (inside (row + int (k))), i);
    return;
  }
  chroma_pair loaded[BLOCK / 2u + 2u]; // from the row above the first to the one below the last
  int above = ((row + int (p.planes.chroma_y_phase)) >> 1) + int (p.planes.chroma_y_first) - 1;
  i = min (i, p.planes.chroma_last_x >> 1);
  [[unroll]] for (uint k = 0u; k < BLOCK / 2u + 2u; k++)
    loaded[k] = load_pair (uint (clamp (above + int (k), 0, int (p.planes.chroma_last_y))), i);
  uvec2 weight = p.planes.chroma_v_cosited == 0u ? uvec2 (1u, 1u) : uvec2 (0u, 2u); // of the far row
  [[unroll]] for (uint k = 0u; k < BLOCK; k++) {
    chroma_pair near = loaded[k / 2u + 1u], far = loaded[k / 2u + (k & 1u) * 2u];
    c[k].u = near.u * (4u - weight[k & 1u]) + far.u * weight[k & 1u];
    c[k].v = near.v * (4u - weight[k & 1u]) + far.v * weight[k & 1u];
  }
}

void
accumulate (uint k, ivec4 c, quad q)
{
  sums[k].r += q.r.x * c.x + q.r.y * c.y + q.r.z * c.z + q.r.w * c.w;
  sums[k].g += q.g.x * c.x + q.g.y * c.y + q.g.z * c.z + q.g.w * c.w;
  sums[k].b += q.b.x * c.x + q.b.y * c.y + q.b.z * c.z + q.b.w * c.w;
}

// Each pair of chroma is loaded once and handed on to the next quad.
void
sum_subsampled (int row, uint first, uint groups, uint tap)
{
  chroma_pair here[BLOCK], next[BLOCK];
  uint before[BLOCK];
  blend_block (row, max (first, 1u) - 1u, next);
  [[unroll]] for (uint k = 0u; k < BLOCK; k++)
    before[k] = odd_sample (next[k]);
  blend_block (row, first, here);
  for (uint i = first; i < first + groups; i++) {
    ivec4 c = tables[tap++];
    blend_block (row, i + 1u, next);
    [[unroll]] for (uint k = 0u; k < BLOCK; k++) {
      accumulate (k, c, load_subsampled (inside (row + int (k)), i, before[k], here[k], even_sample (next[k])));
      before[k] = odd_sample (here[k]);
      here[k] = next[k];
    }
  }
}

void
sum_plain (int row, uint first, uint groups, uint tap)
{
  for (uint i = first; i < first + groups; i++) {
    ivec4 c = tables[tap++];
    [[unroll]] for (uint k = 0u; k < BLOCK; k++)
      accumulate (k, c, load_plain (inside (row + int (k)), i));
  }
}

// Blocks begin where the first two rows of luma lie in the same row of chroma, so the first may begin above the frame.
void
along_x (uint x, uint block)
{
  ivec4 head = tables[p.taps_offset + x];
  int row = int (block * BLOCK) - int (p.planes.chroma_y_phase);
  uint first = uint (head.x), groups = uint (head.y), tap = p.taps_offset + p.width + x * p.max_groups;
  [[unroll]] for (uint k = 0u; k < BLOCK; k++)
    sums[k] = ivec3 (1 << 21);
  if (SUBSAMPLED)
    sum_subsampled (row, first, groups, tap);
  else
    sum_plain (row, first, groups, tap);
  [[unroll]] for (uint k = 0u; k < BLOCK; k++)
    if (uint (row + int (k)) < p.num_rows) // a row above the frame is a huge number
      rows[uint (row + int (k)) * p.out_stride + x] = groups == 0u ? p.fill : pack (sums[k]);
}

void
along_y (uint x, uint y)
{
  ivec4 head = tables[p.taps_offset + y], r = ivec4 (1 << 21), g = r, b = r;
  uint first = uint (head.x), tap = p.taps_offset + p.num_rows + y * p.max_groups;
  for (uint t = 0u; t < uint (head.y) * 4u; t++) {
    int c = tables[tap + (t >> 2)][t & 3u];
    quad q = load_quad (min (first + t, p.last_row), p.first_quad + x); // padded taps may lie below the last row
    r += q.r * c;
    g += q.g * c;
    b += q.b * c;
  }
  for (int i = 0; i < 4; i++)
    rows[y * p.out_stride + x * 4u + i] = head.y == 0 ? p.fill : pack (ivec3 (r[i], g[i], b[i]));
}

void
main ()
{
  uint x = gl_GlobalInvocationID.x, y = gl_WorkGroupID.y;
  if (x >= p.width)
    return;
  if ((FRAME & VIT_FRAME_VERTICAL) != 0u)
    along_y (x, y);
  else
    along_x (x, y);
}
