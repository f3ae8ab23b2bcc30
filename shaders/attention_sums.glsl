// attention_tile.comp: scores, their softmax, and the sums of values.
// SPDX-License-Identifier: LGPL-2.1-or-later

void
add_scores (uint tile, vec2 q, vec4 k)
{
  score[tile][0] += q.x * k;
  score[tile][1] += q.y * k;
}

void
find_scores (uint tile, uint token0)
{
  score[tile][0] = score[tile][1] = vec4 (0);
  [[dont_unroll]] for (uint r0 = 0; r0 < ROWS; r0 += 4)
    [[unroll]] for (uint r = 0; r < 4; r++) {
      uvec2 q = qp[(r0 + r) * QS + ty], k0 = kv[(r0 + r) * KS + tx * 2], k1 = kv[(r0 + r) * KS + tx * 2 + 1];
#ifdef X_F16
      vec2 q0 = unpackHalf2x16 (q.x), q1 = unpackHalf2x16 (q.y);
      vec2 a = unpackHalf2x16 (k0.x), b = unpackHalf2x16 (k0.y), c = unpackHalf2x16 (k1.x), d = unpackHalf2x16 (k1.y);
      add_scores (tile, vec2 (q0.x, q1.x), vec4 (a.x, b.x, c.x, d.x));
      add_scores (tile, vec2 (q0.y, q1.y), vec4 (a.y, b.y, c.y, d.y));
#else
      add_scores (tile, uintBitsToFloat (q), uintBitsToFloat (uvec4 (k0, k1)));
#endif
    }
  [[unroll]] for (uint i = 0; i < 2; i++)
    score[tile][i] = mix (vec4 (-3.0e38), score[tile][i] * p.scale,
        lessThan (token0 + tx * 4 + uvec4 (0, 1, 2, 3), uvec4 (p.tokens)));
}

// The 8 invocations of a query hand each other a number; what lay in qp is lost.
vec2
of_row (vec2 v, bool largest)
{
  barrier ();
  qp[ty * 8 + tx] = floatBitsToUint (v);
  barrier ();
  vec2 all = uintBitsToFloat (qp[ty * 8]);
  [[unroll]] for (uint i = 1; i < 8; i++) {
    vec2 other = uintBitsToFloat (qp[ty * 8 + i]);
    all = largest ? max (all, other) : all + other;
  }
  return all;
}

// Scores become weights.
void
rescale ()
{
  vec2 most = vec2 (top[0], top[1]);
  [[unroll]] for (uint i = 0; i < 2 * TILES; i++) {
    vec4 s = score[i / 2][i % 2];
    most[i % 2] = max (most[i % 2], max (max (s.x, s.y), max (s.z, s.w)));
  }
  most = of_row (most, true);
  [[unroll]] for (uint q = 0; q < 2; q++) {
    float keep = exp2 (top[q] - most[q]);
    top[q] = most[q];
    total[q] *= keep;
    [[unroll]] for (uint g = 0; g < GROUPS; g++)
      sum[q][g] *= keep;
    [[unroll]] for (uint i = 0; i < TILES; i++) {
      score[i][q] = exp2 (score[i][q] - most[q]);
      total[q] += score[i][q].x + score[i][q].y + (score[i][q].z + score[i][q].w);
    }
  }
}

void
put_weights (uint tile)
{
  [[unroll]] for (uint j = 0; j < 4; j++)
    qp[(tx * 4 + j) * QS + ty] = floatBitsToUint (vec2 (score[tile][0][j], score[tile][1][j]));
}

void
add_values ()
{
  [[dont_unroll]] for (uint t0 = 0; t0 < KEYS; t0 += 4)
    [[unroll]] for (uint t = 0; t < 4; t++) {
      vec2 weight = uintBitsToFloat (qp[(t0 + t) * QS + ty]);
      [[unroll]] for (uint g = 0; g < GROUPS; g++) {
        uint four = min (g * 8 + tx, HEAD_DIM / 4 - 1);
#ifdef X_F16
        uvec2 w = kv[(t0 + t) * VS + four];
        vec4 v = vec4 (unpackHalf2x16 (w.x), unpackHalf2x16 (w.y));
#else
        vec4 v = uintBitsToFloat (uvec4 (kv[(t0 + t) * VS + four * 2], kv[(t0 + t) * VS + four * 2 + 1]));
#endif
        sum[0][g] += weight.x * v;
        sum[1][g] += weight.y * v;
      }
    }
}

void
store ()
{
  vec2 all = of_row (vec2 (total[0], total[1]), false);
  [[unroll]] for (uint q = 0; q < 2; q++)
    [[unroll]] for (uint g = 0; g < GROUPS; g++) {
      uint query = query0 + ty * 2 + q, four = g * 8 + tx;
      if (query < p.queries && four < HEAD_DIM / 4)
        y[((image * p.queries + query) * p.out_stride + head * HEAD_DIM) / 4 + four] = Y_STORE4 (sum[q][g] / all[q]);
    }
}
