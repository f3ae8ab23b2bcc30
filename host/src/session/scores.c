/* One row of logits -> the k best classes with their probabilities, on the CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "vit/vit.h"

/* Is a better than b? By logit, not by probability, which saturates; NaN is worse than any number; ties: the lower
 * class. A total order, so the result does not depend on the way there. */
static bool
better (const struct vit_score *a, const struct vit_score *b)
{
  bool a_nan = isnan (a->value), b_nan = isnan (b->value);
  if (a_nan != b_nan)
    return b_nan;
  if (!a_nan && a->value != b->value)
    return a->value > b->value;
  return a->class_index < b->class_index;
}

/* out[0 .. n - 1] is a heap with the worst at the root; `at` may be better than its children: sinks it. */
static void
sift_down (struct vit_score *out, uint32_t n, uint32_t at)
{
  struct vit_score moving = out[at];
  for (;;) {
    uint64_t child = 2 * (uint64_t) at + 1;
    if (child >= n)
      break;
    if (child + 1 < n && better (&out[child], &out[child + 1]))
      child++;
    if (!better (&moving, &out[child]))
      break;
    out[at] = out[child];
    at = (uint32_t) child;
  }
  out[at] = moving;
}

/* The k best logits, best first: a heap of the best so far, then a heap sort. No allocation. */
static void
select_best (const float *logits, uint32_t classes, uint32_t k, struct vit_score *out)
{
  for (uint32_t i = 0; i < k; i++)
    out[i] = (struct vit_score) { i, logits[i] };
  for (uint32_t i = k / 2; i-- > 0;)
    sift_down (out, k, i);
  for (uint32_t i = k; i < classes; i++) {
    struct vit_score s = { i, logits[i] };
    if (!better (&s, &out[0]))
      continue;
    out[0] = s;
    sift_down (out, k, 0);
  }
  for (uint32_t n = k; n > 1; n--) {
    struct vit_score worst = out[0];
    out[0] = out[n - 1];
    out[n - 1] = worst;
    sift_down (out, n - 1, 0);
  }
}

/* l - max, but 0 for the maximum itself, also where both are infinite. */
static double
below_max (float l, float max)
{
  return l == max ? 0 : (double) l - max;
}

/* Replaces logits by softmax over all classes. The maximum is taken off first, so exp never overflows and the sum is
 * 1 at least. NaN stays NaN and takes no share. */
static void
softmax (const float *logits, uint32_t classes, uint32_t k, struct vit_score *out)
{
  float max = -INFINITY;
  for (uint32_t i = 0; i < classes; i++)
    if (logits[i] > max)
      max = logits[i];
  double sum = 0;
  for (uint32_t i = 0; i < classes; i++)
    if (!isnan (logits[i]))
      sum += exp (below_max (logits[i], max));
  for (uint32_t i = 0; i < k; i++)
    if (!isnan (out[i].value))
      out[i].value = (float) (exp (below_max (out[i].value, max)) / sum);
}

uint32_t
vit_top_k (const float *logits, uint32_t classes, enum vit_activation activation, uint32_t k, struct vit_score *out)
{
  if (k > classes)
    k = classes;
  if (k == 0 || !logits || !out)
    return 0;
  select_best (logits, classes, k, out);
  if (activation == VIT_SOFTMAX)
    softmax (logits, classes, k, out);
  else if (activation == VIT_SIGMOID)
    for (uint32_t i = 0; i < k; i++)
      out[i].value = (float) (1 / (1 + exp (-(double) out[i].value)));
  return k;
}
