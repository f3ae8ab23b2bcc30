/* The timed loop of vit-bench. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "measure.h"

#include <stdlib.h>

#include "tool.h"

/* A session kept as full as the plan says. */
struct loop {
  vit_session *session;
  vit_image *images; /* (batch), all the same picture */
  const struct measure_plan *plan;
  uint32_t under_way; /* submits */
};

static bool
submit (struct loop *l, vit_error *err)
{
  switch (vit_session_submit (l->session, l->images, l->plan->batch, err)) {
    case VIT_SUBMITTED:
      l->under_way++;
      return true;
    case VIT_SUBMIT_FULL:
      return tool_fail (err, VIT_ERR_DEVICE_LOST, "the session is full with %u submits under way, expected room for %u",
          l->under_way, l->plan->in_flight);
    default:
      return false;
  }
}

/* All results of the oldest submit. */
static bool
collect (struct loop *l, vit_error *err)
{
  for (uint32_t i = 0; i < l->plan->batch; i++) {
    vit_result result;
    switch (vit_session_collect (l->session, UINT64_MAX, &result, err)) {
      case VIT_COLLECTED:
        break;
      case VIT_COLLECT_FAILED:
        return false;
      default:
        return tool_fail (err, VIT_ERR_DEVICE_LOST, "result %u of %u of a submit never came", i, l->plan->batch);
    }
  }
  l->under_way--;
  return true;
}

/* `count` submits in steady state; times[i] (NULL: not wanted) is when the i-th was done, gpu[i] its device time. */
static bool
cycle (struct loop *l, uint32_t count, double *times, double *gpu, vit_error *err)
{
  uint32_t sent = 0;
  for (uint32_t done = 0; done < count; done++) {
    for (; sent < count && l->under_way < l->plan->in_flight; sent++)
      if (!submit (l, err))
        return false;
    if (!collect (l, err))
      return false;
    if (times) {
      struct vit_session_stats stats;
      times[done] = tool_now_ms ();
      vit_session_get_stats (l->session, &stats);
      gpu[done] = stats.gpu_ms;
    }
  }
  return true;
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Of sorted values, between neighbours where the place falls between them. */
static double
percentile (const double *sorted, uint32_t n, double p)
{
  double place = p * (n - 1);
  uint32_t i = (uint32_t) place;
  return i + 1 < n ? sorted[i] + (place - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static void
summarise (const struct measure_plan *plan, double start, double *times, double *gpu, struct measure_result *out)
{
  uint32_t n = plan->runs;
  double all_ms = times[n - 1] - start;
  for (uint32_t i = n; i-- > 0;)
    times[i] -= i ? times[i - 1] : start;
  qsort (times, n, sizeof *times, compare);
  qsort (gpu, n, sizeof *gpu, compare);
  out->median_ms = percentile (times, n, 0.5);
  out->p10_ms = percentile (times, n, 0.1);
  out->p90_ms = percentile (times, n, 0.9);
  out->gpu_ms = percentile (gpu, n, 0.5);
  out->images_per_s = (double) plan->batch * n / all_ms * 1e3;
}

bool
measure_run (vit_session *session, const vit_image *image, const struct measure_plan *plan, struct measure_result *out,
    vit_error *err)
{
  struct loop l = { .session = session, .plan = plan, .images = calloc (plan->batch, sizeof *l.images) };
  double *times = calloc (plan->runs, sizeof *times), *gpu = calloc (plan->runs, sizeof *gpu);
  bool ok = false;
  if (!l.images || !times || !gpu) {
    tool_fail (err, VIT_ERR_MEMORY, "the list of %u times: out of memory", plan->runs);
    goto end;
  }
  for (uint32_t i = 0; i < plan->batch; i++)
    l.images[i] = *image;
  if (!cycle (&l, plan->warmup, NULL, NULL, err))
    goto end;
  struct vit_session_stats before, after;
  vit_session_get_stats (session, &before);
  double start = tool_now_ms ();
  if (!cycle (&l, plan->runs, times, gpu, err))
    goto end;
  vit_session_get_stats (session, &after);
  summarise (plan, start, times, gpu, out);
  double images = (double) (after.images - before.images);
  out->submits = (double) (after.submits - before.submits) / images;
  out->allocations = (double) (after.allocations - before.allocations) / images;
  out->descriptor_updates = (double) (after.descriptor_updates - before.descriptor_updates) / images;
  ok = true;
end:
  free (l.images);
  free (times);
  free (gpu);
  return ok;
}
