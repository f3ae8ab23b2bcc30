/* Tries special kernels beside the plain ones: drivers have bugs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/round.h"
#include "gpu/half.h"

/* Two kernels' sums of the same products in another order differ by some 1e-6 of the outputs' size, halves by their
 * rounding, and where there are halves one kernel may round what another doesn't: a normalised x to 2^-12, of which
 * several thousand sums show four times as much somewhere, packed sums four times that. What a driver gets wrong
 * differs by the whole size. */
enum { GUARD = 1024 }; /* elements behind a tensor that nothing may touch */
static const double tolerance_of_floats = 5e-4, tolerance_of_halves = 0x1p-7, rounding_of_halves = 0x1p-9;

/* Some tensor of a trial, filled with noise. */
struct tensor {
  enum store store;
  size_t count; /* elements that may be written; the guard follows */
  struct buffer buffer;
  float *found; /* (count + GUARD) */
};

/* What a trial compares: y of the special kernel and of the plain one. */
struct pair {
  size_t first, rows, columns, stride;
  bool halves; /* are multiplied, maybe rounded to them; narrow weights beside floats are widened exactly */
  struct tensor y[2];
};

static float
noise (uint32_t *state)
{
  *state = *state * 1664525u + 1013904223u;
  return (float) (int32_t) *state * 0x1p-31f;
}

static float *
noise_of (size_t count, float scale, uint32_t seed, vit_error *err)
{
  float *out = malloc (count * sizeof *out);
  if (!out)
    fail_memory (err, "trying a kernel", count * sizeof *out);
  for (size_t i = 0; out && i < count; i++)
    out[i] = scale * noise (&seed);
  return out;
}

static void
tensor_finish (vit_device *dev, struct tensor *t)
{
  buffer_destroy (dev, &t->buffer);
  free (t->found);
  t->found = NULL;
}

static bool
tensor_init (vit_device *dev, struct tensor *t, enum store store, size_t count, uint32_t seed, vit_error *err)
{
  size_t all = count + GUARD;
  *t = (struct tensor) { .store = store, .count = count };
  float *values = noise_of (all, 1, seed, err);
  uint16_t *halves = values && store == STORE_F16 ? malloc (all * sizeof *halves) : NULL;
  bool ok = values && (store == STORE_F32 || halves || fail_memory (err, "trying a kernel", all * sizeof *halves));
  if (ok && halves)
    half_from_floats (halves, values, all);
  ok = ok && buffer_create (dev, MEMORY_LOCAL, all * store_size (store), "trial", &t->buffer, err)
      && buffer_write (dev, &t->buffer, 0, halves ? (const void *) halves : values, all * store_size (store), err);
  free (values);
  free (halves);
  return ok;
}

static bool
tensor_fetch (vit_device *dev, struct tensor *t, vit_error *err)
{
  size_t all = t->count + GUARD;
  t->found = malloc (all * sizeof *t->found);
  if (!t->found)
    return fail_memory (err, "trying a kernel", all * sizeof *t->found);
  if (t->store == STORE_F32)
    return buffer_read (dev, &t->buffer, 0, t->found, all * sizeof *t->found, err);
  uint16_t *halves = malloc (all * sizeof *halves);
  bool ok = (halves || fail_memory (err, "trying a kernel", all * sizeof *halves))
      && buffer_read (dev, &t->buffer, 0, halves, all * sizeof *halves, err);
  for (size_t i = 0; ok && i < all; i++)
    t->found[i] = half_to_float (halves[i]);
  free (halves);
  return ok;
}

static bool
agree (const struct pair *p)
{
  const float *a = p->y[0].found + p->first, *b = p->y[1].found + p->first;
  double squares = 0;
  for (size_t r = 0; r < p->rows; r++)
    for (size_t c = 0; c < p->columns; c++)
      squares += (double) b[r * p->stride + c] * b[r * p->stride + c];
  double size = sqrt (squares / (double) (p->rows * p->columns));
  double bound = size * (p->halves ? tolerance_of_halves : tolerance_of_floats);
  double relative = p->y[0].store == STORE_F16 ? rounding_of_halves : 0;
  for (size_t r = 0; r < p->rows; r++)
    for (size_t c = 0; c < p->columns; c++) {
      double x = a[r * p->stride + c], y = b[r * p->stride + c];
      if (!(fabs (x - y) <= bound + relative * fabs (y)))
        return false;
    }
  const void *behind_a = p->y[0].found + p->y[0].count, *behind_b = p->y[1].found + p->y[1].count;
  return memcmp (behind_a, behind_b, GUARD * sizeof *a) == 0;
}

/* A function that records the special call (which 0) or its plain twin (1), with y. */
typedef bool (*record_fn) (struct recorder *rec, const void *ctx, int which, struct span y, vit_error *err);

/* What is asked: whether it is right, or how long it takes. */
struct question {
  bool *right;
  double *ms; /* NULL: right is asked for */
  uint32_t runs;
  uint64_t limit_ms;
};

