/* Folds factors and shifts into linears, in double. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/fold.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  uint32_t fold;
} names[] = {
  { "pixels", FOLD_PIXELS },
  { "positions", FOLD_POSITIONS },
  { "norms", FOLD_NORMS },
  { "scale", FOLD_SCALE },
  { "biases", FOLD_BIASES },
  { "last", FOLD_LAST },
  { "none", 0 },
};
enum { NUM_NAMES = sizeof names / sizeof *names };

bool
fold_wanted (uint32_t *folds, vit_error *err)
{
  const char *text = getenv ("VIT_FOLD");
  *folds = text && *text ? 0 : FOLD_ALL;
  while (text && *text) {
    size_t n = strcspn (text, ","), i = 0;
    while (i < NUM_NAMES && (strlen (names[i].name) != n || strncmp (names[i].name, text, n) != 0))
      i++;
    if (i == NUM_NAMES)
      return fail (err, VIT_ERR_ARG,
          "the environment's VIT_FOLD: found '%.*s', expected none or some of pixels, positions, norms, scale, biases "
          "and last, with commas between; unset it to fold everything",
          n > 40 ? 40 : (int) n, text);
    *folds |= names[i].fold;
    text += n + (text[n] == ',');
  }
  return true;
}

static double *
ones (uint32_t n)
{
  double *v = malloc (n * sizeof *v);
  for (uint32_t i = 0; v && i < n; i++)
    v[i] = 1;
  return v;
}

bool
layer_init (struct layer *l, float *w, const float *bias, uint32_t in_dim, uint32_t out_dim, vit_error *err)
{
  *l = (struct layer) { in_dim, out_dim, w, calloc (out_dim, sizeof *l->bias), ones (out_dim), ones (in_dim),
    calloc (in_dim, sizeof *l->product), false };
  if (!l->bias || !l->row || !l->column || !l->product) {
    layer_finish (l);
    return fail_memory (err, "a linear's factors", (2 * out_dim + 2 * (size_t) in_dim) * sizeof (double));
  }
  for (uint32_t n = 0; bias && n < out_dim; n++)
    l->bias[n] = bias[n];
  return true;
}

void
layer_finish (struct layer *l)
{
  free (l->bias);
  free (l->row);
  free (l->column);
  free (l->product);
  memset (l, 0, sizeof *l);
}

/* Eight sums, so that no addition waits for another and registers hold several. */
static double
dot (const float *w, const double *v, uint32_t n)
{
  enum { SUMS = 8 };
  double sum[SUMS] = { 0 };
  uint32_t whole = n / SUMS * SUMS;
  for (uint32_t i = 0; i < whole; i += SUMS)
    for (uint32_t k = 0; k < SUMS; k++)
      sum[k] += w[i + k] * v[i + k];
  for (uint32_t i = whole; i < n; i++)
    sum[0] += w[i] * v[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

void
layer_shift (struct layer *l, const double *shift, uint32_t period)
{
  for (size_t n = 0; n < l->out_dim; n++)
    for (uint32_t i = 0; i < l->in_dim; i += period)
      l->bias[n] += dot (l->w + n * l->in_dim + i, shift, period);
}

/* The largest |w * factor|. Without their sign floats are ordered as their bits are, and of integers compilers find the
 * largest several at a time. Infinity and NaN come out as what they are. */
static float
largest_product (const float *w, const float *factor, uint32_t n)
{
  int32_t most = 0;
  for (uint32_t k = 0; k < n; k++) {
    float product = w[k] * factor[k];
    int32_t bits;
    memcpy (&bits, &product, sizeof bits);
    bits &= INT32_MAX;
    most = bits > most ? bits : most;
  }
  float out;
  memcpy (&out, &most, sizeof out);
  return out;
}

bool
layer_scale_columns (struct layer *l, const double *factor, uint32_t period, double smallest, double largest)
{
  double most = 0;
  for (uint32_t i = 0; i < l->in_dim; i++)
    l->product[i] = (float) (factor[i % period] * l->column[i]);
  for (size_t n = 0; n < l->out_dim; n++) {
    double of_row = largest_product (l->w + n * l->in_dim, l->product, l->in_dim) * fabs (l->row[n]);
    if (!isfinite (of_row))
      return false;
    most = fmax (most, of_row);
  }
  if (!(most == 0 || (most >= smallest && most <= largest)))
    return false;
  for (uint32_t i = 0; i < l->in_dim; i++)
    l->column[i] *= factor[i % period];
  return l->scaled = true;
}

void
layer_scale_rows (struct layer *l, uint32_t first, uint32_t num, double factor)
{
  for (uint32_t n = first; n < first + num; n++)
    l->row[n] *= factor;
  l->scaled = true;
}

bool
layer_apply (struct layer *l, float *bias)
{
  bool any = false;
  for (size_t n = 0; n < l->out_dim; n++) {
    float *w = l->w + n * l->in_dim;
    for (uint32_t k = 0; k < l->in_dim && l->scaled; k++)
      w[k] = (float) (l->row[n] * w[k] * l->column[k]);
    bias[n] = (float) (l->row[n] * l->bias[n]);
    any = any || bias[n] != 0;
  }
  return any;
}
