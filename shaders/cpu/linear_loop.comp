// y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[n]), or y += that: for CPU devices whose compiler keeps loops uniform.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#if defined(W_I8)
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#elif defined(W_F16)
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int16 : require
#endif
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require
#include "cpu_loop.h"
#include "params.h"
#include "activation.glsl"

// One subgroup, which is one SIMD register, makes a tile of ROWS x (COLUMNS * LANES) outputs; lanes are neighbouring
// columns. A value of x is a broadcast, LANES scalar loads of which each lane picks one become a single vector load
// (see gen_linear.c), and both need addresses that the compiler knows to be the same in all lanes. Newer compilers know
// that of a loop's counter too: sums stay in registers, code is short, and the driver is done with it in milliseconds
// where the unrolled kernel takes seconds. Lavapipe of Mesa 26.2: 180 GFLOP/s at 16 lanes on two Zen 4 cores, unrolled
// 120.
layout (local_size_x = LANES) in;
layout (constant_id = 0) const uint ROWS = 8;
layout (constant_id = 1) const uint COLUMNS = 2; // panels
layout (constant_id = 2) const uint ACT = 0;     // VIT_ACT_

#if defined(W_I8)
#define STORED int8_t
#define FOUR   i8vec4
const uint BYTES = 1; // of a weight
#elif defined(W_F16)
#define STORED uint16_t
#define FOUR   u16vec4
const uint BYTES = 2;
#else
#define STORED float
#define FOUR   vec4
const uint BYTES = 4;
#endif
layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) buffer Output { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Weight { FOUR v[]; };
layout (push_constant) uniform P { cpu_loop_linear_params p; };

// Lane i gets weight i of vector `index`. What is narrow is chosen narrow: then the compiler makes one load of all,
// which widens them.
float
pick (Weight w, uint index)
{
  STORED u[LANES];
  [[unroll]] for (uint i = 0; i < LANES; i += 4) {
    const FOUR f = w.v[(index * LANES + i) / 4];
    u[i] = f.x;
    u[i + 1] = f.y;
    u[i + 2] = f.z;
    u[i + 3] = f.w;
  }
  STORED v = u[LANES - 1];
  [[unroll]] for (uint i = 0; i < LANES - 1; i++)
    v = mix (v, u[i], gl_SubgroupInvocationID == i);
#ifdef W_F16
  return unpackHalf2x16 (uint (v)).x;
#else
  return float (v);
#endif
}

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  // the last rows are reached by beginning early
  const uint row0 = gl_WorkGroupID.x * ROWS, tile = min (row0, p.rows - ROWS), panel0 = gl_WorkGroupID.y * COLUMNS;
  const uint64_t x0 = p.x + uint64_t (tile) * p.x_row, w0 = p.w + uint64_t (panel0) * p.panel;
  float sum[ROWS][COLUMNS];
  [[unroll]] for (uint r = 0; r < ROWS; r++)
    [[unroll]] for (uint c = 0; c < COLUMNS; c++)
      sum[r][c] = 0.0;
  // Lavapipe ends a loop by going through it once more with all lanes asleep, and loads that are the same in all lanes
  // happen all the same: addresses may not run over the end even then.
  [[dont_unroll]] for (uint b = 0; b < p.blocks; b++) {
    const uint64_t x = x0 + min (b * (CPU_LOOP_BLOCK * 4), p.k_last);
    const uint64_t w = w0 + min (b, p.blocks - 1) * (CPU_LOOP_BLOCK * LANES * BYTES);
    [[unroll]] for (uint k = 0; k < CPU_LOOP_BLOCK; k++) {
      float weight[COLUMNS];
      [[unroll]] for (uint c = 0; c < COLUMNS; c++)
        weight[c] = pick (Weight (w + uint64_t (c * p.panel)), k);
      [[unroll]] for (uint r = 0; r < ROWS; r++) {
        const float a = Floats (x + uint64_t (r * p.x_row)).v[k];
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          sum[r][c] += a * weight[c];
      }
    }
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    const uint64_t y = p.y + uint64_t (tile + r) * p.y_row;
    const uint64_t bias = p.bias + uint64_t (p.bias_rows > 1 ? (tile + r) % p.bias_rows * p.out_dim * 4 : 0);
    [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
      const uint column = (panel0 + c) * LANES + lane;
      if (column >= p.out_dim || tile + r < row0) // else an earlier tile has stored it
        continue;
#ifdef W_I8 // the scales lie before the bias
      sum[r][c] *= Floats (p.bias - uint64_t (p.out_dim * 4)).v[column];
#endif
      float t = activate (sum[r][c] + (p.bias_rows != 0 ? Floats (bias).v[column] : 0.0), ACT);
      Output to = Output (y);
      if (p.add != 0)
        t += to.v[column];
      to.v[column] = t;
    }
  }
}
