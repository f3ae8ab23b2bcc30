// Products of single rows with a weight, for kernels whose workgroup of 256 has but one row: sums over eights and all.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Eight invocations share a product of two rows and read 16 bytes of floats (8 of halves, 4 of bytes) each, side by
// side; their sums meet in shared memory, which needs no subgroups. Halves are unpacked: no device needs 16-bit
// storage.
const uint GROUP = 256, SHARE = 8, TOGETHER = GROUP / SHARE; // TOGETHER: products at a time
shared vec4 shares[GROUP];

#if defined(W_I8)
#define W_FOUR uint
#define W_FLOATS(v) \
  vec4 (bitfieldExtract (int (v), 0, 8), bitfieldExtract (int (v), 8, 8), bitfieldExtract (int (v), 16, 8), \
      int (v) >> 24)
#elif defined(W_F16)
#define W_FOUR uvec2
#define W_FLOATS(v) vec4 (unpackHalf2x16 ((v).x), unpackHalf2x16 ((v).y))
#else
#define W_FOUR vec4
#define W_FLOATS(v) (v)
#endif

// What multiplies a row's sum and what is added to it then; b: scales of W_I8, then the bias.
#ifdef W_I8
#define W_SCALE(b, row) b[row]
#define W_BIAS(b, row, rows) b[(rows) + (row)]
#else
#define W_SCALE(b, row) 1.0
#define W_BIAS(b, row, rows) b[row]
#endif

uint self = gl_LocalInvocationIndex, share = self % SHARE;

// Every invocation gets the sum of its eight's.
float
of_eight (float v)
{
  barrier ();
  shares[self].x = v;
  barrier ();
  float sum = 0.0;
  [[unroll]] for (uint i = 0; i < SHARE; i++)
    sum += shares[self - share + i].x;
  return sum;
}

// ... of all.
float
of_all (float v)
{
  float eight = of_eight (v), sum = 0.0;
  barrier ();
  shares[self].x = eight;
  barrier ();
  for (uint i = 0; i < GROUP; i += SHARE)
    sum += shares[i].x;
  return sum;
}

float
largest_of_all (float v)
{
  barrier ();
  shares[self].x = v;
  barrier ();
  for (uint i = 0; i < SHARE; i++)
    v = max (v, shares[self - share + i].x);
  barrier ();
  shares[self].x = v;
  barrier ();
  for (uint i = 0; i < GROUP; i += SHARE)
    v = max (v, shares[i].x);
  return v;
}

// sum = row `from` of fours of a weight times a vector of `fours` fours, by the eight that share it. Buffers can't be
// handed to functions.
#define PRODUCT(sum, weight, from, vector, fours) \
  float sum; \
  { \
    vec4 products = vec4 (0); \
    for (uint k = share; k < (fours); k += SHARE) { \
      W_FOUR four = weight[(from) + k]; \
      products += W_FLOATS (four) * (vector); \
    } \
    sum = of_eight (dot (products, vec4 (1.0))); \
  }
