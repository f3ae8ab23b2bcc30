/* Spells the Vision Transformer: the only file that knows the order of its layers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"

#define LOG2_E 1.4426950408889634 /* the kernel's softmax is of powers of 2 */

enum op_kind { OP_LINEAR, OP_LAYERNORM, OP_TOKENS, OP_ATTENTION, OP_POOL };

/* One kernel call. x and y are indices of tensors. */
struct op {
  enum op_kind kind;
  char name[40];
  uint32_t x, y;
  const struct weight *weight; /* LINEAR */
  const struct norm *norm;     /* LAYERNORM */
  union {
    struct linear_params linear;
    struct layernorm_params layernorm;
    struct tokens_params tokens;
    struct attention_params attention;
    struct pool_params pool;
  } p;
};

/* Dimensions, in the letters of the field: B images, T tokens, P patches, C channels, A = heads * head size. */
struct dims {
  uint32_t B, T, P, C, A;
};

static struct dims
dims_of (const struct graph *g)
{
  const struct vit_config *c = &g->model->cfg;
  return (struct dims) { g->batch, config_tokens (c), config_patches (c), c->dim, c->heads * c->head_dim };
}

static uint32_t
new_rows (struct graph *g, uint32_t rows, uint32_t columns, uint32_t stride, enum store store)
{
  uint64_t padded = (rows + ROW_PAD - 1) / ROW_PAD * ROW_PAD;
  g->tensors[g->num_tensors] = (struct tensor_slot) {
    .rows = rows,
    .columns = columns,
    .stride = stride,
    .store = store,
    .bytes = (padded * stride * store_size (store) + 255) / 256 * 256,
    .first_op = UINT32_MAX,
  };
  return g->num_tensors++;
}

static uint32_t
new_tensor (struct graph *g, uint32_t rows, uint32_t columns, enum store store)
{
  return new_rows (g, rows, columns, columns, store);
}

/* The same for what linears and attention read: rows that begin on a multiple of ROW_ALIGN elements. A kernel reads
 * several rows at a time, and in a CPU's cache rows whose distance is a multiple of a power of two push each other out:
 * on Zen 4, fc2 of B/16 took 1.7 times as long for it. */
