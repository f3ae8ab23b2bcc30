/* Twin tests of the kernels that work row by row: layernorm, tokens, pool. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/kernel_rig.h"
#include "ref/vit_ref.h"

static const struct norm_shape {
  uint32_t rows, dim;
} norm_shapes[] = {
  { 1, 12 },
  { 5, 20 },
  { 1, 1 },
  { 3, 33 },
  { 50, 96 },
  { 257, 100 },
  { 197, 192 },
  { 577, 768 },
  { 2, 1280 },
  { 7, 5000 },
};

static const struct norm_variant {
  const char *name;
  enum store y;
  uint32_t gather; /* 0: rows follow each other; n: every n-th, from the second on */
  uint32_t y_pad;  /* elements between rows of y */
  float eps;
  enum fill fill;
  double bound;
  bool plain;   /* without weight and bias */
  bool scatter; /* rows of y lie as those of x do */
} norm_variants[] = {
  { "f32", STORE_F32, 0, 0, 1e-6f, FILL_NORMAL, 1 },
  { "f32 eps 1e-12", STORE_F32, 0, 0, 1e-12f, FILL_NORMAL, 1 },
  { "f32 eps 1", STORE_F32, 0, 0, 1, FILL_NORMAL, 1 },
  { "f32 outliers", STORE_F32, 0, 0, 1e-6f, FILL_OUTLIERS, 1 },
  { "f32 mean 1000", STORE_F32, 0, 0, 1e-6f, FILL_OFFSET, 1 },
  { "f32 constant", STORE_F32, 0, 0, 1e-6f, FILL_CONSTANT, 1 },
  { "f32 gathered", STORE_F32, 7, 0, 1e-6f, FILL_NORMAL, 1 },
  { "f32 stride", STORE_F32, 0, 48, 1e-6f, FILL_NORMAL, 1 },
  { "f32 to f16", STORE_F16, 0, 0, 1e-6f, FILL_OUTLIERS, 1 },
  { "f32 to f16 gathered", STORE_F16, 7, 0, 1e-6f, FILL_OFFSET, 1 },
  { "f32 alone", STORE_F32, 0, 0, 1e-6f, FILL_OUTLIERS, 1, .plain = true },
  { "f32 alone, scattered", STORE_F32, 7, 0, 1e-6f, FILL_NORMAL, 1, .plain = true, .scatter = true },
  { "f32 to f16 alone", STORE_F16, 0, 16, 1e-6f, FILL_NORMAL, 1, .plain = true },
};

static double *
random_values (size_t count, double mean, struct rng *rng)
{
  double *v = check_alloc (count, sizeof *v);
  for (size_t i = 0; i < count; i++)
    v[i] = (float) (mean + rng_normal (rng));
  return v;
}

/* Rounding in the mean, of size sqrt (dim) * eps * max |x|, comes out multiplied by 1 / deviation and the weight. */
static void
norm_expect (const struct layernorm_params *p, const double *x, const double *w, const double *b, double *want,
    double *allowance)
{
  struct layernorm_params dense = *p;
  dense.y_first = 0;
  dense.y_stride = p->dim;
  ref_layernorm (&dense, x, w, b, want);
  for (size_t r = 0; r < p->rows; r++) {
    const double *xr = x + p->x_first + r * p->x_stride;
    double largest = 0, mean = 0, var = 0;
    for (size_t c = 0; c < p->dim; c++) {
      largest = fmax (largest, fabs (xr[c]));
      mean += xr[c] / p->dim;
    }
    for (size_t c = 0; c < p->dim; c++)
      var += (xr[c] - mean) * (xr[c] - mean) / p->dim;
    double scale = sqrt (p->dim) * largest / sqrt (var + p->eps);
    for (size_t c = 0; c < p->dim; c++)
      allowance[r * p->dim + c] =
          FLOAT_EPS * ((w ? fabs (w[c]) : 1) * scale + 4 * fabs (want[r * p->dim + c]) + (b ? 4 * fabs (b[c]) : 0));
  }
}

