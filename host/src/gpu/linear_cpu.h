/* Linear layers by the unrolled kernels of shaders/cpu, for devices that are a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_CPU_H
#define VIT_GPU_LINEAR_CPU_H

#include "gpu/linear.h"
#include "gpu/quantize.h"
#include "gpu/recorder.h"

/* Whether the device has such a kernel and it does this shape. */
bool linear_cpu_suits (vit_device *dev, uint32_t in_dim, uint32_t out_dim);

/* Bytes of a weight's panels of columns, as cpu_linear.h says. */
size_t linear_cpu_bytes (const vit_device *dev, const struct weight *shape);
/* Writes all of them. */
void linear_cpu_pack (const vit_device *dev, const struct weight *shape, const struct weight_values *v, uint8_t *out);
/* record_linear for such a weight: x and y are float. */
bool record_linear_cpu (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k,
    vit_error *err);

#endif
