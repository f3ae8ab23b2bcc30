/* Times every kernel of a submit alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "session/session.h"

enum { MAX_RUNS = 1000, MAX_KERNELS = 4096 };

static bool
check (const vit_session *s, const vit_image *image, uint32_t n, uint32_t runs, const void *out, vit_error *err)
{
  if (!s || !image || !out)
    return fail (err, VIT_ERR_ARG, "vit_session_profile: session, image and out must not be NULL");
  if (n == 0 || n > s->max_batch || runs == 0 || runs > MAX_RUNS)
    return fail (err, VIT_ERR_ARG, "vit_session_profile: found %u images and %u runs, expected 1 to %u and 1 to %d", n,
        runs, s->max_batch, MAX_RUNS);
  for (uint32_t i = 0; i < s->num_slots; i++)
    if (s->slots[i].num)
      return fail (err, VIT_ERR_ARG, "vit_session_profile: the session has results to collect first");
  return true;
}

/* All of a submit of n images in one command buffer with a clock behind every kernel. */
static struct recorder *
record (struct slot *slot, uint32_t n, vit_error *err)
{
  struct recorder *rec = recorder_create (slot->model->dev, err);
  if (!rec || !recorder_profile (rec, err) || !recorder_begin (rec, err))
    goto error;
  recorder_label (rec, "preprocess", 0);
  for (uint32_t i = 0; i < n; i++)
    if (!slot_record_frame (slot, i, rec, err))
      goto error;
  recorder_barrier (rec);
  const struct graph *g = &slot->networks[n - 1].graph;
  if (!graph_record (g, rec, &slot->arena, g->num_ops, err) || !recorder_end (rec, err))
    goto error;
  return rec;
error:
  recorder_destroy (&rec);
  return NULL;
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* times: (runs, MAX_KERNELS) ms; the entries of the last run get the median of all. */
static void
set_medians (struct vit_kernel_time *out, uint32_t count, const double *times, uint32_t runs)
{
  double sorted[MAX_RUNS];
  for (uint32_t i = 0; i < count; i++) {
    for (uint32_t r = 0; r < runs; r++)
      sorted[r] = times[(size_t) r * MAX_KERNELS + i];
    qsort (sorted, runs, sizeof *sorted, compare);
    out[i].ms = (sorted[(runs - 1) / 2] + sorted[runs / 2]) / 2;
  }
}

int
vit_session_profile (vit_session *s, const vit_image *image, uint32_t n, uint32_t runs, struct vit_kernel_time *out,
    uint32_t max, vit_error *err)
{
  if (!check (s, image, n, runs, out, err))
    return -1;
  struct slot *slot = &s->slots[0];
  int count = -1;
  struct recorder *rec = NULL;
  size_t bytes = (size_t) runs * MAX_KERNELS * sizeof (double);
  double *times = malloc (bytes);
  if (!times)
    fail_memory (err, "the kernels' times", bytes);
  bool ok = times != NULL;
  for (uint32_t i = 0; ok && i < n; i++)
    ok = slot_load (slot, i, image, err);
  /* the first run may compile */
  ok = ok && (rec = record (slot, n, err)) != NULL && recorder_run (rec, err);
  max = max < MAX_KERNELS ? max : MAX_KERNELS;
  for (uint32_t r = 0; ok && r < runs; r++) {
    ok = recorder_run (rec, err);
    if (!ok)
      break;
    count = (int) recorder_profile_read (rec, out, max);
    for (uint32_t i = 0; i < (uint32_t) count && i < max; i++)
      times[(size_t) r * MAX_KERNELS + i] = out[i].ms;
  }
  if (ok)
    set_medians (out, (uint32_t) count < max ? (uint32_t) count : max, times, runs);
  recorder_destroy (&rec);
  free (times);
  return ok ? count : -1;
}
