/* Runs a special kernel and the plain one on the same random data. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_TRIAL_H
#define VIT_GPU_TRIAL_H

#include "gpu/plan.h"

/* Does special call `s`, cut to some rows and columns and heads that meet the edges of tiles, run the pipeline of
 * `shader` and `spec` and agree with the plain kernel on this device? *right is set unless it fails. */
bool trial_run (vit_device *dev, const struct special *s, bool *right, vit_error *err);

#endif
