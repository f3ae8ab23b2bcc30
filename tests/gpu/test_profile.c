/* Kernels timed one by one, what the device can do at best: they say what is so, and leave the session as it was. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "gpu/device.h"
#include "gpu/kernels.h"
#include "gpu/test_device.h"
#include "make_model.h"

enum { BATCH = 2, RUNS = 3, MAX = 256, SIDE = 40 };

static void
run_batch (vit_session *s, const vit_image *image, float *logits, uint32_t classes)
{
  vit_error err = { 0 };
  vit_image images[BATCH] = { *image, *image };
  vit_result result = { 0 };
  REQUIRE (vit_session_submit (s, images, BATCH, &err) == VIT_SUBMITTED);
  for (int i = 0; i < BATCH; i++)
    REQUIRE (vit_session_collect (s, UINT64_MAX, &result, &err) == VIT_COLLECTED);
  memcpy (logits, result.logits, classes * sizeof *logits);
}

static bool
is_tap (const vit_session *s, const char *op)
{
  const char *name;
  for (uint32_t i = 0; (name = vit_session_tap_name (s, i)) != NULL; i++)
    if (strcmp (name, op) == 0)
      return true;
  return strcmp (op, "preprocess") == 0;
}

/* Every op of the network once and in order, with all the network's arithmetic. */
static void
test_kernels (vit_session *s, const vit_image *image, const struct vit_model_info *info)
{
  static struct vit_kernel_time times[MAX];
  vit_error err = { 0 };
  int count = vit_session_profile (s, image, BATCH, RUNS, times, MAX, &err);
  if (count < 0 && err.code == VIT_ERR_UNSUPPORTED)
    SKIP ("%s", err.msg);
  REQUIRE_OK (count > 0, err);
  REQUIRE (count < MAX);
  double flops = 0, ms = 0;
  for (int i = 0; i < count; i++) {
    if (!is_tap (s, times[i].op) || !times[i].kernel[0] || times[i].ms < 0)
      check_failed ("kernel %d is '%s' of '%s' with %g ms, expected a name, a tensor's name and a time", i,
          times[i].kernel, times[i].op, times[i].ms);
    flops += times[i].flops;
    ms += times[i].ms;
  }
  REQUIRE (strcmp (times[0].op, "preprocess") == 0);
  REQUIRE (strcmp (times[count - 1].op, "logits") == 0);
  REQUIRE (ms > 0);
  /* what is left out at load time is not done, what is padded is not counted */
  if (flops < 0.5 * BATCH * info->flops || flops > 1.001 * BATCH * info->flops)
    check_failed ("%g operations in all kernels, expected about %g", flops, BATCH * info->flops);
  /* a short list gets as many as fit, and the true count */
  struct vit_kernel_time few[3] = { 0 };
  REQUIRE (vit_session_profile (s, image, BATCH, 1, few, 2, &err) == count);
  REQUIRE (few[1].kernel[0] && !few[2].kernel[0]);
}

static void
test_refusals (vit_session *s, const vit_image *image)
{
  vit_error err = { 0 };
  struct vit_kernel_time t;
  REQUIRE (vit_session_profile (s, image, BATCH + 1, 1, &t, 1, &err) == -1 && err.code == VIT_ERR_ARG);
  REQUIRE (vit_session_profile (s, image, 1, 0, &t, 1, &err) == -1 && err.code == VIT_ERR_ARG);
  REQUIRE (vit_session_profile (s, image, 1, 1, NULL, 1, &err) == -1 && err.code == VIT_ERR_ARG);
  REQUIRE (vit_session_submit (s, image, 1, &err) == VIT_SUBMITTED);
  REQUIRE (vit_session_profile (s, image, 1, 1, &t, 1, &err) == -1 && err.code == VIT_ERR_ARG);
  REQUIRE_TEXT (err.msg, "results to collect first");
  vit_result result;
  REQUIRE (vit_session_collect (s, UINT64_MAX, &result, &err) == VIT_COLLECTED);
}

/* The multiply-adds are really done, all of them: with factor and term 1 each chain counts its steps. */
static void
test_counted (vit_device *dev)
{
  enum { INVOCATIONS = 2 * VIT_PEAK_GROUP, ROUNDS = 5 };
  vit_error err = { 0 };
  struct buffer out = { 0 };
  struct peak_params p = { .rounds = ROUNDS, .factor = 1, .term = 1 };
  struct recorder *rec = recorder_create (dev, &err);
  REQUIRE_OK (rec, err);
  REQUIRE_OK (buffer_create (dev, MEMORY_LOCAL, INVOCATIONS * sizeof (float), "peak", &out, &err), err);
  REQUIRE_OK (recorder_begin (rec, &err) && record_peak (rec, span_all (&out), INVOCATIONS, &p, &err)
          && recorder_end (rec, &err) && recorder_run (rec, &err),
      err);
  float got[INVOCATIONS];
  REQUIRE_OK (buffer_read (dev, &out, 0, got, sizeof got, &err), err);
  for (int i = 0; i < INVOCATIONS; i++) {
    float want = VIT_PEAK_CHAINS * (ROUNDS * VIT_PEAK_STEPS + (float) (i & 1));
    for (int chain = 0; chain < VIT_PEAK_CHAINS; chain++) /* where each begins */
      want += (float) chain + (chain >= 6 ? 1.0f : 0.0f);
    if (got[i] != want)
      check_failed ("invocation %d counted %g, expected %g", i, (double) got[i], (double) want);
  }
  buffer_destroy (dev, &out);
  recorder_destroy (&rec);
}

int
main (void)
{
  vit_error err = { 0 };
  vit_device *dev = test_device_open ();
  char *folder = make_folder ();
  make_model (folder, &(struct model_options) { .gain = 2 }, 5);
  vit_model *model = vit_model_load (dev, folder, &(struct vit_model_params) { VIT_F32 }, &err);
  REQUIRE_OK (model, err);
  struct vit_model_info info;
  vit_model_get_info (model, &info);
  vit_session *s = vit_session_create (model, &(struct vit_session_params) { .max_batch = BATCH }, &err);
  REQUIRE_OK (s, err);
  static uint8_t pixels[SIDE * SIDE * 3];
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) (i * 37);
  vit_image image = { .format = VIT_FORMAT_RGB,
    .width = SIDE,
    .height = SIDE,
    .planes = { pixels },
    .strides = { SIDE * 3 } };
  float *before = check_alloc (info.classes, sizeof *before), *after = check_alloc (info.classes, sizeof *after);
  run_batch (s, &image, before, info.classes);
  test_counted (dev);
  struct vit_device_peak peak = { 0 };
  REQUIRE_OK (vit_device_measure_peak (dev, &peak, &err), err);
  REQUIRE (peak.gflop_per_s > 0 && peak.copy_gb_per_s > 0);
  test_refusals (s, &image);
  test_kernels (s, &image, &info);
  run_batch (s, &image, after, info.classes);
  REQUIRE (memcmp (before, after, info.classes * sizeof *before) == 0);
  free (before);
  free (after);
  vit_session_destroy (&s);
  vit_model_destroy (&model);
  remove_folder (&folder);
  test_device_close (&dev);
  return check_status ();
}
