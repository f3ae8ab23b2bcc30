// Chroma of four neighbouring pixels, interpolated between its samples by their siting.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Included by colour.glsl, which says what must be declared before it.

const uint EVEN_BYTES = 0x00ff00ffu;
const bool SUBSAMPLED = KIND == VIT_FRAME_YUV_SEMI || KIND == VIT_FRAME_YUV_PLANAR || KIND == VIT_FRAME_YUV_PACKED;

// Chroma samples 2i and 2i + 1 of one row as U0, U1 and V0, V1: 16 bits each, weighted.
struct chroma_pair { uint u, v; };

// One sample with U in the low and V in the high half: four weighted sums run in one 32-bit number, as no sum of
// weights passes 16 and 16 * 255 fits in 16 bits.
uint even_sample (chroma_pair c) { return (c.u & 0xffffu) | (c.v << 16); }
uint odd_sample (chroma_pair c) { return (c.u >> 16) | (c.v & 0xffff0000u); }

chroma_pair
load_pair (uint row, uint i)
{
  chroma_pair c;
  if (KIND == VIT_FRAME_YUV_SEMI) {
    uint w = frame[p.planes.chroma_offset + row * p.planes.chroma_stride + i];
    c.u = (w >> p.planes.shift[1]) & EVEN_BYTES;
    c.v = (w >> p.planes.shift[2]) & EVEN_BYTES;
  } else if (KIND == VIT_FRAME_YUV_PLANAR) {
    uint at = row * p.planes.chroma_stride + (i >> 1), half_shift = (i & 1u) * 16u;
    uint u = frame[p.planes.chroma_offset + at] >> half_shift, v = frame[p.planes.chroma_offset2 + at] >> half_shift;
    c.u = (u & 0xffu) | ((u & 0xff00u) << 8);
    c.v = (v & 0xffu) | ((v & 0xff00u) << 8);
  } else {
    uint at = row * p.planes.stride + i * 2u, a = frame[at], b = frame[at + 1u];
    c.u = ((a >> p.planes.shift[1]) & 0xffu) | (((b >> p.planes.shift[1]) & 0xffu) << 16);
    c.v = ((a >> p.planes.shift[2]) & 0xffu) | (((b >> p.planes.shift[2]) & 0xffu) << 16);
  }
  return c;
}

// Where a luma row lies between two chroma rows: near and far row, weight of the far one in quarters.
struct chroma_rows { uint near, far, weight; };

chroma_rows
chroma_rows_of (uint row)
{
  if (KIND == VIT_FRAME_YUV_PACKED)
    return chroma_rows (row, row, 0u);
  uint phased = row + p.planes.chroma_y_phase;
  bool odd = (phased & 1u) != 0u;
  uint near = min ((phased >> 1) + p.planes.chroma_y_first, p.planes.chroma_last_y);
  uint far = odd ? min (near + 1u, p.planes.chroma_last_y) : max (near, 1u) - 1u;
  uint weight = p.planes.chroma_v_cosited == 0u ? 1u : odd ? 2u : 0u;
  return chroma_rows (near, far, weight);
}

// Samples 2i and 2i + 1 between two chroma rows, in quarters. i may lie past the end: the last pair then.
chroma_pair
blend_rows (chroma_rows rows, uint i)
{
  i = min (i, p.planes.chroma_last_x >> 1);
  chroma_pair c = load_pair (rows.near, i);
  if (KIND == VIT_FRAME_YUV_PACKED) {
    c.u *= 4u;
    c.v *= 4u;
    return c;
  }
  chroma_pair far = load_pair (rows.far, i);
  c.u = c.u * (4u - rows.weight) + far.u * rows.weight;
  c.v = c.v * (4u - rows.weight) + far.v * rows.weight;
  return c;
}

// The chroma of pixels 4i .. 4i + 3 in sixteenths, U low and V high; `before` is the odd sample of pair i - 1,
// `here` is pair i and `after` the even sample of pair i + 1. The last sample stands for those past it.
uvec4
chroma_quad (uint i, uint before, chroma_pair here, uint after)
{
  uint even = even_sample (here);
  uint odd = i * 2u + 1u > p.planes.chroma_last_x ? even : odd_sample (here);
  after = i * 2u + 2u > p.planes.chroma_last_x ? odd : after;
  before = i == 0u ? even : before;
  if (p.planes.chroma_h_cosited != 0u)
    return uvec4 (even * 4u, (even + odd) * 2u, odd * 4u, (odd + after) * 2u);
  return uvec4 (before + even * 3u, even * 3u + odd, even + odd * 3u, odd * 3u + after);
}
