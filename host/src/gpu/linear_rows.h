/* Linear layers of a few rows, for GPUs: a head, a class token. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_ROWS_H
#define VIT_GPU_LINEAR_ROWS_H

#include "gpu/linear.h"

bool linear_rows_suits (const vit_device *dev, const struct linear_call *call, const struct linear_kernel *k);
bool record_linear_rows (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k,
    vit_error *err);

#endif
