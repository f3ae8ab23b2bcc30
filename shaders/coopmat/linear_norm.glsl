// linear_coopmat.comp's mean and deviation of the rows of its tile, for a LayerNorm of x as it is read.
// SPDX-License-Identifier: LGPL-2.1-or-later

vec4 shift_sum[NUM_X], shift_squares[NUM_X]; // of x - shift, a share of the invocation's rows
float shift[NUM_X];

void
add_eight (uint i, vec4 a, vec4 b)
{
  shift_sum[i] += a + b;
  shift_squares[i] = fma (b, b, fma (a, a, shift_squares[i]));
}

// A row's mean and deviation from what its invocations left in shared memory, as factor and addend.
vec2
norm_of (uint r)
{
  float mean = 0.0, squares = 0.0;
  [[unroll]] for (uint i = 0; i < EIGHTS; i++) {
    vec3 m = uintBitsToFloat (xs[r * PITCH + i].xyz);
    mean += m.x * m.z / float (p.in_dim);
  }
  [[unroll]] for (uint i = 0; i < EIGHTS; i++) {
    vec3 m = uintBitsToFloat (xs[r * PITCH + i].xyz);
    squares += m.y + m.z * (m.x - mean) * (m.x - mean);
  }
  float scale = inversesqrt (squares / float (p.in_dim) + p.eps);
  return vec2 (scale, -mean * scale);
}

// The invocations that will load a row go through it, each about a value of its own share, and meet in shared memory.
// Whatever value that is, its squared distance from the share's mean is below their number times their variance, so
// little cancels however far the mean lies from zero.
void
find_norms ()
{
  uint part = gl_LocalInvocationIndex % EIGHTS, whole = p.in_dim / COOPMAT_STEP * COOPMAT_STEP;
  bool any = 8 * part < p.in_dim;
  [[unroll]] for (uint i = 0; i < NUM_X; i++) {
    shift[i] = any ? xf[2 * x_at[i]].x : 0.0;
    shift_sum[i] = shift_squares[i] = vec4 (0.0);
  }
  for (uint k = 0; k < whole; k += COOPMAT_STEP)
    [[unroll]] for (uint i = 0; i < NUM_X; i++) {
      uint at = 2 * (x_at[i] + k / 8);
      add_eight (i, xf[at] - shift[i], xf[at + 1] - shift[i]);
    }
  uint left = TAIL ? min (p.in_dim - min (whole + 8 * part, p.in_dim), 8) : 0;
  float num = float (whole / EIGHTS + left);
  [[unroll]] for (uint i = 0; i < NUM_X; i++) {
    if (left > 0) {
      uint at = 2 * x_at[i] + whole / 4;
      add_eight (i, mix (vec4 (0.0), xf[at] - shift[i], lessThan (uvec4 (0, 1, 2, 3), uvec4 (left))),
          mix (vec4 (0.0), xf[at + 1] - shift[i], lessThan (uvec4 (4, 5, 6, 7), uvec4 (left))));
    }
    float mean = dot (shift_sum[i], vec4 (1.0)) / max (num, 1.0);
    float squares = max (dot (shift_squares[i], vec4 (1.0)) - mean * mean * num, 0.0);
    xs[(gl_LocalInvocationIndex / EIGHTS + i * PASS) * PITCH + part] =
        uvec4 (floatBitsToUint (vec3 (shift[i] + mean, squares, num)), 0);
  }
  barrier ();
  // unrolled, and it is hardly ever more than one round: compilers guess loops to be long ones
  [[unroll]] for (uint first = 0; first < ROWS; first += INVOCATIONS) {
    uint r = first + gl_LocalInvocationIndex;
    if (r < ROWS)
      norms[r] = norm_of (r);
  }
  barrier ();
  [[unroll]] for (uint i = 0; i < NUM_X; i++)
    norm[i] = norms[gl_LocalInvocationIndex / EIGHTS + i * PASS];
}
