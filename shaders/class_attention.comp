// parts[b][h] = Wp[:, h] (V_h softmax2 (scale K_h q_h)), image b, head h, first token; parts[b][0] += x[b][0] + bp
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "params.h"
#include "row_dots.glsl"

// One token's attention needs neither keys nor values: with n_j the normalised tokens, q.(Wk n_j) = (Wk^T q).n_j, and
// sum_j a_j (Wv n_j) = Wv (sum_j a_j n_j). So a workgroup goes through the tokens as they are, and LayerNorm, qkv,
// attention and projection of that token are one dispatch without the products of all other tokens' keys and values.
// k's bias moves all scores alike, which softmax doesn't see. Who reads the heads' parts adds them up, in their order.
layout (local_size_x = 256) in;
layout (constant_id = 0) const uint FOURS = 192;    // of a token
layout (constant_id = 1) const uint HEAD_DIM = 64;  // a multiple of 4
layout (constant_id = 2) const uint TOKENS = 197;

layout (std430, binding = 0) readonly buffer X { vec4 x[]; };        // (batch * tokens, dim)
layout (std430, binding = 1) readonly buffer W { W_FOUR w[]; };      // (3 * heads * head_dim, dim)
layout (std430, binding = 2) readonly buffer B { float bias[]; };    // (3 * heads * head_dim), after the scales of W_I8
layout (std430, binding = 3) writeonly buffer Y { float y[]; };      // (batch, heads, dim)
layout (std430, binding = 4) readonly buffer WP { W_FOUR wp[]; };    // (dim, heads * head_dim)
layout (std430, binding = 5) readonly buffer BP { float bp[]; };     // (dim), after the scales of W_I8
layout (push_constant) uniform P { class_attention_params p; };

shared vec4 row[FOURS];           // the token normalised, then Wk^T q, then the weighted sum of tokens
shared vec4 of_head[HEAD_DIM / 4]; // q, then what attention gives
shared float weights[TOKENS];
shared vec2 norms[TOKENS];        // mean, 1 / deviation
uint head = gl_WorkGroupID.x, width = gl_NumWorkGroups.x * HEAD_DIM, image = gl_WorkGroupID.y * TOKENS * FOURS;

// Of a token whose reading the invocation's eight share. Two readings: E[x^2] - E[x]^2 would cancel.
vec2
norm_of (uint from)
{
  float sum = 0.0, squares = 0.0;
  for (uint k = share; k < FOURS; k += SHARE)
    sum += dot (x[from + k], vec4 (1.0));
  float mean = of_eight (sum) / float (4 * FOURS);
  for (uint k = share; k < FOURS; k += SHARE)
    squares += dot (x[from + k] - mean, x[from + k] - mean);
  return vec2 (mean, inversesqrt (of_eight (squares) / float (4 * FOURS) + p.eps));
}

// of_head = w row + bias, of q (part 0) or v (part 2)
void
multiply_row (uint part)
{
  barrier ();
  for (uint first = 0; first < HEAD_DIM; first += TOGETHER) {
    uint d = min (first + self / SHARE, HEAD_DIM - 1), n = part * width + head * HEAD_DIM + d;
    PRODUCT (v, w, n * (p.w_stride / 4), row[k], FOURS)
    if (share == 0)
      of_head[d / 4][d % 4] = v * W_SCALE (bias, n) + (p.has_bias != 0 ? W_BIAS (bias, n, 3 * width) : 0.0);
  }
  barrier ();
}

// row = Wk^T q
void
take_keys ()
{
  for (uint k = self; k < FOURS; k += GROUP) {
    vec4 sum = vec4 (0);
    for (uint d = 0; d < HEAD_DIM; d++) {
      uint n = width + head * HEAD_DIM + d;
      W_FOUR four = w[n * (p.w_stride / 4) + k];
      sum += W_FLOATS (four) * (of_head[d / 4][d % 4] * W_SCALE (bias, n));
    }
    row[k] = sum;
  }
  barrier ();
}

// weights = softmax2 (scale * row . n_j)
void
weigh ()
{
  float top = -3.0e38, total = 0.0;
  for (uint first = 0; first < TOKENS; first += TOGETHER) {
    uint token = min (first + self / SHARE, TOKENS - 1);
    vec2 norm = norm_of (image + token * FOURS);
    vec4 sums = vec4 (0);
    for (uint k = share; k < FOURS; k += SHARE)
      sums += (x[image + token * FOURS + k] - norm.x) * row[k];
    float score = of_eight (dot (sums, vec4 (1.0))) * norm.y * p.scale;
    top = max (top, score);
    if (share == 0) {
      weights[token] = score;
      norms[token] = norm;
    }
  }
  top = largest_of_all (top);
  for (uint j = self; j < TOKENS; j += GROUP)
    total += weights[j] = exp2 (weights[j] - top);
  total = of_all (total);
  for (uint j = self; j < TOKENS; j += GROUP)
    weights[j] *= norms[j].y / total;
  barrier ();
}

// row = sum_j weights[j] * (x_j - mean_j); a short row's fours are shared out among slices of the tokens
void
sum_tokens ()
{
  const uint fours = min (FOURS, GROUP), slices = GROUP / fours;
  for (uint first = 0; first < FOURS; first += fours) {
    uint k = first + self % fours;
    vec4 sum = vec4 (0);
    for (uint j = self / fours; j < TOKENS && k < FOURS && self < slices * fours; j += slices)
      sum += weights[j] * (x[image + j * FOURS + k] - norms[j].x);
    barrier ();
    shares[self] = sum;
    barrier ();
    if (self < fours && k < FOURS) {
      for (uint s = 1; s < slices; s++)
        sum += shares[self + s * fours];
      row[k] = sum;
    }
  }
}

void
project ()
{
  for (uint first = 0; first < 4 * FOURS; first += TOGETHER) {
    uint n = first + self / SHARE, from = (min (n, 4 * FOURS - 1) * p.wp_stride + head * HEAD_DIM) / 4;
    PRODUCT (v, wp, from, of_head[k], HEAD_DIM / 4)
    if (share == 0 && n < 4 * FOURS) {
      v *= W_SCALE (bp, n);
      if (head == 0)
        v += x[image + n / 4][n % 4] + (p.has_bp != 0 ? W_BIAS (bp, n, 4 * FOURS) : 0.0);
      y[(gl_WorkGroupID.y * gl_NumWorkGroups.x + head) * 4 * FOURS + n] = v;
    }
  }
}

void
main ()
{
  vec2 norm = norm_of (image);
  for (uint k = self; k < FOURS; k += GROUP)
    row[k] = (x[image + k] - norm.x) * norm.y;
  multiply_row (0);
  take_keys ();
  weigh ();
  sum_tokens ();
  multiply_row (2);
  project ();
}
