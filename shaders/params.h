/* Push constants of every kernel and the numbers both sides must agree on; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_PARAMS_H
#define VIT_PARAMS_H

#ifdef VIT_C
#include <stdint.h>
#define uint       uint32_t
#define VIT_STRUCT struct
#else
#define VIT_STRUCT
#endif

#include "activation.h"

/* Code paths of linear_tile.comp. */
#define VIT_TILE_ADD    1u
#define VIT_TILE_BIAS   2u
#define VIT_TILE_TAIL   4u  /* in_dim is no multiple of a step: x needs masks */
#define VIT_TILE_SINGLE 8u  /* out_dim or y_stride is no multiple of 4: y is stored one by one */
#define VIT_TILE_TABLE  16u /* bias_rows above 1 */
#define VIT_TILE_NORM   32u
#define VIT_TILE_PACKED 64u /* two products at once, a step's sums in half: for kernels of halves as numbers */

/* y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[r % bias_rows][n]), or y += that. Row r of x starts at x_first + r *
 * x_stride, of y at y_first + r * y_stride. With norm the sum is over (x[r][k] - mean) * rsqrt (var + eps) instead,
 * where mean and variance are those of row r: a LayerNorm whose weight and bias are folded into w and bias. */
struct linear_params {
  uint rows, in_dim, out_dim; /* elements */
  uint x_first, x_stride;     /* elements of x */
  uint y_first, y_stride;     /* elements of y */
  uint w_stride;              /* elements of w */
  uint act;                   /* VIT_ACT_ */
  uint add;                   /* 1: y += result (the residual lives in y) */
  uint bias_rows;             /* 0: none; 1: one for all rows; more: with act NONE and without add only */
  uint norm;                  /* 1: x is normalised row by row */
  float eps;                  /* of that */
};

/* linear.rows of `of`, for few of them: x is the sum of `parts` rows part_stride apart; bias_rows is 0 or 1. */
#define VIT_ROWS_OUT 32u /* outputs of a workgroup */
struct rows_params {
  VIT_STRUCT linear_params of;
  uint parts, part_stride; /* elements, a multiple of 4 */
};

/* A block for one token of each image, in two kernels. What they make comes in parts that are to be added up. */
#define VIT_CLASS_HIDDEN 64u /* hidden units of a workgroup, and of a part */
struct class_attention_params {
  uint w_stride, wp_stride; /* elements of the weights of qkv and of the projection */
  uint has_bias, has_bp;    /* of each: 1: there is a bias */
  float scale;              /* as in attention_params */
  float eps;                /* of the norm of x */
};
struct class_mlp_params {
  uint parts;                /* of x */
  uint dim, hidden;          /* multiples of 4 */
  uint w1_stride, w2_stride; /* elements */
  uint has_b1, has_b2;       /* 1: there is a bias */
  uint act;                  /* VIT_ACT_ */
  float eps;                 /* of the norm of x */
};

/* y = (x - mean) * rsqrt (var + eps) * weight + bias over dim, one row each; weight and bias may be left out. */
struct layernorm_params {
  uint rows, dim;
  uint x_first, x_stride, y_first, y_stride;
  float eps;
};

/* tokens[b][t] = pos[t] + (t < num_prefix ? prefix[t] : patches[b][t - num_prefix]) */
struct tokens_params {
  uint batch, tokens, num_prefix, dim;
};

/* qkv (B * T, 3 * H * D) -> out (B * queries, H * D), of the first tokens of each image */
struct attention_params {
  uint batch, tokens, heads, head_dim;
  uint qkv_stride, out_stride; /* elements from one token to the next */
  float scale;                 /* multiplies q.k; softmax here is of powers of 2, so it holds log2 (e) too */
  uint queries;                /* tokens that attend; 0: all of them (filled in when it is recorded) */
};

/* y[b] = mean over tokens num_prefix .. tokens - 1 of x[b][t] */
struct pool_params {
  uint batch, tokens, num_prefix, dim;
};

/* a[i] = a[i] * factor + term, over and over: CHAINS sums an invocation, STEPS times a round */
#define VIT_PEAK_CHAINS 12
#define VIT_PEAK_STEPS  16
#define VIT_PEAK_GROUP  64
struct peak_params {
  uint rounds;
  float factor, term;
};

