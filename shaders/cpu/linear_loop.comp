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
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#include "cpu_loop.h"
#include "params.h"
#include "activation.glsl"

// One subgroup, which is one SIMD register, makes a tile of ROWS x (COLUMNS * LANES) outputs; lanes are neighbouring
// columns. A value of x is a broadcast, LANES scalar loads of which each lane picks one become a single vector load:
// both need addresses that the compiler knows to be the same in all lanes. Newer compilers know that of a loop's
// counter too: sums stay in registers, code is short, and the driver is done with it in a fraction of the time that the
// unrolled kernel takes. A gather takes as long as 20 such loads: there is none. The last rows begin early, so as not
// to run over the end.
layout (local_size_x = LANES) in;
layout (constant_id = 0) const uint ROWS = 8;
layout (constant_id = 1) const uint COLUMNS = 2;    // panels
layout (constant_id = 2) const uint ACT = 0;        // VIT_ACT_
layout (constant_id = 3) const bool NARROW = false; // fewer than LANES columns in all
layout (constant_id = 4) const uint BLOCK = 32;     // values of k that are written out
layout (constant_id = 5) const bool BOUND = false;  // y is bound, and its columns are whole tiles

layout (buffer_reference, std430, buffer_reference_align = 4) writeonly buffer Anywhere { float v[]; };
layout (push_constant) uniform P { cpu_loop_linear_params p; };
#include "store.glsl"
#include "vector.glsl"
#include "weight.glsl"

// As vector, but without reading what isn't there.
float
columns (uint64_t address, bool here[LANES])
{
  if (!NARROW)
    return vector (address, here);
  return gl_SubgroupInvocationID < p.out_dim ? Floats (address).v[gl_SubgroupInvocationID] : 0.0;
}

float
bias (uint row, uint column, bool here[LANES])
{
  return mix (0.0, columns (p.bias + (row * p.out_dim + column) * 4, here), p.bias_rows != 0);
}

// The first column of a panel; the last whole one begins early, so as not to run over the end.
uint
begin (uint panel)
{
  return NARROW ? 0 : min (panel * LANES, p.out_dim - LANES);
}

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  // Compared before the loop: what is compared in it and needed behind it would be kept in memory, lane by lane, and no
  // longer be the constants that make a load of the picks.
  bool here[LANES];
  [[unroll]] for (uint i = 0; i < LANES; i++)
    here[i] = lane == i;
  const uint row0 = gl_WorkGroupID.x * ROWS, tile = min (row0, p.rows - ROWS), panel0 = gl_WorkGroupID.y * COLUMNS;
  const uint64_t x0 = p.x + uint64_t (tile) * p.x_row, w0 = p.w + uint64_t (panel0) * p.panel;
  const uint bias0 = p.bias_rows > 1 ? tile % p.bias_rows : 0;
  float sum[ROWS][COLUMNS], scale[COLUMNS];
  uint bias_row = bias0, b = 0;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
#ifdef W_I8
      scale[c] = columns (p.scale + begin (panel0 + c) * 4, here);
      sum[r][c] = 0.0;
#else
      sum[r][c] = bias (bias_row, begin (panel0 + c), here);
#endif
    }
    bias_row = bias_row + 1 < p.bias_rows ? bias_row + 1 : 0;
  }
  // Lavapipe goes through a loop once more, with all lanes asleep, unless it ends with its condition. And it reads push
  // constants behind a branch, behind which the compiler can't bring loads and products together.
  const uint blocks = p.blocks, k_last = p.k_last, x_row = p.x_row, panel = p.panel;
  [[dont_unroll]] do {
    const uint64_t x = x0 + min (b * (BLOCK * 4), k_last);
    const uint64_t w = w0 + b * (BLOCK * LANES * BYTES);
    [[unroll]] for (uint k = 0; k < BLOCK; k += 4) {
      vec4 a[ROWS];
      [[unroll]] for (uint r = 0; r < ROWS; r++)
        a[r] = Fours (x + uint64_t (r * x_row)).v[k / 4];
      [[unroll]] for (uint i = 0; i < 4; i++) {
        float weight[COLUMNS];
        [[unroll]] for (uint c = 0; c < COLUMNS; c++)
          weight[c] = pick (Weight (w + uint64_t (c * panel)), k + i, here);
        [[unroll]] for (uint r = 0; r < ROWS; r++)
          [[unroll]] for (uint c = 0; c < COLUMNS; c++)
            sum[r][c] += a[r][i] * weight[c];
      }
    }
  } while (++b < blocks);
  bias_row = bias0;
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    const uint64_t y = p.y + uint64_t (tile + r) * p.y_row;
    [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
      const uint column = begin (panel0 + c);
#ifdef W_I8
      sum[r][c] = sum[r][c] * scale[c] + bias (bias_row, column, here);
#endif
      const float before = mix (0.0, columns (p.add != 0 ? y + column * 4 : p.w, here), p.add != 0);
      sum[r][c] = activate (sum[r][c], ACT) + before;
    }
    bias_row = bias_row + 1 < p.bias_rows ? bias_row + 1 : 0;
  }
  [[unroll]] for (uint r = 0; r < ROWS; r++) {
    // What another tile stores goes where the first row of this one goes, which comes after it.
    const uint row = max (tile + r, row0);
    [[unroll]] for (uint c = 0; c < COLUMNS; c++) {
      const uint column = begin (panel0 + c), mine = column + lane;
      if (BOUND)
        store (p.y_at + row * (p.y_row / (4 * STORE_FLOATS)) + column / STORE_FLOATS, sum[r][c]);
      else if (tile + r >= row0 && mine >= (panel0 + c) * LANES && mine < p.out_dim)
        Anywhere (p.y + uint64_t (row) * p.y_row).v[mine] = sum[r][c];
    }
  }
}
