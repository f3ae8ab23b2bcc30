/* Twin test of the linear kernel: stores, activations, residual, gathered rows, over odd shapes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/kernel_rig.h"
#include "gpu/linear.h"
#include "gpu/trial.h"
#include "half.h"
#include "ref/vit_ref.h"

static const struct shape {
  uint32_t rows, in, out;
} shapes[] = {
  { 1, 12, 20 },
  { 5, 20, 12 },
  { 16, 64, 64 },
  { 17, 48, 36 },
  { 3, 100, 7 },
  { 2, 35, 33 },
  { 1, 1, 1 },
  { 50, 96, 100 },
  { 257, 100, 96 },
  { 3, 588, 192 },
  { 1, 768, 1000 },
  { 2, 192, 21843 },
  { 5, 3072, 192 },
  { 17, 8192, 40 },
  { 2, 8192, 12 },
  { 65, 128, 384 },
  { 197, 192, 576 },
  { 577, 192, 192 },
  { 50, 768, 768 },
  { 197, 768, 768 },
};

static const struct variant {
  const char *name;
  enum store x, w, y;
  uint32_t act;
  bool bias, add;
  uint32_t gather;       /* 0: rows follow each other; n: every n-th, from the second on */
  uint32_t x_pad, y_pad; /* elements between rows */
  enum fill fill;
  double bound;
  bool scatter; /* rows of y lie as those of x do */
  bool table;   /* a bias for each row of an image, of which there are two and a part */
  bool norm;
} variants[] = {
  { "f32", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, false, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32 bias", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32 bias outliers", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_OUTLIERS, 3 },
  { "f32 bias gelu", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_ERF, true, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32 gelu outliers", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_ERF, false, false, 0, 0, 0, FILL_OUTLIERS, 3 },
  { "f32 bias gelu_tanh outliers", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_TANH, true, false, 0, 0, 0,
      FILL_OUTLIERS, 3 },
  { "f32 bias gelu_quick outliers", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_QUICK, true, false, 0, 0, 0,
      FILL_OUTLIERS, 3 },
  { "f32 bias relu", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_RELU, true, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32 bias tanh outliers", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_TANH, true, false, 0, 0, 0, FILL_OUTLIERS, 3 },
  { "f32 bias add", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, true, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32 add", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, false, true, 0, 0, 0, FILL_OUTLIERS, 3 },
  { "f32 bias gathered", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, false, 5, 0, 0, FILL_NORMAL, 3 },
  { "f32 bias gelu strides", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_ERF, true, false, 0, 16, 32, FILL_NORMAL,
      3 },
  { "f16", STORE_F16, STORE_F16, STORE_F16, VIT_ACT_NONE, false, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f16 bias gelu outliers", STORE_F16, STORE_F16, STORE_F16, VIT_ACT_GELU_ERF, true, false, 0, 0, 0, FILL_OUTLIERS,
      3 },
  { "f16 bias strides", STORE_F16, STORE_F16, STORE_F16, VIT_ACT_NONE, true, false, 0, 16, 32, FILL_NORMAL, 3 },
  { "f16 to f32 bias add", STORE_F16, STORE_F16, STORE_F32, VIT_ACT_NONE, true, true, 0, 0, 0, FILL_NORMAL, 3 },
  { "f16 to f32 bias gathered", STORE_F16, STORE_F16, STORE_F32, VIT_ACT_NONE, true, false, 5, 0, 0, FILL_NORMAL, 3 },
  { "f32, f16 weights, bias", STORE_F32, STORE_F16, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32, f16 weights, to f16 bias tanh", STORE_F32, STORE_F16, STORE_F16, VIT_ACT_TANH, true, false, 0, 0, 0,
      FILL_NORMAL, 3 },
  { "f32 scattered bias add", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, true, 5, 0, 0, FILL_NORMAL, 3,
      .scatter = true },
  { "f16 to f32 scattered bias add", STORE_F16, STORE_F16, STORE_F32, VIT_ACT_NONE, true, true, 5, 0, 0, FILL_NORMAL, 3,
      .scatter = true },
  { "f32 table", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3, .table = true },
  { "f16 to f32 table", STORE_F16, STORE_F16, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3,
      .table = true },
  { "f32 norm bias", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3,
      .norm = true },
  { "f32 norm bias gelu mean 1000", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_GELU_ERF, true, false, 0, 16, 32,
      FILL_OFFSET, 3, .norm = true },
  { "f32 norm outliers gathered", STORE_F32, STORE_F32, STORE_F32, VIT_ACT_NONE, false, false, 5, 0, 0, FILL_OUTLIERS,
      3, .norm = true },
  { "f32, f16 weights, norm bias", STORE_F32, STORE_F16, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_OUTLIERS,
      3, .norm = true },
  { "f32, f16 weights, to f16 norm bias gelu", STORE_F32, STORE_F16, STORE_F16, VIT_ACT_GELU_ERF, true, false, 0, 0, 0,
      FILL_OFFSET, 3, .norm = true },
  { "f32, i8 weights", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_NONE, false, false, 0, 0, 0, FILL_NORMAL, 3 },
  { "f32, i8 weights, bias gelu outliers", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_GELU_ERF, true, false, 0, 0, 0,
      FILL_OUTLIERS, 3 },
  { "f32, i8 weights, bias add gathered", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_NONE, true, true, 5, 0, 0,
      FILL_NORMAL, 3 },
  { "f32, i8 weights, gelu strides", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_GELU_ERF, false, false, 0, 16, 32,
      FILL_NORMAL, 3 },
  { "f32, i8 weights, table", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3,
      .table = true },
  { "f32, i8 weights, norm bias", STORE_F32, STORE_I8, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_OUTLIERS, 3,
      .norm = true },
  { "f32, i8 weights, to f16 norm bias gelu", STORE_F32, STORE_I8, STORE_F16, VIT_ACT_GELU_ERF, true, false, 0, 0, 0,
      FILL_NORMAL, 3, .norm = true },
  { "f16, i8 weights, bias gelu outliers", STORE_F16, STORE_I8, STORE_F16, VIT_ACT_GELU_ERF, true, false, 0, 0, 0,
      FILL_OUTLIERS, 3 },
  { "f16, i8 weights, to f32 bias add", STORE_F16, STORE_I8, STORE_F32, VIT_ACT_NONE, true, true, 0, 0, 0,
      FILL_OUTLIERS, 3 },
  { "f16, i8 weights, to f32 table", STORE_F16, STORE_I8, STORE_F32, VIT_ACT_NONE, true, false, 0, 0, 0, FILL_NORMAL, 3,
      .table = true },
  { "f16, i8 weights, add gathered", STORE_F16, STORE_I8, STORE_F16, VIT_ACT_NONE, false, true, 5, 0, 0, FILL_NORMAL,
      3 },
  { "f16 bias add", STORE_F16, STORE_F16, STORE_F16, VIT_ACT_NONE, true, true, 0, 0, 0, FILL_NORMAL, 3 },
  { "f16 to f32 bias gelu add", STORE_F16, STORE_F16, STORE_F32, VIT_ACT_GELU_ERF, true, true, 0, 0, 0, FILL_NORMAL,
      3 },
};

/* Everything of one row in double, as stored on the device. */
struct twin {
  struct linear_params p;
  double *w, *bias;         /* (out, in), (bias_rows, out) */
  double *want, *allowance; /* (rows, out) */
  double *from_residual;    /* the allowance where sums begin with the residual */
  double *of_halves;        /* the allowance where normalised values of x become halves before they are multiplied */
  double *in_half;          /* the allowance where 8 products of two sums at a time are added in half */
};

static uint32_t
pad (uint32_t n, uint32_t to)
{
  return (n + to - 1) / to * to;
}

/* Whole numbers from -127 to 127 times a scale for each row; of the first row there is nothing but zeros. */
static void
round_rows (double *w, size_t in, size_t out)
{
  memset (w, 0, in * sizeof *w);
  for (size_t n = 1; n < out; n++) {
    double largest = 0;
    for (size_t k = 0; k < in; k++)
      largest = fmax (largest, fabs (w[n * in + k]));
    for (size_t k = 0; k < in; k++)
      w[n * in + k] = round (w[n * in + k] * 127 / largest) * largest / 127;
  }
}

/* w ~ 1 / sqrt (in), so that sums stay near the size of x. */
static void
make_weight (struct twin *t, enum store store, struct rng *rng)
{
  size_t in = t->p.in_dim, out = t->p.out_dim, biases = t->p.bias_rows * out;
  t->w = check_alloc (in * out, sizeof *t->w);
  t->bias = check_alloc (biases, sizeof *t->bias);
  for (size_t i = 0; i < in * out; i++) {
    t->w[i] = (float) (rng_normal (rng) / sqrt ((double) in));
    if (store == STORE_F16)
      t->w[i] = half_to_double (half_from_double (t->w[i]));
  }
  if (store == STORE_I8)
    round_rows (t->w, in, out);
  for (size_t n = 0; n < biases; n++)
    t->bias[n] = (float) rng_normal (rng);
}

static bool
upload (struct rig *rig, const struct twin *t, enum store store, enum store activations, struct weight *out,
    vit_error *err)
{
  size_t in = t->p.in_dim, rows = t->p.out_dim;
  float *w = check_alloc (in * rows, sizeof *w), *bias = check_alloc (t->p.bias_rows * rows, sizeof *bias);
  for (size_t i = 0; i < in * rows; i++)
    w[i] = (float) t->w[i];
  for (size_t i = 0; i < t->p.bias_rows * rows; i++)
    bias[i] = (float) t->bias[i];
  bool ok = weight_create (rig->dev, store, activations, w, t->p.bias_rows ? bias : NULL, t->p.bias_rows, t->p.in_dim,
      t->p.out_dim, "kernel test", out, err);
  free (w);
  free (bias);
  return ok;
}

/* Of one row of x; returns what the rounding of both does to its product with a row of w. */
static double
norm_of (const double *x, const double *w, const struct linear_params *p, double *mean, double *scale)
{
  double var = 0, largest = 0, sum = 0, product = 0;
  for (size_t k = 0; k < p->in_dim; k++) {
    *mean = (k == 0 ? 0 : *mean) + x[k] / p->in_dim;
    largest = fmax (largest, fabs (x[k]));
    sum += w[k];
  }
  for (size_t k = 0; k < p->in_dim; k++)
    var += (x[k] - *mean) * (x[k] - *mean) / p->in_dim;
  *scale = 1 / sqrt (var + p->eps);
  for (size_t k = 0; k < p->in_dim; k++)
    product += (x[k] - *mean) * *scale * w[k];
  return largest * *scale * (sqrt (p->in_dim) * fabs (sum) + fabs (product));
}

/* The allowance grows with the square root of the number of terms times their root sum of squares: what rounding in any
 * order of summation adds up to, with room. An activation bends it by 1.13 at most (GELU's steepest slope) and may
 * itself be 16 roundings off (erf by a polynomial: 4.7e-7). Where x is normalised, the rounding of its mean, of size
 * sqrt (in) * eps * max |x|, is in every term, and that of each deviation, of size eps * max |x|, in the scale. A sum
 * that begins with the residual rounds at its size too. */
static void
expect (struct twin *t, const struct guarded *x, const struct guarded *y)
{
  const struct linear_params *p = &t->p;
  size_t n = (size_t) p->rows * p->out_dim;
  double *full = check_alloc (y->count, sizeof *full), *plain = check_alloc (n, sizeof *plain);
  struct linear_params no_act = *p;
  no_act.act = VIT_ACT_NONE;
  no_act.add = no_act.y_first = 0;
  no_act.y_stride = p->out_dim;
  memcpy (full, y->values, y->count * sizeof *full);
  ref_linear (p, x->values, t->w, t->bias, full);
  ref_linear (&no_act, x->values, t->w, t->bias, plain);

  t->want = check_alloc (n, sizeof *t->want);
  t->allowance = check_alloc (n, sizeof *t->allowance);
  t->from_residual = check_alloc (n, sizeof *t->from_residual);
  t->of_halves = check_alloc (n, sizeof *t->of_halves);
  t->in_half = check_alloc (n, sizeof *t->in_half);
  for (size_t i = 0; i < n; i++) {
    size_t r = i / p->out_dim, c = i % p->out_dim;
    const double *xr = x->values + p->x_first + r * p->x_stride, *w = t->w + c * p->in_dim;
    double bias = p->bias_rows ? t->bias[r % p->bias_rows * p->out_dim + c] : 0, squares = bias * bias;
    double mean = 0, scale = 1, shift = 0;
    if (p->norm)
      shift = norm_of (xr, w, p, &mean, &scale);
    for (size_t k = 0; k < p->in_dim; k++)
      squares += (xr[k] - mean) * scale * (xr[k] - mean) * scale * w[k] * w[k];
    double residual = p->add ? fabs (y->values[p->y_first + r * p->y_stride + c]) : 0;
    t->want[i] = full[p->y_first + r * p->y_stride + c];
    t->allowance[i] = FLOAT_EPS * (1.13 * (sqrt ((p->in_dim + 1.0) * squares) + shift) + residual);
    t->from_residual[i] =
        t->allowance[i] + FLOAT_EPS * 1.13 * sqrt ((p->in_dim + 1.0) * (squares + residual * residual));
    if (p->act != VIT_ACT_NONE)
      t->allowance[i] += 16 * FLOAT_EPS * (1 + fabs (plain[i]));
    t->of_halves[i] = t->allowance[i] + 0x1p-12 * 1.13 * sqrt (squares);
    t->in_half[i] = t->from_residual[i] + t->allowance[i] + 0x1p-10 * 1.13 * sqrt (squares);
  }
  free (full);
  free (plain);
}

/* (rows, in) at x_first + r * x_stride of a tensor padded to whole tiles of rows, and no further. Rows that are not
 * gathered begin where graph.c lets them begin; what lies between them is no number. */
static void
make_input (struct rig *rig, const struct variant *v, struct twin *t, struct guarded *x, struct rng *rng)
{
  struct linear_params *p = &t->p;
  uint32_t row = p->in_dim + v->x_pad, step = v->gather ? v->gather : 1, rows = pad (p->rows * step, ROW_PAD);
  row = v->gather ? row : pad (row, ROW_ALIGN);
  double *values = check_alloc ((size_t) rows * row, sizeof *values);
  fill_values (values, rows, row, v->fill, rng);
  for (size_t i = 0; i < (size_t) rows * row; i++)
    if (i % row >= p->in_dim)
      values[i] = NAN;
  p->x_stride = row * step;
  p->x_first = v->gather ? row : 0;
  guarded_init (x, rig, v->x, values, (size_t) rows * row);
  free (values);
}

static void
make_output (struct rig *rig, const struct variant *v, struct twin *t, struct guarded *y, struct rng *rng)
{
  uint32_t row = t->p.out_dim + v->y_pad, step = v->scatter ? v->gather : 1;
  size_t rows = pad (t->p.rows * step, ROW_PAD), count = rows * row;
  double *values = check_alloc (count, sizeof *values);
  fill_values (values, rows, row, FILL_OUTLIERS, rng);
  t->p.y_stride = row * step;
  t->p.y_first = v->scatter ? row : 0;
  guarded_init (y, rig, v->y, v->add ? values : NULL, count);
  free (values);
}

/* The device's copy of the weights is read by the kernel and by nobody written. */
static void
require_weight_unchanged (struct rig *rig, const struct buffer *b, const uint8_t *before, const char *what)
{
  vit_error err = { 0 };
  uint8_t *after = check_alloc (b->size, 1);
  struct buffer copy = *b;
  REQUIRE_OK (buffer_read (rig->dev, &copy, 0, after, b->size, &err), err);
  if (memcmp (before, after, b->size) != 0)
    check_failed ("%s: %s was written, expected untouched", rig->row, what);
  free (after);
}

/* Before a device uses a kernel of halves it tries it beside the plain one, and must not take their roundings for
 * mistakes. Asked of one shape: a trial makes its own data, and has outputs enough in it to show large ones. */
static void
require_trusted (struct rig *rig, const struct linear_kernel *k, const struct linear_call *call)
{
  bool right = false;
  vit_error err = { 0 };
  struct special s = { .kind = SPECIAL_LINEAR,
    .linear = k,
    .weight = *call->weight,
    .x_store = call->x_store,
    .y_store = call->y_store,
    .p.linear = call->p };
  REQUIRE_OK (trial_run (rig->dev, &s, &right, &err), err);
  if (!right)
    check_failed ("%s: the device would give this kernel up as wrong", rig->row);
}

/* One kernel of the table on its own copy of y. */
static void
run_kernel (struct rig *rig, const struct linear_kernel *k, struct linear_call *call, const struct variant *v,
    const struct twin *t, const struct guarded *start)
{
  struct guarded y;
  vit_error err = { 0 };
  bool tiled = strncmp (k->name, "tile_", 5) == 0, matrices = strncmp (k->name, "coopmat_", 8) == 0;
  bool packed = strncmp (k->name, "packed_", 7) == 0;
  guarded_init (&y, rig, v->y, v->add ? start->values : NULL, start->count);
  call->y = guarded_span (&y);
  rig_begin (rig);
  rig_run (rig, k->record (rig->rec, call, k, &err), 2.0 * t->p.rows * t->p.in_dim * t->p.out_dim, &err);
  if (!rig->bench) /* repeated runs add more than once */
    rig_compare (rig, &y,
        &(struct expected) { .rows = t->p.rows,
            .columns = t->p.out_dim,
            .first = t->p.y_first,
            .stride = t->p.y_stride,
            .may_write_rows = v->scatter ? 0 : pad (t->p.rows, ROW_PAD),
            .may_write_columns = v->scatter ? 0 : pad (t->p.out_dim, COLUMN_PAD),
            .want = t->want,
            .allowance = packed                                 ? t->in_half
                : matrices && v->norm                           ? t->of_halves
                : (tiled || matrices) && v->act == VIT_ACT_NONE ? t->from_residual
                                                                : t->allowance,
            .bound = v->bound });
  guarded_finish (&y, rig);
  if ((matrices || packed) && t->p.in_dim == 128)
    require_trusted (rig, k, call);
}

/* Of the kernels that suit: the one that a network would get, and each other in every third row. Beside half
 * activations no device packs weights in an order of its own: so its kernels for rows meet float ones, too. */
static void
run_kernels (struct rig *rig, const char *row, const struct variant *v, const struct twin *t, struct guarded *x,
    const struct guarded *y, enum store activations)
{
  struct weight weight = { 0 };
  vit_error err = { 0 };
  REQUIRE_OK (upload (rig, t, v->w, activations, &weight, &err), err);
  uint8_t *before = check_alloc (weight.data.size, 1);
  REQUIRE_OK (buffer_read (rig->dev, &weight.data, 0, before, weight.data.size, &err), err);
  struct linear_call call = linear_complete (&(struct linear_call) { .x = guarded_span (x),
      .y = guarded_span (y),
      .weight = &weight,
      .p = t->p,
      .x_store = v->x,
      .y_store = v->y });
  rig->seen++;
  const struct linear_kernel *chosen = linear_static_choice (rig->dev, &call);
  REQUIRE (chosen && chosen->suits (rig->dev, &call, chosen));
  for (uint32_t i = 0; i < linear_num_kernels (); i++) {
    const struct linear_kernel *k = linear_kernel_at (i);
    REQUIRE (linear_kernel_named (k->name) == k);
    bool turn = k == chosen || rig->filter || (i + rig->seen) % 3 == 0;
    if (turn && k->suits (rig->dev, &call, k)
        && rig_row (rig, false, "%s by %s%s", row, k->name, k == chosen ? ", the choice" : ""))
      run_kernel (rig, k, &call, v, t, y);
  }
  guarded_require_unchanged (x, rig, "x");
  require_weight_unchanged (rig, &weight.data, before, "the weight");
  bool own_order = weight.layout != LAYOUT_ROWS;
  free (before);
  weight_destroy (rig->dev, &weight);
  if (own_order)
    run_kernels (rig, row, v, t, x, y, STORE_F16);
}

static void
run_row (struct rig *rig, const struct shape *s, const struct variant *v, uint64_t seed)
{
  struct rng rng = { seed };
  struct twin t = { .p = { .rows = s->rows,
                        .in_dim = s->in,
                        .out_dim = s->out,
                        .act = v->act,
                        .add = v->add,
                        .bias_rows = v->table ? s->rows / 2 + 1 - (s->rows > 4) : v->bias,
                        .norm = v->norm,
                        .eps = v->norm ? 1e-6f : 0 } };
  struct guarded x, y;
  char row[120];
  snprintf (row, sizeof row, "linear %s, %u rows, %u to %u", v->name, s->rows, s->in, s->out);
  if (!rig_wants (rig, row))
    return;
  make_weight (&t, v->w, &rng);
  make_input (rig, v, &t, &x, &rng);
  make_output (rig, v, &t, &y, &rng);
  expect (&t, &x, &y);
  run_kernels (rig, row, v, &t, &x, &y, v->x == STORE_F16 || v->norm ? STORE_F16 : v->y);
  guarded_finish (&x, rig);
  guarded_finish (&y, rig);
  free (t.w);
  free (t.bias);
  free (t.want);
  free (t.allowance);
  free (t.from_residual);
  free (t.of_halves);
  free (t.in_half);
}

void
test_linear (struct rig *rig)
{
  for (size_t s = 0; s < COUNT_OF (shapes); s++)
    for (size_t v = 0; v < COUNT_OF (variants); v++) {
      const struct shape *shape = &shapes[s];
      const struct variant *variant = &variants[v];
      bool large = (uint64_t) shape->rows * shape->in * shape->out > 5000000;
      bool half = variant->x == STORE_F16 || variant->w == STORE_F16 || variant->y == STORE_F16;
      if (large && (s + v) % 3) /* the twin is slow: each large shape meets a third of the variants */
        continue;
      if (!half || rig->storage16)
        run_row (rig, shape, variant, s * 1000 + v);
    }
}
