/* A checkpoint's tensors seen through their family's names: which tensor, or tensors, fill which slot. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_SOURCE_H
#define VIT_MODEL_SOURCE_H

#include "model/checkpoint.h"
#include "weights/weights.h"

enum layout { LAYOUT_TIMM, LAYOUT_TRANSFORMERS };

/* A slot is one tensor, or up to three that are joined row by row: q, k, v; class, distillation, register tokens;
 * class and distillation heads. */
enum part {
  PART_0,
  PART_1,
  PART_2,
  PART_WHOLE,
  PART_Q = PART_0,
  PART_K = PART_1,
  PART_V = PART_2,
  PART_CLASS = PART_0,
  PART_DIST = PART_1,
  PART_REGISTERS = PART_2
};
enum { SOURCE_NAME_SIZE = 128 };

struct source {
  const struct weights *weights;
  enum layout layout;
  const char *base;         /* of LAYOUT_TRANSFORMERS: "vit.", "deit." or "" */
  const char *config;       /* path of config.json; NULL: a bare file */
  bool has_class, has_dist; /* prefix tokens */
  uint32_t registers;
  uint32_t pos_rows;  /* rows of the stored position embedding */
  uint32_t attention; /* width of q, k and v each: heads * head_dim */
};

/* Finds out whose names these are. Fails with FORMAT where they are nobody's. */
bool source_detect (struct source *s, const struct weights *weights, vit_error *err);

/* The tensor of one part under any name that its family uses for this kind of head; NULL: there is none. */
const struct tensor *source_find (const struct source *s, enum head head, enum slot slot, enum part part,
    uint32_t block);
/* The first of those names, for a message about a missing tensor. */
const char *source_name (char out[SOURCE_NAME_SIZE], const struct source *s, enum head head, enum slot slot,
    enum part part, uint32_t block);
/* Tensors that this family saves and a classifier doesn't use: the pooler, the mask token. */
bool source_ignores (const struct source *s, const char *name);
/* The file that says what the network is: config.json, else the weights. */
const char *source_says (const struct source *s);

#endif
