/* Binds what a dispatch of an unrolled kernel stores. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_CPU_OUTPUT_H
#define VIT_GPU_CPU_OUTPUT_H

#include "gpu/device.h"
#include "gpu/kernels.h"

/* Bytes that one dispatch may store at most: what is left alone goes to places further behind. */
static inline uint64_t
cpu_output_limit (const struct caps *caps)
{
  uint64_t most = 1u << 30;
  return (caps->max_storage_range < most ? caps->max_storage_range : most) - 256;
}

/* `floats` of y, the first one being y's `first`; `at` gets how many there are before it in the binding. */
static inline struct span
cpu_output (struct span y, uint64_t first, uint64_t floats, uint32_t *at)
{
  uint64_t begin = y.offset + 4 * first, aligned = begin & ~(uint64_t) 255;
  *at = (uint32_t) (begin - aligned) / 4;
  return (struct span) { y.buffer, aligned, begin - aligned + 4 * floats };
}

#endif
