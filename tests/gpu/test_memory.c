/* Memory: how much a model and a session take, in how many allocations, and what is said when there is no more. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "check.h"
#include "gpu/device.h"
#include "gpu/fault_vulkan.h"
#include "gpu/memory.h"
#include "gpu/test_device.h"
#include "make_model.h"

/* Kilobytes from /proc/self/status, or 0. */
static uint64_t
status_kb (const char *field)
{
  char line[256];
  unsigned long long value = 0;
  FILE *f = fopen ("/proc/self/status", "r");
  while (f && fgets (line, sizeof line, f))
    if (strncmp (line, field, strlen (field)) == 0)
      sscanf (line + strlen (field), ": %llu", &value);
  if (f)
    fclose (f);
  return value;
}

static vit_model *
load (vit_device *device, const char *folder, enum vit_precision precision)
{
  vit_error err = { 0 };
  vit_model *m = vit_model_load (device, folder, &(struct vit_model_params) { precision }, &err);
  REQUIRE_OK (m, err);
  return m;
}

/* VmHWM begins anew. */
static bool
forget_peak (void)
{
  FILE *f = fopen ("/proc/self/clear_refs", "w");
  if (!f)
    return false;
  bool ok = fputs ("5", f) >= 0;
  return fclose (f) == 0 && ok;
}

/* The most memory in use while a model is loaded is 1.2 times its file at most, and that includes what a device that is
 * a CPU counts as its own. A smaller model of the same shapes goes before: what the driver's compiler takes once for
 * the kernels is another matter. */
static void
test_peak (vit_device *device, enum vit_precision precision)
{
#ifndef __SANITIZE_ADDRESS__
  char *folder = make_folder (), *first = make_folder (), path[1024];
  struct stat file;
  struct model_options options = { .dim = 384,
    .depth = 1,
    .heads = 6,
    .mlp_dim = 1536,
    .dtype = precision == VIT_F16 ? MODEL_F16 : MODEL_F32 };
  make_model (first, &options, 3);
  options.depth = 12;
  make_model (folder, &options, 3);
  snprintf (path, sizeof path, "%s/model.safetensors", folder);
  REQUIRE (stat (path, &file) == 0);
  vit_model *m = load (device, first, precision);
  vit_model_destroy (&m);
#ifdef __GLIBC__
  malloc_trim (0); /* what was freed would be used again, and not seen */
#endif
  bool measured = forget_peak ();
  uint64_t before = status_kb ("VmRSS");
  m = load (device, folder, precision);
  uint64_t peak = status_kb ("VmHWM");
  double ratio = (double) (peak - before) * 1024 / (double) file.st_size;
  printf ("loading a file of %.1f MB takes %.2f times that at most\n", (double) file.st_size * 1e-6, ratio);
  if (measured && before)
    REQUIRE (ratio <= 1.2);
  vit_model_destroy (&m);
  remove_folder (&folder);
  remove_folder (&first);
#else
  (void) device, (void) precision;
#endif
}

/* Buffers of all sizes made and destroyed in any order: no two share a byte, all is given back. */
static void
test_heap (vit_device *device)
{
  enum { BUFFERS = 60, STEPS = 600 };
  static struct buffer buffers[BUFFERS];
  struct rng rng = { 3 };
  vit_error err = { 0 };
  struct vit_device_memory memory;
  for (int step = 0; step < STEPS; step++) {
    struct buffer *b = &buffers[rng_below (&rng, BUFFERS)];
    if (b->handle)
      buffer_destroy (device, b);
    else {
      uint32_t size = 1 + (rng_below (&rng, 8) ? rng_below (&rng, 300000) : rng_below (&rng, 3000000));
      enum memory_use use = (enum memory_use) rng_below (&rng, 4);
      REQUIRE_OK (buffer_create (device, use, size, "test", b, &err), err);
      REQUIRE (b->size >= size && b->memory.size >= b->size && b->memory.offset % 256 == 0);
    }
    for (int i = 0; i < BUFFERS; i++)
      for (int j = 0; j < i; j++) {
        const struct piece *p = &buffers[i].memory, *q = &buffers[j].memory;
        REQUIRE (!p->block || p->memory != q->memory || p->offset + p->size <= q->offset
            || q->offset + q->size <= p->offset);
      }
  }
  uint64_t held = 0;
  for (int i = 0; i < BUFFERS; i++)
    held += buffers[i].memory.size;
  vit_device_get_memory (device, &memory);
  REQUIRE (memory.bytes >= held && memory.allocations < BUFFERS);
  for (int i = 0; i < BUFFERS; i++)
    buffer_destroy (device, &buffers[i]);
  vit_device_get_memory (device, &memory);
  REQUIRE (memory.bytes == 0 && memory.allocations == 0);
}

