/* The preprocessing kernels against their twin, to the bit: every format, odd sizes, both orders, crops, padding. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "check.h"
#include "gpu/device.h"
#include "gpu/kernels.h"
#include "gpu/test_device.h"
#include "half.h"
#include "ref/preprocess_ref.h"

enum { POISON = 0xfe, GUARD = 64 }; /* GUARD: elements before and after the patch rows */

static const char *const format_names[] = { "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "NV12", "NV21", "I420",
  "YV12", "Y444", "YUY2", "UYVY", "GRAY8" };

struct fixture {
  vit_device *dev;
  struct recorder *rec;
};

/* Device buffers of one plan. */
struct frame_buffers {
  struct buffer frame, tables, rows, patches;
};

/* Noise in every byte of three planes with padded rows; free (planes[0]) frees all. */
static vit_image
noise_image (enum vit_format format, uint32_t width, uint32_t height, struct rng *rng)
{
  vit_image image = { .format = format, .width = width, .height = height };
  const uint32_t stride = width * 4 + 9;
  uint8_t *data = check_alloc ((size_t) stride * height * 3, 1);
  for (size_t i = 0; i < (size_t) stride * height * 3; i++)
    data[i] = (uint8_t) rng_next (rng);
  for (int i = 0; i < 3; i++) {
    image.planes[i] = data + (size_t) i * stride * height;
    image.strides[i] = stride;
  }
  return image;
}

static void
upload (struct fixture *f, const struct preprocess_plan *plan, const vit_image *image, size_t patch_bytes,
    struct frame_buffers *b)
{
  vit_error err = { 0 };
  const size_t largest = patch_bytes > plan->rows_size ? patch_bytes : plan->rows_size;
  uint8_t *poison = check_alloc (largest, 1);
  memset (poison, POISON, largest);
  memset (b, 0, sizeof *b);
  REQUIRE_OK (buffer_create (f->dev, MEMORY_UPLOAD, plan->upload_size, "frame", &b->frame, &err), err);
  REQUIRE_OK (buffer_create (f->dev, MEMORY_LOCAL, plan->tables_size, "tables", &b->tables, &err), err);
  REQUIRE_OK (buffer_create (f->dev, MEMORY_LOCAL, plan->rows_size, "rows", &b->rows, &err), err);
  REQUIRE_OK (buffer_create (f->dev, MEMORY_LOCAL, patch_bytes, "patches", &b->patches, &err), err);
  memset (b->frame.map, POISON, plan->upload_size);
  preprocess_upload (plan, image, b->frame.map);
  REQUIRE_OK (buffer_flush (f->dev, &b->frame, &err), err);
  REQUIRE_OK (buffer_write (f->dev, &b->tables, 0, plan->tables, plan->tables_size, &err), err);
  REQUIRE_OK (buffer_write (f->dev, &b->rows, 0, poison, plan->rows_size, &err), err);
  REQUIRE_OK (buffer_write (f->dev, &b->patches, 0, poison, patch_bytes, &err), err);
  free (poison);
}

static void
finish (struct fixture *f, struct frame_buffers *b)
{
  buffer_destroy (f->dev, &b->frame);
  buffer_destroy (f->dev, &b->tables);
  buffer_destroy (f->dev, &b->rows);
  buffer_destroy (f->dev, &b->patches);
}

/* In one kernel, or in two. */
static void
run (struct fixture *f, const struct preprocess_plan *plan, const struct frame_buffers *b, enum store store,
    bool at_once)
{
  vit_error err = { 0 };
  REQUIRE_OK (recorder_begin (f->rec, &err), err);
  if (at_once) {
    REQUIRE_OK (record_preprocess (f->rec, span_all (&b->frame), span_all (&b->tables), span_all (&b->patches), store,
                    &plan->h, &plan->v, plan->tile_rows, &err),
        err);
    REQUIRE_OK (recorder_end (f->rec, &err), err);
    REQUIRE_OK (recorder_run (f->rec, &err), err);
    return;
  }
  REQUIRE_OK (record_preprocess_h (f->rec, span_all (&b->frame), span_all (&b->tables), span_all (&b->rows), &plan->h,
                  &err),
      err);
  recorder_barrier (f->rec);
  REQUIRE_OK (record_preprocess_v (f->rec, span_all (&b->rows), span_all (&b->tables), span_all (&b->patches), store,
                  &plan->v, &err),
      err);
  REQUIRE_OK (recorder_end (f->rec, &err), err);
  REQUIRE_OK (recorder_run (f->rec, &err), err);
}

