/* The twin: every kernel and the whole forward pass in plain C and double precision, slow and obvious. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_REF_VIT_REF_H
#define VIT_TESTS_REF_VIT_REF_H

#include "model/checkpoint.h"
#include "params.h"

/* One function per kernel, with the kernel's own parameters (strides are elements) and contract. */
double ref_activation (uint32_t act, double x); /* VIT_ACT_, exact forms */
/* w: (out_dim, in_dim); bias: (bias_rows, out_dim) */
void ref_linear (const struct linear_params *p, const double *x, const double *w, const double *bias, double *y);
/* weight and bias may be NULL, both */
void ref_layernorm (const struct layernorm_params *p, const double *x, const double *weight, const double *bias,
    double *y);
/* prefix: (num_prefix, dim), not read when there is none; pos: (tokens, dim) */
void ref_tokens (const struct tokens_params *p, const double *patches, const double *prefix, const double *pos,
    double *y);
void ref_attention (const struct attention_params *p, const double *qkv, double *out);
void ref_pool (const struct pool_params *p, const double *x, double *y);

/*
 * One image from normalised patch rows (patches, 3 * patch_height * patch_width) to logits[classes], with the weights
 * that checkpoint_read gives. Every intermediate tensor goes to tap (NULL: not wanted) as it is made, in this order:
 *
 *   patches              (patches, 3 * patch_height * patch_width)
 *   patch_embed.proj     (patches, dim)   before the patch norm, where there is one
 *   patch_embed          (patches, dim)
 *   pos_embed            (tokens, dim)    before the pre-norm, where there is one
 *   tokens               (tokens, dim)
 *   blocks.N.norm1       (tokens, dim)
 *   blocks.N.attn.qkv    (tokens, 3 * heads * head_dim)
 *   blocks.N.attn        (tokens, heads * head_dim)  before the projection
 *   blocks.N.attn.residual (tokens, dim)
 *   blocks.N.norm2       (tokens, dim)
 *   blocks.N.mlp.act     (tokens, mlp_dim)
 *   blocks.N             (tokens, dim)
 *   norm                 (tokens, dim)    where there is a final norm
 *   norm.token, pool.mean (1, dim)        before the pool norm, where there is one
 *   pool                 (1, dim)
 *   head.norm            (1, dim)         where the head has one
 *   head.hidden          (1, head_hidden) after its activation, where the head has two layers
 *   logits               (1, classes)
 */
typedef void (*ref_tap) (void *ctx, const char *name, const double *data, uint32_t rows, uint32_t columns);
bool ref_forward (const struct checkpoint *c, const float *patches, ref_tap tap, void *ctx, double *logits,
    vit_error *err);

#endif
