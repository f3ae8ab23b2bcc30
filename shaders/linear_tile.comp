// y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[r % bias_rows][n]), or y += that, x as it is or normalised: tiles in
// shared memory and registers, for GPUs.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "precision.glsl"
#include "params.h"
#include "activation.glsl"
#include "tile_words.glsl"

// What one load of w brings: 16 bytes, or 8 that are 8 elements as well and halves in shared memory.
#ifdef W_I8
#define W_LOADED uvec2
#define W_WORDS(v) halves_of (v)
#else
#define W_LOADED uvec4
#define W_WORDS(v) (v)
#endif

// One workgroup makes BM x BN outputs, one invocation TM x TN of them, in float registers that begin as bias and
// residual. BK steps of k at a time lie in shared memory, columns of the tile side by side, so that an invocation reads
// four rows (columns) in one load; two halves that follow each other along k share a word, which needs no 16-bit memory
// and lets AMD's mixed FMA take either of them. While one tile is multiplied the next one is on its way to registers.
// With SPLIT > 1 that many groups of invocations take turns along k, and their sums are added in a fixed order: few
// rows fill a large GPU without more tiles' worth of traffic, memory or dispatches.
layout (local_size_x_id = 0) in; // SPLIT * (BM / TM) * (BN / TN)
layout (constant_id = 0) const uint THREADS = 256;
layout (constant_id = 1) const uint BM = 128;
layout (constant_id = 2) const uint BN = 128;
layout (constant_id = 3) const uint BK = 16;
layout (constant_id = 4) const uint TM = 8; // multiples of 4
layout (constant_id = 5) const uint TN = 8;
layout (constant_id = 6) const uint SPLIT = 1;
layout (constant_id = 7) const uint STAGES = 2; // tiles in shared memory; with 1 there is a second barrier a step
layout (constant_id = 8) const uint ACT = VIT_ACT_NONE;
layout (constant_id = 9) const uint FLAGS = 0; // VIT_TILE_

layout (std430, binding = 0) readonly buffer X { uvec4 x[]; };    // rows of in_dim
layout (std430, binding = 1) readonly buffer W { W_LOADED w[]; };  // rows of in_dim with zeros behind
layout (std430, binding = 2) readonly buffer B { vec4 bias[]; };  // (bias_rows, out_dim), after the scales of W_I8
layout (std430, binding = 3) buffer Y { Y_VEC4 y[]; };            // rows of out_dim
layout (std430, binding = 3) buffer Y1 { Y_DATA y1[]; };
layout (push_constant) uniform P { linear_params p; };

const bool ADD = (FLAGS & VIT_TILE_ADD) != 0, BIAS = (FLAGS & VIT_TILE_BIAS) != 0;
const bool TAIL = (FLAGS & VIT_TILE_TAIL) != 0, SINGLE = (FLAGS & VIT_TILE_SINGLE) != 0;
const bool TABLE = (FLAGS & VIT_TILE_TABLE) != 0, NORM = (FLAGS & VIT_TILE_NORM) != 0;
const bool PACKED = (FLAGS & VIT_TILE_PACKED) != 0;
const uint T = THREADS / SPLIT, NT = BN / TN, MT = BM / TM;
// elements of k in a load; rows of words that BK takes; uvec4s of a row of the tile, one more than needed so that
// the four words of a load are stored to different banks
#ifdef X_F16
const uint XE = 8, XR = BK / 2;
#else
const uint XE = 4, XR = BK;
#endif
#if defined(W_F16) || defined(W_I8)
const uint WE = 8, WR = BK / 2;
#else
const uint WE = 4, WR = BK;
#endif
const uint XC = BM / 4 + 1, WC = BN / 4 + 1, STAGE = XR * XC + WR * WC;
const uint NX = BM * BK / XE / T, NW = BN * BK / WE / T; // loads of an invocation
const uint TILES = SPLIT * STAGES * STAGE, SUMS = SPLIT > 1 ? TM * (TN / 4) * T : 0;
shared TILE_VEC4 tile[TILE_SIZE (TILES > SUMS ? TILES : SUMS)];
TILE_FUNCTIONS

uint t = gl_LocalInvocationIndex % T, slice = gl_LocalInvocationIndex / T;
uint row0 = gl_WorkGroupID.y * BM, col0 = gl_WorkGroupID.x * BN;
uint mt = t / NT, nt = t % NT;
vec4 acc[TM][TN / 4];
uvec4 next_x[NX];
W_LOADED next_w[NW];

// Where row i and group of columns j of the accumulators belong.
uint
row_of (uint i)
{
  return row0 + i / 4 * (MT * 4) + mt * 4 + i % 4;
}

uint
col_of (uint j)
{
  return col0 + j * (NT * 4) + nt * 4;
}

#include "tile_load.glsl"

void
multiply (uint base)
{
  [[unroll]] for (uint k = 0; k < BK; k++) {
    vec4 b[TN / 4];
    [[unroll]] for (uint j = 0; j < TN / 4; j++)
      b[j] = get_w (base, k, j);
    [[unroll]] for (uint g = 0; g < TM / 4; g++) {
      vec4 a = get_x (base, k, g);
      [[unroll]] for (uint i = 0; i < 4; i++)
        [[unroll]] for (uint j = 0; j < TN / 4; j++)
          acc[g * 4 + i][j] = fma (vec4 (a[i]), b[j], acc[g * 4 + i][j]);
    }
  }
}

#include "tile_packed.glsl"
#include "tile_sums.glsl"

void
main ()
{
  if (NORM)
    find_norms ();
  start ();
  fetch (slice * BK);
  uint base = 0;
  for (uint k = slice * BK; k < p.in_dim + slice * BK; k += SPLIT * BK) {
    if (STAGES == 1)
      barrier ();
    put (slice * STAGES * STAGE + base, k);
    barrier ();
    fetch (k + SPLIT * BK);
    if (PACKED)
      multiply_packed (slice * STAGES * STAGE + base);
    else
      multiply (slice * STAGES * STAGE + base);
    if (STAGES == 2)
      base = STAGE - base;
  }
  gather ();
  if (slice == 0)
    finish ();
}
