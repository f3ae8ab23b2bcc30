/* Attention and LayerNorm by the looping kernels of shaders/cpu, for CPU devices whose compiler keeps loops uniform. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_ROWS_LOOP_H
#define VIT_GPU_ROWS_LOOP_H

#include "gpu/device.h"
#include "gpu/plan.h"
#include "gpu/recorder.h"

/* Whether the device has the kernel and it does this shape; everything is float. */
bool attention_loop_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k);
bool layernorm_loop_suits (const vit_device *dev, const struct layernorm_params *p);
/* record_attention and record_layernorm for such shapes. */
bool record_attention_loop (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err);
bool record_layernorm_loop (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, const struct layernorm_params *p, vit_error *err);

#endif
