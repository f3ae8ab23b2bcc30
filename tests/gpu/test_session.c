/* Sessions: batches, order, fullness, lifetimes, threads, pictures that change, what a frame costs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "gpu/test_device.h"
#include "make_model.h"
#include "vit/vit.h"

enum { PICTURES = 6, CLASSES = 7, BYTES = 64 * 64 * 4 };

/* Six pictures of several sizes and formats, and the logits of each alone. */
struct fixture {
  vit_device *device;
  vit_model *model;
  char *folder;
  uint8_t *pixels[PICTURES];
  vit_image images[PICTURES];
  float want[PICTURES][CLASSES];
};

static void
make_pictures (struct fixture *f)
{
  static const struct {
    enum vit_format format;
    uint32_t width, height, bytes_per_pixel;
  } kinds[PICTURES] = {
    { VIT_FORMAT_RGB, 40, 30, 3 },
    { VIT_FORMAT_RGB, 40, 30, 3 },
    { VIT_FORMAT_BGRX, 64, 64, 4 },
    { VIT_FORMAT_GRAY8, 33, 17, 1 },
    { VIT_FORMAT_RGB, 5, 60, 3 },
    { VIT_FORMAT_XRGB, 31, 32, 4 },
  };
  struct rng rng = { 11 };
  for (int i = 0; i < PICTURES; i++) {
    f->pixels[i] = check_alloc (BYTES, 1);
    for (int j = 0; j < BYTES; j++) /* each picture of its own brightness, so that mixing two up shows */
      f->pixels[i][j] = (uint8_t) (rng_below (&rng, 128) + 25 * (uint32_t) i);
    f->images[i] = (vit_image) { .format = kinds[i].format,
      .width = kinds[i].width,
      .height = kinds[i].height,
      .planes = { f->pixels[i] },
      .strides = { kinds[i].width * kinds[i].bytes_per_pixel },
      .full_range = true,
      .user = &f->images[i] };
  }
}

static vit_session *
open_session (const struct fixture *f, uint32_t max_batch, uint32_t in_flight)
{
  vit_error err = { 0 };
  struct vit_session_params params = { .max_batch = max_batch, .in_flight = in_flight };
  vit_session *s = vit_session_create (f->model, &params, &err);
  REQUIRE_OK (s, err);
  return s;
}

static void
submit (vit_session *s, const vit_image *images, uint32_t n)
{
  vit_error err = { 0 };
  enum vit_submit got = vit_session_submit (s, images, n, &err);
  REQUIRE_OK (got == VIT_SUBMITTED, err);
}

/* Collects one result, which must be that of picture i. */
static void
collect (const struct fixture *f, vit_session *s, int i)
{
  vit_error err = { 0 };
  vit_result result = { 0 };
  enum vit_collect got = vit_session_collect (s, UINT64_MAX, &result, &err);
  REQUIRE_OK (got == VIT_COLLECTED, err);
  REQUIRE (result.user == f->images[i].user);
  REQUIRE (result.classes == CLASSES);
  for (int c = 0; c < CLASSES; c++)
    REQUIRE_CLOSE (result.logits[c], f->want[i][c], 1e-5, 1e-5);
}

static void
require_empty (vit_session *s)
{
  vit_error err = { 0 };
  vit_result result;
  REQUIRE (vit_session_collect (s, 0, &result, &err) == VIT_EMPTY);
  REQUIRE (vit_session_collect (s, UINT64_MAX, &result, &err) == VIT_EMPTY);
}

/* The pictures' logits must differ, or no test here could tell them apart. */
static void
fixture_init (struct fixture *f)
{
  vit_error err = { 0 };
  *f = (struct fixture) { .device = test_device_open (), .folder = make_folder () };
  make_model (f->folder, &(struct model_options) { .gain = 2 }, 5);
  f->model = vit_model_load (f->device, f->folder, &(struct vit_model_params) { .precision = VIT_F32 }, &err);
  REQUIRE_OK (f->model, err);
  make_pictures (f);
  for (int i = 0; i < PICTURES; i++) {
    vit_result result = { 0 };
    vit_session *s = open_session (f, 1, 1);
    submit (s, &f->images[i], 1);
    REQUIRE (vit_session_collect (s, UINT64_MAX, &result, &err) == VIT_COLLECTED);
    memcpy (f->want[i], result.logits, sizeof f->want[i]);
    vit_session_destroy (&s);
  }
  for (int i = 0; i < PICTURES; i++)
    for (int j = 0; j < i; j++)
      REQUIRE (!check_is_close (f->want[i][0], f->want[j][0], 1e-3, 1e-3));
}

static void
fixture_finish (struct fixture *f)
{
  vit_model_destroy (&f->model);
  test_device_close (&f->device);
  remove_folder (&f->folder);
  for (int i = 0; i < PICTURES; i++)
    free (f->pixels[i]);
}