/* How the frame's bytes lie, for the first pass (also its specialization constant 0). Rows begin on words. */
#define VIT_FRAME_RGB24      1u /* 3 bytes a pixel */
#define VIT_FRAME_RGB32      2u /* 4 bytes a pixel */
#define VIT_FRAME_GRAY       3u /* luma only */
#define VIT_FRAME_YUV444     4u /* three planes of one size */
#define VIT_FRAME_YUV_SEMI   5u /* luma plane, plane of chroma pairs, one pair to two pixels and two rows */
#define VIT_FRAME_YUV_PLANAR 6u /* luma plane, two planes with one byte to two pixels and two rows */
#define VIT_FRAME_YUV_PACKED 7u /* two bytes a pixel: luma and, in turns, U or V */
#define VIT_FRAME_MASK       15u
#define VIT_FRAME_VERTICAL   16u /* added to one of these: the first pass runs along y, the second along x */

/* Where a frame's samples lie and how they become RGB. */
struct planes_params {
  uint stride;                         /* words from one row to the next of the first plane, which is at 0 */
  uint chroma_offset, chroma_offset2;  /* words: U (or pairs), V */
  uint chroma_stride;                  /* words */
  uint chroma_last_x, chroma_last_y;   /* the last sample and row there is, for clamping */
  uint chroma_y_phase, chroma_y_first; /* row r is near chroma row ((r + phase) >> 1) + first */
  uint chroma_h_cosited, chroma_v_cosited;
  uint shift[3];                              /* bits: of R, G, B, or of Y, U, V, in a pixel, pair or packed word */
  int y_gain, v_to_r, u_to_g, v_to_g, u_to_b; /* times 2^21; chroma comes in sixteenths */
  int bias[3];                                /* R, G, B, rounding included */
};

/* Rows that an invocation of the first pass makes along x; a block begins on an even row of chroma_y_phase. */
#define VIT_FRAME_BLOCK 4u

/* First pass, mostly the horizontal one: a frame's planes -> rows of packed RGBA8 words, (num_rows, out_stride).
 * Bindings: 0 the frame as words, 1 tables, 3 out. Table x is at taps_offset: width heads {first, groups, 0, 0}, then
 * (width, max_groups) coefficients; everything in units of 4 numbers, first in units of 4 pixels of the frame.
 * With VIT_FRAME_VERTICAL width counts quads of pixels, beginning at first_quad of the frame, and table y has a head
 * for each row; first counts the frame's rows then.
 * Dispatch: (width / 64 rounded up, (num_rows + chroma_y_phase) / VIT_FRAME_BLOCK rounded up) groups, or
 * (.., num_rows) with VIT_FRAME_VERTICAL. */
struct preprocess_h_params {
  uint width, num_rows; /* output pixels (or quads) a row, rows */
  uint out_stride;      /* words from one output row to the next, a multiple of 4 */
  uint taps_offset, max_groups;
  uint kind; /* VIT_FRAME_ */
  VIT_STRUCT planes_params planes;
  uint fill;                 /* packed RGBA8, where a head has no groups */
  uint first_quad, last_row; /* of the frame; the quad for VIT_FRAME_VERTICAL */
};

/* Second pass, mostly the vertical one: rows -> normalised patch rows (patches, 3 * patch_h * patch_w), each channel,
 * then y, then x. Bindings: 0 rows, 1 tables, 3 out. Table y is at taps_offset, built like x; first counts rows. With
 * along_x it is table x, and first counts quads of pixels in a row.
 * Dispatch: (width / 256 rounded up, height) groups; an invocation makes 4 pixels. */
struct preprocess_v_params {
  uint width, height; /* pixels of the network's input */
  uint patch_width, patch_height;
  uint rows_stride, last_row; /* words from one row to the next, a multiple of 4; num_rows - 1 */
  uint taps_offset, max_groups;
  uint along_x;
  uint fill;                 /* packed RGBA8 */
  uint out_first;            /* elements: this image's first patch row */
  uint out_stride;           /* elements from one patch row to the next */
  float scale[3], offset[3]; /* out = value * scale + offset */
  uint zeros;                /* elements before out_first that are set to zero */
};

/* Both passes in one, the horizontal one first: each workgroup makes a tile of the network's input and keeps the rows
 * between the passes in shared memory. Table x is at 0, table y behind it; the rest as in the two.
 * Dispatch: (width, height) / VIT_TILE_SIDE rounded up. */
#define VIT_TILE_SIDE 16u
struct preprocess_params {
  VIT_STRUCT planes_params planes;
  uint width, height;
  uint x_groups, y_groups, last_row;
  uint patch_width, patch_height;
  uint fill;
  uint out_first, out_stride, zeros;
};

#ifdef VIT_C
#undef uint
#endif
#undef VIT_STRUCT
#endif
