// One frame's pixels as 8-bit RGB, four neighbours at a time: bytes, chroma interpolation, colour matrix.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Included by preprocess_h.comp after its bindings: frame[], p; KIND is one VIT_FRAME_ without flags.

// Four pixels, component by component, 0..255.
struct quad { ivec4 r, g, b; };

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
    uint w = frame[p.chroma_offset + row * p.chroma_stride + i];
    c.u = (w >> p.shift[1]) & EVEN_BYTES;
    c.v = (w >> p.shift[2]) & EVEN_BYTES;
  } else if (KIND == VIT_FRAME_YUV_PLANAR) {
    uint at = row * p.chroma_stride + (i >> 1), half_shift = (i & 1u) * 16u;
    uint u = frame[p.chroma_offset + at] >> half_shift, v = frame[p.chroma_offset2 + at] >> half_shift;
    c.u = (u & 0xffu) | ((u & 0xff00u) << 8);
    c.v = (v & 0xffu) | ((v & 0xff00u) << 8);
  } else {
    uint at = row * p.stride + i * 2u, a = frame[at], b = frame[at + 1u];
    c.u = ((a >> p.shift[1]) & 0xffu) | (((b >> p.shift[1]) & 0xffu) << 16);
    c.v = ((a >> p.shift[2]) & 0xffu) | (((b >> p.shift[2]) & 0xffu) << 16);
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
  uint phased = row + p.chroma_y_phase;
  bool odd = (phased & 1u) != 0u;
  uint near = min ((phased >> 1) + p.chroma_y_first, p.chroma_last_y);
  uint far = odd ? min (near + 1u, p.chroma_last_y) : max (near, 1u) - 1u;
  uint weight = p.chroma_v_cosited == 0u ? 1u : odd ? 2u : 0u;
  return chroma_rows (near, far, weight);
}

// Samples 2i and 2i + 1 between two chroma rows, in quarters. i may lie past the end: the last pair then.
chroma_pair
blend_rows (chroma_rows rows, uint i)
{
  i = min (i, p.chroma_last_x >> 1);
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
  uint odd = i * 2u + 1u > p.chroma_last_x ? even : odd_sample (here);
  after = i * 2u + 2u > p.chroma_last_x ? odd : after;
  before = i == 0u ? even : before;
  if (p.chroma_h_cosited != 0u)
    return uvec4 (even * 4u, (even + odd) * 2u, odd * 4u, (odd + after) * 2u);
  return uvec4 (before + even * 3u, even * 3u + odd, even + odd * 3u, odd * 3u + after);
}

ivec4
luma_quad (uint row, uint i)
{
  if (KIND == VIT_FRAME_YUV_PACKED) {
    uint at = row * p.stride + i * 2u;
    uvec2 w = uvec2 (frame[at], frame[at + 1u]) >> p.shift[0];
    return ivec4 (w.x & 0xffu, (w.x >> 16) & 0xffu, w.y & 0xffu, (w.y >> 16) & 0xffu);
  }
  uint w = frame[row * p.stride + i];
  return ivec4 ((uvec4 (w) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu);
}

// Rounded once, in 21-bit fixed point: within 1/250 of the exact product, so only ties may fall otherwise.
quad
quad_from_yuv (ivec4 y, ivec4 u, ivec4 v)
{
  ivec4 luma = y * p.y_gain;
  quad q;
  q.r = clamp ((luma + p.bias[0] + v * p.v_to_r) >> 21, 0, 255);
  q.g = clamp ((luma + p.bias[1] + u * p.u_to_g + v * p.v_to_g) >> 21, 0, 255);
  q.b = clamp ((luma + p.bias[2] + u * p.u_to_b) >> 21, 0, 255);
  return q;
}

quad
quad_from_rgb (uvec4 pixels)
{
  return quad (ivec4 ((pixels >> p.shift[0]) & 0xffu), ivec4 ((pixels >> p.shift[1]) & 0xffu),
      ivec4 ((pixels >> p.shift[2]) & 0xffu));
}

quad
load_rgb24 (uint row, uint i)
{
  uint at = row * p.stride + i * 3u;
  uint a = frame[at], b = frame[at + 1u], c = frame[at + 2u];
  return quad_from_rgb (uvec4 (a, (a >> 24) | (b << 8), (b >> 16) | (c << 16), c >> 8));
}

quad
load_rgb32 (uint row, uint i)
{
  uint at = row * p.stride + i * 4u;
  return quad_from_rgb (uvec4 (frame[at], frame[at + 1u], frame[at + 2u], frame[at + 3u]));
}

quad
load_gray (uint row, uint i)
{
  ivec4 y = clamp ((luma_quad (row, i) * p.y_gain + p.bias[0]) >> 21, 0, 255);
  return quad (y, y, y);
}

quad
load_yuv444 (uint row, uint i)
{
  uint at = row * p.chroma_stride + i;
  uvec4 u = (uvec4 (frame[p.chroma_offset + at]) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu;
  uvec4 v = (uvec4 (frame[p.chroma_offset2 + at]) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu;
  return quad_from_yuv (luma_quad (row, i), ivec4 (u * 16u), ivec4 (v * 16u));
}

// Any kind but the subsampled ones.
quad
load_plain (uint row, uint i)
{
  if (KIND == VIT_FRAME_RGB24)
    return load_rgb24 (row, i);
  if (KIND == VIT_FRAME_RGB32)
    return load_rgb32 (row, i);
  if (KIND == VIT_FRAME_YUV444)
    return load_yuv444 (row, i);
  return load_gray (row, i);
}

quad
load_subsampled (uint row, uint i, uint before, chroma_pair here, uint after)
{
  uvec4 uv = chroma_quad (i, before, here, after);
  return quad_from_yuv (luma_quad (row, i), ivec4 (uv & 0xffffu), ivec4 (uv >> 16));
}

// Any kind, alone.
quad
load_quad (uint row, uint i)
{
  if (!SUBSAMPLED)
    return load_plain (row, i);
  chroma_rows rows = chroma_rows_of (row);
  uint before = odd_sample (blend_rows (rows, max (i, 1u) - 1u));
  return load_subsampled (row, i, before, blend_rows (rows, i), even_sample (blend_rows (rows, i + 1u)));
}
