/* Attention by products of matrices that a subgroup does at once: the kernel of shaders/coopmat. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_ATTENTION_COOPMAT_H
#define VIT_GPU_ATTENTION_COOPMAT_H

#include "gpu/attention.h"

bool attention_coopmat_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k);
bool record_attention_coopmat (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err);

#endif