/* What this many blocks of ViT-B/16 in half take; with a stream of 720p at work, or not. */
static struct vit_device_memory
measure_blocks (vit_device *device, uint32_t depth, bool work, uint64_t *weight_bytes)
{
  vit_error err = { 0 };
  vit_result result;
  struct vit_model_info info;
  struct vit_device_memory memory;
  char *folder = make_folder ();
  static uint8_t pixels[1280 * 720 * 3 / 2];
  vit_image image = { .format = VIT_FORMAT_NV12,
    .width = 1280,
    .height = 720,
    .planes = { pixels, pixels + 1280 * 720 },
    .strides = { 1280, 1280 } };
  struct model_options options = { .image_width = 224,
    .image_height = 224,
    .patch_width = 16,
    .patch_height = 16,
    .dim = 768,
    .depth = depth,
    .heads = 12,
    .mlp_dim = 3072,
    .classes = 1000,
    .dtype = MODEL_F16 };
  make_model (folder, &options, 4);
  vit_model *m = load (device, folder, VIT_F16);
  vit_session *s = work ? vit_session_create (m, NULL, &err) : NULL;
  if (work) {
    REQUIRE_OK (s, err);
    REQUIRE_OK (vit_session_submit (s, &image, 1, &err) == VIT_SUBMITTED, err);
    REQUIRE_OK (vit_session_collect (s, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  }
  vit_model_get_info (m, &info);
  *weight_bytes = info.weight_bytes;
  vit_device_get_memory (device, &memory);
  vit_session_destroy (&s);
  vit_model_destroy (&m);
  remove_folder (&folder);
  return memory;
}

/* ViT-B/16 in half, twelve blocks of the same size: 200 MB in all. */
static void
test_budget (vit_device *device)
{
  enum { BLOCK = 2 << 20 }; /* that small tensors of eleven more blocks may begin */
  struct vit_device_info info;
  uint64_t first, second;
  vit_device_get_info (device, &info);
  if (!info.storage16)
    return;
  struct vit_device_memory one = measure_blocks (device, 1, true, &first);
  struct vit_device_memory two = measure_blocks (device, 2, false, &second);
  REQUIRE (one.bytes > first && two.bytes >= second);
  double all = (double) one.bytes + 11 * (double) (second - first) + BLOCK;
  printf ("ViT-B/16 in half takes %.1f MB of the device; two of its blocks %u allocations\n", all * 1e-6,
      two.allocations);
  REQUIRE (all <= 200e6);
  REQUIRE (two.allocations <= 16);
}

/* Opens a session of batches of 4, or not, with the given allocation of memory failing. True: it got so far. */
static bool
fail_allocation (const char *folder, int64_t call, vit_error *err)
{
  struct vit_device_params params = test_device_params ();
  vit_model *m = NULL;
  vit_session *s = NULL;
  params.get_instance_proc_addr = fault_get_instance_proc_addr;
  params.validate = false;
  fault_arm_name ("AllocateMemory", call, FAULT_DEVICE_MEMORY);
  vit_device *device = vit_device_create (&params, err);
  if (device)
    m = vit_model_load (device, folder, &(struct vit_model_params) { VIT_F32 }, err);
  if (m)
    s = vit_session_create (m, &(struct vit_session_params) { .max_batch = 4 }, err);
  const char *fired = fault_fired ();
  vit_session_destroy (&s);
  vit_model_destroy (&m);
  vit_device_destroy (&device);
  return fired != NULL;
}

/* No more memory: the message says what for, how much, how much in all, and what would need less. */
static void
test_exhausted (bool storage16)
{
  char *folder = make_folder ();
  /* blocks, and activations of a batch, too large to share: each is an allocation of its own */
  make_model (folder,
      &(struct model_options) { .dim = 192, .depth = 1, .mlp_dim = 768, .image_width = 128, .image_height = 128 }, 9);
  int weights = 0, sessions = 0;
  vit_error err = { 0 };
  for (int64_t call = 0; fail_allocation (folder, call, &err); call++) {
    REQUIRE (err.code == VIT_ERR_MEMORY);
    REQUIRE_TEXT (err.msg, "MB of memory left");
    if (strstr (err.msg, "the weights need")) {
      REQUIRE_TEXT (err.msg, storage16 ? "precision fp16 needs" : "precision int8 needs");
      weights++;
    } else {
      REQUIRE_TEXT (err.msg, "with a batch of 4 and 1 in flight");
      REQUIRE_TEXT (err.msg, "one picture at a time needs");
      sessions++;
    }
    if (weights + sessions < 3 || (sessions && sessions < 3))
      printf ("%s\n", err.msg);
  }
  REQUIRE (weights > 0 && sessions > 0);
  remove_folder (&folder);
}

int
main (void)
{
  struct vit_device_info info;
  vit_device *device = test_device_open ();
  vit_device_get_info (device, &info);
  test_peak (device, VIT_F32);
  if (info.storage16)
    test_peak (device, VIT_F16);
  test_heap (device);
  test_budget (device);
  if (fault_open ())
    test_exhausted (info.storage16);
  test_device_close (&device);
  return check_status ();
}