/* Batches of 1, 2 and 3 in any order, each picture as if alone. */
static void
test_batches (const struct fixture *f)
{
  static const uint32_t sizes[] = { 1, 3, 2, 3, 1, 2 };
  vit_session *s = open_session (f, 3, 1);
  uint32_t first = 0;
  for (size_t i = 0; i < COUNT_OF (sizes); i++, first = (first + 1) % 4) {
    submit (s, &f->images[first], sizes[i]);
    for (uint32_t n = 0; n < sizes[i]; n++)
      collect (f, s, (int) (first + n));
    require_empty (s);
  }
  vit_session_destroy (&s);
  REQUIRE (!s);
}

/* As many submits as in_flight; one more takes nothing; results come in order, also of batches. */
static void
test_order (const struct fixture *f)
{
  vit_error err = { 0 };
  vit_session *s = open_session (f, 2, 2);
  for (int round = 0; round < 3; round++) {
    submit (s, &f->images[0], 2);
    submit (s, &f->images[2], 1);
    REQUIRE (vit_session_submit (s, &f->images[3], 1, &err) == VIT_SUBMIT_FULL);
    REQUIRE (vit_session_submit (s, &f->images[3], 1, NULL) == VIT_SUBMIT_FULL);
    collect (f, s, 0);
    REQUIRE (vit_session_submit (s, &f->images[3], 1, &err) == VIT_SUBMIT_FULL); /* half of the first batch is left */
    collect (f, s, 1);
    submit (s, &f->images[4], 2);
    collect (f, s, 2);
    collect (f, s, 4);
    collect (f, s, 5);
    require_empty (s);
  }
  vit_session_destroy (&s);
}

/* Polling never blocks and never fails; what it finally brings is the result. */
static void
test_poll (const struct fixture *f)
{
  vit_error err = { 0 };
  vit_session *s = open_session (f, 1, 3);
  require_empty (s);
  for (int i = 0; i < 3; i++)
    submit (s, &f->images[i], 1);
  for (int i = 0; i < 3; i++) {
    vit_result result = { 0 };
    enum vit_collect got;
    while ((got = vit_session_collect (s, 0, &result, &err)) == VIT_NOT_READY)
      ;
    REQUIRE_OK (got == VIT_COLLECTED, err);
    REQUIRE (result.user == f->images[i].user);
    REQUIRE (result.submit_to_ready_ns > 0);
    REQUIRE_CLOSE (result.logits[0], f->want[i][0], 1e-5, 1e-5);
  }
  require_empty (s);
  vit_session_destroy (&s);
}

/* Work under way is waited for; parents may go first. */
static void
test_lifetimes (const struct fixture *f)
{
  vit_error err = { 0 };
  vit_session *s = open_session (f, 3, 2);
  submit (s, &f->images[0], 3);
  submit (s, &f->images[1], 2);
  vit_session_destroy (&s);
  REQUIRE (!s);
  vit_session_destroy (&s);
  vit_session_destroy (NULL);
  vit_model_destroy (NULL);
  vit_device_destroy (NULL);

  vit_device *device = test_device_open ();
  vit_model *model = vit_model_load (device, f->folder, &(struct vit_model_params) { .precision = VIT_F32 }, &err);
  REQUIRE_OK (model, err);
  vit_device_destroy (&device);
  REQUIRE (!device);
  s = vit_session_create (model, NULL, &err);
  REQUIRE_OK (s, err);
  vit_model_destroy (&model);
  REQUIRE (!model);
  submit (s, &f->images[2], 1);
  collect (f, s, 2);
  submit (s, &f->images[3], 1);
  vit_session_destroy (&s);
}

struct worker {
  const struct fixture *f;
  vit_session *session;
  int start;
};

static void *
work (void *data)
{
  struct worker *w = data;
  for (int n = 0; n < 30; n++) {
    int i = (w->start + n) % PICTURES;
    submit (w->session, &w->f->images[i], 1);
    collect (w->f, w->session, i);
  }
  vit_session_destroy (&w->session);
  return NULL;
}

/* Two sessions of one model, one of them made while the other works. */
static void
test_threads (const struct fixture *f)
{
  pthread_t threads[2];
  struct worker workers[2];
  for (int i = 0; i < 2; i++) {
    workers[i] = (struct worker) { f, open_session (f, 1 + (uint32_t) i, 1), 3 * i };
    REQUIRE (pthread_create (&threads[i], NULL, work, &workers[i]) == 0);
  }
  for (int i = 0; i < 2; i++)
    REQUIRE (pthread_join (threads[i], NULL) == 0);
}

