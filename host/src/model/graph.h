/* The transformer as a list of kernel calls over tensors in one arena. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_GRAPH_H
#define VIT_MODEL_GRAPH_H

#include "model/model.h"

/* A matrix in the arena; its memory is shared with tensors that live at other times. */
struct tensor_slot {
  uint32_t rows, columns;
  uint32_t stride; /* elements from one row to the next */
  enum store store;
  uint64_t offset, bytes;     /* in the arena; rows up to a multiple of ROW_PAD */
  uint32_t first_op, last_op; /* written by the one, read last by the other */
};

struct op;

struct graph {
  const vit_model *model;
  uint32_t batch;
  struct op *ops;
  uint32_t num_ops, max_ops;
  struct tensor_slot tensors[20];
  uint32_t num_tensors;
  uint64_t arena_bytes;
};

/* Plans the network for a batch. Tensor 0 is the input, patch rows (batch * model_input_rows, 3 * patch area), at
 * offset 0 of the arena; the last op writes the logits, float (batch, classes). */
bool graph_init (struct graph *g, const vit_model *model, uint32_t batch, vit_error *err);
void graph_finish (struct graph *g); /* accepts a zeroed one */
const char *graph_input_name (const struct graph *g);
const char *graph_op_name (const struct graph *g, uint32_t op);                 /* NULL past the end */
const struct tensor_slot *graph_op_output (const struct graph *g, uint32_t op); /* op == num_ops: the logits */
/* Records ops 0 .. num - 1, each followed by a barrier. */
bool graph_record (const struct graph *g, struct recorder *rec, const struct buffer *arena, uint32_t num,
    vit_error *err);

#endif
