/* Attention by the unrolled kernel of shaders/cpu, for devices that are a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_ATTENTION_CPU_H
#define VIT_GPU_ATTENTION_CPU_H

#include "gpu/plan.h"
#include "gpu/recorder.h"

/* Whether the device has the kernel and it does this shape; qkv and out are float. */
bool attention_cpu_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k);
/* record_attention for such a shape. */
bool record_attention_cpu (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err);

#endif
