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
  *l = (struct layer) { in_dim, out_dim, w, calloc (out_dim, sizeof *l->bias), ones (out_dim), ones (in_dim) };
  if (!l->bias || !l->row || !l->column) {
    layer_finish (l);
    return fail_memory (err, "a linear's factors", (2 * out_dim + in_dim) * sizeof (double));
  }
  for (uint32_t n = 0; bias && n < out_dim; n++)
    l->bias[n] = bias[n];
  return true;
}

void
layer_finish (struct layer *l)
{
  free (l->w);
  free (l->bias);
  free (l->row);
  free (l->column);
  memset (l, 0, sizeof *l);
}

/* Four sums, so that one addition need not wait for the other. */
static double
dot (const float *w, const double *v, uint32_t n, uint32_t period)
{
  double sum[4] = { 0 };
  for (uint32_t i = 0; i < n; i += period)
    for (uint32_t k = 0; k < period; k++)
      sum[k % 4] += w[i + k] * v[k];
  return sum[0] + sum[1] + sum[2] + sum[3];
}

void
layer_shift (struct layer *l, const double *shift, uint32_t period)
{
  for (size_t n = 0; n < l->out_dim; n++)
    l->bias[n] += dot (l->w + n * l->in_dim, shift, l->in_dim, period);
}

bool
layer_scale_columns (struct layer *l, const double *factor, uint32_t period, double smallest, double largest)
{
  double most = 0;
  for (size_t n = 0; n < l->out_dim; n++) {
    const float *w = l->w + n * l->in_dim;
    double of_row[4] = { 0 }; /* as in dot */
    for (uint32_t i = 0; i < l->in_dim; i += period)
      for (uint32_t k = 0; k < period; k++) {
        double size = fabs (w[i + k] * factor[k] * l->column[i + k]), *top = &of_row[k % 4];
        *top = size > *top ? size : *top;
      }
    most = fmax (most, fmax (fmax (of_row[0], of_row[1]), fmax (of_row[2], of_row[3])) * fabs (l->row[n]));
  }
  if (!(most == 0 || (most >= smallest && most <= largest)))
    return false;
  for (uint32_t i = 0; i < l->in_dim; i++)
    l->column[i] *= factor[i % period];
  return true;
}

void
layer_scale_rows (struct layer *l, uint32_t first, uint32_t num, double factor)
{
  for (uint32_t n = first; n < first + num; n++)
    l->row[n] *= factor;
}

bool
layer_apply (struct layer *l, float *bias)
{
  bool any = false;
  for (size_t n = 0; n < l->out_dim; n++) {
    float *w = l->w + n * l->in_dim;
    for (uint32_t k = 0; k < l->in_dim; k++)
      w[k] = (float) (l->row[n] * w[k] * l->column[k]);
    bias[n] = (float) (l->row[n] * l->bias[n]);
    any = any || bias[n] != 0;
  }
  return any;
}
