/* Measures what a device can do at best: multiply-adds in registers, bytes copied. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/clock.h"
#include "gpu/recorder.h"

enum {
  INVOCATIONS = 4096 * VIT_PEAK_GROUP, /* several for each lane of the largest GPU */
  MAX_ROUNDS = 1 << 20,
  BEST_OF = 10
};
#define LONG_ENOUGH_MS 20.0 /* against the time of a submit, and for clocks to rise */

/* By the host's clock, which every device has. */
static bool
run_timed (struct recorder *rec, double *ms, vit_error *err)
{
  uint64_t start = now_ns ();
  if (!recorder_run (rec, err))
    return false;
  *ms = (double) (now_ns () - start) * 1e-6;
  return true;
}

bool
record_peak (struct recorder *rec, struct span out, uint32_t invocations, const struct peak_params *p, vit_error *err)
{
  struct dispatch d = {
    .shader = SHADER_peak_fma,
    .bind = { { 0 }, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { invocations / VIT_PEAK_GROUP, 1, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}

/* More rounds until they take long enough, then the best of a few runs. */
static bool
measure_fma (vit_device *dev, struct recorder *rec, double *gflop_per_s, vit_error *err)
{
  struct buffer out = { 0 };
  struct peak_params p = { .rounds = 1, .factor = 1.0f, .term = 1.0f };
  double best = 0, ms = 0;
  bool ok = buffer_create (dev, MEMORY_LOCAL, INVOCATIONS * sizeof (float), "peak", &out, err);
  for (int runs = 0; ok && runs <= BEST_OF;) {
    ok = recorder_begin (rec, err) && record_peak (rec, span_all (&out), INVOCATIONS, &p, err)
        && recorder_end (rec, err) && recorder_run (rec, err) && run_timed (rec, &ms, err);
    if (!ok)
      break;
    if (ms < LONG_ENOUGH_MS && runs == 0 && p.rounds < MAX_ROUNDS) {
      p.rounds *= 2;
      continue;
    }
    double gflop = 2e-9 * INVOCATIONS * VIT_PEAK_STEPS * VIT_PEAK_CHAINS * p.rounds;
    best = gflop / ms * 1e3 > best ? gflop / ms * 1e3 : best;
    runs++;
  }
  *gflop_per_s = best;
  buffer_destroy (dev, &out);
  return ok;
}

static bool
measure_copy (vit_device *dev, struct recorder *rec, double *gb_per_s, vit_error *err)
{
  /* beyond the last cache of a GPU; a CPU has less of it, and copies with one thread */
  VkDeviceSize size = (VkDeviceSize) (dev->caps.software ? 64 : 256) << 20;
  uint32_t copies = dev->caps.software ? 2 : 16;
  struct buffer from = { 0 }, to = { 0 };
  double best = 0, ms = 0;
  bool ok = buffer_create (dev, MEMORY_LOCAL, size, "copy", &from, err)
      && buffer_create (dev, MEMORY_LOCAL, size, "copy", &to, err) && recorder_begin (rec, err);
  for (uint32_t i = 0; ok && i < copies; i++)
    recorder_copy (rec, &from, 0, &to, 0, size);
  ok = ok && recorder_end (rec, err) && recorder_run (rec, err);
  for (int run = 0; ok && run < BEST_OF; run++) {
    ok = run_timed (rec, &ms, err);
    double gb = 2e-9 * (double) size * copies;
    best = ok && gb / ms * 1e3 > best ? gb / ms * 1e3 : best;
  }
  *gb_per_s = best;
  buffer_destroy (dev, &from);
  buffer_destroy (dev, &to);
  return ok;
}

bool
vit_device_measure_peak (vit_device *dev, struct vit_device_peak *out, vit_error *err)
{
  if (!dev || !out)
    return fail (err, VIT_ERR_ARG, "vit_device_measure_peak: device and out must not be NULL");
  *out = (struct vit_device_peak) { 0 };
  struct recorder *rec = recorder_create (dev, err);
  bool ok = rec && measure_fma (dev, rec, &out->gflop_per_s, err) && measure_copy (dev, rec, &out->copy_gb_per_s, err);
  recorder_destroy (&rec);
  return ok;
}
