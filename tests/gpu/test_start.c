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

int
main (void)
{
  model_folder = make_folder ();
  make_model (model_folder, &(struct model_options) { 0 }, 1);
  test_progress ();
  remove_folder (&model_folder);
  return check_status ();
}