static uint32_t
new_operand (struct graph *g, uint32_t rows, uint32_t columns, enum store store)
{
  bool crowded = device_caps (g->model->dev)->unrolled && columns % 512 == 0;
  uint32_t stride = (columns + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
  return new_rows (g, rows, columns, stride + (crowded ? 16 : 0), store);
}

static void
touch (struct graph *g, uint32_t tensor)
{
  struct tensor_slot *t = &g->tensors[tensor];
  if (t->first_op == UINT32_MAX)
    t->first_op = g->num_ops;
  t->last_op = g->num_ops;
}

/* Appends an op; the list was sized for the deepest case, so there is room. */
static struct op *add (struct graph *g, enum op_kind kind, uint32_t x, uint32_t y, const char *format, ...)
    __attribute__ ((format (printf, 5, 6)));
static struct op *
add (struct graph *g, enum op_kind kind, uint32_t x, uint32_t y, const char *format, ...)
{
  struct op *op = &g->ops[g->num_ops];
  va_list args;
  va_start (args, format);
  vsnprintf (op->name, sizeof op->name, format, args);
  va_end (args);
  op->kind = kind;
  op->x = x;
  op->y = y;
  touch (g, x);
  touch (g, y);
  g->num_ops++;
  return op;
}

static void
set_linear (struct op *op, const struct weight *w, uint32_t rows, uint32_t x_stride, uint32_t act, uint32_t plus)
{
  op->weight = w;
  op->p.linear = (struct linear_params) {
    .rows = rows,
    .x_stride = x_stride,
    .y_stride = w->out_dim,
    .act = act,
    .add = plus,
  };
}

static void
set_norm (const struct graph *g, struct op *op, const struct norm *n, uint32_t rows, uint32_t x_stride)
{
  uint32_t dim = g->model->cfg.dim;
  op->norm = n;
  op->p.layernorm = (struct layernorm_params) {
    .rows = rows,
    .dim = dim,
    .x_stride = x_stride,
    .y_stride = dim,
    .eps = g->model->cfg.eps,
  };
}

/* patches -> the stream of tokens; returns its tensor, float (B * T, C) */
static uint32_t
emit_tokens (struct graph *g, uint32_t patches)
{
  const vit_model *m = g->model;
  struct dims d = dims_of (g);
  uint32_t embed = new_tensor (g, d.B * d.P, d.C, STORE_F32);
  struct op *op = add (g, OP_LINEAR, patches, embed, "%s", m->cfg.patch_norm ? "patch_embed.proj" : "patch_embed");
  set_linear (op, &m->patch_embed, d.B * d.P, g->tensors[patches].stride, VIT_ACT_NONE, 0);
  if (m->cfg.patch_norm) {
    uint32_t normed = new_tensor (g, d.B * d.P, d.C, STORE_F32);
    set_norm (g, add (g, OP_LAYERNORM, embed, normed, "patch_embed"), &m->patch_norm, d.B * d.P, d.C);
    embed = normed;
  }
  uint32_t stream = new_tensor (g, d.B * d.T, d.C, STORE_F32);
  op = add (g, OP_TOKENS, embed, stream, "%s", m->cfg.pre_norm ? "pos_embed" : "tokens");
  op->p.tokens = (struct tokens_params) { d.B, d.T, m->cfg.num_prefix, d.C };
  if (m->cfg.pre_norm) {
    uint32_t normed = new_tensor (g, d.B * d.T, d.C, STORE_F32);
    set_norm (g, add (g, OP_LAYERNORM, stream, normed, "tokens"), &m->pre_norm, d.B * d.T, d.C);
    stream = normed;
  }
  return stream;
}

/* Tensors that every block uses again. */
struct scratch {
  uint32_t normed, qkv, attended, hidden;
};

/* stream += proj (attention (norm1 (stream))); stream += fc2 (act (fc1 (norm2 (stream)))) */
static void
emit_block (struct graph *g, uint32_t i, uint32_t stream, const struct scratch *s)
{
  const struct vit_config *c = &g->model->cfg;
  const struct block *b = &g->model->blocks[i];
  struct dims d = dims_of (g);
  uint32_t rows = d.B * d.T;
  uint32_t normed = g->tensors[s->normed].stride, qkv = g->tensors[s->qkv].stride;
  uint32_t attended = g->tensors[s->attended].stride, hidden = g->tensors[s->hidden].stride;
  struct op *op = add (g, OP_LAYERNORM, stream, s->normed, "blocks.%u.norm1", i);
  set_norm (g, op, &b->norm1, rows, d.C);
  op->p.layernorm.y_stride = normed;
  op = add (g, OP_LINEAR, s->normed, s->qkv, "blocks.%u.attn.qkv", i);
  set_linear (op, &b->qkv, rows, normed, VIT_ACT_NONE, 0);
  op->p.linear.y_stride = qkv;
  op = add (g, OP_ATTENTION, s->qkv, s->attended, "blocks.%u.attn", i);
  op->p.attention = (struct attention_params) {
    .batch = d.B,
    .tokens = d.T,
    .heads = c->heads,
    .head_dim = c->head_dim,
    .qkv_stride = qkv,
    .out_stride = attended,
    .scale = (float) (c->qk_scale * LOG2_E),
  };
  set_linear (add (g, OP_LINEAR, s->attended, stream, "blocks.%u.attn.residual", i), &b->proj, rows, attended,
      VIT_ACT_NONE, 1);
  op = add (g, OP_LAYERNORM, stream, s->normed, "blocks.%u.norm2", i);
  set_norm (g, op, &b->norm2, rows, d.C);
  op->p.layernorm.y_stride = normed;
  op = add (g, OP_LINEAR, s->normed, s->hidden, "blocks.%u.mlp.act", i);
  set_linear (op, &b->fc1, rows, normed, c->act, 0);
  op->p.linear.y_stride = hidden;
  set_linear (add (g, OP_LINEAR, s->hidden, stream, "blocks.%u", i), &b->fc2, rows, hidden, VIT_ACT_NONE, 1);
}

/* The stream -> one vector an image, float; *stride is set to the distance of two of them in the returned tensor. */
static uint32_t
emit_pool (struct graph *g, uint32_t stream, uint32_t *stride)
{
  const vit_model *m = g->model;
  struct dims d = dims_of (g);
  *stride = d.T * d.C; /* the class token is row 0 of each image */
  if (m->cfg.pool == POOL_MEAN) {
    if (m->cfg.final_norm) {
      uint32_t normed = new_tensor (g, d.B * d.T, d.C, STORE_F32);
      set_norm (g, add (g, OP_LAYERNORM, stream, normed, "norm"), &m->norm, d.B * d.T, d.C);
      stream = normed;
    }
    uint32_t mean = new_tensor (g, d.B, d.C, STORE_F32);
    struct op *op = add (g, OP_POOL, stream, mean, "%s", m->cfg.pool_norm ? "pool.mean" : "pool");
    op->p.pool = (struct pool_params) { d.B, d.T, m->cfg.num_prefix, d.C };
    stream = mean;
    *stride = d.C;
  } else if (m->cfg.final_norm) { /* of the class token alone: no other row is looked at */
    uint32_t normed = new_tensor (g, d.B, d.C, STORE_F32);
    set_norm (g, add (g, OP_LAYERNORM, stream, normed, "%s", m->cfg.pool_norm ? "norm.token" : "pool"), &m->norm, d.B,
        *stride);
    stream = normed;
    *stride = d.C;
  }
  if (m->cfg.pool_norm) {
    uint32_t normed = new_tensor (g, d.B, d.C, STORE_F32);
    set_norm (g, add (g, OP_LAYERNORM, stream, normed, "pool"), &m->pool_norm, d.B, *stride);
    stream = normed;
    *stride = d.C;
  }
  return stream;
}

static void
emit_head (struct graph *g, uint32_t x, uint32_t stride)
{
  const vit_model *m = g->model;
  struct dims d = dims_of (g);
  if (m->cfg.head == HEAD_MLP) {
    uint32_t normed = new_tensor (g, d.B, d.C, STORE_F32);
    set_norm (g, add (g, OP_LAYERNORM, x, normed, "head.norm"), &m->head_norm, d.B, stride);
    x = normed;
    stride = d.C;
  }
  if (m->cfg.head != HEAD_LINEAR) {
    uint32_t hidden = new_tensor (g, d.B, m->cfg.head_hidden, m->activations);
    set_linear (add (g, OP_LINEAR, x, hidden, "head.hidden"), &m->head_fc1, d.B, stride,
        m->cfg.head == HEAD_TANH ? VIT_ACT_TANH : (uint32_t) m->cfg.act, 0);
    x = hidden;
    stride = m->cfg.head_hidden;
  }
  uint32_t logits = new_tensor (g, d.B, m->cfg.classes, STORE_F32);
  set_linear (add (g, OP_LINEAR, x, logits, "logits"), &m->head, d.B, stride, VIT_ACT_NONE, 0);
}

/* Gives each tensor the lowest place where nothing lies that lives at the same time. In order of creation, so that the
 * input is at 0 whatever the batch. */
static void
plan_arena (struct graph *g)
{
  for (uint32_t i = 0; i < g->num_tensors; i++) {
    struct tensor_slot *t = &g->tensors[i];
    bool moved = true;
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

bool
graph_init (struct graph *g, const vit_model *model, uint32_t batch, vit_error *err)
{
  const struct vit_config *c = &model->cfg;
  *g = (struct graph) { .model = model, .batch = batch, .max_ops = 7 * c->depth + 16 };
  g->ops = calloc (g->max_ops, sizeof *g->ops);
  if (!g->ops)
    return fail_memory (err, "the graph", g->max_ops * sizeof *g->ops);
  struct dims d = dims_of (g);
  uint32_t rows = d.B * d.T;
  uint32_t patches = new_operand (g, d.B * d.P, model->patch_embed.in_dim, model->activations);
  uint32_t stream = emit_tokens (g, patches);
  struct scratch s = {
    .normed = new_operand (g, rows, d.C, model->activations),
    .qkv = new_operand (g, rows, 3 * d.A, model->activations),
    .attended = new_operand (g, rows, d.A, model->activations),
    .hidden = new_operand (g, rows, c->mlp_dim, model->activations),
  };
  for (uint32_t i = 0; i < c->depth; i++)
    emit_block (g, i, stream, &s);
  uint32_t stride, pooled = emit_pool (g, stream, &stride);
  emit_head (g, pooled, stride);
  plan_arena (g);
  return true;
}

void
graph_finish (struct graph *g)
{
  free (g->ops);
  memset (g, 0, sizeof *g);
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
      return record_linear (rec, &call, err);
    }
    case OP_LAYERNORM:
      return record_layernorm (rec, x, &op->norm->weight, &op->norm->bias, y, ty->store, &op->p.layernorm, err);
    case OP_TOKENS:
      return record_tokens (rec, x, &g->model->prefix, &g->model->pos, y, &op->p.tokens, err);
    case OP_ATTENTION:
      return record_attention (rec, x, y, ty->store, &op->p.attention, err);
    case OP_POOL:
      return record_pool (rec, x, y, &op->p.pool, err);
  }
  return true;
}

/* Of the network's own arithmetic, 2 a multiply-add; what is not a product counts nothing. */
static double
op_flops (const struct op *op)
{
  const struct attention_params *a = &op->p.attention;
  switch (op->kind) {
    case OP_LINEAR:
      return 2.0 * op->p.linear.rows * op->weight->in_dim * op->weight->out_dim;
    case OP_ATTENTION:
      return 4.0 * a->batch * a->heads * a->tokens * a->tokens * a->head_dim;
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
