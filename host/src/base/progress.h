/* Telling a caller how far a long call has come. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_PROGRESS_H
#define VIT_BASE_PROGRESS_H

#include "vit/vit.h"

/* One phase of one call; belongs to the thread of the call. */
struct progress {
  vit_progress call; /* NULL: nobody listens */
  void *ctx;
  enum vit_phase phase;
  uint32_t done, total;
};

/* Begins a phase of `total` steps and says so; of none, there is no phase. */
struct progress progress_begin (vit_progress call, void *ctx, enum vit_phase phase, uint32_t total);
/* `done` steps so far; says so where that is news. Steps beyond the total are not told. */
void progress_set (struct progress *p, uint32_t done);

#endif
