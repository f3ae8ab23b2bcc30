/* The list of kernel calls: where its tensors lie, what they are called, how it is recorded. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/graph_ops.h"

#include <stdlib.h>
#include <string.h>

/* Gives each tensor the lowest place where nothing lies that lives at the same time. In order of creation, so that the
 * input is at 0 whatever the batch. */
void
graph_plan_arena (struct graph *g)
{
  for (uint32_t i = 0; i < g->num_tensors; i++) {
    struct tensor_slot *t = &g->tensors[i];
    bool moved = true;
    if (t->first_op == UINT32_MAX) /* nobody's: of a norm that the linear after it does */
      continue;
    while (moved) {
      moved = false;
      for (uint32_t j = 0; j < i; j++) {
        const struct tensor_slot *o = &g->tensors[j];
        bool together = t->first_op <= o->last_op && o->first_op <= t->last_op;
        if (together && t->offset < o->offset + o->bytes && o->offset < t->offset + t->bytes) {
          t->offset = o->offset + o->bytes;
          moved = true;
        }
      }
    }
    if (t->offset + t->bytes > g->arena_bytes)
      g->arena_bytes = t->offset + t->bytes;
  }
}

void
graph_finish (struct graph *g)
{
  free (g->ops);
  memset (g, 0, sizeof *g);
}

const char *
graph_input_name (const struct graph *g)
{
  return g->model->folds & (FOLD_PIXELS | FOLD_POSITIONS) ? "patches.folded" : "patches";
}

const char *
graph_op_name (const struct graph *g, uint32_t op)
{
  return op < g->num_ops ? g->ops[op].name : NULL;
}

const struct tensor_slot *
graph_op_output (const struct graph *g, uint32_t op)
{
  return &g->tensors[g->ops[op < g->num_ops ? op : g->num_ops - 1].y];
}

static bool
record_op (const struct graph *g, const struct op *op, struct recorder *rec, const struct buffer *arena, vit_error *err)
{
  const struct tensor_slot *tx = &g->tensors[op->x], *ty = &g->tensors[op->y];
  struct span x = { arena, tx->offset, tx->bytes }, y = { arena, ty->offset, ty->bytes };
  switch (op->kind) {
    case OP_LINEAR: {
      struct linear_call call = { x, y, op->weight, op->p.linear, tx->store, ty->store };
      return op->parts ? record_linear_parts (rec, &call, op->parts, err) : record_linear (rec, &call, err);
    }
    case OP_LAYERNORM:
      return record_layernorm (rec, x, op->norm->folded ? NULL : &op->norm->weight,
          op->norm->folded ? NULL : &op->norm->bias, y, ty->store, &op->p.layernorm, err);
    case OP_TOKENS:
      return record_tokens (rec, x, &g->model->prefix, &g->model->pos, y, &op->p.tokens, err);
    case OP_ATTENTION:
      return record_attention (rec, x, y, ty->store, &op->p.attention, err);
    case OP_POOL:
      return record_pool (rec, x, y, &op->p.pool, err);
    case OP_CLASS_ATTENTION:
      return record_class_attention (rec, x, y, &op->p.block, err);
    case OP_CLASS_MLP:
      return record_class_mlp (rec, x, y, &op->p.block, err);
  }
  return true;
}

/* Of the network's own arithmetic, 2 a multiply-add; what is not a product counts nothing. */
static double
op_flops (const struct op *op)
{
  const struct attention_params *a = &op->p.attention;
  const struct class_block *b = &op->p.block;
  switch (op->kind) {
    case OP_LINEAR:
      return 2.0 * op->p.linear.rows * op->weight->in_dim * op->weight->out_dim;
    case OP_ATTENTION:
      return 4.0 * a->batch * a->heads * a->queries * a->tokens * a->head_dim;
    case OP_CLASS_ATTENTION: /* a head's share of qkv and projection, and twice the tokens instead of keys and values */
      return b->images
          * (2.0 * b->qkv->in_dim * (b->qkv->out_dim + b->proj->in_dim)
              + 4.0 * b->tokens * b->qkv->in_dim * b->proj->in_dim / b->head_dim);
    case OP_CLASS_MLP:
      return b->images * 4.0 * b->fc1->in_dim * b->fc1->out_dim;
    default:
      return 0.0;
  }
}

bool
graph_record (const struct graph *g, struct recorder *rec, const struct buffer *arena, uint32_t num, vit_error *err)
{
  for (uint32_t i = 0; i < num; i++) {
    recorder_label (rec, g->ops[i].name, op_flops (&g->ops[i]));
    if (!record_op (g, &g->ops[i], rec, arena, err))
      return false;
    recorder_barrier (rec);
  }
  return true;
}