static void *
submit_all (void *data)
{
  struct worker *w = data;
  vit_error err = { 0 };
  for (int n = 0; n < 60; n++) {
    enum vit_submit got;
    struct vit_session_stats stats;
    while ((got = vit_session_submit (w->session, &w->f->images[n % 5], 1 + n % 2, &err)) == VIT_SUBMIT_FULL)
      sched_yield ();
    REQUIRE_OK (got == VIT_SUBMITTED, err);
    vit_session_get_stats (w->session, &stats);
    REQUIRE (stats.submits == (uint64_t) n + 1);
  }
  return NULL;
}

/* One thread submits while this one collects. */
static void
test_two_hands (const struct fixture *f)
{
  pthread_t thread;
  vit_error err = { 0 };
  struct worker w = { .f = f, .session = open_session (f, 2, 3) };
  REQUIRE (pthread_create (&thread, NULL, submit_all, &w) == 0);
  for (int n = 0; n < 60; n++)
    for (int i = n % 5; i <= n % 5 + n % 2; i++) {
      vit_result result = { 0 };
      enum vit_collect got;
      while ((got = vit_session_collect (w.session, UINT64_MAX, &result, &err)) == VIT_EMPTY)
        sched_yield ();
      REQUIRE_OK (got == VIT_COLLECTED, err);
      REQUIRE (result.user == f->images[i].user);
      REQUIRE_CLOSE (result.logits[0], f->want[i][0], 1e-5, 1e-5);
    }
  REQUIRE (pthread_join (thread, NULL) == 0);
  require_empty (w.session);
  vit_session_destroy (&w.session);
}

/* After every slot has seen its pictures, frames allocate nothing and update no descriptor. */
static void
test_costs (const struct fixture *f)
{
  struct vit_session_stats before, after;
  vit_session *s = open_session (f, 3, 2);
  vit_session_get_stats (s, &before);
  REQUIRE (before.submits == 0 && before.images == 0);
  REQUIRE (before.pipelines > 0 && before.dispatches > 0 && before.barriers > 0 && before.device_bytes > 0);
  for (int round = 0; round < 3; round++) {
    for (uint32_t n = 1; n <= 3; n++)
      for (int slot = 0; slot < 2; slot++) {
        submit (s, f->images, n);
        for (uint32_t i = 0; i < n; i++)
          collect (f, s, (int) i);
      }
    vit_session_get_stats (s, round ? &after : &before);
    if (!round)
      continue;
    REQUIRE (after.submits == before.submits + 6 * (uint64_t) round);
    REQUIRE (after.images == before.images + 12 * (uint64_t) round);
    REQUIRE (after.allocations == before.allocations);
    REQUIRE (after.descriptor_updates == before.descriptor_updates);
    REQUIRE (after.device_bytes == before.device_bytes);
    REQUIRE (after.pipelines == before.pipelines && after.dispatches == before.dispatches);
  }
  vit_session_destroy (&s);
}

/* A session that is prepared has nothing to allocate, to compile or to update for its first pictures; one that has
 * results to collect can be prepared for others meanwhile. */
static void
test_prepared (const struct fixture *f)
{
  struct vit_session_stats before, after;
  vit_error err = { 0 };
  vit_session *s = open_session (f, 2, 2);
  for (int i = 0; i < PICTURES; i++) {
    vit_image layout = f->images[i];
    layout.planes[0] = NULL;
    layout.strides[0] = 0;
    REQUIRE_OK (vit_session_prepare (s, &layout, &err), err);
    vit_session_get_stats (s, &before);
    for (int slot = 0; slot < 2; slot++)
      submit (s, &f->images[i], 1);
    vit_session_get_stats (s, &after);
    REQUIRE (after.allocations == before.allocations && after.descriptor_updates == before.descriptor_updates);
    REQUIRE (after.device_bytes == before.device_bytes && after.pipelines == before.pipelines);
    REQUIRE_OK (vit_session_prepare (s, &f->images[(i + 2) % PICTURES], &err), err);
    collect (f, s, i);
    REQUIRE_OK (vit_session_prepare (s, &f->images[(i + 2) % PICTURES], &err), err);
    collect (f, s, i);
  }
  require_empty (s);
  vit_image bad = f->images[0];
  bad.width = 0;
  REQUIRE (!vit_session_prepare (s, &bad, &err) && err.code == VIT_ERR_ARG);
  REQUIRE (!vit_session_prepare (s, NULL, &err) && err.code == VIT_ERR_ARG);
  REQUIRE (!vit_session_prepare (NULL, &bad, &err) && err.code == VIT_ERR_ARG);
  submit (s, &f->images[0], 1);
  collect (f, s, 0);
  vit_session_destroy (&s);
}

