/* Every Vulkan call and every host allocation fails once: an error comes back, nothing leaks, nothing crashes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "gpu/fault_malloc.h"
#include "gpu/fault_vulkan.h"
#include "gpu/test_device.h"
#include "make_model.h"

enum { WIDTH = 40, HEIGHT = 30 };

/* Everything one run uses, so that it can be given up anywhere. */
struct run {
  vit_device *device;
  vit_model *model;
  vit_session *session;
  char **labels;
};

static const char *folder, *cache_dir;
static uint8_t pixels[WIDTH * HEIGHT * 3];

static bool
open_all (struct run *r, vit_error *err)
{
  struct vit_device_params device = test_device_params ();
  struct vit_session_params session = { .max_batch = 2, .in_flight = 2 };
  char labels[1024];
  device.get_instance_proc_addr = fault_get_instance_proc_addr;
  device.cache_dir = cache_dir;
  device.validate = false; /* the layers' own calls are not ours to fail */
  snprintf (labels, sizeof labels, "%s/labels.txt", folder);
  return (r->device = vit_device_create (&device, err)) != NULL
      && (r->model = vit_model_load (r->device, folder, &(struct vit_model_params) { .precision = VIT_F32 }, err))
      != NULL
      && (r->session = vit_session_create (r->model, &session, err)) != NULL
      && vit_labels_read (labels, 7, &r->labels, err);
}

/* One picture there and back. */
static bool
classify (struct run *r, vit_image *image, vit_error *err)
{
  vit_result result = { 0 };
  if (vit_session_submit (r->session, image, 1, err) != VIT_SUBMITTED)
    return false;
  image->user = image;
  bool ok = vit_session_collect (r->session, UINT64_MAX, &result, err) == VIT_COLLECTED;
  REQUIRE (!ok || isfinite (result.logits[0]));
  return ok;
}

/* Two pictures of different sizes, a batch left under way, a tensor; all of it or an error. */
static bool
use_all (struct run *r, vit_error *err)
{
  uint32_t shape[2];
  vit_image image = { .format = VIT_FORMAT_RGB,
    .width = WIDTH,
    .height = HEIGHT,
    .planes = { pixels },
    .strides = { WIDTH * 3 } };
  if (!classify (r, &image, err))
    return false;
  float *tap = vit_session_tap (r->session, &image, "pool", shape, err);
  if (!tap)
    return false;
  free (tap);
  image.width /= 2;
  if (!vit_session_prepare (r->session, &image, err) || !classify (r, &image, err))
    return false;
  vit_image two[2] = { image, image };
  return vit_session_submit (r->session, two, 2, err) == VIT_SUBMITTED;
}

/* needed: calls and allocations made before the objects are destroyed, which can't report anything. */
static bool
run_all (int64_t needed[2], vit_error *err)
{
  struct run r = { 0 };
  bool ok = open_all (&r, err) && use_all (&r, err);
  needed[0] = fault_calls ();
  needed[1] = fault_malloc_calls ();
  vit_labels_free (&r.labels, 7);
  vit_session_destroy (&r.session);
  vit_model_destroy (&r.model);
  vit_device_destroy (&r.device);
  return ok;
}

/* What a call's failure may not stop: comforts. */
static bool
is_optional (const char *call)
{
  static const char *const calls[] = { "GetPipelineCacheData", "CreatePipelineCache", "CreateQueryPool",
    "GetQueryPoolResults", "EnumerateDeviceExtensionProperties", "EnumerateInstanceVersion",
    "EnumerateInstanceLayerProperties", "EnumerateInstanceExtensionProperties", "CreateDebugUtilsMessengerEXT" };
  for (size_t i = 0; i < COUNT_OF (calls); i++)
    if (strcmp (call, calls[i]) == 0)
      return true;
  return false;
}

static void
require_balance (const char *where, int64_t n)
{
  int64_t surplus = 0;
  const char *object = fault_unbalanced (&surplus);
  if (object)
    check_failed ("%s %lld: %lld of Vk%s were made and not destroyed", where, (long long) n, (long long) surplus,
        object);
}

