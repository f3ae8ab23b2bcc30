/* Work in independent items, shared out among threads. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_SHARE_H
#define VIT_BASE_SHARE_H

#include "base/error.h"

enum { SHARE_MAX_THREADS = 8 };

struct share {
  uint32_t num, threads; /* items; threads at most, the caller's among them */
  void *ctx;
  bool (*item) (void *ctx, uint32_t index, vit_error *err); /* from any of the threads */
  void (*before) (void *ctx, uint32_t index);               /* the caller is about to do this item; in its thread */
};

/* Does all items, begun in their order. After one fails none is begun, and the first failure is told. A system that has
 * no thread to give makes it slower, nothing else. */
bool share_out (const struct share *work, vit_error *err);

#endif
