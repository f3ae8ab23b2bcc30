/* Twin test of the attention kernel: head sizes, token counts, strides, scores small and huge. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention.h"
#include "gpu/kernel_rig.h"
#include "ref/vit_ref.h"

static const struct shape {
  uint32_t batch, tokens, heads, head_dim;
} shapes[] = {
  { 1, 1, 1, 8 },
  { 2, 5, 3, 8 },
  { 1, 16, 2, 64 },
  { 3, 17, 2, 20 },
  { 1, 50, 3, 64 },
  { 2, 50, 2, 72 },
  { 1, 50, 2, 80 },
  { 1, 65, 4, 4 },
  { 1, 65, 1, 33 },
  { 1, 197, 3, 64 },
  { 2, 197, 1, 64 },
  { 1, 257, 2, 80 },
  { 1, 577, 1, 64 },
  { 1, 577, 2, 72 },
  { 1, 1025, 1, 16 },
  { 1, 2305, 1, 64 },
  { 1, 30, 1, 128 },
  { 2, 70, 2, 32 },
  { 1, 256, 1, 128 },
  { 1, 261, 1, 96 },
  { 1, 30, 1, 192 },
  { 2, 37, 2, 12 },
  { 2, 130, 3, 44 },
};

static const struct variant {
  const char *name;
  enum store store;
  double size;               /* of q and k: scores go with its square */
  uint32_t qkv_pad, out_pad; /* elements between rows */
  double bound;
  uint32_t queries; /* 0: every token attends */
} variants[] = {
  { "f32", STORE_F32, 1, 0, 0, 1 },
  { "f32 flat", STORE_F32, 0.01, 0, 0, 1 },
  { "f32 scores of hundreds", STORE_F32, 12, 0, 0, 1 },
  { "f32 strides", STORE_F32, 2, 32, 16, 1 },
  { "f16", STORE_F16, 1, 0, 0, 1 },
  { "f16 scores of hundreds", STORE_F16, 12, 0, 0, 1 },
  { "f16 strides", STORE_F16, 2, 32, 16, 1 },
  { "f32 of the first token", STORE_F32, 1, 0, 0, 1, .queries = 1 },
  { "f32 of two tokens, strides", STORE_F32, 1, 32, 16, 1, .queries = 2 },
  { "f32 of nine tokens", STORE_F32, 1, 0, 0, 1, .queries = 9 },
  { "f16 of two tokens", STORE_F16, 1, 0, 0, 1, .queries = 2 },
};

/* An error in a score multiplies its weight by 2^error; the output is a mean of values under those weights. So the
 * allowance is the largest value of the head times the rounding of the largest score and of the sums over tokens. */
static void
expect (const struct attention_params *p, const double *qkv, enum store store, double *want, double *allowance)
{
  struct attention_params dense = *p;
  size_t width = (size_t) p->heads * p->head_dim;
  dense.out_stride = (uint32_t) width;
  ref_attention (&dense, qkv, want);
  for (size_t i = 0; i < p->batch * p->queries * width; i++) {
    size_t head = i % width / p->head_dim * p->head_dim, b = i / width / p->queries;
    size_t row = b * p->tokens + i / width % p->queries;
    if (i % p->head_dim) { /* the same for a whole head of a token */
      allowance[i] = allowance[i - 1];
      continue;
    }
    double largest_value = 0, largest_score = 0;
    for (size_t t = 0; t < p->tokens; t++) {
      const double *q = qkv + row * p->qkv_stride + head, *k = qkv + (b * p->tokens + t) * p->qkv_stride + width + head;
      double squares = 0;
      for (size_t d = 0; d < p->head_dim; d++) {
        squares += q[d] * q[d] * k[d] * k[d];
        largest_value = fmax (largest_value, fabs (k[width + d]));
      }
      largest_score = fmax (largest_score, p->scale * sqrt (squares * p->head_dim));
    }
    allowance[i] = FLOAT_EPS * largest_value * (8 + 2 * log (2) * largest_score + sqrt (p->tokens));
    if (store == STORE_F16) /* weights may be rounded to half */
      allowance[i] += 0x1p-11 * largest_value;
  }
}

