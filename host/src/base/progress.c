/* Tells a caller how far a long call has come. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/progress.h"

#include <stddef.h>

static const char *const names[VIT_NUM_PHASES] = {
  [VIT_PHASE_LOAD] = "loading the weights",
  [VIT_PHASE_COMPILE] = "compiling kernels",
  [VIT_PHASE_TUNE] = "tuning kernels",
};

const char *
vit_phase_name (enum vit_phase phase)
{
  return (unsigned) phase < VIT_NUM_PHASES ? names[phase] : NULL;
}

struct progress
progress_begin (vit_progress call, void *ctx, enum vit_phase phase, uint32_t total)
{
  if (call && total > 0)
    call (ctx, phase, 0, total);
  return (struct progress) { call, ctx, phase, 0, total };
}

void
progress_set (struct progress *p, uint32_t done)
{
  if (done > p->total)
    done = p->total;
  if (done <= p->done)
    return;
  p->done = done;
  if (p->call)
    p->call (p->ctx, p->phase, done, p->total);
}
