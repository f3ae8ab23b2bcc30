/* Arithmetic folded into the weights moves no logit beyond rounding, whichever of it is left out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden/golden.h"
#include "gpu/test_device.h"

/* What VIT_FOLD is set to: nothing folded, everything, everything but one. */
static const char *const settings[] = {
  "none",
  "pixels,positions,norms,scale,biases,last",
  "positions,norms,scale,biases,last",
  "pixels,norms,scale,biases,last",
  "pixels,positions,scale,biases,last",
  "pixels,positions,norms,biases,last",
  "pixels,positions,norms,scale,last",
  "pixels,positions,norms,scale,biases",
};
enum { NONE, ALL, MAX_BATCH = 2 };

/*
 * Of the largest logit. Two ways to the same numbers differ by their roundings: in float each product and sum by 2^-24
 * of its size, which through these networks grows to 2e-6 at most (llvmpipe of Mesa 22.3.6); ten times that is a number
 * that is wrong. In half a weight or activation is off by 2^-12, and the bound is that of the golden models.
 */
static const double bounds[] = { [VIT_F32] = 2e-5, [VIT_F16] = 2e-2 };

struct run {
  const struct golden *g;
  vit_device *device;
  enum vit_precision precision;
  uint32_t classes, pictures;
};

/* -> (pictures, classes) to be freed */
static float *
run_setting (struct run *r, const char *setting)
{
  char path[1200];
  unsigned char *pixels[MAX_BATCH];
  vit_image images[MAX_BATCH];
  vit_error err = { 0 };
  vit_result result;
  struct vit_model_info info;
  struct vit_model_params params = { .precision = r->precision };
  struct vit_session_params session_params = { .max_batch = MAX_BATCH };
  const json_t *entries = json_object_get (r->g->expected, "pictures");
  setenv ("VIT_FOLD", setting, 1);
  vit_model *model = vit_model_load (r->device, golden_model_path (r->g, path, sizeof path), &params, &err);
  REQUIRE_OK (model, err);
  vit_model_get_info (model, &info);
  vit_session *session = vit_session_create (model, &session_params, &err);
  REQUIRE_OK (session, err);
  r->classes = info.classes;
  r->pictures = json_array_size (entries) < MAX_BATCH ? (uint32_t) json_array_size (entries) : MAX_BATCH;
  float *logits = check_alloc ((size_t) r->pictures * info.classes, sizeof *logits);
  for (uint32_t i = 0; i < r->pictures; i++)
    images[i] =
        golden_picture (r->g, json_string_value (json_object_get (json_array_get (entries, i), "picture")), &pixels[i]);
  REQUIRE_OK (vit_session_submit (session, images, r->pictures, &err) == VIT_SUBMITTED, err);
  for (uint32_t i = 0; i < r->pictures; i++) {
    REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
    memcpy (logits + (size_t) i * info.classes, result.logits, info.classes * sizeof *logits);
    free (pixels[i]);
  }
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  return logits;
}

static double
difference (const float *a, const float *b, size_t count)
{
  double worst = 0, largest = 1;
  for (size_t i = 0; i < count; i++) {
    worst = fmax (worst, isfinite (a[i]) ? fabs ((double) a[i] - b[i]) : INFINITY);
    largest = fmax (largest, fabs (b[i]));
  }
  return worst / largest;
}

static void
check_model (struct run *r, const char *folder)
{
  float *plain = run_setting (r, settings[NONE]);
  const char *name = strrchr (folder, '/') ? strrchr (folder, '/') + 1 : folder;
  double worst = 0;
  for (size_t i = ALL; i < COUNT_OF (settings); i++) {
    float *logits = run_setting (r, settings[i]);
    double off = difference (logits, plain, (size_t) r->pictures * r->classes);
    worst = fmax (worst, off);
    if (off > bounds[r->precision])
      check_failed ("%s, %s: with VIT_FOLD=%s logits differ by %.3g of the largest from those of none, allowed %g",
          name, r->precision == VIT_F16 ? "f16" : "f32", settings[i], off, bounds[r->precision]);
    free (logits);
  }
  printf ("%s %-32s worst difference %.3g\n", r->precision == VIT_F16 ? "f16" : "f32", name, worst);
  free (plain);
}

static void
check_names (struct run *r)
{
  static const char *const wrong[] = { "nothing", ",pixels", "all", "norms;scale", "PIXELS" };
  char path[1200];
  for (size_t i = 0; i < COUNT_OF (wrong); i++) {
    vit_error err = { 0 };
    setenv ("VIT_FOLD", wrong[i], 1);
    vit_model *model = vit_model_load (r->device, golden_model_path (r->g, path, sizeof path), NULL, &err);
    if (model || err.code != VIT_ERR_ARG || !strstr (err.msg, "VIT_FOLD"))
      check_failed ("VIT_FOLD=%s: found '%s', expected it refused by name", wrong[i], model ? "a model" : err.msg);
    vit_model_destroy (&model);
  }
}

int
main (int argc, char **argv)
{
  if (argc < 3) {
    fprintf (stderr, "usage: %s PICTURES-FOLDER MODEL-FOLDER...\n", argv[0]);
    return 2;
  }
  vit_device *device = test_device_open ();
  struct vit_device_info info;
  vit_device_get_info (device, &info);
  for (int i = 2; i < argc; i++) {
    struct golden g;
    golden_open (&g, argv[i], argv[1]);
    struct run r = { .g = &g, .device = device, .precision = VIT_F32 };
    check_model (&r, argv[i]);
    r.precision = VIT_F16;
    if (info.storage16)
      check_model (&r, argv[i]);
    if (i == 2)
      check_names (&r);
    golden_close (&g);
  }
  test_device_close (&device);
  return check_status ();
}