static bool
time_special (vit_device *dev, struct pair *p, enum store store, record_fn record, const void *ctx,
    const struct question *q, vit_error *err)
{
  struct recorder *rec = recorder_create (dev, err);
  uint64_t begin = now_ms ();
  bool ok = rec && tensor_init (dev, &p->y[0], store, p->rows * p->stride + p->first + p->stride, 77, err)
      && recorder_begin (rec, err);
  if (ok)
    recorder_start_clock (rec);
  ok = ok && record (rec, ctx, 0, (struct span) { &p->y[0].buffer, 0, p->y[0].buffer.size }, err);
  if (ok)
    recorder_stop_clock (rec);
  ok = ok && recorder_end (rec, err);
  *q->ms = 0;
  for (uint32_t i = 0; ok && (i == 0 || (i < q->runs && now_ms () - begin < q->limit_ms)); i++) {
    ok = recorder_run (rec, err);
    double ms = ok ? recorder_clock_ms (rec, rec) : 0;
    if (ms > 0 && (*q->ms == 0 || ms < *q->ms))
      *q->ms = ms;
  }
  recorder_destroy (&rec);
  tensor_finish (dev, &p->y[0]);
  return ok;
}

static bool
answer (vit_device *dev, struct pair *p, enum store store, record_fn record, const void *ctx, const struct question *q,
    vit_error *err)
{
  if (q->ms)
    return time_special (dev, p, store, record, ctx, q, err);
  size_t padded = (p->rows + ROW_PAD) / ROW_PAD * ROW_PAD * p->stride + p->first;
  struct recorder *rec = recorder_create (dev, err);
  bool ok = rec != NULL;
  for (int i = 0; ok && i < 2; i++)
    ok = tensor_init (dev, &p->y[i], store, padded, 77, err) && recorder_begin (rec, err)
        && record (rec, ctx, i, (struct span) { &p->y[i].buffer, 0, p->y[i].buffer.size }, err)
        && recorder_end (rec, err) && recorder_run (rec, err) && tensor_fetch (dev, &p->y[i], err);
  if (ok && q->right)
    *q->right = agree (p);
  recorder_destroy (&rec);
  tensor_finish (dev, &p->y[0]);
  tensor_finish (dev, &p->y[1]);
  return ok;
}

/* ---- linear ---- */

struct linear_trial {
  const struct linear_kernel *kernel;
  struct linear_call call[2]; /* special, plain */
  struct weight weight[2];
};

static bool
record_linear_trial (struct recorder *rec, const void *ctx, int which, struct span y, vit_error *err)
{
  const struct linear_trial *t = ctx;
  struct linear_call c = linear_complete (&t->call[which]);
  c.y = y;
  return which ? record_linear_reference (rec, &c, err) : t->kernel->record (rec, &c, t->kernel, err);
}

/* Rows enough for some tiles and a part of one; columns that end as the layer's end. */
static void
cut_linear (struct linear_params *p, struct weight *w)
{
  uint32_t gap = p->y_stride > p->out_dim ? p->y_stride - p->out_dim : 0;
  uint32_t most =
      p->x_stride > 4 * w->in_dim || gap > 4 * w->out_dim ? 20 : 96; /* rows that lie far apart cost memory */
  p->rows = p->rows > most ? most * 2 / 3 + p->rows % (most / 3) : p->rows;
  p->y_first %= 2;
  w->bias_rows = w->bias_rows > 1 ? 20 : w->bias_rows;
  w->out_dim = w->out_dim > 192 ? 128 + w->out_dim % 32 : w->out_dim;
  p->y_stride = w->out_dim + gap;
}

static bool
try_linear (vit_device *dev, const struct special *s, const struct question *q, vit_error *err)
{
  struct linear_trial t = { .kernel = s->linear };
  struct linear_params p = s->p.linear;
  struct weight w = s->weight;
  struct tensor x = { 0 };
  if (!q->ms)
    cut_linear (&p, &w);
  size_t count = (size_t) w.in_dim * w.out_dim;
  float *values = noise_of (count, 1.7f / sqrtf ((float) w.in_dim), 5, err);
  float *bias = values ? noise_of ((size_t) (w.bias_rows + 1) * w.out_dim, 1, 6, err) : NULL;
  size_t rows = round_up (p.rows, ROW_PAD);
  bool ok = bias && tensor_init (dev, &x, s->x_store, p.x_first + rows * p.x_stride, 7, err);
  for (int i = 0; ok && i < 2; i++) {
    t.weight[i] = (struct weight) { .in_dim = w.in_dim,
      .out_dim = w.out_dim,
      .stride = w.stride,
      .store = w.store,
      .bias_rows = w.bias_rows,
      .layout = i ? LAYOUT_ROWS : w.layout };
    t.call[i] = (struct linear_call) { .x = span_all (&x.buffer),
      .weight = &t.weight[i],
      .p = p,
      .x_store = s->x_store,
      .y_store = s->y_store };
    ok = weight_fill (dev, values, w.bias_rows ? bias : NULL, "trial", &t.weight[i], err);
  }
  bool halves = s->x_store == STORE_F16 || (p.norm && w.store != STORE_F32);
  struct pair pair = { p.y_first, p.rows, w.out_dim, p.y_stride, halves, { { 0 } } };
  ok = ok && answer (dev, &pair, s->y_store, record_linear_trial, &t, q, err);
  free (values);
  free (bias);
  weight_destroy (dev, &t.weight[0]);
  weight_destroy (dev, &t.weight[1]);
  tensor_finish (dev, &x);
  return ok;
}

