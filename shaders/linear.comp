// y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[r % bias_rows][n]), or y += that, x as it is or normalised: the linear
// of any shape on any device.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "precision.glsl"
#include "params.h"
#include "activation.glsl"

// One workgroup of 128 makes a tile of 8 * ROWS x 64 outputs, 16 steps of k at a time through 4.6 KiB of shared memory
// at most: within every device's guaranteed limits. Rows of the shared tiles are padded by one against bank conflicts.
layout (local_size_x = 128) in;
layout (constant_id = 0) const uint ROWS = 8; // outputs of one invocation: ROWS x 4
layout (constant_id = 1) const bool NORM = false; // p.norm

layout (std430, binding = 0) readonly buffer X { X_DATA x[]; };        // rows of in_dim
layout (std430, binding = 1) readonly buffer W { W_DATA w[]; };        // rows of in_dim, w_stride apart
layout (std430, binding = 2) readonly buffer B { float bias[]; };      // (bias_rows, out_dim), after the scales of W_I8
layout (std430, binding = 3) buffer Y { Y_DATA y[]; };                 // rows of out_dim
layout (push_constant) uniform P { linear_params p; };

const uint STEP = 16, COLUMNS = 64, PARTS = 8;
shared float xs[STEP][8 * ROWS + 1];
shared float ws[STEP][COLUMNS + 1];
shared vec2 parts[NORM ? 8 * ROWS : 1][PARTS]; // mean and sum of squares about it, of every PARTS-th value of a row
shared vec2 norms[NORM ? 8 * ROWS : 1];        // mean, 1 / deviation

// Of the tile's rows, by Welford, Note on a method for calculating corrected sums of squares, and joined by Chan, Golub
// and LeVeque, Updating formulae: one reading, and nothing cancels however far the mean lies from zero.
void
find_norms (uint row0)
{
  for (uint i = gl_LocalInvocationIndex; i < 8 * ROWS * PARTS; i += 128) {
    uint row = min (row0 + i / PARTS, p.rows - 1), from = p.x_first + row * p.x_stride;
    float mean = 0.0, squares = 0.0, n = 0.0;
    for (uint k = i % PARTS; k < p.in_dim; k += PARTS) {
      float v = float (x[from + k]), d = v - mean;
      n += 1.0;
      mean += d / n;
      squares += d * (v - mean);
    }
    parts[i / PARTS][i % PARTS] = vec2 (mean, squares);
  }
  barrier ();
  if (gl_LocalInvocationIndex < 8 * ROWS) {
    float mean = 0.0, squares = 0.0, n = 0.0;
    for (uint i = 0; i < min (PARTS, p.in_dim); i++) {
      vec2 part = parts[gl_LocalInvocationIndex][i];
      float more = float ((p.in_dim - i + PARTS - 1) / PARTS), all = n + more, d = part.x - mean;
      mean += d * more / all;
      squares += part.y + d * d * n * more / all;
      n = all;
    }
    norms[gl_LocalInvocationIndex] = vec2 (mean, inversesqrt (squares / n + p.eps));
  }
  barrier ();
}

void
load_tiles (uint row0, uint col0, uint k0)
{
  for (uint i = gl_LocalInvocationIndex; i < STEP * 8 * ROWS; i += 128) {
    uint row = row0 + i / STEP, k = k0 + i % STEP;
    bool inside = row < p.rows && k < p.in_dim;
    float v = inside ? float (x[p.x_first + row * p.x_stride + k]) : 0.0;
    if (NORM)
      v = inside ? (v - norms[i / STEP].x) * norms[i / STEP].y : 0.0;
    xs[i % STEP][i / STEP] = v;
  }
  for (uint i = gl_LocalInvocationIndex; i < STEP * COLUMNS; i += 128) {
    uint col = col0 + i / STEP, k = k0 + i % STEP;
    ws[i % STEP][i / STEP] = col < p.out_dim && k < p.in_dim ? W_LOAD (w, col * p.w_stride + k) : 0.0;
  }
}

void
main ()
{
  uint tx = gl_LocalInvocationIndex % 16, ty = gl_LocalInvocationIndex / 16; // 16 x 8 invocations
  uint row0 = gl_WorkGroupID.x * 8 * ROWS, col0 = gl_WorkGroupID.y * COLUMNS;
  if (NORM)
    find_norms (row0);
  float acc[ROWS][4];
  for (uint r = 0; r < ROWS; r++)
    for (uint c = 0; c < 4; c++)
      acc[r][c] = 0.0;

  for (uint k0 = 0; k0 < p.in_dim; k0 += STEP) {
    load_tiles (row0, col0, k0);
    barrier ();
    for (uint k = 0; k < STEP; k++) {
      vec4 b = vec4 (ws[k][tx], ws[k][tx + 16], ws[k][tx + 32], ws[k][tx + 48]);
      for (uint r = 0; r < ROWS; r++) {
        float a = xs[k][ty + 8 * r];
        for (uint c = 0; c < 4; c++)
          acc[r][c] += a * b[c];
      }
    }
    barrier ();
  }

  for (uint r = 0; r < ROWS; r++)
    for (uint c = 0; c < 4; c++) {
      uint row = row0 + ty + 8 * r, col = col0 + tx + 16 * c;
      if (row >= p.rows || col >= p.out_dim)
        continue;
      uint at = p.y_first + row * p.y_stride + col, b = p.bias_rows > 1 ? row % p.bias_rows * p.out_dim : 0;
#ifdef W_I8
      acc[r][c] *= bias[col];
      b += p.out_dim;
#endif
      float v = activate (acc[r][c] + (p.bias_rows != 0 ? bias[b + col] : 0.0), p.act);
      y[at] = Y_STORE (p.add != 0 ? float (y[at]) + v : v);
    }
}
