/* One golden model: its facts, labels and logits must be those of the library that made it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden/golden.h"
#include "gpu/test_device.h"

/* Largest difference allowed, as a part of the largest logit (or of 1). Networks as small as these, with random
 * weights, average least of what rounding to bytes does. */
static const double tolerances[] = { [VIT_F32] = 1e-4, [VIT_F16] = 2e-2, [VIT_I8] = 1e-1 };
static const char *const precision_names[] = { [VIT_F32] = "f32", [VIT_F16] = "f16", [VIT_I8] = "i8" };

enum { MAX_KERNELS = 256 }; /* of a submit */

/* Kernels of matrices that networks of halves and bytes must go through, where VIT_REQUIRE_COOPMAT asks for them. */
struct kernels {
  char **names;
  int num;
};

static void
check_facts (const struct golden *g, const vit_model *model)
{
  struct vit_model_info info;
  vit_model_get_info (model, &info);
  const struct {
    const char *name;
    uint32_t value;
  } facts[] = {
    { "patch_width", info.patch_width },
    { "patch_height", info.patch_height },
    { "tokens", info.tokens },
    { "dim", info.dim },
    { "depth", info.depth },
    { "heads", info.heads },
    { "head_dim", info.head_dim },
    { "mlp_dim", info.mlp_dim },
    { "classes", info.classes },
    { "width", info.preprocess.width },
    { "height", info.preprocess.height },
  };
  const json_t *expected = json_object_get (g->expected, "info");
  for (size_t i = 0; i < COUNT_OF (facts); i++)
    if (facts[i].value != golden_number (expected, facts[i].name))
      check_failed ("%s is %u, expected %g", facts[i].name, facts[i].value, golden_number (expected, facts[i].name));

  size_t c;
  json_t *label;
  json_array_foreach (json_object_get (g->expected, "labels"), c, label) {
    const char *found = vit_model_label (model, (uint32_t) c);
    if (!found || strcmp (found, json_string_value (label)) != 0)
      check_failed ("label %zu is '%s', expected '%s'", c, found ? found : "(null)", json_string_value (label));
  }
  if (vit_model_label (model, info.classes))
    check_failed ("class %u has a label, expected none past the end", info.classes);
}

/* The largest difference from the reference's logits, as a part of the largest of those; INFINITY for NaN. */
static double
difference (const struct golden *g, const json_t *entry, const float *logits, uint32_t classes)
{
  uint32_t step = (uint32_t) golden_number (g->expected, "logits_step");
  double worst = 0, largest = 1;
  size_t i;
  json_t *value;
  const json_t *expected = json_object_get (entry, "logits");
  REQUIRE (json_array_size (expected) == (classes + step - 1) / step);
  json_array_foreach (expected, i, value) {
    double want = json_number_value (value), have = logits[i * step];
    worst = fmax (worst, isfinite (have) ? fabs (want - have) : INFINITY);
    largest = fmax (largest, fabs (want));
  }
  return worst / largest;
}

/* The best class of all, also of those whose logits are not stored. */
static void
check_best (const json_t *entry, const float *logits, uint32_t classes, const char *name)
{
  struct vit_score best;
  REQUIRE (vit_top_k (logits, classes, VIT_SOFTMAX, 1, &best) == 1);
  uint32_t want = (uint32_t) json_integer_value (json_array_get (json_object_get (entry, "top"), 0));
  double gap = fabs ((double) logits[want] - logits[best.class_index]);
  if (best.class_index != want && gap > 1e-3 * fmax (1, fabs ((double) logits[want])))
    check_failed ("%s: the best class is %u, expected %u", name, best.class_index, want);
}

static void
check_result (const struct golden *g, vit_session *session, const json_t *entry, enum vit_precision precision,
    bool batch)
{
  vit_error err = { 0 };
  vit_result result;
  if (vit_session_collect (session, UINT64_MAX, &result, &err) != VIT_COLLECTED)
    check_die (__FILE__, __LINE__, "collect: %s", err.msg);
  REQUIRE (result.user == entry);
  const char *picture = json_string_value (json_object_get (entry, "picture"));
  double worst = difference (g, entry, result.logits, result.classes);
  printf ("%s %-12s%s difference %.3g\n", precision_names[precision], picture, batch ? " in a batch" : "", worst);
  if (worst > tolerances[precision])
    check_failed ("%s, %s%s: logits differ by %.3g of the largest, allowed %g", picture, precision_names[precision],
        batch ? " in a batch" : "", worst, tolerances[precision]);
  else if (precision == VIT_F32)
    check_best (entry, result.logits, result.classes, picture);
}

