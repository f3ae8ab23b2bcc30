// What linear_coopmat.comp does before and after its loop: norms, the last values of k, and what becomes of the sums.
// SPDX-License-Identifier: LGPL-2.1-or-later

// The invocations that will load a row go through it, and meet in shared memory.
void
find_norms ()
{
  uint part = gl_LocalInvocationIndex % EIGHTS;
  [[unroll]] for (uint i = 0; i < NUM_X; i++) {
    vec3 m = vec3 (0.0);
    for (uint k = 8 * part, at = 2 * x_at[i]; k < p.in_dim; k += COOPMAT_STEP, at += 2 * EIGHTS)
      m = joined (m, moments (xf[at], xf[at + 1], k, p.in_dim));
    xs[(gl_LocalInvocationIndex / EIGHTS + i * PASS) * PITCH + part] = uvec4 (floatBitsToUint (m), 0);
  }
  barrier ();
  for (uint r = gl_LocalInvocationIndex; r < ROWS; r += INVOCATIONS) {
    vec3 m = uintBitsToFloat (xs[r * PITCH].xyz);
    [[unroll]] for (uint i = 1; i < EIGHTS; i++)
      m = joined (m, uintBitsToFloat (xs[r * PITCH + i].xyz));
    norms[r] = vec2 (m.x, inversesqrt (m.y / m.z + p.eps));
  }
  barrier ();
}

// Values k .. k + 7 of the invocation's rows: past the end of a row nothing is read, and zeros take its place.
void
fetch_end (uint k)
{
  uint part = gl_LocalInvocationIndex % EIGHTS, inside = min (k, (p.in_dim - 1) / 8 * 8) / 8 - part;
  [[unroll]] for (uint i = 0; i < NUM_X; i++)
    next_x[i] = without_end (load_x (x_at[i] + inside, i), k, p.in_dim);
  [[unroll]] for (uint i = 0; i < NUM_W; i++)
    next_w[i] = w[w_at[i] + k / 8 - part];
}

void
store_four (vec4 v, uint row, uint col)
{
  uint at = (p.y_first + row * p.y_stride + col) / 4;
  if (ADD)
    v += Y_HALF ? vec4 (unpackHalf2x16 (y4[at].x), unpackHalf2x16 (y4[at].y)) : yf4[at];
  if (Y_HALF) {
    v = clamp (v, -HALF_MAX, HALF_MAX);
    y4[at] = uvec2 (packHalf2x16 (v.xy), packHalf2x16 (v.zw));
  } else
    yf4[at] = v;
}

void
store_one (float v, uint row, uint col)
{
  uint at = p.y_first + row * p.y_stride + col;
  if (ADD)
    v += Y_HALF ? float (y[at]) : yf[at];
  if (Y_HALF)
    y[at] = float16_t (clamp (v, -HALF_MAX, HALF_MAX));
  else
    yf[at] = v;
}

void
finish (vec4 v, uint row, uint col)
{
  uint b = (p.bias_rows > 1 ? row % p.bias_rows * p.out_dim : 0) + col;
  if (FOURS) {
    if (p.bias_rows != 0)
      v += bias4[b / 4];
    store_four (vec4 (activate (v.x, ACT), activate (v.y, ACT), activate (v.z, ACT), activate (v.w, ACT)), row, col);
  } else
    [[unroll]] for (uint i = 0; i < 4; i++)
      if (col + i < p.out_dim)
        store_one (activate (v[i] + (p.bias_rows != 0 ? bias[b + i] : 0.0), ACT), row, col + i);
}

// A matrix's elements belong to lanes as the device likes: through shared memory they become rows of four.
void
store (uint row, uint col)
{
  uint tile = gl_SubgroupID * M * OUT_PITCH;
  [[unroll]] for (uint i = 0; i < TM; i++)
    [[unroll]] for (uint j = 0; j < TN; j++) {
      coopMatStore (sums[i][j], tiles, tile, OUT_PITCH, gl_CooperativeMatrixLayoutRowMajor);
      subgroupBarrier ();
      [[unroll]] for (uint n = 0; n < VECTORS; n++) {
        uint v = n * LANES + gl_SubgroupInvocationID, r = v / (N / 4), c = v % (N / 4);
        uint to_row = row + i * M + r, to_col = col + j * N + 4 * c;
        if (to_row < p.rows && to_col < p.out_dim)
          finish (tiles[tile + r * OUT_PITCH + c], to_row, to_col);
      }
      subgroupBarrier ();
    }
}
