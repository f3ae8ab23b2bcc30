/* What the clocks say. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_CLOCK_H
#define VIT_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t
clock_ns (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static inline uint64_t
clock_ms (clockid_t clock)
{
  return clock_ns (clock) / 1000000u;
}

/* By a clock that nobody sets. */
static inline uint64_t
now_ns (void)
{
  return clock_ns (CLOCK_MONOTONIC);
}

static inline uint64_t
now_ms (void)
{
  return clock_ms (CLOCK_MONOTONIC);
}

#endif