/* Pictures [first, first + n) as one submit. */
static void
run_pictures (const struct golden *g, vit_session *session, uint32_t first, uint32_t n, enum vit_precision precision)
{
  const json_t *entries = json_object_get (g->expected, "pictures");
  vit_image images[2];
  unsigned char *pixels[2];
  vit_error err = { 0 };
  REQUIRE (n <= 2);
  for (uint32_t i = 0; i < n; i++) {
    json_t *entry = json_array_get (entries, first + i);
    images[i] = golden_picture (g, json_string_value (json_object_get (entry, "picture")), &pixels[i]);
    images[i].user = entry;
  }
  if (vit_session_submit (session, images, n, &err) != VIT_SUBMITTED)
    check_die (__FILE__, __LINE__, "submit: %s", err.msg);
  for (uint32_t i = 0; i < n; i++)
    free (pixels[i]);
  for (uint32_t i = 0; i < n; i++)
    check_result (g, session, json_array_get (entries, first + i), precision, n > 1);
}

/* A network that no longer goes through the kernels it is meant to try would pass as well. */
static void
require_kernels (const struct golden *g, vit_session *session, enum vit_precision precision,
    const struct kernels *kernels)
{
  struct vit_kernel_time found[MAX_KERNELS];
  unsigned char *pixels;
  vit_error err = { 0 };
  json_t *entry = json_array_get (json_object_get (g->expected, "pictures"), 0);
  vit_image image = golden_picture (g, json_string_value (json_object_get (entry, "picture")), &pixels);
  int n = vit_session_profile (session, &image, 1, 1, found, MAX_KERNELS, &err);
  if (n < 0)
    check_die (__FILE__, __LINE__, "profile: %s", err.msg);
  for (int k = 0; k < kernels->num; k++) {
    bool seen = false;
    for (int i = 0; i < n && i < MAX_KERNELS; i++)
      seen = seen || strstr (found[i].kernel, kernels->names[k]) == found[i].kernel;
    if (!seen)
      check_failed ("%s: the network has no kernel %s", precision_names[precision], kernels->names[k]);
  }
  free (pixels);
}

static void
check_precision (const struct golden *g, vit_device *device, enum vit_precision precision,
    const struct kernels *kernels)
{
  char path[1200];
  vit_error err = { 0 };
  struct vit_model_params params = { .precision = precision };
  vit_model *model = vit_model_load (device, golden_model_path (g, path, sizeof path), &params, &err);
  REQUIRE_OK (model, err);
  check_facts (g, model);
  struct vit_session_params session_params = { .max_batch = 2 };
  vit_session *session = vit_session_create (model, &session_params, &err);
  REQUIRE_OK (session, err);
  vit_model_destroy (&model); /* the session keeps it */

  int before = check_failures;
  uint32_t pictures = (uint32_t) json_array_size (json_object_get (g->expected, "pictures"));
  REQUIRE (pictures > 0);
  for (uint32_t i = 0; i < pictures; i++)
    run_pictures (g, session, i, 1, precision);
  if (pictures > 1)
    run_pictures (g, session, 0, 2, precision);
  if (check_failures > before)
    golden_name_first_wrong (g, session, tolerances[precision]);
  if (precision != VIT_F32 && kernels->num)
    require_kernels (g, session, precision, kernels);
  vit_session_destroy (&session);
}

int
main (int argc, char **argv)
{
  if (argc < 3) {
    fprintf (stderr, "usage: %s MODEL-FOLDER PICTURES-FOLDER [KERNEL...]\n", argv[0]);
    return 2;
  }
  struct kernels kernels = { argv + 3, getenv ("VIT_REQUIRE_COOPMAT") ? argc - 3 : 0 };
  struct golden g;
  golden_open (&g, argv[1], argv[2]);
  printf ("%s (%s)\n", json_string_value (json_object_get (g.expected, "about")),
      json_string_value (json_object_get (g.expected, "reference")));
  vit_device *device = test_device_open ();
  struct vit_device_info info;
  vit_device_get_info (device, &info);
  check_precision (&g, device, VIT_F32, &kernels);
  if (info.storage16)
    check_precision (&g, device, VIT_F16, &kernels);
  check_precision (&g, device, VIT_I8, &kernels);
  if (kernels.num && test_device_warnings ())
    check_failed ("%d warnings, expected no kernel to be given up", test_device_warnings ());
  test_device_close (&device);
  golden_close (&g);
  return check_status ();
}
