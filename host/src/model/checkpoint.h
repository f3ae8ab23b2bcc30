/* A checkpoint on disk: its config, preprocessing, labels, and its tensors under canonical slots. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_CHECKPOINT_H
#define VIT_MODEL_CHECKPOINT_H

#include "model/config.h"

/* Canonical tensors, named as timm names them; shapes are (out, in) for linears, as every family stores them.
 * Per-block slots take a block index, the others ignore it. */
enum slot {
  SLOT_PATCH_W, /* (dim, 3 * patch_height * patch_width): a row is channel, then y, then x; RGB */
  SLOT_PATCH_B, /* (dim) */
  SLOT_PATCH_NORM_W,
  SLOT_PATCH_NORM_B, /* (dim) */
  SLOT_PREFIX,       /* (num_prefix, dim): cls_token, dist_token, reg_token, in the order of the sequence */
  SLOT_POS,          /* (tokens, dim), already resampled to the image's grid; zero rows where it covers no prefix */
  SLOT_PRE_NORM_W,
  SLOT_PRE_NORM_B, /* (dim) */
  SLOT_NORM1_W,
  SLOT_NORM1_B, /* (dim), per block from here */
  SLOT_QKV_W,   /* (3 * heads * head_dim, dim): q rows, k rows, v rows */
  SLOT_QKV_B,   /* (3 * heads * head_dim) */
  SLOT_PROJ_W,
  SLOT_PROJ_B, /* (dim, heads * head_dim), (dim) */
  SLOT_LS1,    /* (dim) layer scale after attention */
  SLOT_NORM2_W,
  SLOT_NORM2_B, /* (dim) */
  SLOT_FC1_W,
  SLOT_FC1_B, /* (mlp_dim, dim), (mlp_dim) */
  SLOT_FC2_W,
  SLOT_FC2_B, /* (dim, mlp_dim), (dim) */
  SLOT_LS2,   /* (dim) layer scale after the MLP */
  SLOT_NORM_W,
  SLOT_NORM_B, /* (dim), once from here */
  SLOT_POOL_NORM_W,
  SLOT_POOL_NORM_B, /* (dim) */
  SLOT_HEAD_NORM_W,
  SLOT_HEAD_NORM_B, /* (dim) HEAD_MLP */
  SLOT_HEAD_FC1_W,
  SLOT_HEAD_FC1_B, /* (head_hidden, dim), (head_hidden) HEAD_TANH, HEAD_MLP */
  SLOT_HEAD_W,
  SLOT_HEAD_B, /* (classes, dim or head_hidden), (classes); both twice if distilled: class, then distillation head */
  NUM_SLOTS
};

struct checkpoint;

/* Reads everything but the numbers: config, preprocessing, labels; opens the weights; checks that every tensor the
 * config asks for is there with the right shape and dtype and that no tensor is left over. */
struct checkpoint *checkpoint_open (const char *path, vit_error *err);
void checkpoint_close (struct checkpoint **c);
const struct vit_config *checkpoint_config (const struct checkpoint *c);
const struct vit_preprocess *checkpoint_preprocess (const struct checkpoint *c);
/* "class N" where it has none; NULL out of range. */
const char *checkpoint_label (const struct checkpoint *c, uint32_t class_index);

/* Does this config have the slot? (bias off, no patch norm, ... : false) */
bool slot_present (const struct vit_config *cfg, enum slot slot);
/* Elements of one slot (of one block). */
size_t slot_count (const struct vit_config *cfg, enum slot slot);
bool slot_per_block (enum slot slot);
const char *slot_name (enum slot slot); /* "blocks.*.attn.qkv.weight": timm's, for messages; of any block */
/* Reads a slot as float, fused, ordered and resampled as said above, into out[slot_count]. NaN or infinity fails,
 * naming the file's tensor and the index. */
bool checkpoint_read (const struct checkpoint *c, enum slot slot, uint32_t block, float *out, vit_error *err);

#endif
