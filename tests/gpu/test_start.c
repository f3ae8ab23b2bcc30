/* The way from nothing to the first answer: what is told on it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "gpu/test_device.h"
#include "make_model.h"
#include "vit/vit.h"

static char *model_folder;

/* What the progress function heard. */
struct heard {
  uint32_t calls[VIT_NUM_PHASES], done[VIT_NUM_PHASES], total[VIT_NUM_PHASES];
};

static void
hear (void *ctx, enum vit_phase phase, uint32_t done, uint32_t total)
{
  struct heard *h = ctx;
  REQUIRE ((unsigned) phase < VIT_NUM_PHASES && vit_phase_name (phase)[0]);
  REQUIRE (total > 0 && done <= total);
  if (h->calls[phase]++ == 0) {
    REQUIRE (done == 0);
    h->total[phase] = total;
  } else
    REQUIRE (done > h->done[phase] && total == h->total[phase]);
  h->done[phase] = done;
}

static void
require_complete (const struct heard *h, enum vit_phase phase)
{
  REQUIRE (h->calls[phase] >= 2 && h->done[phase] == h->total[phase]);
}

/* Each phase is told from its first step to its last. */
static void
test_progress (void)
{
  vit_error err = { 0 };
  struct heard load = { 0 }, session = { 0 };
  struct vit_model_params model_params = { .progress = hear, .progress_ctx = &load };
  struct vit_session_params session_params = { .progress = hear, .progress_ctx = &session };
  vit_device *device = test_device_open ();
  vit_model *m = vit_model_load (device, model_folder, &model_params, &err);
  REQUIRE_OK (m, err);
  vit_session *s = vit_session_create (m, &session_params, &err);
  REQUIRE_OK (s, err);
  require_complete (&load, VIT_PHASE_LOAD);
  require_complete (&session, VIT_PHASE_COMPILE);
  REQUIRE (!vit_phase_name (VIT_NUM_PHASES));
  vit_session_destroy (&s);
  vit_model_destroy (&m);
  test_device_close (&device);
}

static uint32_t
pipelines (const vit_session *s)
{
  struct vit_session_stats stats;
  vit_session_get_stats (s, &stats);
  return stats.pipelines;
}

/* Where what reads pictures depends on their format alone, a format that was announced costs the first picture no
 * pipeline; one that wasn't does. Returns how many were made for it. */
static uint32_t
made_for_picture (vit_device *device, uint32_t formats, enum vit_format format)
{
  static const uint8_t pixels[64 * 64 * 4];
  vit_error err = { 0 };
  struct vit_model_params params = { .formats = formats };
  vit_model *m = vit_model_load (device, model_folder, &params, &err);
  REQUIRE_OK (m, err);
  vit_session *s = vit_session_create (m, NULL, &err);
  REQUIRE_OK (s, err);
  uint32_t before = pipelines (s);
  vit_image layout = { .format = format, .width = 64, .height = 64, .planes = { pixels }, .strides = { 256 } };
  REQUIRE_OK (vit_session_prepare (s, &layout, &err), err);
  uint32_t made = pipelines (s) - before;
  vit_session_destroy (&s);
  vit_model_destroy (&m);
  return made;
}

static void
test_formats (void)
{
  vit_device *device = test_device_open ();
  struct vit_device_info info;
  vit_device_get_info (device, &info);
  if (info.type == VIT_DEVICE_CPU && info.buffer_address) {
    REQUIRE (made_for_picture (device, 1u << VIT_FORMAT_RGB | 1u << 31, VIT_FORMAT_RGB) == 0);
    REQUIRE (made_for_picture (device, 1u << VIT_FORMAT_RGB, VIT_FORMAT_GRAY8) == 1);
  }
  test_device_close (&device);
}

int
main (void)
{
  model_folder = make_folder ();
  make_model (model_folder, &(struct model_options) { 0 }, 1);
  test_progress ();
  test_formats ();
  remove_folder (&model_folder);
  return check_status ();
}
