/* Twin tests of the block for one token of an image, whose results come in parts, and of what adds them up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/kernel_rig.h"
#include "gpu/pipelines.h"
#include "half.h"
#include "ref/vit_ref.h"

static const struct shape {
  uint32_t images, tokens, heads, head_dim, hidden, out;
} shapes[] = {
  { 1, 5, 3, 4, 20, 7 }, { 2, 17, 2, 12, 64, 33 }, { 3, 50, 5, 20, 196, 10 }, { 1, 197, 3, 64, 768, 100 },
  { 8, 33, 2, 80, 100, 12 }, { 1, 260, 9, 128, 24, 40 }, /* more than 256 fours in a row */
};

static const struct variant {
  const char *name;
  enum store store;
  enum fill fill;
  bool bias;
} variants[] = {
  { "f32 bias", STORE_F32, FILL_NORMAL, true },
  { "f32 outliers", STORE_F32, FILL_OUTLIERS, false },
  { "f32 mean 1000, bias", STORE_F32, FILL_OFFSET, true },
  { "f16 weights, bias, outliers", STORE_F16, FILL_OUTLIERS, true },
  { "i8 weights", STORE_I8, FILL_NORMAL, false },
  { "i8 weights, bias, outliers", STORE_I8, FILL_OUTLIERS, true },
};

/* A weight as stored on the device, and in double. */
struct matrix {
  uint32_t out, in;
  double *w, *bias; /* (out, in), (out); NULL: none */
  struct weight device;
};

static double *
noise (size_t count, double size, struct rng *rng)
{
  double *v = check_alloc (count, sizeof *v);
  for (size_t i = 0; i < count; i++)
    v[i] = (float) (size * rng_normal (rng));
  return v;
}

/* In bytes each row has a 127 and whole numbers below it, so that nothing is rounded on the way. */
static void
matrix_init (struct matrix *m, struct rig *rig, enum store store, uint32_t out, uint32_t in, bool bias, struct rng *rng)
{
  vit_error err = { 0 };
  float *w = check_alloc ((size_t) out * in, sizeof *w), *b = check_alloc (out, sizeof *b);
  *m = (struct matrix) { .out = out,
    .in = in,
    .w = noise ((size_t) out * in, 1 / sqrt (in), rng),
    .bias = bias ? noise (out, 1, rng) : NULL };
  for (size_t i = 0; i < (size_t) out * in; i++) {
    if (store == STORE_F16)
      m->w[i] = half_to_double (half_from_double (m->w[i]));
    if (store == STORE_I8)
      m->w[i] = (i % in ? fmax (-127, fmin (127, round (40 * sqrt (in) * m->w[i]))) : 127) / (64 * sqrt (in));
    w[i] = (float) m->w[i];
  }
  for (size_t i = 0; bias && i < out; i++)
    b[i] = (float) m->bias[i];
  REQUIRE_OK (weight_create (rig->dev, store, STORE_F16, w, bias ? b : NULL, bias, in, out, "kernel test", &m->device,
                  &err),
      err);
  free (w);
  free (b);
}

static void
matrix_finish (struct matrix *m, struct rig *rig)
{
  weight_destroy (rig->dev, &m->device);
  free (m->w);
  free (m->bias);
}

/* y = w x + bias; returns the largest root of a sum of squares among its sums */
static double
multiply (const struct matrix *m, const double *x, double *y)
{
  double largest = 0;
  for (size_t n = 0; n < m->out; n++) {
    double squares = 0;
    y[n] = m->bias ? m->bias[n] : 0;
    for (size_t k = 0; k < m->in; k++) {
      double term = m->w[n * m->in + k] * x[k];
      y[n] += term;
      squares += term * term;
    }
    largest = fmax (largest, sqrt (squares));
  }
  return largest;
}

/* Columns from .. from + num - 1 of w times v, for each row of w; the allowance is the rounding of v, `error`, and that
 * of the sums and of what is added to them. */
