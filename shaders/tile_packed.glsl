// linear_tile.comp by packed half arithmetic: two products, of k and k + 1, in one instruction.
// SPDX-License-Identifier: LGPL-2.1-or-later
// A step of BK values is summed in half and then added to the float sums. Each of its few roundings is no larger than
// the one that made x half, relative to the largest product: outliers in x lose no more than they lost already.
#if defined(ARITH_F16) && defined(X_F16) && defined(W_F16)
// Rows g * 4 .. g * 4 + 3 of the invocation's, to spare registers.
void
multiply_four (uint base, uint g)
{
  f16vec2 sum[4][TN];
  [[unroll]] for (uint k = 0; k < BK / 2; k++) {
    uint xa = 2 * (base + k * XC + g * MT + mt);
    f16vec4 x01 = tile[xa], x23 = tile[xa + 1];
    f16vec2 a[4] = { x01.xy, x01.zw, x23.xy, x23.zw };
    [[unroll]] for (uint j = 0; j < TN; j++) {
      f16vec4 w2 = tile[2 * (base + XR * XC + k * WC + j / 4 * NT + nt) + j % 4 / 2];
      f16vec2 b = j % 2 == 0 ? w2.xy : w2.zw;
      [[unroll]] for (uint i = 0; i < 4; i++)
        sum[i][j] = k == 0 ? a[i] * b : fma (a[i], b, sum[i][j]);
    }
  }
  [[unroll]] for (uint i = 0; i < 4; i++)
    [[unroll]] for (uint j = 0; j < TN; j++)
      acc[g * 4 + i][j / 4][j % 4] += float (sum[i][j].x) + float (sum[i][j].y);
}

void
multiply_packed (uint base)
{
  [[unroll]] for (uint g = 0; g < TM / 4; g++)
    multiply_four (base, g);
}
#else
void
multiply_packed (uint base)
{
}
#endif
