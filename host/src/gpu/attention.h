/* The table of attention kernels, and which of them to take without having timed any. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_ATTENTION_H
#define VIT_GPU_ATTENTION_H

#include "gpu/plan.h"

/* The rows of the table; the last one does every call. */
uint32_t attention_num_kernels (void);
const struct attention_kernel *attention_kernel_at (uint32_t index);
/* p with queries filled in. */
const struct attention_kernel *attention_static_choice (const vit_device *dev, enum store store,
    const struct attention_params *p);

#endif
