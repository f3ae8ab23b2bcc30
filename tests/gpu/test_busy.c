/* While the device computes: whoever waits for it sleeps, and the next picture is brought to it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"
#include "check.h"
#include "gpu/test_device.h"
#include "make_model.h"
#include "vit/vit.h"

enum { SIDE = 128, ROUNDS = 5, TRIES = 20 };

struct fixture {
  vit_session *session;
  vit_image image;
  uint8_t pixels[SIDE * SIDE * 3];
};

static double
seconds (clockid_t clock)
{
  return 1e-9 * (double) clock_ns (clock);
}

static void
submit (struct fixture *f)
{
  vit_error err = { 0 };
  REQUIRE_OK (vit_session_submit (f->session, &f->image, 1, &err) == VIT_SUBMITTED, err);
}

static void
collect (struct fixture *f)
{
  vit_error err = { 0 };
  vit_result result;
  REQUIRE_OK (vit_session_collect (f->session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
}

/* A thread that looks again and again takes all the time of a CPU; half a millisecond a wait is left to the driver. */
static void
test_asleep (struct fixture *f)
{
  double wall = 0, cpu = 0;
  for (int i = 0; i < ROUNDS; i++) {
    submit (f);
    double wall_start = seconds (CLOCK_MONOTONIC), cpu_start = seconds (CLOCK_THREAD_CPUTIME_ID);
    collect (f);
    wall += seconds (CLOCK_MONOTONIC) - wall_start;
    cpu += seconds (CLOCK_THREAD_CPUTIME_ID) - cpu_start;
  }
  printf ("%.2f ms of waiting took %.2f ms of the waiting thread\n", wall * 1e3, cpu * 1e3);
  REQUIRE (cpu < 0.1 * wall + 0.5e-3 * ROUNDS);
}

/* The second picture is with the device while the first is being computed. A thread that the system stops for as long
 * as a picture takes sees nothing, so there are several tries. */
static void
test_overlap (struct fixture *f)
{
  vit_error err = { 0 };
  vit_result result;
  bool seen = false;
  for (int i = 0; i < TRIES && !seen; i++) {
    submit (f);
    submit (f);
    enum vit_collect got = vit_session_collect (f->session, 0, &result, &err);
    REQUIRE_OK (got == VIT_NOT_READY || got == VIT_COLLECTED, err);
    seen = got == VIT_NOT_READY;
    if (seen)
      collect (f);
    collect (f);
  }
  if (!seen)
    check_failed ("the first picture was always done before the second was submitted, %d times", TRIES);
}

/* The quickest of a few. */
static double
device_ms (struct fixture *f, uint32_t side)
{
  uint8_t *pixels = check_alloc ((size_t) side * side, 1);
  const vit_image image = { .format = VIT_FORMAT_GRAY8,
    .width = side,
    .height = side,
    .planes = { pixels },
    .strides = { side } };
  double best = INFINITY;
  for (int i = 0; i < ROUNDS; i++) {
    vit_error err = { 0 };
    vit_result result;
    REQUIRE_OK (vit_session_submit (f->session, &image, 1, &err) == VIT_SUBMITTED, err);
    REQUIRE_OK (vit_session_collect (f->session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
    best = fmin (best, result.gpu_ms);
  }
  free (pixels);
  return best;
}

/* What a submit takes on the device holds the way from the picture to the network's input. */
static void
test_device_time (struct fixture *f)
{
  double small = device_ms (f, 16), large = device_ms (f, 8192);
  printf ("%.3f ms on the device, %.3f ms with a large picture\n", small, large);
  REQUIRE (small == 0 || large > small);
}

int
main (void)
{
  static struct fixture f;
  struct rng rng = { 7 };
  vit_error err = { 0 };
  char *folder = make_folder ();
  vit_device *device = test_device_open ();
  make_model (folder,
      &(struct model_options) { .dim = 192,
          .depth = 6,
          .heads = 3,
          .mlp_dim = 768,
          .image_width = SIDE,
          .image_height = SIDE },
      4);
  vit_model *model = vit_model_load (device, folder, NULL, &err);
  REQUIRE_OK (model, err);
  f.session = vit_session_create (model, &(struct vit_session_params) { .in_flight = 2 }, &err);
  REQUIRE_OK (f.session, err);
  for (size_t i = 0; i < sizeof f.pixels; i++)
    f.pixels[i] = (uint8_t) rng_next (&rng);
  f.image = (vit_image) { .format = VIT_FORMAT_RGB,
    .width = SIDE,
    .height = SIDE,
    .planes = { f.pixels },
    .strides = { SIDE * 3 } };
  for (int i = 0; i < 2; i++) /* each slot plans for its first picture */
    submit (&f);
  for (int i = 0; i < 2; i++)
    collect (&f);
  test_asleep (&f);
  test_overlap (&f);
  test_device_time (&f);
  vit_session_destroy (&f.session);
  vit_model_destroy (&model);
  test_device_close (&device);
  remove_folder (&folder);
  return check_status ();
}
