/* How a config comes about: the tensors show most facts, config.json states the rest, and both must agree. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_READER_H
#define VIT_MODEL_READER_H

#include "model/object.h"
#include "model/source.h"

enum { IMAGE_MAX = 4096, PATCH_MAX = 64, PREFIX_MAX = 16, HEADS_MAX = 1024 };

/* What config.json says and no tensor shows; zero: not said. */
struct claims {
  uint32_t image_height, image_width;   /* pixels that the network is to see */
  uint32_t stored_height, stored_width; /* pixels that the position embedding was made for */
  bool covers_given, covers;            /* does the position embedding have rows for the prefix? */
  uint32_t heads, head_dim;
  bool scale_given;
  double qk_scale;
};

/* Fills in all that the tensors show: sizes, which parts there are, the kind of head. */
bool config_from_tensors (struct vit_config *c, struct source *s, vit_error *err);
/* Reads config.json, compares it with what the tensors show, and notes the rest. */
bool config_timm (struct vit_config *c, struct claims *claims, const struct source *s, const struct object *root,
    vit_error *err);
bool config_transformers (struct vit_config *c, struct claims *claims, const struct source *s,
    const struct object *root, vit_error *err);
/* Completes the config: heads, image, grid of the position embedding; refuses what can't be. */
bool config_finish (struct vit_config *c, const struct claims *claims, const struct source *s, vit_error *err);

/* The config says `stated` under key, the tensors show `seen`: must be equal. */
bool config_agree (const struct object *o, const char *key, uint32_t stated, uint32_t seen, const struct source *s,
    vit_error *err);
/* The same where the key says whether the network has a part: `tensor` names the part. */
bool config_agree_part (const struct object *o, const char *key, bool seen, const char *tensor, const struct source *s,
    vit_error *err);
bool config_eps (const struct object *o, const char *key, struct vit_config *c, vit_error *err);
/* Copies a text, cut to fit between two UTF-8 characters. */
void config_text (char *out, size_t size, const char *text);

/* Preprocessing, from pretrained_cfg or preprocessor_config.json (root->json NULL: the library's own default). */
bool rules_timm (struct vit_preprocess *p, const struct vit_config *c, const struct object *pretrained, vit_error *err);
bool rules_transformers (struct vit_preprocess *p, bool deit, uint32_t height, uint32_t width,
    const struct object *root, vit_error *err);

/* Labels from a config: (classes) strings to be freed with vit_labels_free; every class gets one. */
bool labels_timm (char ***labels, uint32_t classes, const struct object *root, vit_error *err);
bool labels_transformers (char ***labels, uint32_t classes, const struct object *root, vit_error *err);

#endif
