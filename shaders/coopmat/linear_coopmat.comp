// y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[r % bias_rows][n]), or y += that, by cooperative matrices of halves.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#include "../activation.h"
#include "../activation.glsl"
#include "coopmat.h"
#include "rows.glsl"

// A workgroup makes ROWS x COLUMNS outputs; its subgroups share them out in tiles of TM x TN matrices. COOPMAT_STEP
// values of k at a time go through shared memory, bytes as halves; the next ones are on their way from memory
// meanwhile, and are put there in the same round: what a round leaves in registers for the next may have to be moved.
// Sums are float and begin as bias and residual.
layout (local_size_x_id = 0) in;
layout (constant_id = 0) const uint INVOCATIONS = 256;
layout (constant_id = 1) const uint M = 16; // of one product, the device's own: (M, K) times (K, N)
layout (constant_id = 2) const uint N = 16;
layout (constant_id = 3) const uint K = 16;
layout (constant_id = 4) const uint SUBGROUPS_M = 2;
layout (constant_id = 5) const uint SUBGROUPS_N = 2;
layout (constant_id = 6) const uint TM = 4;
layout (constant_id = 7) const uint TN = 4;
layout (constant_id = 8) const uint ACT = 0;       // VIT_ACT_
layout (constant_id = 9) const uint FLAGS = COOPMAT_Y_HALF | COOPMAT_FOURS; // COOPMAT_
const bool ADD = (FLAGS & COOPMAT_ADD) != 0, NORM = (FLAGS & COOPMAT_NORM) != 0, TAIL = (FLAGS & COOPMAT_TAIL) != 0;
const bool Y_HALF = (FLAGS & COOPMAT_Y_HALF) != 0, FOURS = (FLAGS & COOPMAT_FOURS) != 0;
const bool BIAS = (FLAGS & COOPMAT_BIAS) != 0, TABLE = (FLAGS & COOPMAT_TABLE) != 0;
const bool BYTES = (FLAGS & COOPMAT_BYTES) != 0;
const bool CROSSED = BYTES && NORM; // the order of four k in shared memory
const bool BIAS_FIRST = BIAS && !BYTES; // before the products
const bool ADD_FIRST = ADD && ACT == VIT_ACT_NONE && !BYTES, ADD_LAST = ADD && !ADD_FIRST; // to what is bent or scaled

layout (std430, binding = 0) readonly buffer X { uvec4 x[]; };      // halves, or ...
layout (std430, binding = 0) readonly buffer XFloat { vec4 xf[]; }; // ... floats
layout (std430, binding = 1) readonly buffer W { uvec4 w[]; };      // halves: rows of in_dim, zeros behind
layout (std430, binding = 1) readonly buffer WBytes { uvec2 wb[]; }; // the same of bytes
layout (std430, binding = 2) readonly buffer B { float bias[]; };   // (bias_rows, out_dim), before it scales of bytes
layout (std430, binding = 2) readonly buffer B4 { vec4 bias4[]; };
layout (std430, binding = 3) buffer Y { float16_t y[]; };           // halves or floats, one by one or ...
layout (std430, binding = 3) buffer YFloat { float yf[]; };
layout (std430, binding = 3) buffer Y4 { uvec2 y4[]; };             // ... four at once
layout (std430, binding = 3) buffer YFloat4 { vec4 yf4[]; };
layout (push_constant) uniform P { coopmat_linear_params p; };

const uint ROWS = SUBGROUPS_M * TM * M, COLUMNS = SUBGROUPS_N * TN * N;
const uint UNIT = FOURS ? 4 : 1; // of addresses of y
const uint EIGHTS = COOPMAT_STEP / 8, PITCH = EIGHTS + 1; // of a row in shared memory: 16 bytes more, for the banks
const uint PASS = INVOCATIONS / EIGHTS, NUM_X = ROWS / PASS, NUM_W = COLUMNS / PASS; // PASS: rows loaded at once
const uint LANES = INVOCATIONS / (SUBGROUPS_M * SUBGROUPS_N), VECTORS = M * N / 4 / LANES, OUT_PITCH = N / 4 + 1;

shared uvec4 xs[ROWS * PITCH], ws[COLUMNS * PITCH];
shared vec4 tiles[SUBGROUPS_M * SUBGROUPS_N * M * OUT_PITCH]; // one matrix of sums for each subgroup
shared vec2 norms[NORM ? ROWS : 1];

#define SUM coopmat<float, gl_ScopeSubgroup, M, N, gl_MatrixUseAccumulator>
SUM sums[TM][TN];
uint lane; // in its subgroup; read before the loop, or compilers find it anew in every round
uint x_at[NUM_X], w_at[NUM_W]; // of this invocation's rows
uvec4 next_x[NUM_X], next_w[NUM_W];
vec4 next_f[2 * NUM_X];
vec2 norm[NUM_X];

#include "linear_load.glsl"

void
multiply (uint row, uint col) // of the subgroup's tile
{
  coopmat<float16_t, gl_ScopeSubgroup, M, K, gl_MatrixUseA> a;
  coopmat<float16_t, gl_ScopeSubgroup, K, N, gl_MatrixUseB> b[TN];
  [[unroll]] for (uint k = 0; k < EIGHTS; k += K / 8) {
    [[unroll]] for (uint i = 0; i < TM; i++) {
      coopMatLoad (a, xs, (row + i * M) * PITCH + k, PITCH, gl_CooperativeMatrixLayoutRowMajor);
      [[unroll]] for (uint j = 0; j < TN; j++) {
        if (i == 0)
          coopMatLoad (b[j], ws, (col + j * N) * PITCH + k, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
        sums[i][j] = coopMatMulAdd (a, b[j], sums[i][j]);
      }
    }
  }
}

#include "linear_norm.glsl"
#include "linear_ends.glsl"

void
main ()
{
  uint row0 = gl_WorkGroupID.x * ROWS, col0 = gl_WorkGroupID.y * COLUMNS, part = gl_LocalInvocationIndex % EIGHTS;
  uint row = gl_SubgroupID % SUBGROUPS_M * TM * M, col = gl_SubgroupID / SUBGROUPS_M * TN * N;
  lane = gl_SubgroupInvocationID;
  // what lies over the edge is computed from the last row and column, and not stored
  [[unroll]] for (uint i = 0; i < NUM_X; i++)
    x_at[i] = p.x_first + min (row0 + gl_LocalInvocationIndex / EIGHTS + i * PASS, p.rows - 1) * p.x_stride + part;
  [[unroll]] for (uint i = 0; i < NUM_W; i++)
    w_at[i] = min (col0 + gl_LocalInvocationIndex / EIGHTS + i * PASS, p.out_dim - 1) * p.w_stride + part;
  if (NORM)
    find_norms ();

  uint whole = p.in_dim / COOPMAT_STEP * COOPMAT_STEP;
  if (whole > 0) {
    fetch (0);
    put (false, 0);
  }
  start (row0 + row, col0 + col);
  for (uint k = COOPMAT_STEP; k <= whole; k += COOPMAT_STEP) {
    fetch (min (k, whole - COOPMAT_STEP)); // the last time it is read for nothing: a branch here would cost more
    multiply (row, col);
    put (false, 0);
  }
  if (TAIL) {
    fetch_end (whole + 8 * part);
    put (true, whole + 8 * part);
    multiply (row, col);
  }
  store (row0 + row, col0 + col);
}
