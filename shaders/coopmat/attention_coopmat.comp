// out = softmax2 (q k^T * scale) v for every head, softmax2 of powers of 2, by cooperative matrices of halves.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "coopmat.h"

// Each subgroup does M queries of one head, a workgroup COOPMAT_QUERIES. COOPMAT_BLOCK keys and values at a time lie in
// shared memory for all of them. Scores go through shared memory too, as only there rows and columns are known: softmax
// is float and online (Milakov and Gimelshein), its weights become halves for the second product, and what was summed
// so far is scaled down by a matrix whose rows hold the factors.
layout (local_size_x_id = 0) in;
layout (constant_id = 0) const uint INVOCATIONS = 256;
layout (constant_id = 1) const uint M = 16; // of one product, the device's own: (M, K) times (K, N)
layout (constant_id = 2) const uint N = 16;
layout (constant_id = 3) const uint K = 16;
layout (constant_id = 4) const uint HEAD_DIM = 64; // whole K and N

layout (std430, binding = 0) readonly buffer X { uvec4 qkv[]; };  // (batch * tokens, 3 * heads * head_dim) halves
layout (std430, binding = 3) writeonly buffer Y { uvec2 y[]; };   // (batch * queries, heads * head_dim) halves
layout (push_constant) uniform P { coopmat_attention_params p; };

const uint SUBGROUPS = COOPMAT_QUERIES / M, LANES = INVOCATIONS / SUBGROUPS, BLOCK = COOPMAT_BLOCK;
const uint EIGHTS = HEAD_DIM / 8, PITCH = EIGHTS + 1; // rows in shared memory are 16 bytes longer, for the banks
const uint SHARERS = LANES / M, NUM = BLOCK / 4 / SHARERS; // lanes of a row of scores, vectors of each
const uint SCORE_PITCH = BLOCK / 4 + 1, WEIGHT_PITCH = BLOCK / 8 + 1;
const float LOWEST = -3.0e38;

shared uvec4 rows[2 * BLOCK * PITCH]; // keys, then values; queries at first
shared vec4 scores[SUBGROUPS * M * SCORE_PITCH];
shared uvec4 weights[SUBGROUPS * M * WEIGHT_PITCH];

#define SUM coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> q[HEAD_DIM / K];
SUM sums[HEAD_DIM / N];
uint row, part, scores_at, weights_at; // of this lane and its subgroup

void
load_queries (uint first, uint image_row, uint head)
{
  for (uint i = gl_LocalInvocationIndex; i < COOPMAT_QUERIES * EIGHTS; i += INVOCATIONS) {
    uint token = min (first + i / EIGHTS, p.queries - 1);
    rows[i / EIGHTS * PITCH + i % EIGHTS] = qkv[(image_row + token) * p.qkv_stride + head * EIGHTS + i % EIGHTS];
  }
  barrier ();
  [[unroll]] for (uint i = 0; i < HEAD_DIM / K; i++)
    coopMatLoad (q[i], rows, gl_SubgroupID * M * PITCH + i * K / 8, PITCH, gl_CooperativeMatrixLayoutRowMajor);
  barrier ();
}

void
load_block (uint first, uint image_row, uint head)
{
  for (uint i = gl_LocalInvocationIndex; i < BLOCK * EIGHTS; i += INVOCATIONS) {
    uint token = first + i / EIGHTS, to = i / EIGHTS * PITCH + i % EIGHTS;
    uint at = (image_row + min (token, p.tokens - 1)) * p.qkv_stride + head * EIGHTS + i % EIGHTS + p.width;
    rows[to] = qkv[at];
    // zero times what lies there could be NaN
    rows[BLOCK * PITCH + to] = token < p.tokens ? qkv[at + p.width] : uvec4 (0);
  }
  barrier ();
}

void
multiply_scores ()
{
  coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> k;
  [[unroll]] for (uint j = 0; j < BLOCK / N; j++) {
    SUM s = SUM (0.0);
    [[unroll]] for (uint i = 0; i < HEAD_DIM / K; i++) {
      coopMatLoad (k, rows, j * N * PITCH + i * K / 8, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
      s = coopMatMulAdd (q[i], k, s);
    }
    coopMatStore (s, scores, scores_at + j * N / 4, SCORE_PITCH, gl_CooperativeMatrixLayoutRowMajor);
  }
  subgroupBarrier ();
}

// Every row of the sums times its factor, which all lanes of a row hold.
void
scale_sums (float factor)
{
  SUM factors;
  for (uint c = part; c < N / 4; c += SHARERS)
    scores[scores_at + row * SCORE_PITCH + c] = vec4 (factor);
  subgroupBarrier ();
  coopMatLoad (factors, scores, scores_at, SCORE_PITCH, gl_CooperativeMatrixLayoutRowMajor);
  [[unroll]] for (uint j = 0; j < HEAD_DIM / N; j++)
    sums[j] = sums[j] * factors;
  subgroupBarrier ();
}

#include "attention_ends.glsl"

void
main ()
{
  uint first = gl_WorkGroupID.x * COOPMAT_QUERIES, head = gl_WorkGroupID.y, image_row = gl_WorkGroupID.z * p.tokens;
  row = gl_SubgroupInvocationID / SHARERS;
  part = gl_SubgroupInvocationID % SHARERS;
  scores_at = gl_SubgroupID * M * SCORE_PITCH;
  weights_at = gl_SubgroupID * M * WEIGHT_PITCH;
  load_queries (first, image_row, head);
  [[unroll]] for (uint j = 0; j < HEAD_DIM / N; j++)
    sums[j] = SUM (0.0);
  float top = LOWEST, total = 0.0; // of the row; the total of this lane's share
  coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> w;
  coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> v;
  for (uint t = 0; t < p.tokens; t += BLOCK) {
    load_block (t, image_row, head);
    multiply_scores ();
    float before = top;
    weigh (t, top, total);
    scale_sums (exp2 (before - top));
    [[unroll]] for (uint i = 0; i < BLOCK / K; i++) {
      coopMatLoad (w, weights, weights_at + i * K / 8, WEIGHT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint j = 0; j < HEAD_DIM / N; j++) {
        coopMatLoad (v, rows, (BLOCK + i * K) * PITCH + j * N / 8, PITCH, gl_CooperativeMatrixLayoutRowMajor);
        sums[j] = coopMatMulAdd (w, v, sums[j]);
      }
    }
    barrier ();
  }
  store (first + gl_SubgroupID * M, head, total);
}
