// A pixel of a row that is resized along x: taps in quads of 4 pixels, which begin on words of the frame.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Included after the bindings frame[] and tables[], and p with planes and fill.
#include "colour.glsl"

ivec3 sum;

void
accumulate (uint tap, quad q)
{
  ivec4 c = tables[tap];
  sum.r += q.r.x * c.x + q.r.y * c.y + q.r.z * c.z + q.r.w * c.w;
  sum.g += q.g.x * c.x + q.g.y * c.y + q.g.z * c.z + q.g.w * c.w;
  sum.b += q.b.x * c.x + q.b.y * c.y + q.b.z * c.z + q.b.w * c.w;
}

// As load_quad, but each pair of chroma is loaded once and handed on to the next quad.
void
sum_subsampled (uint row, uint first, uint groups, uint tap)
{
  chroma_rows rows = chroma_rows_of (row);
  uint before = odd_sample (blend_rows (rows, max (first, 1u) - 1u));
  chroma_pair here = blend_rows (rows, first);
  for (uint i = first; i < first + groups; i++) {
    chroma_pair next = blend_rows (rows, i + 1u);
    accumulate (tap++, load_subsampled (row, i, before, here, even_sample (next)));
    before = odd_sample (here);
    here = next;
  }
}

// tap: of the pixel's first coefficients
uint
pixel_along_x (ivec4 head, uint row, uint tap)
{
  uint first = uint (head.x), groups = uint (head.y);
  sum = ivec3 (1 << 21);
  if (SUBSAMPLED)
    sum_subsampled (row, first, groups, tap);
  else
    for (uint i = first; i < first + groups; i++)
      accumulate (tap++, load_plain (row, i));
  return groups == 0u ? p.fill : pack (sum);
}
