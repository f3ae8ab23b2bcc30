// What attention_coopmat.comp does between its products and after them: the softmax, and storing.
// SPDX-License-Identifier: LGPL-2.1-or-later

// The weights of a block from its scores; top and total go on, and the scores are free afterwards.
void
weigh (uint first, inout float top, inout float total)
{
  vec4 v[NUM];
  float before = top;
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    uvec4 token = uvec4 (first + 4 * (part * NUM + i)) + uvec4 (0, 1, 2, 3);
    vec4 s = scores[scores_at + row * SCORE_PITCH + part * NUM + i] * p.scale;
    v[i] = mix (vec4 (LOWEST), s, lessThan (token, uvec4 (p.tokens)));
    top = max (top, max (max (v[i].x, v[i].y), max (v[i].z, v[i].w)));
  }
  [[unroll]] for (uint d = 1; d < SHARERS; d *= 2)
    top = max (top, subgroupShuffleXor (top, d));
  total *= exp2 (before - top);
  [[unroll]] for (uint i = 0; i < NUM; i++) {
    v[i] = exp2 (v[i] - top);
    total += dot (v[i], vec4 (1.0));
  }
  [[unroll]] for (uint i = 0; i < NUM; i += 2)
    weights[weights_at + row * WEIGHT_PITCH + (part * NUM + i) / 2] = uvec4 (packHalf2x16 (v[i].xy),
        packHalf2x16 (v[i].zw), packHalf2x16 (v[i + 1].xy), packHalf2x16 (v[i + 1].zw));
  subgroupBarrier ();
}

// first: the subgroup's first query
void
store (uint first, uint head, float total)
{
  [[unroll]] for (uint d = 1; d < SHARERS; d *= 2)
    total += subgroupShuffleXor (total, d);
  scale_sums (1.0 / total);
  uint token = first + row, at = (gl_WorkGroupID.z * p.queries + token) * p.out_stride + head * HEAD_DIM;
  [[unroll]] for (uint j = 0; j < HEAD_DIM / N; j++) {
    coopMatStore (sums[j], scores, scores_at, SCORE_PITCH, gl_CooperativeMatrixLayoutRowMajor);
    subgroupBarrier ();
    for (uint c = part; c < N / 4; c += SHARERS) {
      vec4 v = scores[scores_at + row * SCORE_PITCH + c];
      if (token < p.queries)
        y[(at + j * N) / 4 + c] = uvec2 (packHalf2x16 (v.xy), packHalf2x16 (v.zw));
    }
    subgroupBarrier ();
  }
}