static void
run_norm (struct rig *rig, const struct norm_shape *s, const struct norm_variant *v, uint64_t seed)
{
  struct rng rng = { seed };
  vit_error err = { 0 };
  uint32_t step = v->gather ? v->gather : 1;
  struct layernorm_params p = { .rows = s->rows,
    .dim = s->dim,
    .x_first = v->gather ? s->dim : 0,
    .x_stride = s->dim * step,
    .y_first = v->scatter ? s->dim : 0,
    .y_stride = v->scatter ? s->dim * step : s->dim + v->y_pad,
    .eps = v->eps };
  size_t n = (size_t) s->rows * s->dim;
  double *values = check_alloc (n * step, sizeof *values), *want = check_alloc (n, sizeof *want);
  double *allowance = check_alloc (n, sizeof *allowance);
  double *w = random_values (s->dim, 1, &rng), *b = random_values (s->dim, 0, &rng);
  struct guarded x, y;
  struct buffer weight, bias;
  fill_values (values, s->rows * step, s->dim, v->fill, &rng);
  guarded_init (&x, rig, STORE_F32, values, n * step);
  guarded_init (&y, rig, v->y, NULL, (size_t) s->rows * p.y_stride);
  rig_upload (rig, w, s->dim, &weight);
  rig_upload (rig, b, s->dim, &bias);
  norm_expect (&p, x.values, v->plain ? NULL : w, v->plain ? NULL : b, want, allowance);

  rig_begin (rig);
  rig_run (rig,
      record_layernorm (rig->rec, guarded_span (&x), v->plain ? NULL : &weight, v->plain ? NULL : &bias,
          guarded_span (&y), v->y, &p, &err),
      0, &err);
  rig_compare (rig, &y,
      &(struct expected) { .rows = s->rows,
          .columns = s->dim,
          .first = p.y_first,
          .stride = p.y_stride,
          .want = want,
          .allowance = allowance,
          .bound = v->bound });
  guarded_require_unchanged (&x, rig, "x");

  buffer_destroy (rig->dev, &weight);
  buffer_destroy (rig->dev, &bias);
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (values);
  free (want);
  free (allowance);
  free (w);
  free (b);
}

void
test_layernorm (struct rig *rig)
{
  for (size_t s = 0; s < COUNT_OF (norm_shapes); s++)
    for (size_t v = 0; v < COUNT_OF (norm_variants); v++) {
      const struct norm_variant *variant = &norm_variants[v];
      if (rig_row (rig, variant->y == STORE_F16, "layernorm %s, %u rows of %u", variant->name, norm_shapes[s].rows,
              norm_shapes[s].dim))
        run_norm (rig, &norm_shapes[s], variant, s * 1000 + v);
    }
}

/* Batch, tokens with the prefix, prefix tokens, channels; for tokens and pool. */
static const struct token_shape {
  uint32_t batch, tokens, num_prefix, dim;
} token_shapes[] = {
  { 1, 1, 0, 12 },
  { 1, 5, 1, 20 },
  { 2, 6, 2, 33 },
  { 3, 50, 1, 96 },
  { 1, 197, 1, 192 },
  { 2, 201, 5, 100 },
  { 1, 257, 0, 768 },
  { 1, 577, 1, 192 },
  { 3, 17, 16, 1 },
  { 1, 2305, 1, 64 },
};

