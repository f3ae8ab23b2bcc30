/* Position embeddings for another image size, as timm and transformers resize them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_POS_RESAMPLE_H
#define VIT_MODEL_POS_RESAMPLE_H

#include "model/config.h"

/* Resizes a grid of vectors, in: (in_height, in_width, dim) to out: (out_height, out_width, dim). Equal to torch's
 * interpolate with mode bicubic, align_corners False and antialias for POS_BICUBIC_ANTIALIAS. Fails with MEMORY. */
bool pos_resample (enum pos_resample kind, const float *in, uint32_t in_height, uint32_t in_width, float *out,
    uint32_t out_height, uint32_t out_width, uint32_t dim, vit_error *err);

#endif
