// y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[n]), or y += that, x as it is or normalised: for a few rows, and for x
// that comes in parts.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "precision.glsl"
#include "params.h"
#include "activation.glsl"
#include "row_dots.glsl"

// One workgroup makes VIT_ROWS_OUT outputs of one row, eight invocations an output: a head's thousand classes fill a
// GPU and read their weights once, where tiles would multiply rows that aren't there. The row lies in shared memory.
layout (local_size_x = 256) in;
layout (constant_id = 0) const uint FOURS = 192; // of a row: in_dim / 4, rounded up

#ifdef X_F16
layout (std430, binding = 0) readonly buffer X { uvec2 x[]; };
#define X_FLOATS(v) vec4 (unpackHalf2x16 ((v).x), unpackHalf2x16 ((v).y))
#else
layout (std430, binding = 0) readonly buffer X { vec4 x[]; };
#define X_FLOATS(v) (v)
#endif
layout (std430, binding = 1) readonly buffer W { W_FOUR w[]; };  // rows of in_dim, w_stride apart, zeros behind
layout (std430, binding = 2) readonly buffer B { float bias[]; }; // (out_dim), after the scales of W_I8
layout (std430, binding = 3) buffer Y { Y_DATA y[]; };
layout (push_constant) uniform P { rows_params p; };

shared vec4 row[FOURS];

vec4
inside (vec4 v, uint k4) // x beyond in_dim may be anything
{
  return mix (vec4 (0), v, lessThan (4 * k4 + uvec4 (0, 1, 2, 3), uvec4 (p.of.in_dim)));
}

void
load_row ()
{
  uint from = (p.of.x_first + gl_WorkGroupID.y * p.of.x_stride) / 4;
  for (uint k = self; k < FOURS; k += GROUP) {
    vec4 v = X_FLOATS (x[from + k]);
    for (uint i = 1; i < p.parts; i++)
      v += X_FLOATS (x[from + i * (p.part_stride / 4) + k]);
    row[k] = inside (v, k);
  }
  barrier ();
}

// Two readings: E[x^2] - E[x]^2 would cancel.
void
normalise ()
{
  float sum = 0.0, squares = 0.0;
  for (uint k = self; k < FOURS; k += GROUP)
    sum += dot (row[k], vec4 (1.0));
  float mean = of_all (sum) / float (p.of.in_dim);
  for (uint k = self; k < FOURS; k += GROUP) {
    vec4 d = inside (row[k] - mean, k);
    squares += dot (d, d);
  }
  float scale = inversesqrt (of_all (squares) / float (p.of.in_dim) + p.of.eps);
  for (uint k = self; k < FOURS; k += GROUP)
    row[k] = inside ((row[k] - mean) * scale, k);
  barrier ();
}

void
main ()
{
  load_row ();
  if (p.of.norm != 0)
    normalise ();
  for (uint first = 0; first < VIT_ROWS_OUT; first += TOGETHER) {
    uint n = gl_WorkGroupID.x * VIT_ROWS_OUT + first + self / SHARE;
    uint from = min (n, p.of.out_dim - 1) * (p.of.w_stride / 4);
    PRODUCT (sum, w, from, row[k], FOURS)
    if (share == 0 && n < p.of.out_dim) {
      uint at = p.of.y_first + gl_WorkGroupID.y * p.of.y_stride + n;
      float v = sum * W_SCALE (bias, n) + (p.of.bias_rows != 0 ? W_BIAS (bias, n, p.of.out_dim) : 0.0);
      v = activate (v, p.of.act);
      y[at] = Y_STORE (p.of.add != 0 ? float (y[at]) + v : v);
    }
  }
}