/* Run with Vulkan call n failing; false when there is no call n. */
static bool
fail_call (int64_t n, enum fault_code code)
{
  static const enum vit_code expected[] = { VIT_ERR_MEMORY, VIT_ERR_MEMORY, VIT_ERR_DEVICE_LOST };
  vit_error err = { 0 };
  int64_t needed[2];
  fault_arm (n, code);
  bool ok = run_all (needed, &err);
  const char *fired = fault_fired ();
  require_balance (fired ? fired : "no fault, call", n);
  if (!fired) {
    if (!ok)
      check_failed ("no fault, yet: %s", err.msg);
    return false;
  }
  if (ok && !is_optional (fired) && n < needed[0])
    check_failed ("call %lld, vk%s, failed and nobody noticed", (long long) n, fired);
  if (!ok && (!err.msg[0] || err.code != expected[code]))
    check_failed ("call %lld, vk%s, failed: the error has code %d, expected %d, and says '%s'", (long long) n, fired,
        (int) err.code, (int) expected[code], err.msg);
  return true;
}

/* Every call in turn, running out of one or the other memory; then every submit and wait finding the device lost. */
static void
fail_every_call (void)
{
  int64_t n = 0;
  while (fail_call (n, n % 2 ? FAULT_HOST_MEMORY : FAULT_DEVICE_MEMORY))
    n++;
  int64_t lost = 0;
  bool *waits = check_alloc ((size_t) n, sizeof *waits);
  for (int64_t i = 0; i < n; i++)
    waits[i] = fault_may_be_lost (i);
  for (int64_t i = 0; i < n; i++)
    if (waits[i]) {
      fail_call (i, FAULT_DEVICE_LOST);
      lost++;
    }
  free (waits);
  printf ("%lld Vulkan calls failed in turn, %lld of them by a lost device\n", (long long) n, (long long) lost);
  REQUIRE (n > 50 && lost > 3);
}

/* noticed: no allocation's failure may go by in silence. */
static void
fail_every_allocation (bool noticed)
{
  for (int64_t n = 0;; n++) {
    vit_error err = { 0 };
    int64_t needed[2];
    fault_arm (-1, FAULT_HOST_MEMORY);
    fault_malloc_arm (n);
    bool ok = run_all (needed, &err), fired = fault_malloc_fired ();
    fault_malloc_arm (-1);
    require_balance ("allocation", n);
    if (!fired) {
      if (!ok)
        check_failed ("no fault, yet: %s", err.msg);
      printf ("%lld allocations failed in turn\n", (long long) n);
      REQUIRE (n > 20);
      return;
    }
    if (ok && noticed && n < needed[1])
      check_failed ("allocation %lld failed and nobody noticed", (long long) n);
    if (!ok && (!err.msg[0] || err.code != VIT_ERR_MEMORY))
      check_failed ("allocation %lld failed: the error has code %d, expected %d, and says '%s'", (long long) n,
          (int) err.code, (int) VIT_ERR_MEMORY, err.msg);
  }
}

static void
write_labels (void)
{
  char path[1024];
  snprintf (path, sizeof path, "%s/labels.txt", folder);
  FILE *f = fopen (path, "w");
  REQUIRE (f);
  fputs ("one\ntwo\nthree\nfour\nfive\nsix\nseven\n", f);
  REQUIRE (fclose (f) == 0);
}

/* Without a cache every run tries its kernels, on threads and devices of their own, which takes a while: some do. */
static void
fail_some_trials (void)
{
  int64_t n = 0;
  while (fail_call (n, n % 2 ? FAULT_HOST_MEMORY : FAULT_DEVICE_MEMORY))
    n += 41;
}

int
main (void)
{
  const char *kernels = getenv ("VIT_KERNELS");
  vit_device *device = test_device_open (); /* skips; and keeps the driver loaded, which makes the runs short */
  if (!fault_open ())
    SKIP ("no Vulkan loader");
  char *model = make_folder (), *cache = make_folder ();
  folder = model;
  make_model (folder, &(struct model_options) { .depth = 1, .head = MODEL_HEAD_MLP, .layer_scale = true }, 9);
  write_labels ();

  setenv ("VIT_KERNELS", "plain", 1);
  cache_dir = "";
  fail_every_allocation (true);
  if (kernels)
    setenv ("VIT_KERNELS", kernels, 1);
  else
    unsetenv ("VIT_KERNELS");
  fail_some_trials ();
  cache_dir = cache; /* which knows the kernels that were tried, and where running out of memory costs only the cache */
  fail_every_call ();
  fail_every_allocation (false);

  test_device_close (&device);
  remove_folder (&model);
  remove_folder (&cache);
  return check_status ();
}
