// linear_coopmat.comp: operands from memory to registers, and from there to shared memory as halves.
// SPDX-License-Identifier: LGPL-2.1-or-later

void
fetch_x (uint i, uint at) // of the invocation's i-th row
{
  if (NORM) {
    next_f[2 * i] = xf[2 * at];
    next_f[2 * i + 1] = xf[2 * at + 1];
  } else
    next_x[i] = x[at];
}

void
fetch_w (uint i, uint at)
{
  if (BYTES)
    next_w[i].xy = wb[at];
  else
    next_w[i] = w[at];
}

void
fetch (uint k)
{
  [[unroll]] for (uint i = 0; i < NUM_X; i++)
    fetch_x (i, x_at[i] + k / 8);
  [[unroll]] for (uint i = 0; i < NUM_W; i++)
    fetch_w (i, w_at[i] + k / 8);
}

void
put (bool last, uint k)
{
  uint row = gl_LocalInvocationIndex / EIGHTS, at = row * PITCH + gl_LocalInvocationIndex % EIGHTS;
  barrier ();
  [[unroll]] for (uint i = 0; i < NUM_X; i++) {
    uvec4 v = NORM ? normalised (next_f[2 * i], next_f[2 * i + 1], norm[i], CROSSED) : next_x[i];
    xs[at + i * PASS * PITCH] = last ? without_end (v, k, p.in_dim, CROSSED) : v;
  }
  [[unroll]] for (uint i = 0; i < NUM_W; i++)
    ws[at + i * PASS * PITCH] = BYTES ? halves_of (next_w[i].xy, CROSSED) : next_w[i];
  barrier ();
}

// Values k .. k + 7 of the invocation's rows: past the end of a row nothing is read.
void
fetch_end (uint k)
{
  uint part = gl_LocalInvocationIndex % EIGHTS, inside = min (k, (p.in_dim - 1) / 8 * 8) / 8 - part;
  [[unroll]] for (uint i = 0; i < NUM_X; i++)
    fetch_x (i, x_at[i] + inside);
  [[unroll]] for (uint i = 0; i < NUM_W; i++)
    fetch_w (i, w_at[i] + k / 8 - part);
}
