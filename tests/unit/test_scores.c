/* vit_top_k: probabilities, order, ties, sizes, and numbers that are none. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "vit/vit.h"

enum { MANY = 21843 };

static void
test_softmax (void)
{
  static const float logits[] = { 1, 3, 2, -1 };
  struct vit_score out[4];
  double sum = exp (-2) + 1 + exp (-1) + exp (-4);
  REQUIRE (vit_top_k (logits, 4, VIT_SOFTMAX, 4, out) == 4);
  static const uint32_t order[] = { 1, 2, 0, 3 };
  for (uint32_t i = 0; i < 4; i++) {
    REQUIRE (out[i].class_index == order[i]);
    REQUIRE_CLOSE (out[i].value, exp (logits[order[i]] - 3) / sum, 1e-7, 0);
  }
}

/* Shifting all logits changes nothing, however far. */
static void
test_stable (void)
{
  static const float shifts[] = { 0, 1e4f, -1e4f, 1e30f, -1e30f };
  for (uint32_t s = 0; s < COUNT_OF (shifts); s++) {
    float logits[3] = { shifts[s], shifts[s] - 1, shifts[s] + 2 };
    bool rounds = fabsf (shifts[s]) > 1e9f; /* then all three are equal */
    double sum = rounds ? 3 : exp (-2) + exp (-3) + 1;
    struct vit_score out[3];
    REQUIRE (vit_top_k (logits, 3, VIT_SOFTMAX, 3, out) == 3);
    REQUIRE (out[0].class_index == (rounds ? 0 : 2));
    REQUIRE_CLOSE (out[0].value, 1 / sum, 1e-6, 0);
    REQUIRE_CLOSE (out[0].value + out[1].value + out[2].value, 1.0, 0, 1e-6);
  }
  static const float far_apart[] = { -1e4f, 1e4f, 0 };
  struct vit_score out[3];
  REQUIRE (vit_top_k (far_apart, 3, VIT_SOFTMAX, 3, out) == 3);
  REQUIRE (out[0].class_index == 1 && out[0].value == 1);
  REQUIRE (out[1].class_index == 2 && out[1].value == 0);
  REQUIRE (out[2].class_index == 0 && out[2].value == 0);
}

static void
test_ties (void)
{
  static const float logits[] = { 5, 7, 7, 5, 7, 1, 5 };
  static const uint32_t order[] = { 1, 2, 4, 0, 3, 6, 5 };
  struct vit_score out[7];
  for (uint32_t k = 1; k <= 7; k++) {
    REQUIRE (vit_top_k (logits, 7, VIT_IDENTITY, k, out) == k);
    for (uint32_t i = 0; i < k; i++)
      REQUIRE (out[i].class_index == order[i] && out[i].value == logits[order[i]]);
  }
  float same[100] = { 0 };
  struct vit_score all[100];
  REQUIRE (vit_top_k (same, 100, VIT_SOFTMAX, 100, all) == 100);
  for (uint32_t i = 0; i < 100; i++)
    REQUIRE (all[i].class_index == i && check_is_close (all[i].value, 0.01, 1e-6, 0));
}

static void
test_sizes (void)
{
  static const float one[] = { -3 };
  struct vit_score out[8];
  memset (out, 0x5a, sizeof out);
  struct vit_score poison = out[7];
  REQUIRE (vit_top_k (one, 1, VIT_SOFTMAX, 8, out) == 1);
  REQUIRE (out[0].class_index == 0 && out[0].value == 1);
  REQUIRE (memcmp (&out[1], &poison, sizeof poison) == 0);
  REQUIRE (vit_top_k (one, 1, VIT_SOFTMAX, 0, out) == 0);
  REQUIRE (vit_top_k (one, 0, VIT_SOFTMAX, 3, out) == 0);
  REQUIRE (vit_top_k (NULL, 0, VIT_SOFTMAX, 3, NULL) == 0);
  REQUIRE (vit_top_k (one, 1, VIT_SOFTMAX, UINT32_MAX, out) == 1);
}