static void
part (const struct matrix *m, const double *v, size_t from, size_t num, double error, const double *plus, double *want,
    double *allowance)
{
  for (size_t n = 0; n < m->out; n++) {
    double size = 0;
    want[n] = plus ? plus[n] + (m->bias ? m->bias[n] : 0) : 0;
    allowance[n] = 4 * fabs (want[n]);
    for (size_t d = 0; d < num; d++) {
      want[n] += m->w[n * m->in + from + d] * v[d];
      size += fabs (m->w[n * m->in + from + d]) * (error + sqrt ((double) num) * fabs (v[d]));
    }
    allowance[n] = FLOAT_EPS * (allowance[n] + size);
  }
}

static void
compare (struct rig *rig, struct guarded *y, size_t rows, size_t columns, const double *want, const double *allowance)
{
  rig_compare (rig, y,
      &(struct expected) { .rows = rows,
          .columns = columns,
          .stride = columns,
          .want = want,
          .allowance = allowance,
          .bound = 3 });
}

struct network {
  const struct shape *s;
  uint32_t dim;
  struct matrix qkv, proj, fc1, fc2, next;
  struct class_block block;
};

static void
network_init (struct network *n, struct rig *rig, const struct shape *s, const struct variant *v, struct rng *rng)
{
  uint32_t dim = s->heads * s->head_dim;
  *n = (struct network) { .s = s, .dim = dim };
  matrix_init (&n->qkv, rig, v->store, 3 * dim, dim, v->bias, rng);
  matrix_init (&n->proj, rig, v->store, dim, dim, v->bias, rng);
  matrix_init (&n->fc1, rig, v->store, s->hidden, dim, v->bias, rng);
  matrix_init (&n->fc2, rig, v->store, dim, s->hidden, v->bias, rng);
  matrix_init (&n->next, rig, v->store, s->out, dim, v->bias, rng);
  n->block = (struct class_block) { .qkv = &n->qkv.device,
    .proj = &n->proj.device,
    .fc1 = &n->fc1.device,
    .fc2 = &n->fc2.device,
    .next = &n->next.device,
    .images = s->images,
    .tokens = s->tokens,
    .head_dim = s->head_dim,
    .act = VIT_ACT_GELU_ERF,
    .scale = (float) (1 / (sqrt (s->head_dim) * log (2))),
    .eps = 1e-6f };
}

static void
network_finish (struct network *n, struct rig *rig)
{
  matrix_finish (&n->qkv, rig);
  matrix_finish (&n->proj, rig);
  matrix_finish (&n->fc1, rig);
  matrix_finish (&n->fc2, rig);
  matrix_finish (&n->next, rig);
}

/* (1, dim) -> normalised; returns what rounding may do to a value of it, in roundings */
static double
normalise (const double *x, uint32_t dim, double *y)
{
  struct layernorm_params p = { .rows = 1, .dim = dim, .x_stride = dim, .y_stride = dim, .eps = 1e-6f };
  double largest = 0, low = x[0], high = x[0], span = 0;
  ref_layernorm (&p, x, NULL, NULL, y);
  for (uint32_t k = 0; k < dim; k++) {
    largest = fmax (largest, fabs (x[k]));
    low = fmin (low, x[k]);
    high = fmax (high, x[k]);
    span = fmax (span, fabs (y[k] - y[0]));
  }
  return 8 + sqrt (dim) * largest * 2 * span / (high - low);
}

