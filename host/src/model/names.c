/* The names of timm and transformers for each slot. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/source.h"

enum { L = 1 << HEAD_LINEAR, T = 1 << HEAD_TANH, M = 1 << HEAD_MLP, ANY = L | T | M };

/* '#' is the block's number; '@' is what precedes every name of the family. ".*" stands for .weight in a slot's own
 * row and for .bias in the slot after it: norms and linears come in pairs. */
static const struct row {
  enum layout layout;
  enum slot slot;
  enum part part;
  int heads; /* kinds of head under which the name counts */
  const char *text;
} rows[] = {
  { LAYOUT_TIMM, SLOT_PATCH_W, PART_WHOLE, ANY, "patch_embed.proj.*" },
  { LAYOUT_TIMM, SLOT_PATCH_NORM_W, PART_WHOLE, ANY, "patch_embed.norm.*" },
  { LAYOUT_TIMM, SLOT_PREFIX, PART_CLASS, ANY, "cls_token" },
  { LAYOUT_TIMM, SLOT_PREFIX, PART_DIST, ANY, "dist_token" },
  { LAYOUT_TIMM, SLOT_PREFIX, PART_REGISTERS, ANY, "reg_token" },
  { LAYOUT_TIMM, SLOT_POS, PART_WHOLE, ANY, "pos_embed" },
  { LAYOUT_TIMM, SLOT_PRE_NORM_W, PART_WHOLE, ANY, "norm_pre.*" },
  { LAYOUT_TIMM, SLOT_NORM1_W, PART_WHOLE, ANY, "blocks.#.norm1.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_WHOLE, ANY, "blocks.#.attn.qkv.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_Q, ANY, "blocks.#.attn.q_proj.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_K, ANY, "blocks.#.attn.k_proj.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_V, ANY, "blocks.#.attn.v_proj.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_Q, ANY, "blocks.#.attn.q.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_K, ANY, "blocks.#.attn.k.*" },
  { LAYOUT_TIMM, SLOT_QKV_W, PART_V, ANY, "blocks.#.attn.v.*" },
  { LAYOUT_TIMM, SLOT_PROJ_W, PART_WHOLE, ANY, "blocks.#.attn.proj.*" },
  { LAYOUT_TIMM, SLOT_LS1, PART_WHOLE, ANY, "blocks.#.ls1.gamma" },
  { LAYOUT_TIMM, SLOT_NORM2_W, PART_WHOLE, ANY, "blocks.#.norm2.*" },
  { LAYOUT_TIMM, SLOT_FC1_W, PART_WHOLE, ANY, "blocks.#.mlp.fc1.*" },
  { LAYOUT_TIMM, SLOT_FC2_W, PART_WHOLE, ANY, "blocks.#.mlp.fc2.*" },
  { LAYOUT_TIMM, SLOT_LS2, PART_WHOLE, ANY, "blocks.#.ls2.gamma" },
  { LAYOUT_TIMM, SLOT_NORM_W, PART_WHOLE, ANY, "norm.*" },
  { LAYOUT_TIMM, SLOT_POOL_NORM_W, PART_WHOLE, ANY, "fc_norm.*" },
  { LAYOUT_TIMM, SLOT_HEAD_NORM_W, PART_WHOLE, M, "head.norm.*" },
  { LAYOUT_TIMM, SLOT_HEAD_NORM_W, PART_WHOLE, M, "head.0.*" },
  { LAYOUT_TIMM, SLOT_HEAD_FC1_W, PART_WHOLE, M, "head.fc1.*" },
  { LAYOUT_TIMM, SLOT_HEAD_FC1_W, PART_WHOLE, M, "head.1.*" },
  { LAYOUT_TIMM, SLOT_HEAD_FC1_W, PART_WHOLE, T, "pre_logits.fc.*" },
  { LAYOUT_TIMM, SLOT_HEAD_FC1_W, PART_WHOLE, T, "head.0.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_WHOLE, M, "head.fc2.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_WHOLE, M, "head.3.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_WHOLE, L | T, "head.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_WHOLE, T, "head.2.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_CLASS, L, "head.*" },
  { LAYOUT_TIMM, SLOT_HEAD_W, PART_DIST, L, "head_dist.*" },

  { LAYOUT_TRANSFORMERS, SLOT_PATCH_W, PART_WHOLE, ANY, "@embeddings.patch_embeddings.projection.*" },
  { LAYOUT_TRANSFORMERS, SLOT_PREFIX, PART_CLASS, ANY, "@embeddings.cls_token" },
  { LAYOUT_TRANSFORMERS, SLOT_PREFIX, PART_DIST, ANY, "@embeddings.distillation_token" },
  { LAYOUT_TRANSFORMERS, SLOT_POS, PART_WHOLE, ANY, "@embeddings.position_embeddings" },
  { LAYOUT_TRANSFORMERS, SLOT_NORM1_W, PART_WHOLE, ANY, "@encoder.layer.#.layernorm_before.*" },
  { LAYOUT_TRANSFORMERS, SLOT_NORM1_W, PART_WHOLE, ANY, "@layers.#.layernorm_before.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_Q, ANY, "@encoder.layer.#.attention.attention.query.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_K, ANY, "@encoder.layer.#.attention.attention.key.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_V, ANY, "@encoder.layer.#.attention.attention.value.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_Q, ANY, "@layers.#.attention.q_proj.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_K, ANY, "@layers.#.attention.k_proj.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_V, ANY, "@layers.#.attention.v_proj.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_WHOLE, ANY, "@encoder.layer.#.attention.attention.qkv.*" },
  { LAYOUT_TRANSFORMERS, SLOT_QKV_W, PART_WHOLE, ANY, "@layers.#.attention.qkv.*" },
  { LAYOUT_TRANSFORMERS, SLOT_PROJ_W, PART_WHOLE, ANY, "@encoder.layer.#.attention.output.dense.*" },
  { LAYOUT_TRANSFORMERS, SLOT_PROJ_W, PART_WHOLE, ANY, "@layers.#.attention.o_proj.*" },
  { LAYOUT_TRANSFORMERS, SLOT_NORM2_W, PART_WHOLE, ANY, "@encoder.layer.#.layernorm_after.*" },
  { LAYOUT_TRANSFORMERS, SLOT_NORM2_W, PART_WHOLE, ANY, "@layers.#.layernorm_after.*" },
  { LAYOUT_TRANSFORMERS, SLOT_FC1_W, PART_WHOLE, ANY, "@encoder.layer.#.intermediate.dense.*" },
  { LAYOUT_TRANSFORMERS, SLOT_FC1_W, PART_WHOLE, ANY, "@layers.#.mlp.fc1.*" },
  { LAYOUT_TRANSFORMERS, SLOT_FC2_W, PART_WHOLE, ANY, "@encoder.layer.#.output.dense.*" },
  { LAYOUT_TRANSFORMERS, SLOT_FC2_W, PART_WHOLE, ANY, "@layers.#.mlp.fc2.*" },
  { LAYOUT_TRANSFORMERS, SLOT_NORM_W, PART_WHOLE, ANY, "@layernorm.*" },
  { LAYOUT_TRANSFORMERS, SLOT_HEAD_W, PART_WHOLE, L, "classifier.*" },
  { LAYOUT_TRANSFORMERS, SLOT_HEAD_W, PART_CLASS, L, "cls_classifier.*" },
  { LAYOUT_TRANSFORMERS, SLOT_HEAD_W, PART_DIST, L, "distillation_classifier.*" },
};

/* Writes a row's name; false where it doesn't fit, which no row of a sensible block does. */
static bool
spell (char out[SOURCE_NAME_SIZE], const char *text, const char *base, bool bias, uint32_t block)
{
  size_t used = 0;
  for (; *text && used + 24 < SOURCE_NAME_SIZE; text++) {
    if (*text == '@')
      used += (size_t) snprintf (out + used, SOURCE_NAME_SIZE - used, "%s", base);
    else if (*text == '#')
      used += (size_t) snprintf (out + used, SOURCE_NAME_SIZE - used, "%u", block);
    else if (*text == '*')
      used += (size_t) snprintf (out + used, SOURCE_NAME_SIZE - used, "%s", bias ? "bias" : "weight");
    else
      out[used++] = *text;
  }
  out[used] = 0;
  return *text == 0;
}

/* Does the row name this part of this slot? A slot without rows of its own is the bias of the one before it. */
static bool
names_slot (const struct row *r, enum layout layout, enum head head, enum slot slot, enum part part, bool *bias)
{
  if (r->layout != layout || r->part != part || !(r->heads & 1 << head))
    return false;
  *bias = r->slot != slot;
  return r->slot == slot || (r->slot + 1 == slot && strchr (r->text, '*'));
}

const struct tensor *
source_find (const struct source *s, enum head head, enum slot slot, enum part part, uint32_t block)
{
  char name[SOURCE_NAME_SIZE];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool bias;
    if (names_slot (&rows[i], s->layout, head, slot, part, &bias) && spell (name, rows[i].text, s->base, bias, block)) {
      const struct tensor *t = weights_find (s->weights, name);
      if (t)
        return t;
    }
  }
  return NULL;
}

const char *
source_name (char out[SOURCE_NAME_SIZE], const struct source *s, enum head head, enum slot slot, enum part part,
    uint32_t block)
{
  snprintf (out, SOURCE_NAME_SIZE, "%s", slot_name (slot));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    bool bias;
    if (names_slot (&rows[i], s->layout, head, slot, part, &bias)) {
      spell (out, rows[i].text, s->base, bias, block);
      break;
    }
  }
  return out;
}

bool
source_ignores (const struct source *s, const char *name)
{
  static const char *const unused[] = { "pooler.dense.weight", "pooler.dense.bias", "embeddings.mask_token" };
  size_t n = strlen (s->base);
  if (s->layout != LAYOUT_TRANSFORMERS || strncmp (name, s->base, n) != 0)
    return false;
  for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
    if (strcmp (name + n, unused[i]) == 0)
      return true;
  }
  return false;
}

const char *
source_says (const struct source *s)
{
  return s->config ? s->config : weights_path (s->weights);
}

bool
source_detect (struct source *s, const struct weights *weights, vit_error *err)
{
  static const char *const bases[] = { "vit.", "deit.", "" };
  s->weights = weights;
  s->base = "";
  s->layout = LAYOUT_TIMM;
  if (source_find (s, HEAD_LINEAR, SLOT_PATCH_W, PART_WHOLE, 0))
    return true;
  s->layout = LAYOUT_TRANSFORMERS;
  for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
    s->base = bases[i];
    if (source_find (s, HEAD_LINEAR, SLOT_PATCH_W, PART_WHOLE, 0))
      return true;
  }
  return fail (err, VIT_ERR_FORMAT,
      "%s: is not a Vision Transformer whose names are known: it has neither "
      "'patch_embed.proj.weight' (timm) nor 'vit.embeddings.patch_embeddings.projection.weight' (transformers) among "
      "its %u tensors ('%.60s', ...); supported are timm's VisionTransformer and transformers' ViT and DeiT "
      "classifiers",
      weights_path (weights), weights_count (weights), weights_at (weights, 0)->name);
}
