// Shared memory of the tiled kernels: words, each a float or two halves, that are written one by one and read by fours.
// SPDX-License-Identifier: LGPL-2.1-or-later
// With ARITH_F16 the memory is declared as halves: RADV of Mesa 22.3.6 takes the upper half of a word apart on gfx1100
// with an instruction of its own, an eighth more of them in the linear kernel, but not that of a vector of halves.
#ifdef ARITH_F16
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define TILE_VEC4 f16vec4
#define TILE_SIZE(n) (2 * (n))
#else
#define TILE_VEC4 uvec4
#define TILE_SIZE(n) (n)
#endif

// `tile` is the shared array; `at` counts fours of words.
#ifdef ARITH_F16
#define TILE_FUNCTIONS \
  void tile_put (uint at, uint word, uint v) \
  { \
    f16vec2 h = unpackFloat2x16 (v); \
    tile[2 * at + word / 2][word % 2 * 2] = h.x; \
    tile[2 * at + word / 2][word % 2 * 2 + 1] = h.y; \
  } \
  void tile_put_floats (uint at, vec4 v) \
  { \
    uvec4 u = floatBitsToUint (v); \
    tile[2 * at] = f16vec4 (unpackFloat2x16 (u.x), unpackFloat2x16 (u.y)); \
    tile[2 * at + 1] = f16vec4 (unpackFloat2x16 (u.z), unpackFloat2x16 (u.w)); \
  } \
  vec4 tile_floats (uint at) \
  { \
    f16vec4 a = tile[2 * at], b = tile[2 * at + 1]; \
    return uintBitsToFloat ( \
        uvec4 (packFloat2x16 (a.xy), packFloat2x16 (a.zw), packFloat2x16 (b.xy), packFloat2x16 (b.zw))); \
  } \
  vec4 tile_halves (uint at, uint odd) \
  { \
    f16vec4 a = tile[2 * at], b = tile[2 * at + 1]; \
    return vec4 (odd == 0 ? f16vec4 (a.xz, b.xz) : f16vec4 (a.yw, b.yw)); \
  }
#else
#define TILE_FUNCTIONS \
  void tile_put (uint at, uint word, uint v) \
  { \
    tile[at + word / 4][word % 4] = v; \
  } \
  void tile_put_floats (uint at, vec4 v) \
  { \
    tile[at] = floatBitsToUint (v); \
  } \
  vec4 tile_floats (uint at) \
  { \
    return uintBitsToFloat (tile[at]); \
  } \
  vec4 tile_halves (uint at, uint odd) \
  { \
    uvec4 v = tile[at]; \
    return vec4 (unpackHalf2x16 (v.x)[odd], unpackHalf2x16 (v.y)[odd], unpackHalf2x16 (v.z)[odd], \
        unpackHalf2x16 (v.w)[odd]); \
  }
#endif
