/* Poisoned and guarded device tensors, their comparison with the twin, timing. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _POSIX_C_SOURCE 200809L
#include "gpu/kernel_rig.h"

#include <time.h>

#include "gpu/device.h"
#include "gpu/test_device.h"
#include "half.h"

/* Bytes before and after a tensor. The front keeps every device's storage-buffer alignment. */
enum { FRONT = 256, BACK = 4096 };
static const uint32_t POISON32 = 0x7fc5a5a5u; /* quiet NaNs that no computation makes */
static const uint16_t POISON16 = 0x7e5au;

const char *const fill_names[NUM_FILLS] = { "normal", "outliers", "offset 1000", "constant" };

void
rig_init (struct rig *rig, int argc, char **argv)
{
  *rig = (struct rig) { 0 };
  for (int i = 1; i < argc; i++) {
    if (strcmp (argv[i], "--bench") == 0)
      rig->bench = true;
    else if (strcmp (argv[i], "--verbose") == 0)
      rig->verbose = true;
    else if (strcmp (argv[i], "--filter") == 0 && i + 1 < argc)
      rig->filter = argv[++i];
    else
      check_die (__FILE__, __LINE__, "usage: %s [--bench] [--verbose] [--filter TEXT]", argv[0]);
  }
  vit_error err = { 0 };
  struct vit_device_info info;
  rig->dev = test_device_open ();
  vit_device_get_info (rig->dev, &info);
  rig->storage16 = info.storage16;
  rig->rec = recorder_create (rig->dev, &err);
  REQUIRE_OK (rig->rec, err);
  printf ("device: %s\n", info.name);
  /* not a skip: on most drivers nothing that could be installed would change it */
  if (rig->filter && strstr (rig->filter, "coopmat") && !device_caps (rig->dev)->matrix.m
      && !getenv ("VIT_REQUIRE_COOPMAT")) {
    printf ("left out: the device multiplies no matrices of halves as the kernels want it\n");
    recorder_destroy (&rig->rec);
    test_device_close (&rig->dev);
    exit (EXIT_SUCCESS);
  }
}

void
rig_finish (struct rig *rig)
{
  printf ("%u rows ran, %u left out, %u pipelines\n", rig->done, rig->left_out, kernels_pipelines (rig->dev));
  REQUIRE (rig->done > 0);
  recorder_destroy (&rig->rec);
  REQUIRE (!rig->rec);
  test_device_close (&rig->dev);
}

bool
rig_row (struct rig *rig, bool needs_storage16, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vsnprintf (rig->row, sizeof rig->row, format, args);
  va_end (args);
  if ((rig->filter && !strstr (rig->row, rig->filter)) || (needs_storage16 && !rig->storage16)) {
    rig->left_out++;
    return false;
  }
  rig->done++;
  return true;
}

bool
rig_wants (const struct rig *rig, const char *row)
{
  const char *end = rig->filter ? strstr (rig->filter, " by ") : NULL;
  char part[160];
  snprintf (part, sizeof part, "%.*s", end ? (int) (end - rig->filter) : 159, rig->filter ? rig->filter : "");
  return strstr (row, part) != NULL;
}

static double
seconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

void
rig_begin (struct rig *rig)
{
  vit_error err = { 0 };
  REQUIRE_OK (recorder_begin (rig->rec, &err), err);
}

void
rig_run (struct rig *rig, bool recorded, double flops, const vit_error *record_err)
{
  vit_error err = { 0 };
  if (!recorded)
    check_die (__FILE__, __LINE__, "%s: recording failed: %s", rig->row, record_err->msg);
  REQUIRE_OK (recorder_end (rig->rec, &err), err);
  if (!recorder_run (rig->rec, &err))
    check_die (__FILE__, __LINE__, "%s: running failed: %s", rig->row, err.msg);
  if (!rig->bench)
    return;
  double best = INFINITY, end = seconds () + 0.3;
  for (int n = 0; n < 5 || (n < 200 && seconds () < end); n++) {
    double start = seconds ();
    REQUIRE_OK (recorder_run (rig->rec, &err), err);
    best = fmin (best, seconds () - start);
  }
  printf ("%-70s %9.3f ms", rig->row, best * 1e3);
  if (flops > 0)
    printf (" %8.2f GFLOP/s", flops / best * 1e-9);
  putchar ('\n');
}

void
fill_values (double *out, size_t rows, size_t columns, enum fill fill, struct rng *rng)
{
  size_t outliers[3] = { rng_below (rng, (uint32_t) columns), rng_below (rng, (uint32_t) columns), columns - 1 };
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) {
      double x = rng_normal (rng);
      if (fill == FILL_OFFSET)
        x += 1000;
      else if (fill == FILL_CONSTANT)
        x = 3.7;
      for (int i = 0; fill == FILL_OUTLIERS && i < 3; i++)
        if (c == outliers[i])
          x = (i == 1 ? -300 : 500) + 30 * x;
      out[r * columns + c] = x;
    }
}

static void
encode (uint8_t *at, enum store store, double x)
{
  float f = (float) x;
  uint16_t h = half_from_double (f);
  if (store == STORE_F16)
    memcpy (at, &h, sizeof h);
  else
    memcpy (at, &f, sizeof f);
}

static double
decode (const uint8_t *at, enum store store)
{
  float f;
  uint16_t h;
  if (store == STORE_F16) {
    memcpy (&h, at, sizeof h);
    return half_to_double (h);
  }
  memcpy (&f, at, sizeof f);
  return f;
}

/* Of the whole buffer, guards and all. */
static size_t
total_bytes (const struct guarded *g)
{
  return FRONT + ((g->count * store_size (g->store) + 15) & ~(size_t) 15) + BACK;
}

