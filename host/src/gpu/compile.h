/* Makes the pipelines of a plan on several threads, trying the special kernels first. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_COMPILE_H
#define VIT_GPU_COMPILE_H

#include "base/progress.h"
#include "gpu/plan.h"

/* Work under way. The threads use the device, which must outlive it. */
struct compile;

/* Begins to make what the plan lists; takes the plan, which is empty afterwards whatever comes of it. */
struct compile *compile_start (vit_device *dev, struct plan *plan, vit_error *err);
uint32_t compile_total (const struct compile *c);
uint32_t compile_done (struct compile *c);
/* Waits for the end, but for no kernel longer than the limit, and frees it. *given_up: kernels that may not be used, so
 * that the plan must be made again. NULL: nothing was begun. */
bool compile_finish (struct compile **c, struct progress *progress, uint32_t *given_up, vit_error *err);

/* Begins nothing more: somebody else failed. compile_finish is still to be called, with a NULL error. */
void compile_stop (struct compile *c);

/* Threads that were left behind with a kernel that took too long. */
void compile_join_late (vit_device *dev);

#endif
