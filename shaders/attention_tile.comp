// out = softmax2 (q k^T * scale) v for every head, where softmax2 is of powers of 2: for GPUs, heads of 32 to 128.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "precision.glsl"
#include "params.h"

// One workgroup has THREADS / 4 queries of a head, an invocation 2 of them and 4 of the KEYS keys of a tile. It keeps
// the scores of TILES tiles in registers: where that is every token, softmax is one pass; else such rounds are joined
// by online softmax (Milakov and Gimelshein, Online normalizer calculation for softmax). K and then V go through the
// same shared memory, and so do q, which a round reads once, and the weights that take its place. Loops over a head
// stay loops, four steps at a time: unrolled over all tiles, they would not fit an instruction cache.
layout (local_size_x_id = 0) in;
layout (constant_id = 0) const uint THREADS = 256;
layout (constant_id = 1) const uint HEAD_DIM = 64; // a multiple of 8
layout (constant_id = 2) const uint TILES = 7;

layout (std430, binding = 0) readonly buffer X { uvec4 qkv[]; };      // (batch * tokens, 3 * heads * head_dim)
layout (std430, binding = 3) writeonly buffer Y { Y_VEC4 y[]; };      // (batch * queries, heads * head_dim)
layout (push_constant) uniform P { attention_params p; };

// elements in 16 bytes; rows of words of a head, of one element or of two that follow each other
#ifdef X_F16
const uint E = 8, ROWS = HEAD_DIM / 2;
#else
const uint E = 4, ROWS = HEAD_DIM;
#endif
const uint KEYS = 32, QUERIES = THREADS / 4, LOADS = HEAD_DIM / E; // loads of a row
// in pairs of words, a pair more than needed against bank conflicts
const uint QS = QUERIES / 2 + 1, KS = KEYS / 2 + 2, VS = ROWS / 2 + 1;
const uint GROUPS = (HEAD_DIM / 4 + 7) / 8; // fours of columns of an invocation's output
shared uvec2 qp[(ROWS > KEYS ? ROWS : KEYS) * QS];
shared uvec2 kv[ROWS * KS > KEYS * VS ? ROWS * KS : KEYS * VS];

uint local = gl_LocalInvocationIndex, tx = local % 8, ty = local / 8;
uint width = p.heads * HEAD_DIM, head = gl_WorkGroupID.y, image = gl_WorkGroupID.z, query0 = gl_WorkGroupID.x * QUERIES;
vec4 score[TILES][2], sum[2][GROUPS];
float top[2] = { -3.0e38, -3.0e38 }, total[2] = { 0.0, 0.0 };

// 16 bytes of a token's row of q, k or v (part 0 to 2); tokens over the end are the last one.
uvec4
fetch (uint token, uint part, uint load)
{
  const uint row = image * p.tokens + min (token, p.tokens - 1);
  return qkv[(row * p.qkv_stride + part * width + head * HEAD_DIM) / E + load];
}

void
load_q ()
{
  for (uint i = local; i < QUERIES * LOADS; i += THREADS) {
    uint query = i / LOADS, load = i % LOADS;
    uvec4 v = fetch (query0 + query, 0, load);
    [[unroll]] for (uint j = 0; j < 4; j++)
      qp[(load * 4 + j) * QS + query / 2][query % 2] = v[j];
  }
}

void
load_k (uint token0)
{
  for (uint i = local; i < KEYS * LOADS; i += THREADS) {
    uint key = i / LOADS, load = i % LOADS;
    uvec4 v = fetch (token0 + key, 1, load);
    [[unroll]] for (uint j = 0; j < 4; j++)
      kv[(load * 4 + j) * KS + key / 2][key % 2] = v[j];
  }
}

void
load_v (uint token0)
{
  for (uint i = local; i < KEYS * LOADS; i += THREADS) {
    uvec4 v = fetch (token0 + i / LOADS, 2, i % LOADS);
    kv[i / LOADS * VS + i % LOADS * 2] = v.xy;
    kv[i / LOADS * VS + i % LOADS * 2 + 1] = v.zw;
  }
}

#include "attention_sums.glsl"

void
main ()
{
  [[unroll]] for (uint i = 0; i < 2 * GROUPS; i++)
    sum[i / GROUPS][i % GROUPS] = vec4 (0);
  for (uint token0 = 0; token0 < p.tokens; token0 += TILES * KEYS) {
    barrier ();
    load_q ();
    [[unroll]] for (uint i = 0; i < TILES; i++) {
      barrier ();
      load_k (token0 + i * KEYS);
      barrier ();
      find_scores (i, token0 + i * KEYS);
    }
    rescale ();
    [[unroll]] for (uint i = 0; i < TILES; i++) {
      barrier ();
      put_weights (i);
      load_v (token0 + i * KEYS);
      barrier ();
      add_values ();
    }
  }
  store ();
}