/* All of the buffer: poison, patch rows, poison. Halves are compared as what the float rounds to. */
static void
compare (struct fixture *f, struct frame_buffers *b, enum store store, const float *want, size_t count,
    const char *what)
{
  const size_t size = store_size (store), total = count + 2 * GUARD;
  vit_error err = { 0 };
  uint8_t *got = check_alloc (total, size);
  REQUIRE_OK (buffer_read (f->dev, &b->patches, 0, got, total * size, &err), err);
  for (size_t i = 0; i < total; i++) {
    const uint8_t poison[4] = { POISON, POISON, POISON, POISON };
    uint16_t half;
    const void *expected = poison;
    if (i >= GUARD && i < GUARD + count) {
      half = half_from_double (want[i - GUARD]);
      expected = store == STORE_F16 ? (const void *) &half : (const void *) &want[i - GUARD];
    }
    if (memcmp (got + i * size, expected, size) != 0) {
      check_failed ("%s: element %zd of %zu isn't what the twin has", what, (ptrdiff_t) i - GUARD, count);
      break;
    }
  }
  free (got);
}

static void
check_image (struct fixture *f, const struct vit_preprocess *rules, uint32_t patch_w, uint32_t patch_h,
    const vit_image *image, enum store store, const char *what)
{
  struct preprocess_plan plan;
  struct frame_buffers b;
  char row[200];
  vit_error err = { 0 };
  REQUIRE_OK (preprocess_plan (&plan, rules, patch_w, patch_h, image, &err), err);
  snprintf (row, sizeof row, "%s %s %ux%u crop %u,%u %ux%u to %ux%u%s%s", what, format_names[image->format],
      image->width, image->height, image->crop.x, image->crop.y, image->crop.width, image->crop.height, rules->width,
      rules->height, plan.v.along_x ? " vertical first" : "", store == STORE_F16 ? " half" : "");
  float *want = ref_preprocess (&plan, image);
  const size_t count = (size_t) rules->width * rules->height * 3;
  REQUIRE (want);
  plan.v.out_first = GUARD;
  upload (f, &plan, image, (count + 2 * GUARD) * store_size (store), &b);
  run (f, &plan, &b, store, false);
  compare (f, &b, store, want, count, row);
  finish (f, &b);
  if (plan.tile_rows && 4 * VIT_TILE_SIDE * (plan.tile_rows + 32) < device_caps (f->dev)->max_shared) {
    snprintf (row + strlen (row), sizeof row - strlen (row), " at once");
    upload (f, &plan, image, (count + 2 * GUARD) * store_size (store), &b);
    run (f, &plan, &b, store, true);
    compare (f, &b, store, want, count, row);
    finish (f, &b);
  }
  free (want);
  preprocess_plan_finish (&plan);
}

static const struct shape {
  const char *name;
  uint32_t width, height, patch_w, patch_h;
  enum vit_resize resize;
  uint32_t resize_width, resize_height;
  enum vit_filter filter;
} shapes[] = {
  { "squash", 28, 12, 14, 4, VIT_RESIZE_SQUASH, 28, 12, VIT_FILTER_BICUBIC },
  { "center", 16, 16, 8, 8, VIT_RESIZE_SHORTEST, 18, 18, VIT_FILTER_BILINEAR },
  { "border", 21, 15, 7, 5, VIT_RESIZE_LONGEST, 20, 14, VIT_FILTER_LANCZOS },
  { "one pixel", 1, 1, 1, 1, VIT_RESIZE_SQUASH, 3, 2, VIT_FILTER_BOX },
  { "wide patches", 270, 6, 90, 3, VIT_RESIZE_SQUASH, 271, 6, VIT_FILTER_HAMMING },
  { "tiles", 40, 51, 8, 17, VIT_RESIZE_SHORTEST, 47, 55, VIT_FILTER_BICUBIC },
  { "nearest", 9, 6, 3, 3, VIT_RESIZE_SHORTEST, 9, 7, VIT_FILTER_NEAREST },
};

static const uint32_t sizes[][2] = { { 1, 1 }, { 3, 5 }, { 37, 23 }, { 64, 48 }, { 33, 101 }, { 130, 11 }, { 2, 300 } };

static struct vit_preprocess
rules_of (const struct shape *s)
{
  return (struct vit_preprocess) { .width = s->width,
    .height = s->height,
    .resize = s->resize,
    .resize_width = s->resize_width,
    .resize_height = s->resize_height,
    .filter = s->filter,
    .fill = { 12, 34, 250 },
    .mean = { 0.485f, 0.456f, 0.406f },
    .std = { 0.229f, 0.224f, 0.225f } };
}

