// linear_tile.comp's mean and deviation of the rows of its tile, for a LayerNorm of x as it is read.
// SPDX-License-Identifier: LGPL-2.1-or-later
// Two readings, the second from the cache: E[x^2] - E[x]^2 would cancel. Invocations that follow each other share a
// row.
#ifdef X_F16
void
find_norms ()
{
}

uvec4
normalised (uvec4 v, uint row)
{
  return v;
}
#else
const uint PARTS = THREADS / BM;
shared float parts[NORM ? THREADS : 1];
shared vec2 norms[NORM ? BM : 1]; // mean, 1 / deviation

// Over the invocation's row and part of it, of x or of the squared distance from a mean; then over the parts.
float
row_sum (bool squares, float mean)
{
  uint local = gl_LocalInvocationIndex / PARTS, part = gl_LocalInvocationIndex % PARTS;
  uint from = p.x_first + min (row0 + local, p.rows - 1) * p.x_stride;
  vec4 sum = vec4 (0);
  for (uint k = part * 4; k < p.in_dim; k += PARTS * 4) {
    vec4 v = uintBitsToFloat (x[(from + k) / 4]), d = v - mean;
    sum += mix (vec4 (0), squares ? d * d : v, lessThan (k + uvec4 (0, 1, 2, 3), uvec4 (p.in_dim)));
  }
  barrier ();
  parts[gl_LocalInvocationIndex] = sum.x + sum.y + (sum.z + sum.w);
  barrier ();
  float total = 0.0;
  for (uint i = 0; i < PARTS; i++)
    total += parts[local * PARTS + i];
  return total;
}

void
find_norms ()
{
  float mean = row_sum (false, 0.0) / float (p.in_dim);
  float scale = inversesqrt (row_sum (true, mean) / float (p.in_dim) + p.eps);
  if (gl_LocalInvocationIndex % PARTS == 0)
    norms[gl_LocalInvocationIndex / PARTS] = vec2 (mean, scale);
  barrier ();
}

uvec4
normalised (uvec4 v, uint row)
{
  return floatBitsToUint ((uintBitsToFloat (v) - norms[row].x) * norms[row].y);
}
#endif
