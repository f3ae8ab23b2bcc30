/* Runs a special kernel and the plain one on the same random data. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_TRIAL_H
#define VIT_GPU_TRIAL_H

#include "gpu/plan.h"

/* The shortest of some runs of the whole call, by the device's clock; at least one, none begun after limit_ms. *ms is 0
 * where the device has no clock. */
bool trial_time (vit_device *dev, const struct special *s, uint32_t runs, uint64_t limit_ms, double *ms,
    vit_error *err);
/* Does special call `s`, cut to some rows and columns and heads that meet the edges of tiles, run the pipeline of
 * `shader` and `spec` and agree with the plain kernel on this device? *right is set unless it fails. */
bool trial_run (vit_device *dev, const struct special *s, bool *right, vit_error *err);

#endif
