/* Which kernel is fastest for each layer's shape on this device: timed once, and remembered. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_TUNER_H
#define VIT_GPU_TUNER_H

#include "base/progress.h"
#include "gpu/attention.h"

/* The kernels to take: those that were fastest when timed, else the static choice. Calls are completed ones. */
const struct linear_kernel *tuner_linear (const vit_device *dev, const struct linear_call *call);
const struct attention_kernel *tuner_attention (const vit_device *dev, enum store store,
    const struct attention_params *p);

/* Times the kernels for each linear and attention of the plan that has several to choose from and was not timed before
 * (FULL: whether it was or not), within a bound of time; for what comes after it the choice stays static and is timed
 * the next time. Devices without timestamps, and with AUTO those that are a CPU, time nothing: their static choice is
 * from measurement already, and trying the rest would take longer than it ever gives back. */
bool tuner_run (vit_device *dev, const struct plan *plan, enum vit_tune mode, vit_progress call, void *ctx,
    vit_error *err);

#endif