/* One sum of two floats or three: no bound but the rounding. */
static void
run_tokens (struct rig *rig, const struct token_shape *s, uint64_t seed)
{
  struct rng rng = { seed };
  vit_error err = { 0 };
  struct tokens_params p = { s->batch, s->tokens, s->num_prefix, s->dim };
  size_t patches = (size_t) s->batch * (s->tokens - s->num_prefix) * s->dim;
  size_t n = (size_t) s->batch * s->tokens * s->dim;
  double *values = random_values (patches, 0, &rng), *pos = random_values ((size_t) s->tokens * s->dim, 0, &rng);
  double *prefix = random_values ((size_t) s->num_prefix * s->dim, 0, &rng);
  double *want = check_alloc (n, sizeof *want), *allowance = check_alloc (n, sizeof *allowance);
  struct guarded x, y;
  struct buffer pos_buffer, prefix_buffer = { 0 };
  guarded_init (&x, rig, STORE_F32, values, patches);
  guarded_init (&y, rig, STORE_F32, NULL, n);
  rig_upload (rig, pos, (size_t) s->tokens * s->dim, &pos_buffer);
  if (s->num_prefix)
    rig_upload (rig, prefix, (size_t) s->num_prefix * s->dim, &prefix_buffer);
  ref_tokens (&p, x.values, prefix, pos, want);
  for (size_t i = 0; i < n; i++)
    allowance[i] = FLOAT_EPS * 8;

  rig_begin (rig);
  rig_run (rig,
      record_tokens (rig->rec, guarded_span (&x), s->num_prefix ? &prefix_buffer : NULL, &pos_buffer, guarded_span (&y),
          &p, &err),
      0, &err);
  rig_compare (rig, &y,
      &(struct expected) { .rows = n / s->dim,
          .columns = s->dim,
          .stride = s->dim,
          .want = want,
          .allowance = allowance,
          .bound = 1 });
  guarded_require_unchanged (&x, rig, "x");

  buffer_destroy (rig->dev, &pos_buffer);
  buffer_destroy (rig->dev, &prefix_buffer);
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (values);
  free (pos);
  free (prefix);
  free (want);
  free (allowance);
}

void
test_tokens (struct rig *rig)
{
  for (size_t i = 0; i < COUNT_OF (token_shapes); i++) {
    const struct token_shape *s = &token_shapes[i];
    if (rig_row (rig, false, "tokens, %u x %u of %u, %u before the patches", s->batch, s->tokens, s->dim,
            s->num_prefix))
      run_tokens (rig, s, i);
  }
}

static void
run_pool (struct rig *rig, const struct token_shape *s, uint64_t seed)
{
  struct rng rng = { seed };
  vit_error err = { 0 };
  struct pool_params p = { s->batch, s->tokens, s->num_prefix, s->dim };
  size_t in = (size_t) s->batch * s->tokens * s->dim, n = (size_t) s->batch * s->dim;
  uint32_t pooled = s->tokens - s->num_prefix;
  double *values = check_alloc (in, sizeof *values), *want = check_alloc (n, sizeof *want);
  double *allowance = check_alloc (n, sizeof *allowance);
  struct guarded x, y;
  fill_values (values, (size_t) s->batch * s->tokens, s->dim, FILL_OUTLIERS, &rng);
  guarded_init (&x, rig, STORE_F32, values, in);
  guarded_init (&y, rig, STORE_F32, NULL, n);
  ref_pool (&p, x.values, want);
  for (size_t i = 0; i < n; i++) /* terms of one channel are of one size: the mean's rounding is that of its terms */
    for (size_t t = s->num_prefix; t < s->tokens; t++)
      allowance[i] = fmax (allowance[i],
          FLOAT_EPS * sqrt (pooled) * fabs (x.values[(i / s->dim * s->tokens + t) * s->dim + i % s->dim]));

  rig_begin (rig);
  rig_run (rig, record_pool (rig->rec, guarded_span (&x), guarded_span (&y), &p, &err), 0, &err);
  rig_compare (rig, &y,
      &(struct expected) { .rows = s->batch,
          .columns = s->dim,
          .stride = s->dim,
          .want = want,
          .allowance = allowance,
          .bound = 1 });
  guarded_require_unchanged (&x, rig, "x");

  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (values);
  free (want);
  free (allowance);
}

void
test_pool (struct rig *rig)
{
  for (size_t i = 0; i < COUNT_OF (token_shapes); i++) {
    const struct token_shape *s = &token_shapes[i];
    if (rig_row (rig, false, "pool, %u x %u of %u, %u before the patches", s->batch, s->tokens, s->dim, s->num_prefix))
      run_pool (rig, s, i);
  }
}
