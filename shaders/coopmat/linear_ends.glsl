// What linear_coopmat.comp does before and after its loop: how sums begin, and what becomes of them.
// SPDX-License-Identifier: LGPL-2.1-or-later

// What four outputs of a row begin as; over the edge that is of others, and not stored.
vec4
first_values (uint row, uint col)
{
  vec4 v = vec4 (0.0);
  uint b = (BYTES ? p.out_dim : 0) + (TABLE ? row % p.bias_rows * p.out_dim : 0);
  uint at = p.y_first + min (row, p.rows - 1) * p.y_stride;
  if (FOURS) {
    uint c = min (col, p.out_dim - 4);
    if (BIAS)
      v = bias4[(b + c) / 4];
    if (ADD_FIRST)
      v += Y_HALF ? vec4 (unpackHalf2x16 (y4[(at + c) / 4].x), unpackHalf2x16 (y4[(at + c) / 4].y)) : yf4[(at + c) / 4];
  } else
    [[unroll]] for (uint i = 0; i < 4; i++) {
      uint c = min (col + i, p.out_dim - 1);
      if (BIAS)
        v[i] = bias[b + c];
      if (ADD_FIRST)
        v[i] += Y_HALF ? float (y[at + c]) : yf[at + c];
    }
  return v;
}

vec4
scale_values (uint col)
{
  if (FOURS)
    return bias4[min (col, p.out_dim - 4) / 4];
  uvec4 c = min (col + uvec4 (0, 1, 2, 3), p.out_dim - 1);
  return vec4 (bias[c.x], bias[c.y], bias[c.z], bias[c.w]);
}

// A matrix's elements belong to lanes as the device likes: through shared memory they come from rows of four ...
SUM
matrix_of (uint row, uint col, bool scales)
{
  SUM s;
  uint tile = gl_SubgroupID * M * OUT_PITCH;
  [[unroll]] for (uint n = 0; n < VECTORS; n++) {
    uint v = n * LANES + gl_SubgroupInvocationID, r = v / (N / 4), c = v % (N / 4);
    tiles[tile + r * OUT_PITCH + c] = scales ? scale_values (col + 4 * c) : first_values (row + r, col + 4 * c);
  }
  subgroupBarrier ();
  coopMatLoad (s, tiles, tile, OUT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier ();
  return s;
}

// The sums before the first product, or after the last one times scales; bytes have their bias then.
void
start (uint row, uint col, bool scaled)
{
  [[unroll]] for (uint j = 0; j < TN; j++) {
    SUM first = SUM (0.0), scales = SUM (1.0);
    if (BYTES == scaled && BIAS && !TABLE && !ADD_FIRST)
      first = matrix_of (row, col + j * N, false);
    if (scaled)
      scales = matrix_of (row, col + j * N, true);
    [[unroll]] for (uint i = 0; i < TM; i++) {
      if (BYTES == scaled && (TABLE || ADD_FIRST))
        first = matrix_of (row + i * M, col + j * N, false);
      sums[i][j] = scaled ? sums[i][j] * scales + first : first;
    }
  }
}

void
store_four (vec4 v, uint row, uint col)
{
  uint at = (p.y_first + row * p.y_stride + col) / 4;
  if (ADD_LAST)
    v += Y_HALF ? vec4 (unpackHalf2x16 (y4[at].x), unpackHalf2x16 (y4[at].y)) : yf4[at];
  if (Y_HALF) {
    v = clamp (v, -HALF_MAX, HALF_MAX);
    y4[at] = uvec2 (packHalf2x16 (v.xy), packHalf2x16 (v.zw));
  } else
    yf4[at] = v;
}

void
store_one (float v, uint row, uint col)
{
  uint at = p.y_first + row * p.y_stride + col;
  if (ADD_LAST)
    v += Y_HALF ? float (y[at]) : yf[at];
  if (Y_HALF)
    y[at] = float16_t (clamp (v, -HALF_MAX, HALF_MAX));
  else
    yf[at] = v;
}

void
finish (vec4 v, uint row, uint col)
{
  if (FOURS)
    store_four (vec4 (activate (v.x, ACT), activate (v.y, ACT), activate (v.z, ACT), activate (v.w, ACT)), row, col);
  else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (col + i < p.out_dim)
        store_one (activate (v[i], ACT), row, col + i);
}

// ... and become such again.
void
store (uint row, uint col)
{
  uint tile = gl_SubgroupID * M * OUT_PITCH;
  [[unroll]] for (uint i = 0; i < TM; i++)
    [[unroll]] for (uint j = 0; j < TN; j++) {
      coopMatStore (sums[i][j], tiles, tile, OUT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      [[unroll]] for (uint n = 0; n < VECTORS; n++) {
        uint v = n * LANES + gl_SubgroupInvocationID, r = v / (N / 4), c = v % (N / 4);
        uint to_row = row + i * M + r, to_col = col + j * N + 4 * c;
        if (to_row < p.rows && to_col < p.out_dim)
          finish (tiles[tile + r * OUT_PITCH + c], to_row, to_col);
      }
      subgroupBarrier ();
    }
}