/* Attention of image's first token: outputs (heads, head_dim); returns their rounding's size. */
static double
attend (const struct network *n, const double *x, double *out)
{
  uint32_t T = n->s->tokens, C = n->dim;
  double *normed = check_alloc ((size_t) T * C, sizeof *normed), *qkv = check_alloc ((size_t) T * 3 * C, sizeof *qkv);
  double rounding = 0, products = 0, largest = 0, scores = 0;
  for (size_t t = 0; t < T; t++) {
    rounding = fmax (rounding, normalise (x + t * C, C, normed + t * C));
    products = fmax (products, multiply (&n->qkv, normed + t * C, qkv + t * 3 * C));
  }
  struct attention_params p = { 1, T, n->s->heads, n->s->head_dim, 3 * C, C, n->block.scale, 1 };
  ref_attention (&p, qkv, out);
  for (size_t t = 0; t < T; t++)
    for (size_t c = 0; c < C; c++) {
      largest = fmax (largest, fabs (qkv[t * 3 * C + 2 * C + c]));
      scores = fmax (scores, fabs (qkv[c]));
    }
  free (normed);
  free (qkv);
  double error = rounding + sqrt (C) * products; /* of a value of q, k or v */
  return error * (1 + largest * p.scale * sqrt (p.head_dim) * (scores + products)) + sqrt (T) * largest;
}

static void
run_attention (struct rig *rig, const struct network *n, const struct variant *v, struct rng *rng)
{
  const struct shape *s = n->s;
  size_t in = (size_t) s->images * s->tokens * n->dim, out = (size_t) s->images * s->heads * n->dim;
  double *values = check_alloc (in, sizeof *values), *attended = check_alloc (n->dim, sizeof *attended);
  double *want = check_alloc (out, sizeof *want), *allowance = check_alloc (out, sizeof *allowance);
  struct guarded x, y;
  vit_error err = { 0 };
  fill_values (values, (size_t) s->images * s->tokens, n->dim, v->fill, rng);
  guarded_init (&x, rig, STORE_F32, values, in);
  guarded_init (&y, rig, STORE_F32, NULL, out);
  for (size_t b = 0; b < s->images; b++) {
    const double *tokens = x.values + b * s->tokens * n->dim;
    double error = attend (n, tokens, attended);
    for (size_t h = 0; h < s->heads; h++)
      part (&n->proj, attended + h * s->head_dim, h * s->head_dim, s->head_dim, error, h ? NULL : tokens,
          want + (b * s->heads + h) * n->dim, allowance + (b * s->heads + h) * n->dim);
  }
  rig_begin (rig);
  rig_run (rig, record_class_attention (rig->rec, guarded_span (&x), guarded_span (&y), &n->block, &err), 0, &err);
  compare (rig, &y, (size_t) s->images * s->heads, n->dim, want, allowance);
  guarded_require_unchanged (&x, rig, "x");
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (values);
  free (attended);
  free (want);
  free (allowance);
}

/* Rows (images, parts, dim), and their sums (images, dim). */
static double *
make_parts (struct rig *rig, const struct network *n, uint32_t parts, enum fill fill, struct rng *rng,
    struct guarded *x)
{
  size_t rows = (size_t) n->s->images * parts, count = rows * n->dim;
  double *values = check_alloc (count, sizeof *values), *sums = check_alloc (n->s->images * n->dim, sizeof *sums);
  fill_values (values, rows, n->dim, fill, rng);
  guarded_init (x, rig, STORE_F32, values, count);
  for (size_t i = 0; i < count; i++)
    sums[i / (parts * n->dim) * n->dim + i % n->dim] += x->values[i];
  free (values);
  return sums;
}

