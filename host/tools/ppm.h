/* Reads a picture file into memory: binary PPM (P6), 8 bits a channel. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_PPM_H
#define VIT_TOOLS_PPM_H

#include "vit/vit.h"

/* Fills *image (RGB) and *pixels, which it points into and which the caller frees with free (). On failure *pixels is
 * NULL. */
bool ppm_read (const char *path, vit_image *image, unsigned char **pixels, vit_error *err);

#endif
