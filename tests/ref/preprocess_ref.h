/* Plain C twins of the preprocessing kernels, and the colour conversion once more from its definition. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_REF_PREPROCESS_REF_H
#define VIT_TESTS_REF_PREPROCESS_REF_H

#include "model/preprocess.h"

/* Both passes as params.h defines them, one pixel and one tap at a time; results are equal to the bit.
 * frame: the upload as bytes; rows: (num_rows, out_stride), columns past width are left alone; patches: as stored by
 * the float variant, from element 0. Sums that don't fit in 32 bits end the program. */
void ref_preprocess_h (const struct preprocess_h_params *p, const uint8_t *frame, const int32_t *tables,
    uint32_t *rows);
void ref_preprocess_v (const struct preprocess_v_params *p, const uint32_t *rows, const int32_t *tables,
    float *patches);

/* Upload and both passes in memory of their own: (patches, out_stride), freed by the caller; NULL without memory. */
float *ref_preprocess (const struct preprocess_plan *plan, const vit_image *image);

/* rgb: (crop height, crop width, 3) in 0..255, not rounded, not clamped: read from the caller's planes, chroma
 * interpolated by position, the matrix from luma's shares of red and blue. Shares no code or table with the host. */
void ref_picture_rgb (const vit_image *image, double *rgb);

#endif
