// Rows of eight values at a time: normalised and packed to halves, halves from bytes, cut off at the end.
// SPDX-License-Identifier: LGPL-2.1-or-later

const float HALF_MAX = 65504.0; // saturate: infinity times zero would spoil a whole row

uint
two_halves (float a, float b)
{
  return packFloat2x16 (f16vec2 (a, b));
}

// x * norm.x + norm.y, which is below the root of the row's length: nothing to saturate.
uvec4
normalised (vec4 a, vec4 b, vec2 norm)
{
  a = fma (a, vec4 (norm.x), vec4 (norm.y));
  b = fma (b, vec4 (norm.x), vec4 (norm.y));
  return uvec4 (two_halves (a.x, a.y), two_halves (a.z, a.w), two_halves (b.x, b.y), two_halves (b.z, b.w));
}

// Exactly: 0x6400 and a byte below are 1024 and that byte, which is 128 more than what it means with a bit turned.
uvec4
halves_of (uvec2 bytes)
{
  uvec2 even = ((bytes ^ 0x80808080u) & 0x00ff00ffu) | 0x64006400u;
  uvec2 odd = (((bytes ^ 0x80808080u) >> 8) & 0x00ff00ffu) | 0x64006400u;
  uvec4 v;
  [[unroll]] for (uint i = 0; i < 2; i++) {
    f16vec2 a = unpackFloat2x16 (even[i]) - float16_t (1152.0), b = unpackFloat2x16 (odd[i]) - float16_t (1152.0);
    v[2 * i] = packFloat2x16 (f16vec2 (a.x, b.x));
    v[2 * i + 1] = packFloat2x16 (f16vec2 (a.y, b.y));
  }
  return v;
}

// Halves number k .. k + 7 of a row; those from `end` on are zero, whatever lies there.
uvec4
without_end (uvec4 v, uint k, uint end)
{
  [[unroll]] for (uint i = 0; i < 4; i++) {
    uint left = end - min (k + 2 * i, end);
    v[i] &= left >= 2 ? 0xffffffffu : left == 1 ? 0xffffu : 0u;
  }
  return v;
}