/* ---- attention ---- */

struct attention_trial {
  const struct attention_kernel *kernel;
  struct attention_params p;
  struct tensor qkv;
};

static bool
record_attention_trial (struct recorder *rec, const void *ctx, int which, struct span y, vit_error *err)
{
  const struct attention_trial *t = ctx;
  struct span qkv = span_all (&t->qkv.buffer);
  return which ? record_attention_reference (rec, qkv, y, t->qkv.store, &t->p, err)
               : t->kernel->record (rec, qkv, y, t->qkv.store, &t->p, t->kernel, err);
}

static bool
try_attention (vit_device *dev, const struct special *s, const struct question *q, vit_error *err)
{
  struct attention_trial t = { .kernel = s->attention, .p = s->p.attention };
  if (!q->ms) {
    t.p.batch = 1;
    t.p.heads = t.p.heads > 2 ? 2 : t.p.heads;
  }
  t.p.scale = 1; /* of noise: weights from nearly none to nearly all */
  size_t rows = round_up (t.p.batch * t.p.tokens, ROW_PAD);
  struct pair pair = { 0, t.p.batch * t.p.queries, (size_t) t.p.heads * t.p.head_dim, t.p.out_stride,
    s->y_store == STORE_F16, { { 0 } } };
  bool ok = tensor_init (dev, &t.qkv, s->y_store, rows * t.p.qkv_stride, 8, err)
      && answer (dev, &pair, s->y_store, record_attention_trial, &t, q, err);
  tensor_finish (dev, &t.qkv);
  return ok;
}

/* ---- LayerNorm ---- */

struct layernorm_trial {
  const struct layernorm_kernel *kernel;
  struct layernorm_params p;
  bool has_weight;
  struct tensor x, weight, bias;
};

static bool
record_layernorm_trial (struct recorder *rec, const void *ctx, int which, struct span y, vit_error *err)
{
  const struct layernorm_trial *t = ctx;
  struct span x = span_all (&t->x.buffer);
  const struct buffer *weight = t->has_weight ? &t->weight.buffer : NULL,
                      *bias = t->has_weight ? &t->bias.buffer : NULL;
  return which ? record_layernorm_plain (rec, x, weight, bias, y, STORE_F32, &t->p, err)
               : t->kernel->record (rec, x, weight, bias, y, &t->p, err);
}

static bool
try_layernorm (vit_device *dev, const struct special *s, const struct question *q, vit_error *err)
{
  struct layernorm_trial t = { .kernel = s->layernorm, .p = s->p.layernorm, .has_weight = s->has_weight };
  t.p.rows = t.p.rows > 64 ? 32 + t.p.rows % 32 : t.p.rows;
  t.p.y_first %= 2;
  struct pair pair = { t.p.y_first, t.p.rows, t.p.dim, t.p.y_stride, false, { { 0 } } };
  bool ok = tensor_init (dev, &t.x, STORE_F32, t.p.x_first + (size_t) (t.p.rows + 1) * t.p.x_stride, 9, err)
      && tensor_init (dev, &t.weight, STORE_F32, t.p.dim, 10, err)
      && tensor_init (dev, &t.bias, STORE_F32, t.p.dim, 11, err)
      && answer (dev, &pair, STORE_F32, record_layernorm_trial, &t, q, err);
  tensor_finish (dev, &t.x);
  tensor_finish (dev, &t.weight);
  tensor_finish (dev, &t.bias);
  return ok;
}

static bool
ask (vit_device *dev, const struct special *s, const struct question *q, vit_error *err)
{
  switch (s->kind) {
    case SPECIAL_LINEAR:
      return try_linear (dev, s, q, err);
    case SPECIAL_ATTENTION:
      return try_attention (dev, s, q, err);
    case SPECIAL_LAYERNORM:
      return try_layernorm (dev, s, q, err);
  }
  return false;
}

bool
trial_run (vit_device *dev, const struct special *s, bool *right, vit_error *err)
{
  return ask (dev, s, &(struct question) { .right = right }, err);
}

bool
trial_time (vit_device *dev, const struct special *s, uint32_t runs, uint64_t limit_ms, double *ms, vit_error *err)
{
  return ask (dev, s, &(struct question) { .ms = ms, .runs = runs, .limit_ms = limit_ms }, err);
}
