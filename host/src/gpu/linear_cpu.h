/* Linear layers by the unrolled kernels of shaders/cpu, for devices that are a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_CPU_H
#define VIT_GPU_LINEAR_CPU_H

#include "gpu/recorder.h"

/* Whether the device has such a kernel and it does this shape. */
bool linear_cpu_suits (vit_device *dev, uint32_t in_dim, uint32_t out_dim);

/* w: (out_dim, in_dim), bias: (out_dim) or NULL -> panels of columns, as cpu_linear.h says. NULL: out of memory. */
void *linear_cpu_pack (const vit_device *dev, enum store store, const float *w, const float *bias, uint32_t in_dim,
    uint32_t out_dim, size_t *bytes);

/* record_linear for such a weight: x and y are float. */
bool record_linear_cpu (struct recorder *rec, const struct linear_call *call, vit_error *err);

#endif