static void
test_images (struct fixture *f)
{
  struct rng rng = { 11 };
  uint32_t turn = 0;
  for (enum vit_format format = VIT_FORMAT_RGB; format <= VIT_FORMAT_GRAY8; format++)
    for (size_t s = 0; s < COUNT_OF (sizes); s++)
      for (size_t k = 0; k < COUNT_OF (shapes); k++, turn++) {
        const uint32_t w = sizes[s][0], h = sizes[s][1];
        const struct vit_preprocess rules = rules_of (&shapes[k]);
        vit_image image = noise_image (format, w, h, &rng);
        image.matrix = (enum vit_matrix) (turn % 5);
        image.full_range = turn & 1;
        image.chroma_h_cosited = turn & 2;
        image.chroma_v_cosited = turn & 4;
        if (turn % 3 == 0) {
          image.crop.x = rng_below (&rng, w);
          image.crop.y = rng_below (&rng, h);
          image.crop.width = 1 + rng_below (&rng, w - image.crop.x);
          image.crop.height = 1 + rng_below (&rng, h - image.crop.y);
        }
        const bool half = turn % 8 == 5 && device_caps (f->dev)->storage16;
        check_image (f, &rules, shapes[k].patch_w, shapes[k].patch_h, &image, half ? STORE_F16 : STORE_F32,
            shapes[k].name);
        free ((void *) image.planes[0]);
      }
}

static double
now_ms (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec * 1e-6;
}

/* Best and mean wall time of both passes, submit and wait included; the upload's copy apart. The process's CPU time is
 * a software driver's, and says more than the wall's where the machine has other work. */
static void
bench (struct fixture *f, enum vit_format format, uint32_t width, uint32_t height, const struct shape *s)
{
  enum { RUNS = 30 };
  struct rng rng = { 3 };
  vit_error err = { 0 };
  struct preprocess_plan plan;
  struct frame_buffers b;
  double best = INFINITY, total = 0, copy = INFINITY, cpu = INFINITY;
  const struct vit_preprocess rules = rules_of (s);
  vit_image image = noise_image (format, width, height, &rng);
  REQUIRE_OK (preprocess_plan (&plan, &rules, s->patch_w, s->patch_h, &image, &err), err);
  upload (f, &plan, &image, (size_t) rules.width * rules.height * 12, &b);
  for (int i = 0; i <= RUNS; i++) { /* the first compiles */
    double start = now_ms (CLOCK_MONOTONIC);
    preprocess_upload (&plan, &image, b.frame.map);
    double middle = now_ms (CLOCK_MONOTONIC), cpu_start = now_ms (CLOCK_PROCESS_CPUTIME_ID);
    run (f, &plan, &b, STORE_F32, preprocess_at_once (f->dev, plan.tile_rows));
    double ms = now_ms (CLOCK_MONOTONIC) - middle;
    if (i == 0)
      continue;
    cpu = fmin (cpu, now_ms (CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
    best = fmin (best, ms);
    total += ms;
    copy = fmin (copy, middle - start);
  }
  printf ("%-6s %4ux%-4u %-9s to %ux%u: best %.2f ms, mean %.2f ms, CPU %.2f ms, upload's copy %.2f ms\n",
      format_names[format], width, height, s->name, rules.width, rules.height, best, total / RUNS, cpu, copy);
  finish (f, &b);
  preprocess_plan_finish (&plan);
  free ((void *) image.planes[0]);
}

static void
bench_all (struct fixture *f)
{
  static const struct shape network[] = {
    { "squash", 224, 224, 16, 16, VIT_RESIZE_SQUASH, 224, 224, VIT_FILTER_BILINEAR },
    { "center", 224, 224, 16, 16, VIT_RESIZE_SHORTEST, 248, 248, VIT_FILTER_BICUBIC },
    { "tiny", 32, 32, 4, 4, VIT_RESIZE_SHORTEST, 32, 32, VIT_FILTER_BICUBIC },
  };
  static const enum vit_format formats[] = { VIT_FORMAT_NV12, VIT_FORMAT_I420, VIT_FORMAT_RGB, VIT_FORMAT_BGRX,
    VIT_FORMAT_YUY2 };
  for (size_t s = 0; s < COUNT_OF (network); s++)
    for (size_t i = 0; i < COUNT_OF (formats); i++)
      bench (f, formats[i], 1280, 720, &network[s]);
  bench (f, VIT_FORMAT_NV12, 720, 1280, &network[0]);
  bench (f, VIT_FORMAT_NV12, 256, 1280, &network[0]); /* vertical first */
  bench (f, VIT_FORMAT_NV12, 1920, 1080, &network[1]);
}

int
main (int argc, char **argv)
{
  vit_error err = { 0 };
  struct fixture f = { .dev = test_device_open () };
  f.rec = recorder_create (f.dev, &err);
  REQUIRE_OK (f.rec, err);
  if (argc > 1 && strcmp (argv[1], "--bench") == 0)
    bench_all (&f);
  else
    test_images (&f);
  recorder_destroy (&f.rec);
  test_device_close (&f.dev);
  return check_status ();
}
