// parts[r][i] = w2[:, i] act (w1[i] norm (x[r]) + b1[i]); parts[r][0] += x[r] + b2: an MLP of single rows by slices i
// of its hidden units. x[r] is a sum of parts itself, and so is what it makes.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"
#include "activation.glsl"
#include "row_dots.glsl"

// One workgroup has VIT_CLASS_HIDDEN hidden units of one row: every weight is read once, and what would be two
// dispatches of a few workgroups each is one. Who reads the parts adds them up, in their order.
layout (local_size_x = 256) in;
layout (constant_id = 0) const uint FOURS = 192; // of a row

layout (std430, binding = 0) readonly buffer X { vec4 x[]; };       // (rows, parts, dim)
layout (std430, binding = 1) readonly buffer W1 { W_FOUR w1[]; };   // (hidden, dim)
layout (std430, binding = 2) readonly buffer B1 { float b1[]; };    // (hidden), after the scales of W_I8
layout (std430, binding = 3) writeonly buffer Y { float y[]; };     // (rows, slices, dim)
layout (std430, binding = 4) readonly buffer W2 { W_FOUR w2[]; };   // (dim, hidden)
layout (std430, binding = 5) readonly buffer B2 { float b2[]; };    // (dim), after the scales of W_I8
layout (push_constant) uniform P { class_mlp_params p; };

shared vec4 row[FOURS];
shared vec4 hidden[VIT_CLASS_HIDDEN / 4];
uint slice = gl_WorkGroupID.x;

// Mean and 1 / deviation. Two readings: E[x^2] - E[x]^2 would cancel.
vec2
load_row ()
{
  uint from = gl_WorkGroupID.y * p.parts * FOURS;
  float sum = 0.0, squares = 0.0;
  for (uint k = self; k < FOURS; k += GROUP) {
    vec4 v = x[from + k];
    for (uint i = 1; i < p.parts; i++)
      v += x[from + i * FOURS + k];
    row[k] = v;
    sum += dot (v, vec4 (1.0));
  }
  float mean = of_all (sum) / float (p.dim);
  for (uint k = self; k < FOURS; k += GROUP)
    squares += dot (row[k] - mean, row[k] - mean);
  return vec2 (mean, inversesqrt (of_all (squares) / float (p.dim) + p.eps));
}

void
find_hidden (vec2 norm)
{
  for (uint first = 0; first < VIT_CLASS_HIDDEN; first += TOGETHER) {
    uint local = first + self / SHARE, n = slice * VIT_CLASS_HIDDEN + local;
    uint from = min (n, p.hidden - 1) * (p.w1_stride / 4);
    PRODUCT (v, w1, from, (row[k] - norm.x) * norm.y, FOURS)
    if (share == 0 && n < p.hidden)
      v = activate (v * W_SCALE (b1, n) + (p.has_b1 != 0 ? W_BIAS (b1, n, p.hidden) : 0.0), p.act);
    if (share == 0)
      hidden[local / 4][local % 4] = n < p.hidden ? v : 0.0;
  }
  barrier ();
}

void
main ()
{
  find_hidden (load_row ());
  uint units = min (VIT_CLASS_HIDDEN, p.hidden - slice * VIT_CLASS_HIDDEN);
  for (uint first = 0; first < p.dim; first += TOGETHER) {
    uint n = first + self / SHARE, from = (min (n, p.dim - 1) * p.w2_stride + slice * VIT_CLASS_HIDDEN) / 4;
    PRODUCT (v, w2, from, hidden[k], units / 4)
    if (share == 0 && n < p.dim) {
      v *= W_SCALE (b2, n);
      if (slice == 0)
        v += row[n / 4][n % 4] + (p.has_b2 != 0 ? W_BIAS (b2, n, p.dim) : 0.0);
      y[(gl_WorkGroupID.y * gl_NumWorkGroups.x + slice) * p.dim + n] = v;
    }
  }
}
