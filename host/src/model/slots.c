/* What a config says about each slot: whether there is one, how large it is, what timm calls it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/checkpoint.h"

static const char *const names[NUM_SLOTS] = {
  [SLOT_PATCH_W] = "patch_embed.proj.weight",
  [SLOT_PATCH_B] = "patch_embed.proj.bias",
  [SLOT_PATCH_NORM_W] = "patch_embed.norm.weight",
  [SLOT_PATCH_NORM_B] = "patch_embed.norm.bias",
  [SLOT_PREFIX] = "cls_token",
  [SLOT_POS] = "pos_embed",
  [SLOT_PRE_NORM_W] = "norm_pre.weight",
  [SLOT_PRE_NORM_B] = "norm_pre.bias",
  [SLOT_NORM1_W] = "blocks.*.norm1.weight",
  [SLOT_NORM1_B] = "blocks.*.norm1.bias",
  [SLOT_QKV_W] = "blocks.*.attn.qkv.weight",
  [SLOT_QKV_B] = "blocks.*.attn.qkv.bias",
  [SLOT_PROJ_W] = "blocks.*.attn.proj.weight",
  [SLOT_PROJ_B] = "blocks.*.attn.proj.bias",
  [SLOT_LS1] = "blocks.*.ls1.gamma",
  [SLOT_NORM2_W] = "blocks.*.norm2.weight",
  [SLOT_NORM2_B] = "blocks.*.norm2.bias",
  [SLOT_FC1_W] = "blocks.*.mlp.fc1.weight",
  [SLOT_FC1_B] = "blocks.*.mlp.fc1.bias",
  [SLOT_FC2_W] = "blocks.*.mlp.fc2.weight",
  [SLOT_FC2_B] = "blocks.*.mlp.fc2.bias",
  [SLOT_LS2] = "blocks.*.ls2.gamma",
  [SLOT_NORM_W] = "norm.weight",
  [SLOT_NORM_B] = "norm.bias",
  [SLOT_POOL_NORM_W] = "fc_norm.weight",
  [SLOT_POOL_NORM_B] = "fc_norm.bias",
  [SLOT_HEAD_NORM_W] = "head.norm.weight",
  [SLOT_HEAD_NORM_B] = "head.norm.bias",
  [SLOT_HEAD_FC1_W] = "head.fc1.weight",
  [SLOT_HEAD_FC1_B] = "head.fc1.bias",
  [SLOT_HEAD_W] = "head.weight",
  [SLOT_HEAD_B] = "head.bias",
};

const char *
slot_name (enum slot slot)
{
  return slot < NUM_SLOTS ? names[slot] : "?";
}

bool
slot_per_block (enum slot slot)
{
  return slot >= SLOT_NORM1_W && slot <= SLOT_LS2;
}

bool
slot_present (const struct vit_config *c, enum slot slot)
{
  switch (slot) {
    case SLOT_PATCH_B:
      return c->patch_bias;
    case SLOT_PATCH_NORM_W:
    case SLOT_PATCH_NORM_B:
      return c->patch_norm;
    case SLOT_PREFIX:
      return c->num_prefix > 0;
    case SLOT_PRE_NORM_W:
    case SLOT_PRE_NORM_B:
      return c->pre_norm;
    case SLOT_QKV_B:
      return c->qkv_bias;
    case SLOT_PROJ_B:
      return c->proj_bias;
    case SLOT_FC1_B:
    case SLOT_FC2_B:
      return c->mlp_bias;
    case SLOT_LS1:
    case SLOT_LS2:
      return c->layer_scale;
    case SLOT_NORM_W:
    case SLOT_NORM_B:
      return c->final_norm;
    case SLOT_POOL_NORM_W:
    case SLOT_POOL_NORM_B:
      return c->pool_norm;
    case SLOT_HEAD_NORM_W:
    case SLOT_HEAD_NORM_B:
      return c->head == HEAD_MLP;
    case SLOT_HEAD_FC1_W:
      return c->head != HEAD_LINEAR;
    case SLOT_HEAD_FC1_B:
      return c->head != HEAD_LINEAR && c->head_bias;
    case SLOT_HEAD_B:
      return c->head_bias;
    default:
      return slot < NUM_SLOTS;
  }
}

size_t
slot_count (const struct vit_config *c, enum slot slot)
{
  size_t dim = c->dim, attention = (size_t) c->heads * c->head_dim;
  switch (slot) {
    case SLOT_PATCH_W:
      return dim * 3 * c->patch_height * c->patch_width;
    case SLOT_PREFIX:
      return c->num_prefix * dim;
    case SLOT_POS:
      return config_tokens (c) * dim;
    case SLOT_QKV_W:
      return 3 * attention * dim;
    case SLOT_QKV_B:
      return 3 * attention;
    case SLOT_PROJ_W:
      return dim * attention;
    case SLOT_FC1_W:
    case SLOT_FC2_W:
      return c->mlp_dim * dim;
    case SLOT_FC1_B:
      return c->mlp_dim;
    case SLOT_HEAD_FC1_W:
      return c->head_hidden * dim;
    case SLOT_HEAD_FC1_B:
      return c->head_hidden;
    case SLOT_HEAD_W:
      return (size_t) c->classes * (c->distilled + 1u) * (c->head == HEAD_LINEAR ? c->dim : c->head_hidden);
    case SLOT_HEAD_B:
      return (size_t) c->classes * (c->distilled + 1u);
    default:
      return dim;
  }
}
