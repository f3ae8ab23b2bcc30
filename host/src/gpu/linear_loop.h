/* Linear layers by the looping kernel of shaders/cpu, for CPU devices whose compiler keeps loops uniform. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_LINEAR_LOOP_H
#define VIT_GPU_LINEAR_LOOP_H

#include "gpu/device.h"
#include "gpu/linear.h"
#include "gpu/quantize.h"
#include "gpu/recorder.h"

bool linear_loop_suits (const vit_device *dev, uint32_t in_dim, uint32_t out_dim);
/* Bytes of a weight in panels. */
size_t linear_loop_bytes (const vit_device *dev, const struct weight *shape);
/* Writes all of them. */
void linear_loop_pack (const vit_device *dev, const struct weight *shape, const struct weight_values *v, uint8_t *out);
bool record_linear_loop (struct recorder *rec, const struct linear_call *call, const struct linear_kernel *k,
    vit_error *err);

#endif
