/* From a picture's size and a checkpoint's rules to the tap tables that the preprocess kernels follow. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_PREPROCESS_H
#define VIT_MODEL_PREPROCESS_H

#include "base/error.h"

#ifndef VIT_C
#define VIT_C
#endif
#include "params.h"

enum { GEOMETRY_MAX_SIDE = 16384 }; /* pixels, of pictures and of the network's input */

/* One direction of a resize, for the visible output positions only. PIL's 8-bit resampling (Resample.c): output i is
 * clip8 ((sum over t of coeffs[i * max_taps + t] * in[first[i] + t] + 2^21) >> 22). */
struct taps {
  uint32_t count;    /* output positions in the network's input along this direction */
  uint32_t max_taps; /* row length of coeffs */
  uint32_t *first;   /* (count) first source pixel, relative to the crop rectangle's origin */
  uint32_t *num;     /* (count) taps used; 0: outside the resized picture, the output is the fill colour */
  int32_t *coeffs;   /* (count, max_taps), 22-bit fixed point */
};

/* The whole way of one picture size. */
struct geometry {
  uint32_t source_width, source_height;   /* pixels, after the caller's crop */
  uint32_t resized_width, resized_height; /* of the whole picture */
  int32_t left, top;                      /* of the visible window in the resized picture; negative: padded */
  struct taps x, y;
  uint32_t first_row, num_rows; /* source rows and columns that the taps need */
  uint32_t first_column, num_columns;
  bool vertical_first; /* the order of the passes, each of which rounds to 8 bits */
};

/* Fails with ARG (a size of 0 or over GEOMETRY_MAX_SIDE, rules outside their enums) or MEMORY; *g is finished then. */
bool geometry_init (struct geometry *g, const struct vit_preprocess *rules, uint32_t width, uint32_t height,
    vit_error *err);
void geometry_finish (struct geometry *g); /* accepts a zeroed one */

/* One plane of the upload: whole rows of the picture (or, with a crop, of the pixels that the crop touches), each
 * beginning on a word. */
struct preprocess_plane {
  uint32_t first_row, first_byte; /* in the image's plane */
  uint32_t rows, row_bytes;       /* copied */
  uint32_t offset, stride;        /* bytes, in the upload */
};

/* Everything about a picture's way to patch rows that depends only on its layout: computed once per layout, recorded
 * into a command buffer, then reused for every frame like it. */
struct preprocess_plan {
  vit_image image; /* the layout it was made for: pointers and strides are of no meaning */
  uint32_t num_planes;
  struct preprocess_plane planes[3];
  size_t upload_size; /* bytes of the frame's storage buffer; the end past the planes is never set */
  int32_t *tables;    /* uploaded once */
  size_t tables_size; /* bytes */
  size_t rows_size;   /* bytes of the buffer between the passes */
  uint32_t
      tile_rows; /* of the frame, that VIT_TILE_SIDE rows of the input need at most; 0: the passes go the other way */
  struct preprocess_h_params h;
  struct preprocess_v_params v; /* out_first 0, out_stride 3 * patch_h * patch_w: image b of a batch writes at
                                      out_first = b * patches * out_stride */
};

/* Fails with ARG (a plane that is NULL, a stride too small, a size of 0 or too large, a crop outside the picture, rules
 * that don't fit the patches) or MEMORY; *plan is finished then. */
bool preprocess_plan (struct preprocess_plan *plan, const struct vit_preprocess *rules, uint32_t patch_w,
    uint32_t patch_h, const vit_image *image, vit_error *err);
void preprocess_plan_finish (struct preprocess_plan *plan); /* accepts a zeroed one */

/* Checks a frame's pointers, strides, size, format and crop alone. */
bool preprocess_image_check (const vit_image *image, vit_error *err);

/* VIT_FRAME_ of a format; 0: there is no such format. */
uint32_t preprocess_kind (enum vit_format format);

/* May this frame, which passed preprocess_image_check, use the plan? Strides and pointers may differ. */
bool preprocess_same_layout (const struct preprocess_plan *plan, const vit_image *image);

/* Copies the planes into a mapped buffer of upload_size bytes, in rising order of addresses. */
void preprocess_upload (const struct preprocess_plan *plan, const vit_image *image, void *staging);

#endif
