/* Which special kernels this device may use: those that agreed with the plain one when tried, fast enough. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_TRUST_H
#define VIT_GPU_TRUST_H

#include "gpu/device.h"
#include "gpu/pipelines.h"

struct plan;
struct planned;
struct special;

enum trust_family { TRUST_LINEAR, TRUST_ATTENTION, TRUST_LAYERNORM };
enum verdict { VERDICT_NONE, VERDICT_RIGHT, VERDICT_WRONG, VERDICT_SLOW };

/* Has the kernel `name` been given up for layers of this size (in_dim, tokens, dim)? Any thread. */
bool trust_refuses (const vit_device *dev, enum trust_family family, const char *name, uint32_t size);

/* What is remembered of a pipeline of a plan: RIGHT, or NONE. A refused kernel is in no plan. */
enum verdict trust_recall (const vit_device *dev, const struct planned *p);
/* Remembers a verdict; a bad one gives up the special call's kernel, with a warning that names it. */
bool trust_remember (vit_device *dev, const struct plan *plan, uint32_t index, enum verdict verdict, vit_error *err);

#endif
