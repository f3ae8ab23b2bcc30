// rows[y][x] = clip8 ((sum over t of coeff[x][t] * rgb (frame, first[x] + t, y) + 2^21) >> 22)
// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The first half of PIL's 8-bit resize, from the frame's own planes: along x, and along y where VIT_FRAME_VERTICAL
// says so. Along x one invocation makes one pixel. It walks its source in quads of 4 pixels that begin on words of the
// frame: the taps come padded with zeros to whole quads, so a quad costs one load of luma and one of coefficients, and
// chroma is loaded once for 4 pixels. Along y one invocation makes a quad. Everything is exact in 32-bit integers: the
// coefficients' magnitudes sum to less than 2 * 2^22.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"

layout (local_size_x = 64) in;
// p.kind, as a constant: CPUs walk through every side of a branch, taken or not.
layout (constant_id = 0) const uint FRAME = VIT_FRAME_RGB24;
const uint KIND = FRAME & VIT_FRAME_MASK;

layout (push_constant) uniform Params { preprocess_h_params p; };
layout (binding = 0) readonly buffer Frame { uint frame[]; };
layout (binding = 1) readonly buffer Tables { ivec4 tables[]; };
layout (binding = 3) writeonly buffer Rows { uint rows[]; };     // (num_rows, out_stride)

#include "pixel_x.glsl"

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
  uint x = gl_GlobalInvocationID.x, row = gl_WorkGroupID.y;
  if (x >= p.width)
    return;
  if ((FRAME & VIT_FRAME_VERTICAL) != 0u)
    along_y (x, row);
  else
    rows[row * p.out_stride + x] =
        pixel_along_x (tables[p.taps_offset + x], row, p.taps_offset + p.width + x * p.max_groups);
}
