// y = (x - mean) / sqrt (var + eps), times weight plus bias where there are any, over one row; Ba, Kiros and Hinton,
// Layer Normalization.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "precision.glsl"
#include "params.h"

// One workgroup per row. Two passes over the row: E[x^2] - E[x]^2 cancels badly for large activations.
layout (local_size_x = 64) in;
layout (constant_id = 0) const bool AFFINE = true; // there is a weight and a bias
layout (std430, binding = 0) readonly buffer X { X_DATA x[]; };   // rows of dim
layout (std430, binding = 1) readonly buffer W { float weight[]; }; // (dim)
layout (std430, binding = 2) readonly buffer B { float bias[]; };   // (dim)
layout (std430, binding = 3) writeonly buffer Y { Y_DATA y[]; };
layout (push_constant) uniform P { layernorm_params p; };

shared float partial[64];

float
sum_of_group (float v)
{
  uint i = gl_LocalInvocationIndex;
  partial[i] = v;
  barrier ();
  for (uint n = 32; n > 0; n /= 2) {
    if (i < n)
      partial[i] += partial[i + n];
    barrier ();
  }
  float sum = partial[0];
  barrier ();
  return sum;
}

void
main ()
{
  uint row = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, lane = gl_LocalInvocationIndex;
  if (row >= p.rows)
    return;
  uint from = p.x_first + row * p.x_stride, to = p.y_first + row * p.y_stride;
  float sum = 0.0, squares = 0.0;
  for (uint i = lane; i < p.dim; i += 64)
    sum += float (x[from + i]);
  float mean = sum_of_group (sum) / float (p.dim);
  for (uint i = lane; i < p.dim; i += 64) {
    float d = float (x[from + i]) - mean;
    squares += d * d;
  }
  float scale = inversesqrt (sum_of_group (squares) / float (p.dim) + p.eps);
  for (uint i = lane; i < p.dim; i += 64) {
    float v = (float (x[from + i]) - mean) * scale;
    y[to + i] = Y_STORE (AFFINE ? v * weight[i] + bias[i] : v);
  }
}
