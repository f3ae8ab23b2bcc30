/* What a graph is made of, for graph.c, which writes it down, and graph_ops.c, which has it done. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_GRAPH_OPS_H
#define VIT_MODEL_GRAPH_OPS_H

#include "model/graph.h"

enum op_kind { OP_LINEAR, OP_LAYERNORM, OP_TOKENS, OP_ATTENTION, OP_POOL, OP_CLASS_ATTENTION, OP_CLASS_MLP };

enum { NAME = 40 };

/* One kernel call. x and y are indices of tensors. */
struct op {
  enum op_kind kind;
  char name[NAME];
  uint32_t x, y;
  const struct weight *weight; /* LINEAR */
  uint32_t parts;              /* LINEAR: x is a sum of so many rows side by side; 0: it is whole */
  const struct norm *norm;     /* LAYERNORM */
  union {
    struct linear_params linear;
    struct layernorm_params layernorm;
    struct tokens_params tokens;
    struct attention_params attention;
    struct pool_params pool;
    struct class_block block;
  } p;
};

/* Gives each tensor its place in the arena. */
void graph_plan_arena (struct graph *g);

#endif