static void
test_activations (void)
{
  static const float logits[] = { 0, 2, -2, 200, -200, 1e4f, -1e4f };
  static const uint32_t order[] = { 5, 3, 1, 0, 2, 4, 6 };
  struct vit_score out[7];
  REQUIRE (vit_top_k (logits, 7, VIT_SIGMOID, 7, out) == 7);
  for (uint32_t i = 0; i < 7; i++) {
    REQUIRE (out[i].class_index == order[i]); /* by logit, also where both values are 1 */
    REQUIRE_CLOSE (out[i].value, 1 / (1 + exp (-(double) logits[order[i]])), 1e-7, 1e-30);
  }
  REQUIRE (vit_top_k (logits, 7, VIT_IDENTITY, 7, out) == 7);
  for (uint32_t i = 0; i < 7; i++)
    REQUIRE (out[i].class_index == order[i] && out[i].value == logits[order[i]]);
}

/* NaN sorts last and takes no share; infinities do not make NaN of the others. */
static void
test_not_numbers (void)
{
  static const float logits[] = { NAN, 1, NAN, -INFINITY, 1 };
  static const uint32_t order[] = { 1, 4, 3, 0, 2 };
  struct vit_score out[5];
  for (uint32_t k = 1; k <= 5; k++) {
    REQUIRE (vit_top_k (logits, 5, VIT_SOFTMAX, k, out) == k);
    for (uint32_t i = 0; i < k; i++)
      REQUIRE (out[i].class_index == order[i]);
    REQUIRE (out[0].value == 0.5f);
  }
  REQUIRE (out[2].value == 0 && isnan (out[3].value) && isnan (out[4].value));

  static const float infinite[] = { 3, INFINITY, -INFINITY, INFINITY };
  REQUIRE (vit_top_k (infinite, 4, VIT_SOFTMAX, 4, out) == 4);
  REQUIRE (out[0].class_index == 1 && out[0].value == 0.5f && out[1].class_index == 3 && out[1].value == 0.5f);
  REQUIRE (out[2].class_index == 0 && out[2].value == 0 && out[3].value == 0);

  static const float none[] = { NAN, NAN };
  REQUIRE (vit_top_k (none, 2, VIT_SOFTMAX, 2, out) == 2);
  REQUIRE (out[0].class_index == 0 && isnan (out[0].value) && out[1].class_index == 1 && isnan (out[1].value));
}

/* Many classes in every order of arrival against a slow and simple selection. */
static void
test_many (void)
{
  float *logits = check_alloc (MANY, sizeof *logits);
  struct vit_score *out = check_alloc (MANY, sizeof *out);
  for (int arrival = 0; arrival < 3; arrival++) {
    struct rng rng = { 7 };
    for (uint32_t i = 0; i < MANY; i++)
      logits[i] = arrival == 0 ? (float) rng_below (&rng, 5000) * 1e-3f : arrival == 1 ? (float) i : -(float) i;
    double sum = 0;
    REQUIRE (vit_top_k (logits, MANY, VIT_SOFTMAX, MANY, out) == MANY);
    for (uint32_t i = 0; i < MANY; i++) {
      sum += out[i].value;
      if (i == 0)
        continue;
      float a = logits[out[i - 1].class_index], b = logits[out[i].class_index];
      REQUIRE (a > b || (a == b && out[i - 1].class_index < out[i].class_index));
    }
    REQUIRE_CLOSE (sum, 1.0, 0, 1e-5);
    struct vit_score five[5];
    REQUIRE (vit_top_k (logits, MANY, VIT_SOFTMAX, 5, five) == 5);
    REQUIRE (memcmp (five, out, sizeof five) == 0);
  }
  free (out);
  free (logits);
}

int
main (void)
{
  test_softmax ();
  test_stable ();
  test_ties ();
  test_sizes ();
  test_activations ();
  test_not_numbers ();
  test_many ();
  return check_status ();
}
