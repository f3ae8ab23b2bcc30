// One frame's pixels as 8-bit RGB, four neighbours at a time: bytes, chroma interpolation, colour matrix.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Included by preprocess_h.comp after its bindings: frame[], p; KIND is one VIT_FRAME_ without flags.

// Four pixels, component by component, 0..255.
struct quad { ivec4 r, g, b; };

#include "chroma.glsl"

ivec4
luma_quad (uint row, uint i)
{
  if (KIND == VIT_FRAME_YUV_PACKED) {
    uint at = row * p.planes.stride + i * 2u;
    uvec2 w = uvec2 (frame[at], frame[at + 1u]) >> p.planes.shift[0];
    return ivec4 (w.x & 0xffu, (w.x >> 16) & 0xffu, w.y & 0xffu, (w.y >> 16) & 0xffu);
  }
  uint w = frame[row * p.planes.stride + i];
  return ivec4 ((uvec4 (w) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu);
}

// Rounded once, in 21-bit fixed point: within 1/250 of the exact product, so only ties may fall otherwise.
quad
quad_from_yuv (ivec4 y, ivec4 u, ivec4 v)
{
  ivec4 luma = y * p.planes.y_gain;
  quad q;
  q.r = clamp ((luma + p.planes.bias[0] + v * p.planes.v_to_r) >> 21, 0, 255);
  q.g = clamp ((luma + p.planes.bias[1] + u * p.planes.u_to_g + v * p.planes.v_to_g) >> 21, 0, 255);
  q.b = clamp ((luma + p.planes.bias[2] + u * p.planes.u_to_b) >> 21, 0, 255);
  return q;
}

quad
quad_from_rgb (uvec4 pixels)
{
  return quad (ivec4 ((pixels >> p.planes.shift[0]) & 0xffu), ivec4 ((pixels >> p.planes.shift[1]) & 0xffu),
      ivec4 ((pixels >> p.planes.shift[2]) & 0xffu));
}

quad
load_rgb24 (uint row, uint i)
{
  uint at = row * p.planes.stride + i * 3u;
  uint a = frame[at], b = frame[at + 1u], c = frame[at + 2u];
  return quad_from_rgb (uvec4 (a, (a >> 24) | (b << 8), (b >> 16) | (c << 16), c >> 8));
}

quad
load_rgb32 (uint row, uint i)
{
  uint at = row * p.planes.stride + i * 4u;
  return quad_from_rgb (uvec4 (frame[at], frame[at + 1u], frame[at + 2u], frame[at + 3u]));
}

quad
load_gray (uint row, uint i)
{
  ivec4 y = clamp ((luma_quad (row, i) * p.planes.y_gain + p.planes.bias[0]) >> 21, 0, 255);
  return quad (y, y, y);
}

quad
load_yuv444 (uint row, uint i)
{
  uint at = row * p.planes.chroma_stride + i;
  uvec4 u = (uvec4 (frame[p.planes.chroma_offset + at]) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu;
  uvec4 v = (uvec4 (frame[p.planes.chroma_offset2 + at]) >> uvec4 (0u, 8u, 16u, 24u)) & 0xffu;
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

// Sums of weighted bytes, the weights in 22-bit fixed point, as RGBA8.
uint
pack (ivec3 rgb)
{
  rgb = clamp (rgb >> 22, 0, 255);
  return uint (rgb.r) | (uint (rgb.g) << 8) | (uint (rgb.b) << 16);
}