/* A picture of another size or format than the last: planned anew, at once right. */
static void
test_changes (const struct fixture *f)
{
  vit_session *s = open_session (f, 1, 1);
  for (int n = 0; n < 24; n++) {
    int i = n * 5 % PICTURES;
    submit (s, &f->images[i], 1);
    collect (f, s, i);
  }
  vit_session_destroy (&s);
  /* a crop is as good as a smaller picture */
  vit_image whole = f->images[2], part = f->images[2];
  s = open_session (f, 1, 1);
  part.crop.x = 10, part.crop.y = 20, part.crop.width = 30, part.crop.height = 25;
  whole.planes[0] = f->pixels[2] + 20 * whole.strides[0] + 10 * 4;
  whole.width = 30, whole.height = 25;
  float want[CLASSES] = { 0 };
  for (int i = 0; i < 2; i++) {
    vit_result result;
    submit (s, i ? &part : &whole, 1);
    REQUIRE (vit_session_collect (s, UINT64_MAX, &result, NULL) == VIT_COLLECTED);
    for (int c = 0; c < CLASSES; c++) {
      if (i)
        REQUIRE_CLOSE (result.logits[c], want[c], 1e-5, 1e-5);
      want[c] = result.logits[c];
    }
  }
  vit_session_destroy (&s);
}

/* Refused, with a message, and nothing is under way; then the session works as before. */
static void
require_refused (const struct fixture *f, vit_session *s, const vit_image *images, uint32_t n)
{
  vit_error err = { 0 };
  REQUIRE (vit_session_submit (s, images, n, NULL) == VIT_SUBMIT_FAILED);
  REQUIRE (vit_session_submit (s, images, n, &err) == VIT_SUBMIT_FAILED);
  REQUIRE (err.code == VIT_ERR_ARG && err.msg[0]);
  require_empty (s);
  submit (s, &f->images[0], 2);
  collect (f, s, 0);
  collect (f, s, 1);
}

static void
test_mistakes (const struct fixture *f)
{
  vit_error err = { 0 };
  uint32_t shape[2];
  vit_session *s = open_session (f, 2, 1);
  vit_image bad[2] = { f->images[0], f->images[0] };
  require_refused (f, s, f->images, 0);
  require_refused (f, s, f->images, 3);
  require_refused (f, s, NULL, 1);
  bad[1].width = 0;
  require_refused (f, s, bad, 2);
  bad[1] = f->images[0], bad[1].height = 16385;
  require_refused (f, s, bad, 2);
  bad[1] = f->images[0], bad[1].planes[0] = NULL;
  require_refused (f, s, bad, 2);
  bad[1] = f->images[0], bad[1].strides[0] = bad[1].width * 3 - 1;
  require_refused (f, s, bad, 2);
  bad[1] = f->images[0], bad[1].crop.width = 5, bad[1].crop.height = 5, bad[1].crop.x = 36;
  require_refused (f, s, bad, 2);
  bad[1] = f->images[0], bad[1].format = (enum vit_format) 99;
  require_refused (f, s, bad, 2);

  REQUIRE (!vit_session_tap (s, &f->images[0], "blocks.9", shape, &err) && err.code == VIT_ERR_ARG);
  REQUIRE_TEXT (err.msg, "blocks.9");
  submit (s, &f->images[0], 1);
  REQUIRE (!vit_session_tap (s, &f->images[0], "logits", shape, &err) && err.code == VIT_ERR_ARG);
  collect (f, s, 0);
  vit_session_destroy (&s);
  REQUIRE (!vit_session_create (f->model, &(struct vit_session_params) { 257, 1 }, &err) && err.code == VIT_ERR_ARG);
  REQUIRE (!vit_session_create (f->model, &(struct vit_session_params) { 1, 9 }, &err) && err.code == VIT_ERR_ARG);
  REQUIRE (!vit_session_create (NULL, NULL, &err) && err.code == VIT_ERR_ARG);
}

static void
test_devices (void)
{
  vit_error err = { 0 };
  struct vit_device_info info[16];
  struct vit_device_params params = test_device_params ();
  int n = vit_device_list (&params, info, 16, &err);
  REQUIRE_OK (n > 0, err);
  REQUIRE (vit_device_list (&params, NULL, 0, &err) == n);
  params.select = "no such device, surely";
  REQUIRE (!vit_device_create (&params, &err) && err.code == VIT_ERR_UNSUPPORTED);
  REQUIRE_TEXT (err.msg, params.select);
  REQUIRE_TEXT (err.msg, info[0].name);
  params.select = "99";
  REQUIRE (!vit_device_create (&params, &err) && err.code == VIT_ERR_UNSUPPORTED);
  REQUIRE (!vit_device_create (&params, NULL));
}

int
main (void)
{
  struct fixture f;
  fixture_init (&f);
  test_batches (&f);
  test_order (&f);
  test_poll (&f);
  test_lifetimes (&f);
  test_threads (&f);
  test_two_hands (&f);
  test_costs (&f);
  test_prepared (&f);
  test_changes (&f);
  test_mistakes (&f);
  test_devices ();
  fixture_finish (&f);
  return check_status ();
}
