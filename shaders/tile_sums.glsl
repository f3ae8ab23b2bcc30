// linear_tile.comp: what its sums begin as, how slices of k are joined, and how they are stored.
// SPDX-License-Identifier: LGPL-2.1-or-later

#ifdef W_I8
const bool SCALED = true; // sums are multiplied by their column's scale, before anything is added
#else
const bool SCALED = false;
#endif

void
start ()
{
  [[unroll]] for (uint j = 0; j < TN / 4; j++) {
    uint col = min (col_of (j), p.out_dim - 1);
    vec4 b = BIAS && !TABLE && !SCALED && slice == 0 ? bias[col / 4] : vec4 (0);
    [[unroll]] for (uint i = 0; i < TM; i++) {
      acc[i][j] = TABLE && slice == 0 ? bias[(row_of (i) % p.bias_rows * p.out_dim + col) / 4] : b;
      if (ADD && ACT == VIT_ACT_NONE && !SINGLE && !SCALED && slice == 0)
        acc[i][j] += vec4 (y[(p.y_first + min (row_of (i), p.rows - 1) * p.y_stride + col) / 4]);
    }
  }
}

// Slices hand their sums to the first, one after the other.
void
gather ()
{
  [[unroll]] for (uint s = 1; s < SPLIT; s++) {
    barrier ();
    [[unroll]] for (uint i = 0; i < TM * (TN / 4); i++)
      if (slice == s)
        tile_put_floats (i * T + t, acc[i / (TN / 4)][i % (TN / 4)]);
    barrier ();
    [[unroll]] for (uint i = 0; i < TM * (TN / 4); i++)
      if (slice == 0)
        acc[i / (TN / 4)][i % (TN / 4)] += tile_floats (i * T + t);
  }
}

void
scale ()
{
  [[unroll]] for (uint j = 0; j < TN / 4; j++) {
    uint col = min (col_of (j), p.out_dim - 4);
    vec4 factor = bias[col / 4], b = BIAS ? bias[(p.out_dim + col) / 4] : vec4 (0);
    [[unroll]] for (uint i = 0; i < TM; i++)
      acc[i][j] = acc[i][j] * factor + b;
  }
}

void
finish ()
{
  if (SCALED)
    scale ();
  [[unroll]] for (uint i = 0; i < TM; i++)
    [[unroll]] for (uint j = 0; j < TN / 4; j++) {
      uint row = row_of (i), col = col_of (j), at = p.y_first + row * p.y_stride + col;
      vec4 v = activate4 (acc[i][j], ACT);
      if (row >= p.rows)
        continue;
      if (!SINGLE && col < p.out_dim)
        y[at / 4] = Y_STORE4 (ADD && (ACT != VIT_ACT_NONE || SCALED) ? v + vec4 (y[at / 4]) : v);
      [[unroll]] for (uint c = 0; SINGLE && c < 4; c++)
        if (col + c < p.out_dim)
          y1[at + c] = Y_STORE (ADD ? v[c] + float (y1[at + c]) : v[c]);
    }
}