static void
run_mlp (struct rig *rig, const struct network *n, const struct variant *v, struct rng *rng)
{
  const struct shape *s = n->s;
  uint32_t slices = class_mlp_parts (&n->block);
  size_t out = (size_t) s->images * slices * n->dim;
  double *want = check_alloc (out, sizeof *want), *allowance = check_alloc (out, sizeof *allowance);
  double *normed = check_alloc (n->dim, sizeof *normed), *hidden = check_alloc (s->hidden, sizeof *hidden);
  struct guarded x, y;
  vit_error err = { 0 };
  double *sums = make_parts (rig, n, s->heads, v->fill, rng, &x);
  guarded_init (&y, rig, STORE_F32, NULL, out);
  for (size_t b = 0; b < s->images; b++) {
    double rounding = s->heads * normalise (sums + b * n->dim, n->dim, normed);
    double error = rounding + sqrt (n->dim) * multiply (&n->fc1, normed, hidden);
    for (size_t i = 0; i < s->hidden; i++)
      hidden[i] = ref_activation (VIT_ACT_GELU_ERF, hidden[i]);
    for (uint32_t i = 0; i < slices; i++) {
      uint32_t from = i * VIT_CLASS_HIDDEN, left = s->hidden - from;
      size_t at = (b * slices + i) * n->dim;
      part (&n->fc2, hidden + from, from, left < VIT_CLASS_HIDDEN ? left : VIT_CLASS_HIDDEN, 16 + error,
          i ? NULL : sums + b * n->dim, want + at, allowance + at);
    }
  }
  rig_begin (rig);
  rig_run (rig, record_class_mlp (rig->rec, guarded_span (&x), guarded_span (&y), &n->block, &err), 0, &err);
  compare (rig, &y, (size_t) s->images * slices, n->dim, want, allowance);
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (want);
  free (allowance);
  free (normed);
  free (hidden);
  free (sums);
}

static void
run_parts (struct rig *rig, const struct network *n, const struct variant *v, uint32_t parts, struct rng *rng)
{
  const struct shape *s = n->s;
  size_t out = (size_t) s->images * s->out;
  double *want = check_alloc (out, sizeof *want), *allowance = check_alloc (out, sizeof *allowance);
  double *normed = check_alloc (n->dim, sizeof *normed);
  struct guarded x, y;
  vit_error err = { 0 };
  double *sums = make_parts (rig, n, parts, v->fill, rng, &x);
  guarded_init (&y, rig, STORE_F32, NULL, out);
  for (size_t b = 0; b < s->images; b++) {
    double rounding = parts * normalise (sums + b * n->dim, n->dim, normed);
    double size = rounding + sqrt (n->dim) * multiply (&n->next, normed, want + b * s->out);
    for (size_t i = 0; i < s->out; i++)
      allowance[b * s->out + i] = FLOAT_EPS * (size + fabs (want[b * s->out + i]));
  }
  struct linear_call call = { .x = guarded_span (&x),
    .y = guarded_span (&y),
    .weight = &n->next.device,
    .p = { .rows = s->images, .x_stride = parts * n->dim, .y_stride = s->out, .norm = 1, .eps = 1e-6f } };
  rig_begin (rig);
  rig_run (rig, record_linear_parts (rig->rec, &call, parts, &err), 0, &err);
  compare (rig, &y, s->images, s->out, want, allowance);
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (want);
  free (allowance);
  free (normed);
  free (sums);
}

static void
run_row (struct rig *rig, const struct shape *s, const struct variant *v, uint64_t seed)
{
  struct rng rng = { seed };
  struct network n;
  char of[100];
  snprintf (of, sizeof of, "%s, %u x %u tokens of %u x %u, %u hidden", v->name, s->images, s->tokens, s->heads,
      s->head_dim, s->hidden);
  network_init (&n, rig, s, v, &rng);
  if (rig_row (rig, false, "class attention %s", of))
    run_attention (rig, &n, v, &rng);
  if (rig_row (rig, false, "class MLP %s", of))
    run_mlp (rig, &n, v, &rng);
  if (rig_row (rig, false, "linear of parts %s", of))
    run_parts (rig, &n, v, 1 + (uint32_t) seed % 5, &rng);
  network_finish (&n, rig);
}

/* The block itself suits what has no faster kernels of another kind; the kernels run wherever they are asked to. */
void
test_class (struct rig *rig)
{
  for (size_t s = 0; device_caps (rig->dev)->bindings == MAX_BINDINGS && s < COUNT_OF (shapes); s++)
    for (size_t v = 0; v < COUNT_OF (variants); v++)
      run_row (rig, &shapes[s], &variants[v], s * 1000 + v);
}
