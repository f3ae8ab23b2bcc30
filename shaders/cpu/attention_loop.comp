// out = softmax (q k^T * scale) v for every head: for CPU devices whose compiler keeps loops uniform.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#include "cpu_loop.h"
#include "vector.glsl"

// One subgroup does LANES queries of one head, a lane each: keys and values are then the same number in all lanes, and
// a query's softmax stays in its lane. KEYS of them are done at once, by online softmax (Milakov and Gimelshein, Online
// normalizer calculation for softmax); the query and the sum lie on the stack, which is in the cache.
layout (local_size_x = LANES) in;
layout (constant_id = 0) const uint HEAD_DIM = 64;
layout (constant_id = 1) const uint KEYS = 8;
const float LOWEST = -3.0e38;

// What lanes read or store apart takes as long for 8 bytes as for 4.
layout (buffer_reference, std430, buffer_reference_align = 8) readonly buffer Pairs { uint64_t v[]; };
layout (buffer_reference, std430, buffer_reference_align = 8) writeonly buffer Output { uint64_t v[]; };
layout (push_constant) uniform P { cpu_loop_attention_params p; };

void
main ()
{
  const uint lane = gl_SubgroupInvocationID, head = gl_WorkGroupID.y, image = gl_WorkGroupID.z;
  const uint query = gl_WorkGroupID.x * LANES + lane;
  const uint64_t qkv = p.qkv + uint64_t (image * p.tokens) * p.token + head * (HEAD_DIM * 4u);
  Pairs mine = Pairs (qkv + uint64_t (min (query, p.queries - 1)) * p.token);
  float q[HEAD_DIM], sum[HEAD_DIM], top = LOWEST, total = 0.0;
  [[unroll]] for (uint d = 0; d < HEAD_DIM; d += 2) {
    const uvec2 pair = unpackUint2x32 (mine.v[d / 2]);
    [[unroll]] for (uint i = 0; i < 2; i++) {
      q[d + i] = uintBitsToFloat (pair[i]) * p.scale;
      sum[d + i] = 0.0;
    }
  }
  const uint tokens = p.tokens, token = p.token, width = p.width; // see linear_loop.comp
  uint t0 = 0;
  [[dont_unroll]] do {
    float score[KEYS], higher = top;
    uint64_t key[KEYS];
    [[unroll]] for (uint r = 0; r < KEYS; r++) {
      key[r] = qkv + uint64_t (min (t0 + r, tokens - 1)) * token + width;
      score[r] = 0.0;
    }
    [[unroll]] for (uint d = 0; d < HEAD_DIM; d += 4) {
      vec4 k[KEYS];
      [[unroll]] for (uint r = 0; r < KEYS; r++)
        k[r] = Fours (key[r]).v[d / 4];
      [[unroll]] for (uint i = 0; i < 4; i++)
        [[unroll]] for (uint r = 0; r < KEYS; r++)
          score[r] += k[r][i] * q[d + i];
    }
    [[unroll]] for (uint r = 0; r < KEYS; r++) {
      score[r] = mix (LOWEST, score[r], t0 + r < tokens);
      higher = max (higher, score[r]);
    }
    const float keep = exp2 (top - higher);
    total *= keep;
    [[unroll]] for (uint r = 0; r < KEYS; r++) {
      score[r] = exp2 (score[r] - higher);
      total += score[r];
    }
    [[unroll]] for (uint d = 0; d < HEAD_DIM; d += 4) {
      vec4 v[KEYS];
      [[unroll]] for (uint r = 0; r < KEYS; r++)
        v[r] = Fours (key[r] + uint64_t (width)).v[d / 4];
      [[unroll]] for (uint i = 0; i < 4; i++) {
        sum[d + i] *= keep;
        [[unroll]] for (uint r = 0; r < KEYS; r++)
          sum[d + i] += v[r][i] * score[r];
      }
    }
    top = higher;
    t0 += KEYS;
  } while (t0 < tokens);
  if (query >= p.queries)
    return;
  const float scale = 1.0 / total;
  Output y = Output (p.y + uint64_t (image * p.queries + query) * p.y_token + head * (HEAD_DIM * 4u));
  [[unroll]] for (uint d = 0; d < HEAD_DIM; d += 2) {
    const uint low = floatBitsToUint (sum[d] * scale), high = floatBitsToUint (sum[d + 1] * scale);
    y.v[d / 2] = uint64_t (low) | uint64_t (high) << p.half_bits; // lanes.glsl warns of packs
  }
}
