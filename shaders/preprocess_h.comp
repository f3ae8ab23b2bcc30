// rows[y][x] = clip8 ((sum over t of coeff[x][t] * rgb (frame, first[x] + t, y) + 2^21) >> 22)
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The horizontal half of PIL's 8-bit resize, from the frame's own planes. One invocation makes one pixel. It walks
// its source in quads of 4 pixels that begin on words of the frame: the taps come padded with zeros to whole quads,
// so a quad costs one load of luma and one of coefficients, and chroma is loaded once for 4 pixels. Everything is
// exact in 32-bit integers: the coefficients' magnitudes sum to less than 2 * 2^22.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"

layout (local_size_x = 64) in;
// p.kind, as a constant: CPUs walk through every side of a branch, taken or not.
layout (constant_id = 0) const uint KIND = VIT_FRAME_RGB24;

layout (push_constant) uniform Params { preprocess_h_params p; };
layout (binding = 0) readonly buffer Frame { uint frame[]; };
layout (binding = 1) readonly buffer Tables { ivec4 tables[]; };
layout (binding = 3) writeonly buffer Rows { uint rows[]; };     // (num_rows, out_stride)

#include "colour.glsl"

const bool SUBSAMPLED = KIND == VIT_FRAME_YUV_SEMI || KIND == VIT_FRAME_YUV_PLANAR || KIND == VIT_FRAME_YUV_PACKED;

ivec3 sum = ivec3 (1 << 21);

void
accumulate (uint tap, quad q)
{
  ivec4 c = tables[tap];
  sum.r += q.r.x * c.x + q.r.y * c.y + q.r.z * c.z + q.r.w * c.w;
  sum.g += q.g.x * c.x + q.g.y * c.y + q.g.z * c.z + q.g.w * c.w;
  sum.b += q.b.x * c.x + q.b.y * c.y + q.b.z * c.z + q.b.w * c.w;
}

void
sum_subsampled (uint row, uint first, uint groups, uint tap)
{
  chroma_rows rows = chroma_rows_of (row);
  uint before = odd_sample (blend_rows (rows, max (first, 1u) - 1u));
  chroma_pair here = blend_rows (rows, first);
  for (uint i = first; i < first + groups; i++) {
    chroma_pair next = blend_rows (rows, i + 1u);
    uvec4 uv = chroma_quad (i, before, here, even_sample (next));
    accumulate (tap++, quad_from_yuv (luma_quad (row, i), ivec4 (uv & 0xffffu), ivec4 (uv >> 16)));
    before = odd_sample (here);
    here = next;
  }
}

void
sum_plain (uint row, uint first, uint groups, uint tap)
{
  for (uint i = first; i < first + groups; i++) {
    if (KIND == VIT_FRAME_RGB24)
      accumulate (tap++, load_rgb24 (row, i));
    else if (KIND == VIT_FRAME_RGB32)
      accumulate (tap++, load_rgb32 (row, i));
    else if (KIND == VIT_FRAME_YUV444)
      accumulate (tap++, load_yuv444 (row, i));
    else
      accumulate (tap++, load_gray (row, i));
  }
}

void
main ()
{
  uint x = gl_GlobalInvocationID.x, row = gl_WorkGroupID.y;
  if (x >= p.width)
    return;
  ivec4 head = tables[p.taps_offset + x];
  uint tap = p.taps_offset + p.width + x * p.max_groups;
  if (SUBSAMPLED)
    sum_subsampled (row, uint (head.x), uint (head.y), tap);
  else
    sum_plain (row, uint (head.x), uint (head.y), tap);
  ivec3 rgb = clamp (sum >> 22, 0, 255);
  uint word = uint (rgb.r) | (uint (rgb.g) << 8) | (uint (rgb.b) << 16);
  rows[row * p.out_stride + x] = head.y == 0 ? p.fill : word;
}
