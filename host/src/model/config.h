/* What kind of Vision Transformer a checkpoint holds, as data: nothing else may ask a model's name. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_CONFIG_H
#define VIT_MODEL_CONFIG_H

#include "vit/vit.h"

enum act { ACT_NONE, ACT_GELU_ERF, ACT_GELU_TANH, ACT_GELU_QUICK, ACT_RELU, ACT_TANH }; /* = ACT_ in params.h */
enum pool { POOL_TOKEN, POOL_MEAN }; /* the class token, or the mean of the tokens after the prefix */
enum head {
  HEAD_LINEAR, /* linear (head) */
  HEAD_TANH,   /* linear (head.fc1), tanh, linear (head): the seed's pre-logits */
  HEAD_MLP     /* LayerNorm (head.norm), linear (head.fc1), GELU, linear (head) */
};
enum pos_resample { POS_BICUBIC_ANTIALIAS, POS_BICUBIC }; /* timm's and transformers' way to another input size */

struct vit_config {
  char name[128];
  char family[32];                                        /* timm, transformers, bare */
  uint32_t image_width, image_height;                     /* pixels */
  uint32_t patch_width, patch_height;                     /* pixels */
  uint32_t dim, depth, heads, head_dim, mlp_dim, classes; /* heads * head_dim is the attention width, mostly dim */
  uint32_t head_hidden;                                   /* HEAD_TANH, HEAD_MLP: width of the hidden layer */
  uint32_t num_prefix;                      /* tokens before the patches: class, distillation, registers; 0 to 16 */
  bool pos_covers_prefix;                   /* pos_embed has rows for the prefix tokens too */
  bool pos_covers_cls_only;                 /* ... for the class token only, registers get none */
  uint32_t pos_grid_width, pos_grid_height; /* patches of the stored pos_embed; differs from the image's: resampled */
  enum pos_resample pos_resample;
  bool patch_bias, patch_norm, pre_norm; /* patch_embed.proj.bias; LayerNorm after patch_embed; before the blocks */
  bool qkv_bias, proj_bias, mlp_bias, layer_scale;
  bool final_norm, pool_norm; /* LayerNorm over the tokens before pooling; over the pooled vector after it */
  float qk_scale;             /* multiplies q.k; head_dim^-0.5 mostly */
  float eps;                  /* of every LayerNorm */
  enum act act;               /* of the MLP (and HEAD_MLP) */
  enum pool pool;
  enum head head;
  bool head_bias;
  bool distilled; /* HEAD_LINEAR, POOL_TOKEN: the mean of a class token's head and a distillation token's */
};

/* Facts that follow from the rest. */
static inline uint32_t
config_patches (const struct vit_config *c)
{
  return (c->image_width / c->patch_width) * (c->image_height / c->patch_height);
}
static inline uint32_t
config_tokens (const struct vit_config *c)
{
  return c->num_prefix + config_patches (c);
}
/* The first tokens of an image, which the head looks at; all where it takes the mean. */
static inline uint32_t
config_pooled (const struct vit_config *c)
{
  return c->pool == POOL_MEAN ? config_tokens (c) : c->distilled ? 2 : 1;
}

#endif
