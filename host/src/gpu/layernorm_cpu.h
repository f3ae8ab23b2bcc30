/* LayerNorm by the unrolled kernel of shaders/cpu, for devices that are a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LAYERNORM_CPU_H
#define VIT_GPU_LAYERNORM_CPU_H

#include "gpu/recorder.h"

/* Whether the device has the kernel and it does this shape; x and y are float. */
bool layernorm_cpu_suits (const vit_device *dev, const struct layernorm_params *p);
/* record_layernorm for such a shape. */
bool record_layernorm_cpu (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, const struct layernorm_params *p, vit_error *err);

#endif
