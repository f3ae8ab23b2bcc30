/* Bicubic resize of a grid of vectors, with and without antialias. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/pos_resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* One direction: output i is the sum over t < num[i] of weight[i * max + t] * in[index[i * max + t]]. */
struct filter {
  uint32_t max;
  uint32_t *num;
  uint32_t *index;
  double *weight;
};

/* Keys' cubic convolution kernel. */
static double
cubic (double x, double a)
{
  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/* Antialias: the kernel (a = -0.5, PIL's) grows with the scale when reducing; weights outside the grid are dropped and
 * the rest sum to one. */
static void
fill_antialias (struct filter *f, uint32_t i, uint32_t in, double scale)
{
  double center = scale * (i + 0.5), stretch = scale > 1 ? scale : 1, support = 2 * stretch;
  double low = center - support + 0.5, high = center + support + 0.5, sum = 0;
  uint32_t first = low > 0 ? (uint32_t) low : 0, end = high < in ? (uint32_t) high : in;
  size_t row = (size_t) i * f->max;
  f->num[i] = end - first;
  for (uint32_t t = 0; t < f->num[i]; t++) {
    f->index[row + t] = first + t;
    f->weight[row + t] = cubic ((first + t + 0.5 - center) / stretch, -0.5);
    sum += f->weight[row + t];
  }
  for (uint32_t t = 0; t < f->num[i]; t++)
    f->weight[row + t] /= sum;
}

/* Plain: four taps of a = -0.75, the grid's edge repeated. */
static void
fill_plain (struct filter *f, uint32_t i, uint32_t in, double scale)
{
  double x = scale * (i + 0.5) - 0.5, base = floor (x);
  size_t row = (size_t) i * f->max;
  f->num[i] = 4;
  for (uint32_t t = 0; t < 4; t++) {
    double at = base + t - 1;
    f->index[row + t] = at < 0 ? 0 : at > in - 1 ? in - 1 : (uint32_t) at;
    f->weight[row + t] = cubic (at - x, -0.75);
  }
}

static void
filter_finish (struct filter *f)
{
  free (f->num);
  free (f->index);
  free (f->weight);
}

static bool
filter_init (struct filter *f, enum pos_resample kind, uint32_t in, uint32_t out, vit_error *err)
{
  double scale = (double) in / out;
  f->max = kind == POS_BICUBIC ? 4 : (uint32_t) ceil (4 * fmax (scale, 1)) + 2;
  size_t cells = (size_t) out * f->max;
  f->num = malloc (out * sizeof *f->num);
  f->index = malloc (cells * sizeof *f->index);
  f->weight = malloc (cells * sizeof *f->weight);
  if (!f->num || !f->index || !f->weight)
    return fail_memory (err, "the position embedding", cells * (sizeof *f->index + sizeof *f->weight));
  for (uint32_t i = 0; i < out; i++) {
    if (kind == POS_BICUBIC)
      fill_plain (f, i, in, scale);
    else
      fill_antialias (f, i, in, scale);
  }
  return true;
}

/* out[i] = sum of weight * in[index], each a run of n floats; stride: floats from one to the next, in both. */
static void
apply (const struct filter *f, uint32_t i, const float *in, float *out, size_t stride, size_t n)
{
  size_t row = (size_t) i * f->max;
  for (size_t k = 0; k < n; k++) {
    double sum = 0;
    for (uint32_t t = 0; t < f->num[i]; t++)
      sum += f->weight[row + t] * in[f->index[row + t] * stride + k];
    out[i * stride + k] = (float) sum;
  }
}

bool
pos_resample (enum pos_resample kind, const float *in, uint32_t in_height, uint32_t in_width, float *out,
    uint32_t out_height, uint32_t out_width, uint32_t dim, vit_error *err)
{
  if (in_height == out_height && in_width == out_width) {
    memcpy (out, in, (size_t) in_height * in_width * dim * sizeof *out);
    return true;
  }
  struct filter across = { 0 }, down = { 0 };
  size_t in_row = (size_t) in_width * dim, out_row = (size_t) out_width * dim;
  float *wide = malloc (in_height * out_row * sizeof *wide); /* (in_height, out_width, dim) */
  bool ok = wide || fail_memory (err, "the position embedding", in_height * out_row * sizeof *wide);
  ok = ok && filter_init (&across, kind, in_width, out_width, err)
      && filter_init (&down, kind, in_height, out_height, err);
  for (uint32_t y = 0; ok && y < in_height; y++) {
    for (uint32_t x = 0; x < out_width; x++)
      apply (&across, x, in + y * in_row, wide + y * out_row, dim, dim);
  }
  for (uint32_t y = 0; ok && y < out_height; y++)
    apply (&down, y, wide, out, out_row, out_row);
  filter_finish (&across);
  filter_finish (&down);
  free (wide);
  return ok;
}
