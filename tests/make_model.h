/* Writes small checkpoints with random weights, as timm pushes them, for tests that need a model of any kind. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_MAKE_MODEL_H
#define VIT_TESTS_MAKE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum model_head { MODEL_HEAD_LINEAR, MODEL_HEAD_TANH, MODEL_HEAD_MLP };
enum model_dtype { MODEL_F32, MODEL_F16 };

/* Zero means timm's default, or what the comment says. */
struct model_options {
  uint32_t image_width, image_height;           /* pixels; 32 */
  uint32_t stored_width, stored_height;         /* pixels that the stored position embedding is for; the image's */
  uint32_t patch_width, patch_height;           /* pixels; 8 */
  uint32_t dim, depth, heads, mlp_dim, classes; /* 16, 2, 2, twice dim, 7 */
  bool no_class_token, no_embed_class;
  uint32_t registers;
  bool patch_norm, pre_norm, layer_scale, average;
  bool no_qkv_bias, no_proj_bias, no_final_norm;
  int fc_norm; /* 0: not said; 1: true; -1: false */
  float qk_scale;
  const char *act; /* act_layer: "gelu_tanh", "quick_gelu", "relu" */
  enum model_head head;
  uint32_t hidden; /* of a head of two layers; 12 */
  enum model_dtype dtype;
  double gain; /* multiplies every matrix; 1 */
};

/* A new folder under $TMPDIR or /tmp, whose name is to be freed with remove_folder. */
char *make_folder (void);
/* config.json and model.safetensors in it; ends the test on failure. */
void make_model (const char *folder, const struct model_options *options, uint64_t seed);
/* Deletes the files directly in the folder, the folder, and the name; sets NULL. */
void remove_folder (char **folder);

#endif
