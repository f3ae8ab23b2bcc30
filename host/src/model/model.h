/* A checkpoint's network on a device: its facts and its packed weights. Immutable once loaded. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_MODEL_H
#define VIT_MODEL_MODEL_H

#include <stdatomic.h>

#include "gpu/kernels.h"
#include "model/config.h"
#include "model/fold.h"

struct norm {
  struct buffer weight, bias; /* float (dim); empty where they are folded */
  bool folded;                /* into the linear that reads it */
};

struct block {
  struct norm norm1, norm2;
  struct weight qkv, proj, fc1, fc2; /* layer scale is in proj and fc2 */
};

struct vit_model {
  atomic_uint refs;
  vit_device *dev;
  struct vit_config cfg;
  struct vit_preprocess preprocess;
  char **labels;          /* (classes) */
  enum store store;       /* of the blocks' weights */
  enum store outer;       /* of the others: patch embedding and head */
  uint32_t folds;         /* enum fold: those wanted, later those done where each layer doesn't say it itself */
  enum store activations; /* of what the linears read, but for the pooled vector, which is float */
  struct weight patch_embed;
  struct buffer prefix, pos; /* float (num_prefix, dim), (tokens, dim); empty where patch_embed's bias has them */
  struct norm patch_norm, pre_norm, norm, pool_norm, head_norm;
  struct block *blocks; /* (depth) */
  struct weight head_fc1, head;
  uint64_t parameters, bytes; /* numbers; device memory */
};

vit_model *model_ref (vit_model *m);
/* Frees the weights, so that they may be loaded anew. */
void model_clear (vit_model *m);

/* The network's input: rows of an image, of which the first ones are zero and stand for prefix tokens. */
static inline uint32_t
model_input_prefix (const vit_model *m)
{
  return m->folds & FOLD_POSITIONS ? m->cfg.num_prefix : 0;
}
static inline uint32_t
model_input_rows (const vit_model *m)
{
  return model_input_prefix (m) + config_patches (&m->cfg);
}

#endif
