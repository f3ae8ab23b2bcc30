/* How many kernels and barriers a picture takes, exactly: what grows here is felt on every device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "gpu/device.h"
#include "gpu/test_device.h"
#include "make_model.h"

/* Of a network of 12 layers and 197 tokens, preprocessing included. */
static const struct row {
  const char *name, *folds;
  struct model_options options;
  uint32_t plain[2], unrolled[2]; /* dispatches, barriers, by the kernels that a device has */
} rows[] = {
  /* preprocessing, patch embedding; qkv, attention, projection and MLP in each layer, but two in the last; the head */
  { "class token", NULL, { 0 }, { 60, 60 }, { 89, 89 } },
  { "mean of the tokens", NULL, { .average = true, .fc_norm = -1 }, { 65, 65 }, { 90, 90 } },
  { "nothing folded", "none", { 0 }, { 89, 89 }, { 90, 90 } },
};

static void
run_row (vit_device *device, const struct row *row, bool unrolled)
{
  static uint8_t pixels[64 * 48 * 3];
  struct model_options options = row->options;
  vit_image image = { .format = VIT_FORMAT_RGB,
    .width = 64,
    .height = 48,
    .planes = { pixels },
    .strides = { 64 * 3 } };
  vit_error err = { 0 };
  vit_result result;
  struct vit_session_stats stats;
  options.depth = 12;
  options.dim = 192;
  options.heads = 3;
  options.mlp_dim = 768;
  options.image_width = options.image_height = 224;
  options.patch_width = options.patch_height = 16;
  options.classes = 1000;
  char *folder = make_folder ();
  make_model (folder, &options, 1);
  if (row->folds)
    setenv ("VIT_FOLD", row->folds, 1);
  vit_model *model = vit_model_load (device, folder, &(struct vit_model_params) { .precision = VIT_F32 }, &err);
  unsetenv ("VIT_FOLD");
  REQUIRE_OK (model, err);
  vit_session *session = vit_session_create (model, NULL, &err);
  REQUIRE_OK (session, err);
  REQUIRE_OK (vit_session_submit (session, &image, 1, &err) == VIT_SUBMITTED, err);
  REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  vit_session_get_stats (session, &stats);
  const uint32_t *want = unrolled ? row->unrolled : row->plain;
  if (stats.dispatches != want[0] || stats.barriers != want[1])
    check_failed ("%s: %u dispatches and %u barriers a picture, expected %u and %u", row->name, stats.dispatches,
        stats.barriers, want[0], want[1]);
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  remove_folder (&folder);
}

int
main (void)
{
  vit_device *device = test_device_open ();
  unsetenv ("VIT_FOLD");
  for (size_t i = 0; i < COUNT_OF (rows); i++)
    run_row (device, &rows[i], device_caps (device)->unrolled);
  test_device_close (&device);
  return check_status ();
}
