/* Binds what a dispatch of a kernel for CPUs stores. */
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

/* Can rows of y be bound as shaders/cpu/store.glsl has them, in elements of 8 floats, or 4 of 4 lanes? Then `bound`,
 * and `at` gets how many elements there are before the first row, which is y's `first` float. */
static inline bool
cpu_output_wide (const struct caps *caps, struct span y, uint64_t first, uint32_t rows, uint32_t stride, uint32_t row,
    struct span *bound, uint32_t *at)
{
  uint32_t element = caps->subgroup_size == 4 ? 4 : 8;
  uint64_t floats = (rows - 1) * (uint64_t) stride + row;
  if ((y.offset / 4 + first) % element || stride % element || 4 * floats > cpu_output_limit (caps))
    return false;
  *bound = cpu_output (y, first, floats, at);
  *at /= element;
  return true;
}

#endif
