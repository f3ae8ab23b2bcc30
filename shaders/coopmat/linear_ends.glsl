// What linear_coopmat.comp does before and after its loop: how sums begin, and what becomes of them.
// SPDX-License-Identifier: LGPL-2.1-or-later

// What is read past the edge is of other outputs, and not stored.
vec4
four_of_bias (uint from, uint col)
{
  if (FOURS)
    return bias4[from / 4 + min (col / 4, p.out_dim / 4 - 1)];
  uvec4 c = from + min (col + uvec4 (0, 1, 2, 3), p.out_dim - 1);
  return vec4 (bias[c.x], bias[c.y], bias[c.z], bias[c.w]);
}

vec4
bias_values (uint row, uint col)
{
  return BIAS ? four_of_bias ((BYTES ? p.out_dim : 0) + (TABLE ? row % p.bias_rows * p.out_dim : 0), col) : vec4 (0.0);
}

// What four outputs of a row begin as.
vec4
first_values (uint row, uint col)
{
  vec4 v = BIAS_FIRST ? bias_values (row, col) : vec4 (0.0);
  uint at = p.y_first + min (row, p.rows - 1) * p.y_stride;
  if (ADD_FIRST && FOURS) {
    uint c = (at + min (col, p.out_dim - 4)) / 4;
    v += Y_HALF ? vec4 (unpackHalf2x16 (y4[c].x), unpackHalf2x16 (y4[c].y)) : yf4[c];
  } else if (ADD_FIRST)
    [[unroll]] for (uint i = 0; i < 4; i++) {
      uint c = at + min (col + i, p.out_dim - 1);
      v[i] += Y_HALF ? float (y[c]) : yf[c];
    }
  return v;
}

// A matrix's elements belong to lanes as the device likes: through shared memory they come from rows of four ...
SUM
matrix_of (uint row, uint col)
{
  SUM s;
  uint tile = gl_SubgroupID * M * OUT_PITCH;
  [[unroll]] for (uint n = 0; n < VECTORS; n++) {
    uint v = n * LANES + lane, r = v / (N / 4), c = v % (N / 4);
    tiles[tile + r * OUT_PITCH + c] = first_values (row + r, col + 4 * c);
  }
  subgroupBarrier ();
  coopMatLoad (s, tiles, tile, OUT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
  subgroupBarrier ();
  return s;
}

// The sums before the first product.
void
start (uint row, uint col)
{
  [[unroll]] for (uint j = 0; j < TN; j++) {
    SUM first = SUM (0.0);
    if (BIAS_FIRST && !TABLE && !ADD_FIRST)
      first = matrix_of (row, col + j * N);
    [[unroll]] for (uint i = 0; i < TM; i++) {
      if (BIAS_FIRST && TABLE || ADD_FIRST)
        first = matrix_of (row + i * M, col + j * N);
      sums[i][j] = first;
    }
  }
}

vec4
saturated (vec4 v)
{
  v = min (v, HALF_MAX);
  return ACT == VIT_ACT_NONE || ADD ? max (v, -HALF_MAX) : v; // no activation falls that low
}

void
store_four (vec4 v, uint at)
{
  if (ADD_LAST)
    v += Y_HALF ? vec4 (unpackHalf2x16 (y4[at].x), unpackHalf2x16 (y4[at].y)) : yf4[at];
  if (Y_HALF) {
    v = saturated (v);
    y4[at] = uvec2 (packHalf2x16 (v.xy), packHalf2x16 (v.zw));
  } else
    yf4[at] = v;
}

void
store_ones (vec4 v, uint at, uint num)
{
  [[unroll]] for (uint i = 0; i < 4; i++)
    if (i < num) {
      if (ADD_LAST)
        v[i] += Y_HALF ? float (y[at + i]) : yf[at + i];
      if (Y_HALF)
        y[at + i] = float16_t (saturated (v)[i]);
      else
        yf[at + i] = v[i];
    }
}

// ... and become such again. Of bytes they are scaled before the bias is added.
void
finish (vec4 v, uint row, uint col, uint at, vec4 scale, vec4 addend)
{
  if (row >= p.rows || col >= p.out_dim)
    return;
  v = activate4 (BYTES ? fma (v, scale, addend) : v, ACT);
  if (FOURS)
    store_four (v, at);
  else
    store_ones (v, at, p.out_dim - col);
}

void
store (uint row, uint col)
{
  uint tile = gl_SubgroupID * M * OUT_PITCH;
  vec4 scale = vec4 (1.0), addend = vec4 (0.0);
  [[unroll]] for (uint i = 0; i < TM; i++)
    [[unroll]] for (uint j = 0; j < TN; j++) {
      coopMatStore (sums[i][j], tiles, tile, OUT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      [[unroll]] for (uint n = 0; n < VECTORS; n++) {
        uint v = n * LANES + lane, r = v / (N / 4), c = v % (N / 4);
        uint to_row = row + i * M + r, to_col = col + j * N + 4 * c;
        // a lane's first address, which is the same for every matrix, and what each adds, the same for every lane
        uint at = (p.y_first + (row + r) * p.y_stride + col + 4 * c) / UNIT + (i * M * p.y_stride + j * N) / UNIT;
        if (BYTES) {
          scale = four_of_bias (0, to_col);
          addend = bias_values (to_row, to_col);
        }
        finish (tiles[tile + r * OUT_PITCH + c], to_row, to_col, at, scale, addend);
      }
      subgroupBarrier ();
    }
}
