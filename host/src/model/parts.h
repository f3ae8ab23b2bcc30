/* A slot's tensors as the file has them, and the slot's numbers made from them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_PARTS_H
#define VIT_MODEL_PARTS_H

#include "model/source.h"

struct part_shape {
  uint64_t dims[4];
  uint32_t num_dims;
};

/* The tensors that make up one slot, in the order in which they are joined. */
struct parts {
  uint32_t num;
  struct {
    enum part which;
    const struct tensor *tensor; /* NULL: the file lacks it */
    struct part_shape shape;     /* that it must have */
  } part[3];
};

void parts_find (struct parts *p, const struct vit_config *c, const struct source *s, enum slot slot, uint32_t block);
/* checkpoint_read's work. The slot must have been checked. */
bool parts_read (const struct vit_config *c, const struct source *s, enum slot slot, uint32_t block, float *out,
    vit_error *err);

#endif
