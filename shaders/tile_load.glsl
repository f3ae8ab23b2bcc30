// linear_tile.comp: operands from memory to registers, from there to shared memory, and back.
// SPDX-License-Identifier: LGPL-2.1-or-later

// x beyond in_dim may be anything, w is zero up to its stride.
uvec4
without_tail (uvec4 v, uint k)
{
#ifdef X_F16
  uvec4 low = k + uvec4 (0, 2, 4, 6);
  return v & (mix (uvec4 (0), uvec4 (0xffff), lessThan (low, uvec4 (p.in_dim)))
      | mix (uvec4 (0), uvec4 (0xffff0000), lessThan (low + 1, uvec4 (p.in_dim))));
#else
  return mix (uvec4 (0), v, lessThan (k + uvec4 (0, 1, 2, 3), uvec4 (p.in_dim)));
#endif
}

uvec4
halves_of (uvec2 bytes) // exactly
{
  ivec4 a = bitfieldExtract (ivec4 (bytes.x, bytes.x >> 8, bytes.x >> 16, bytes.x >> 24), 0, 8);
  ivec4 b = bitfieldExtract (ivec4 (bytes.y, bytes.y >> 8, bytes.y >> 16, bytes.y >> 24), 0, 8);
  return uvec4 (packHalf2x16 (vec2 (a.xy)), packHalf2x16 (vec2 (a.zw)), packHalf2x16 (vec2 (b.xy)),
      packHalf2x16 (vec2 (b.zw)));
}

#include "tile_norm.glsl"

// Rows, columns and steps over the edge read the last ones instead: every address is inside.
void
fetch (uint k0)
{
  [[unroll]] for (uint i = 0; i < NX; i++) {
    uint at = t + i * T, row = min (row0 + at / (BK / XE), p.rows - 1), k = k0 + at % (BK / XE) * XE;
    next_x[i] = x[(p.x_first + row * p.x_stride + min (k, (p.in_dim - 1) / XE * XE)) / XE];
  }
  [[unroll]] for (uint i = 0; i < NW; i++) {
    uint at = t + i * T, col = min (col0 + at / (BK / WE), p.out_dim - 1), k = k0 + at % (BK / WE) * WE;
    next_w[i] = w[(col * p.w_stride + min (k, p.w_stride - WE)) / WE];
  }
}

void
put (uint base, uint k0)
{
  [[unroll]] for (uint i = 0; i < NX; i++) {
    uint at = t + i * T;
    uvec4 v = NORM ? normalised (next_x[i], at / (BK / XE)) : next_x[i];
    if (TAIL)
      v = without_tail (v, k0 + at % (BK / XE) * XE);
    [[unroll]] for (uint j = 0; j < 4; j++)
      tile_put (base + (at % (BK / XE) * 4 + j) * XC, at / (BK / XE), v[j]);
  }
  [[unroll]] for (uint i = 0; i < NW; i++) {
    uint at = t + i * T;
    uvec4 v = W_WORDS (next_w[i]);
    [[unroll]] for (uint j = 0; j < 4; j++)
      tile_put (base + XR * XC + (at % (BK / WE) * 4 + j) * WC, at / (BK / WE), v[j]);
  }
}

// Four values of step k.
vec4
get_x (uint base, uint k, uint group)
{
#ifdef X_F16
  return tile_halves (base + k / 2 * XC + group * MT + mt, k % 2);
#else
  return tile_floats (base + k * XC + group * MT + mt);
#endif
}

vec4
get_w (uint base, uint k, uint group)
{
#if defined(W_F16) || defined(W_I8)
  return tile_halves (base + XR * XC + k / 2 * WC + group * NT + nt, k % 2);
#else
  return tile_floats (base + XR * XC + k * WC + group * NT + nt);
#endif
}
