/* Runs a session over and over and says how long each submit took. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_MEASURE_H
#define VIT_TOOLS_MEASURE_H

#include "vit/vit.h"

struct measure_plan {
  uint32_t batch, in_flight; /* images a submit, submits under way */
  uint32_t warmup, runs;     /* submits */
};

struct measure_result {
  double median_ms, p10_ms, p90_ms; /* from one finished submit to the next, host clock */
  double gpu_ms;                    /* median of the device's own figure; 0 without timestamps */
  double images_per_s;
  /* per image of the timed runs; what should be 0 is exactly 0 */
  double submits, allocations, descriptor_updates;
};

bool measure_run (vit_session *session, const vit_image *image, const struct measure_plan *plan,
    struct measure_result *out, vit_error *err);

#endif
