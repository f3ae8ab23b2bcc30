// out = softmax2 (q k^T * scale) v for every head, where softmax2 is of powers of 2: any number of tokens, any head
// size up to 256.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "precision.glsl"
#include "params.h"

// One invocation per query and slice of the head, with its row of q and its sum in registers; keys are read once, by
// online softmax (Milakov and Gimelshein, Online normalizer calculation for softmax): no row of scores is stored.
// On GPUs heads are cut into slices, whose invocations repeat the scores, so that no register spills.
// The loops over the head are unrolled: registers can't be indexed, and lavapipe ends a shader's loops after 65,535
// rounds in all, without a word (LP_MAX_TGSI_LOOP_ITERATIONS; met at 577 tokens of 64 on 22.3.6).
layout (local_size_x = 32) in;
layout (constant_id = 0) const uint HEAD_DIM = 64;
layout (constant_id = 1) const uint SLICE = 64; // columns of the output per invocation, divides HEAD_DIM

layout (std430, binding = 0) readonly buffer X { X_DATA qkv[]; };  // (batch * tokens, 3 * heads * head_dim)
layout (std430, binding = 3) writeonly buffer Y { Y_DATA y[]; };   // (batch * queries, heads * head_dim)
layout (push_constant) uniform P { attention_params p; };

const bool KEEP_Q = HEAD_DIM <= 64 || SLICE == HEAD_DIM; // else it is read again for every key, from the cache
const uint NUM_Q = KEEP_Q ? HEAD_DIM : 1;

void
main ()
{
  uint token = gl_GlobalInvocationID.x, head = gl_WorkGroupID.y / (HEAD_DIM / SLICE), image = gl_WorkGroupID.z;
  uint first = gl_WorkGroupID.y % (HEAD_DIM / SLICE) * SLICE;
  if (token >= p.queries)
    return;
  uint width = p.heads * HEAD_DIM, row0 = image * p.tokens;
  uint q0 = (row0 + token) * p.qkv_stride + head * HEAD_DIM;
  float q[NUM_Q], sum[SLICE];
  if (KEEP_Q)
    [[unroll]] for (uint d = 0; d < NUM_Q; d++)
      q[d] = float (qkv[q0 + d]) * p.scale;
  [[unroll]] for (uint d = 0; d < SLICE; d++)
    sum[d] = 0.0;
  float top = -3.0e38, total = 0.0;
  for (uint t = 0; t < p.tokens; t++) {
    uint k0 = (row0 + t) * p.qkv_stride + width + head * HEAD_DIM, v0 = k0 + width + first;
    float score = 0.0;
    if (KEEP_Q) {
      [[unroll]] for (uint d = 0; d < NUM_Q; d++)
        score += q[d] * float (qkv[k0 + d]);
    } else {
      [[unroll]] for (uint d = 0; d < HEAD_DIM; d++)
        score += float (qkv[q0 + d]) * p.scale * float (qkv[k0 + d]);
    }
    float higher = max (top, score), keep = exp2 (top - higher), weight = exp2 (score - higher);
    total = total * keep + weight;
    [[unroll]] for (uint d = 0; d < SLICE; d++)
      sum[d] = sum[d] * keep + weight * float (qkv[v0 + d]);
    top = higher;
  }
  uint y0 = (image * p.queries + token) * p.out_stride + head * HEAD_DIM + first;
  [[unroll]] for (uint d = 0; d < SLICE; d++)
    y[y0 + d] = Y_STORE (sum[d] / total);
}
