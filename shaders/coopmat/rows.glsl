// Rows of eight values at a time: packed to halves, cut off at the end, their mean and deviation.
// SPDX-License-Identifier: LGPL-2.1-or-later

const float HALF_MAX = 65504.0; // saturate: infinity times zero would spoil a whole row

uvec4
packed (vec4 a, vec4 b)
{
  a = clamp (a, -HALF_MAX, HALF_MAX);
  b = clamp (b, -HALF_MAX, HALF_MAX);
  return uvec4 (packHalf2x16 (a.xy), packHalf2x16 (a.zw), packHalf2x16 (b.xy), packHalf2x16 (b.zw));
}

// norm: mean, 1 / deviation
uvec4
normalised (vec4 a, vec4 b, vec2 norm)
{
  return packed ((a - norm.x) * norm.y, (b - norm.x) * norm.y);
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

// Mean, sum of squares about it and number of values, joined by Chan, Golub and LeVeque, Updating formulae: nothing
// cancels however far the mean lies from zero.
vec3
joined (vec3 a, vec3 b)
{
  float n = a.z + b.z, d = b.x - a.x;
  return n == 0.0 ? a : vec3 (a.x + d * b.z / n, a.y + b.y + d * d * a.z * b.z / n, n);
}

// The same of values k .. k + 7 of a row that ends at `end`.
vec3
moments (vec4 a, vec4 b, uint k, uint end)
{
  uvec4 at = uvec4 (k, k + 1, k + 2, k + 3);
  vec4 in_a = vec4 (lessThan (at, uvec4 (end))), in_b = vec4 (lessThan (at + 4, uvec4 (end)));
  a = mix (vec4 (0.0), a, greaterThan (in_a, vec4 (0.0)));
  b = mix (vec4 (0.0), b, greaterThan (in_b, vec4 (0.0)));
  float n = dot (in_a + in_b, vec4 (1.0)), mean = dot (a + b, vec4 (1.0)) / n;
  vec4 da = (a - mean) * in_a, db = (b - mean) * in_b;
  return vec3 (mean, dot (da, da) + dot (db, db), n);
}