/* One kernel of the table on a y of its own; e holds what it must give. */
static void
run_kernel (struct rig *rig, const struct attention_kernel *k, const struct guarded *x,
    const struct attention_params *p, size_t out_rows, const struct expected *e)
{
  struct guarded y;
  vit_error err = { 0 };
  guarded_init (&y, rig, x->store, NULL, out_rows * p->out_stride);
  rig_begin (rig);
  rig_run (rig, k->record (rig->rec, guarded_span (x), guarded_span (&y), x->store, p, k, &err),
      4.0 * p->queries * p->batch * p->tokens * e->columns, &err);
  rig_compare (rig, &y, e);
  guarded_finish (&y, rig);
}

static void
run_row (struct rig *rig, const struct shape *s, const struct variant *v, uint64_t seed)
{
  struct rng rng = { seed };
  char row[120];
  snprintf (row, sizeof row, "attention %s, %u x %u tokens, %u heads of %u", v->name, s->batch, s->tokens, s->heads,
      s->head_dim);
  if (!rig_wants (rig, row))
    return;
  uint32_t width = s->heads * s->head_dim, used = s->batch * s->tokens;
  uint32_t queries = v->queries && v->queries < s->tokens ? v->queries : s->tokens;
  struct attention_params p = { s->batch, s->tokens, s->heads, s->head_dim, 3 * width + v->qkv_pad, width + v->out_pad,
    (float) (1 / (sqrt (s->head_dim) * log (2))), queries };
  size_t rows = (used + ROW_PAD - 1) / ROW_PAD * ROW_PAD, n = (size_t) s->batch * queries * width;
  size_t out_rows = (s->batch * queries + ROW_PAD - 1) / ROW_PAD * ROW_PAD;
  double *values = check_alloc (rows * p.qkv_stride, sizeof *values), *want = check_alloc (n, sizeof *want);
  double *allowance = check_alloc (n, sizeof *allowance);
  struct guarded x;
  for (size_t i = 0; i < rows * p.qkv_stride; i++) {
    size_t c = i % p.qkv_stride;
    values[i] = rng_normal (&rng) * (c < 2 * (size_t) width ? v->size : 1);
    if (i / p.qkv_stride >= used || c >= 3 * (size_t) width)
      values[i] = 10000 * rng_normal (&rng); /* what lies between and behind must not count */
  }
  guarded_init (&x, rig, v->store, values, rows * p.qkv_stride);
  expect (&p, x.values, v->store, want, allowance);

  const struct attention_kernel *chosen = attention_static_choice (rig->dev, v->store, &p);
  REQUIRE (chosen->suits (rig->dev, v->store, &p, chosen));
  for (uint32_t i = 0; i < attention_num_kernels (); i++) {
    const struct attention_kernel *k = attention_kernel_at (i);
    if (!k->suits (rig->dev, v->store, &p, k)
        || !rig_row (rig, false, "%s by %s%s", row, k->name, k == chosen ? ", the choice" : ""))
      continue;
    run_kernel (rig, k, &x, &p, out_rows,
        &(struct expected) { .rows = (size_t) s->batch * queries,
            .columns = width,
            .stride = p.out_stride,
            .may_write_rows = out_rows,
            .may_write_columns = width,
            .want = want,
            .allowance = allowance,
            .bound = v->bound });
  }
  guarded_require_unchanged (&x, rig, "qkv");

  guarded_finish (&x, rig);
  free (values);
  free (want);
  free (allowance);
}

void
test_attention (struct rig *rig)
{
  for (size_t s = 0; s < COUNT_OF (shapes); s++)
    for (size_t v = 0; v < COUNT_OF (variants); v++) {
      const struct shape *shape = &shapes[s];
      bool large = shape->tokens > 500;
      if (large && (s + v) % 3) /* the twin is slow: each large shape meets a third of the variants */
        continue;
      if (variants[v].store != STORE_F16 || rig->storage16)
        run_row (rig, shape, &variants[v], s * 1000 + v);
    }
}