void
guarded_init (struct guarded *g, struct rig *rig, enum store store, const double *values, size_t count)
{
  vit_error err = { 0 };
  *g = (struct guarded) { .store = store, .count = count };
  size_t total = total_bytes (g);
  g->before = check_alloc (total, 1);
  g->after = check_alloc (total, 1);
  g->values = check_alloc (count, sizeof *g->values);
  for (size_t i = 0; i < total; i += store_size (store))
    memcpy (g->before + i, store == STORE_F16 ? (const void *) &POISON16 : (const void *) &POISON32,
        store_size (store));
  for (size_t i = 0; values && i < count; i++)
    encode (g->before + FRONT + i * store_size (store), store, values[i]);
  for (size_t i = 0; i < count; i++)
    g->values[i] = decode (g->before + FRONT + i * store_size (store), store);
  REQUIRE_OK (buffer_create (rig->dev, MEMORY_LOCAL, total, "kernel test", &g->buffer, &err), err);
  REQUIRE_OK (buffer_write (rig->dev, &g->buffer, 0, g->before, total, &err), err);
}

void
guarded_finish (struct guarded *g, struct rig *rig)
{
  buffer_destroy (rig->dev, &g->buffer);
  free (g->before);
  free (g->after);
  free (g->values);
  *g = (struct guarded) { 0 };
}

void
rig_upload (struct rig *rig, const double *values, size_t count, struct buffer *out)
{
  vit_error err = { 0 };
  float *raw = check_alloc (count, sizeof *raw);
  for (size_t i = 0; i < count; i++)
    raw[i] = (float) values[i];
  REQUIRE_OK (buffer_create (rig->dev, MEMORY_LOCAL, count * sizeof *raw, "kernel test weight", out, &err), err);
  REQUIRE_OK (buffer_write (rig->dev, out, 0, raw, count * sizeof *raw, &err), err);
  free (raw);
}

struct span
guarded_span (const struct guarded *g)
{
  return (struct span) { &g->buffer, FRONT, total_bytes (g) - FRONT - BACK };
}

void
guarded_fetch (struct guarded *g, struct rig *rig)
{
  vit_error err = { 0 };
  REQUIRE_OK (buffer_read (rig->dev, &g->buffer, 0, g->after, total_bytes (g), &err), err);
  for (size_t i = 0; i < g->count; i++)
    g->values[i] = decode (g->after + FRONT + i * store_size (g->store), g->store);
}

/* Bytes [first, end) of the buffer are as they were. */
static bool
same_bytes (const struct guarded *g, struct rig *rig, const char *what, size_t first, size_t end)
{
  if (memcmp (g->before + first, g->after + first, end - first) == 0)
    return true;
  while (g->before[first] == g->after[first])
    first++;
  check_failed ("%s: %s was written at byte %ld of its %zu, expected untouched", rig->row, what, (long) first - FRONT,
      g->count * store_size (g->store));
  return false;
}

void
guarded_require_unchanged (struct guarded *g, struct rig *rig, const char *what)
{
  guarded_fetch (g, rig);
  same_bytes (g, rig, what, 0, total_bytes (g));
}

/* Rounding of what the store holds: half may be rounded either way and lose subnormals. */
static double
store_rounding (enum store store, double want)
{
  return store == STORE_F16 ? 0x1p-10 * fabs (want) + 0x1p-14 : FLOAT_EPS * fabs (want);
}

/* Elements that no row of the result owns: untouched, or finite where a tile may run over. */
static bool
compare_outside (struct rig *rig, const struct guarded *y, const struct expected *e)
{
  size_t size = store_size (y->store);
  for (size_t i = 0; i < y->count; i++) {
    size_t in = i - e->first, r = in / e->stride, c = in % e->stride, at = FRONT + i * size;
    if (i >= e->first && r < e->rows && c < e->columns)
      continue;
    if (memcmp (y->before + at, y->after + at, size) == 0)
      continue;
    if (i >= e->first && r < e->may_write_rows && c < e->may_write_columns && isfinite (y->values[i]))
      continue;
    check_failed ("%s: y[%zu][%zu], outside of %zu rows of %zu, is %g, expected untouched", rig->row, r, c, e->rows,
        e->columns, y->values[i]);
    return false;
  }
  return true;
}

void
rig_compare (struct rig *rig, struct guarded *y, const struct expected *e)
{
  double worst = 0;
  guarded_fetch (y, rig);
  for (size_t r = 0; r < e->rows; r++)
    for (size_t c = 0; c < e->columns; c++) {
      double found = y->values[e->first + r * e->stride + c], want = e->want[r * e->columns + c];
      if (y->store == STORE_F16)
        want = fmin (fmax (want, -HALF_MAX), HALF_MAX); /* stores clamp rather than overflow */
      double allowed = e->allowance[r * e->columns + c] + store_rounding (y->store, want);
      double error = found == want ? 0 : fabs (found - want) / allowed;
      if (!(error <= e->bound)) {
        check_failed ("%s: y[%zu][%zu] is %.9g, expected %.9g within %.3g (error %.3g of at most %g)", rig->row, r, c,
            found, want, e->bound * allowed, error, e->bound);
        return;
      }
      worst = fmax (worst, error);
    }
  if (!same_bytes (y, rig, "y's guard", 0, FRONT)
      || !same_bytes (y, rig, "y's guard", FRONT + y->count * store_size (y->store), total_bytes (y))
      || !compare_outside (rig, y, e))
    return;
  if (rig->verbose)
    printf ("%-70s worst error %6.3f of %g\n", rig->row, worst, e->bound);
}
