// y[b] = mean over tokens num_prefix .. tokens - 1 of x[b][t]
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"

// One invocation per channel.
layout (local_size_x = 64) in;
layout (std430, binding = 0) readonly buffer X { float x[]; };   // (batch, tokens, dim)
layout (std430, binding = 3) writeonly buffer Y { float y[]; };  // (batch, dim)
layout (push_constant) uniform P { pool_params p; };

void
main ()
{
  uint channel = gl_GlobalInvocationID.x, image = gl_WorkGroupID.y;
  if (channel >= p.dim)
    return;
  float sum = 0.0;
  for (uint t = p.num_prefix; t < p.tokens; t++)
    sum += x[(image * p.tokens + t) * p.dim + channel];
  y[image * p.dim + channel] = sum / float (p.tokens - p.num_prefix);
}
