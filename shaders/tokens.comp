// tokens[b][t] = pos[t] + (t < num_prefix ? prefix[t] : patches[b][t - num_prefix])
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"

// One workgroup per token.
layout (local_size_x = 64) in;
layout (std430, binding = 0) readonly buffer X { float patches[]; };  // (batch, tokens - num_prefix, dim)
layout (std430, binding = 1) readonly buffer W { float prefix[]; };   // (num_prefix, dim)
layout (std430, binding = 2) readonly buffer B { float pos[]; };      // (tokens, dim)
layout (std430, binding = 3) writeonly buffer Y { float y[]; };       // (batch, tokens, dim)
layout (push_constant) uniform P { tokens_params p; };

void
main ()
{
  uint row = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  if (row >= p.batch * p.tokens)
    return;
  uint image = row / p.tokens, token = row % p.tokens;
  for (uint i = gl_LocalInvocationIndex; i < p.dim; i += 64) {
    float v = pos[token * p.dim + i];
    if (token < p.num_prefix)
      v += prefix[token * p.dim + i];
    else
      v += patches[(image * (p.tokens - p.num_prefix) + token - p.num_prefix) * p.dim + i];
    y[row * p.dim + i] = v;
  }
}
