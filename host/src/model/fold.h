/* Arithmetic that is done once at load time instead of for every picture: which, and how a linear takes it in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_FOLD_H
#define VIT_MODEL_FOLD_H

#include "base/error.h"

#define LOG2_E 1.4426950408889634 /* the softmax of attention is of powers of 2 */

/* docs/architecture.md says what each does. */
enum fold {
  FOLD_PIXELS = 1,    /* scaling to 0..1, mean and deviation, into the patch embedding */
  FOLD_POSITIONS = 2, /* prefix tokens, position embedding and patch bias are one table, the patch embedding's bias */
  FOLD_NORMS = 4,     /* a norm's weight and bias, into the linear that reads it */
  FOLD_SCALE = 8,     /* the scale of the scores and log2 (e), into the rows of q */
  FOLD_BIASES = 16,   /* k's bias is left out, v's goes into the projection's */
  FOLD_LAST = 32,     /* the last block is done for the tokens that are looked at */
  FOLD_ALL = 63
};

/* VIT_FOLD of the environment: "none", or the names of those wanted with commas between; unset: all. Fails with ARG. */
bool fold_wanted (uint32_t *folds, vit_error *err);

/* A linear on its way to the device: w' = diag (row) w diag (column), bias' = row * (bias + w shift), each number of
 * them rounded once. */
struct layer {
  uint32_t in_dim, out_dim;
  float *w;             /* (out_dim, in_dim), the caller's */
  double *bias;         /* (out_dim) */
  double *row, *column; /* (out_dim), (in_dim) */
  float *product;       /* (in_dim), scratch: column times a factor */
  bool scaled;          /* row and column are not all 1 */
};

/* bias: (out_dim) or NULL. */
bool layer_init (struct layer *l, float *w, const float *bias, uint32_t in_dim, uint32_t out_dim, vit_error *err);
void layer_finish (struct layer *l); /* all but w; accepts a zeroed one */
/* Adds what a constant shift of the input makes: shift[i % period] to input i. */
void layer_shift (struct layer *l, const double *shift, uint32_t period);
/* Multiplies column i by factor[i % period], unless a weight would leave `smallest` .. `largest`: of the largest one in
 * size is asked, as all others are small beside it. */
bool layer_scale_columns (struct layer *l, const double *factor, uint32_t period, double smallest, double largest);
void layer_scale_rows (struct layer *l, uint32_t first, uint32_t num, double factor);
/* Does it: w holds the product, bias (out_dim) the bias. False: every bias is zero. */
bool layer_apply (struct layer *l, float *bias);

#endif
