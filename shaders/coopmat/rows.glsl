// Rows of eight values at a time: normalised and packed to halves, halves from bytes, cut off at the end.
// SPDX-License-Identifier: LGPL-2.1-or-later

const float HALF_MAX = 65504.0; // saturate: infinity times zero would spoil a whole row

uint
two_halves (float a, float b)
{
  return packFloat2x16 (f16vec2 (a, b));
}

// x * norm.x + norm.y, which is below the root of the row's length: nothing to saturate. Crossed: of each four values
// the first and third lie together, as bytes become halves. A product doesn't mind if both its sides are like that.
uvec4
normalised (vec4 a, vec4 b, vec2 norm, bool crossed)
{
  a = fma (a, vec4 (norm.x), vec4 (norm.y));
  b = fma (b, vec4 (norm.x), vec4 (norm.y));
  if (crossed) {
    a = a.xzyw;
    b = b.xzyw;
  }
  return uvec4 (two_halves (a.x, a.y), two_halves (a.z, a.w), two_halves (b.x, b.y), two_halves (b.z, b.w));
}

// Exactly: 0x6400 and a byte below are 1024 and that byte, which is 128 more than what it means with a bit turned.
uvec4
halves_of (uvec2 bytes, bool crossed)
{
  uvec2 even = ((bytes ^ 0x80808080u) & 0x00ff00ffu) | 0x64006400u;
  uvec2 odd = (((bytes ^ 0x80808080u) >> 8) & 0x00ff00ffu) | 0x64006400u;
  uvec4 v;
  [[unroll]] for (uint i = 0; i < 2; i++) {
    f16vec2 a = unpackFloat2x16 (even[i]) - float16_t (1152.0), b = unpackFloat2x16 (odd[i]) - float16_t (1152.0);
    v[2 * i] = packFloat2x16 (crossed ? a : f16vec2 (a.x, b.x));
    v[2 * i + 1] = packFloat2x16 (crossed ? b : f16vec2 (a.y, b.y));
  }
  return v;
}

// Halves number k .. k + 7 of a row; those from `end` on are zero, whatever lies there.
uvec4
without_end (uvec4 v, uint k, uint end, bool crossed)
{
  uint left = end - min (k, end);
  [[unroll]] for (uint i = 0; i < 4; i++) {
    uint low = crossed ? i / 2 * 4 + i % 2 : 2 * i, high = crossed ? low + 2 : low + 1;
    v[i] &= (low < left ? 0xffffu : 0u) | (high < left ? 0xffff0000u : 0u);
  }
  return v;
}
