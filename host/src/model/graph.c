/* Spells the Vision Transformer: the only file that knows the order of its layers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/round.h"
#include "model/graph_ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"

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
  uint64_t padded = round_up (rows, ROW_PAD);
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
  uint32_t stride = round_up (columns, ROW_ALIGN);
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

/* A tensor that is another one than the network's definition makes, by what was folded: its name must tell. */
static const char *
mark (bool folded)
{
  return folded ? ".folded" : "";
}

/* Rows of a matrix: the first one and from one to the next, in elements. */
struct rows {
  uint32_t num, first, stride;
};

static void
set_linear (struct op *op, const struct weight *w, struct rows x, struct rows y, uint32_t act, uint32_t plus)
{
  op->weight = w;
  op->p.linear = (struct linear_params) {
    .rows = x.num,
    .x_first = x.first,
    .x_stride = x.stride,
    .y_first = y.first,
    .y_stride = y.stride,
    .act = act,
    .add = plus,
  };
}

static void
set_norm (const struct graph *g, struct op *op, const struct norm *n, struct rows x, struct rows y)
{
  op->norm = n;
  op->p.layernorm = (struct layernorm_params) {
    .rows = x.num,
    .dim = g->model->cfg.dim,
    .x_first = x.first,
    .x_stride = x.stride,
    .y_first = y.first,
    .y_stride = y.stride,
    .eps = g->model->cfg.eps,
  };
}

/* All rows of a tensor. */
static struct rows
all (const struct graph *g, uint32_t tensor)
{
  return (struct rows) { g->tensors[tensor].rows, 0, g->tensors[tensor].stride };
}

/* Row r of each image, of which a tensor has `of`. */
static struct rows
one_of (const struct graph *g, uint32_t tensor, uint32_t r, uint32_t of)
{
  uint32_t stride = g->tensors[tensor].stride;
  return (struct rows) { g->batch, r * stride, of * stride };
}

/* Rows of a tensor. */
struct place {
  uint32_t tensor;
  struct rows rows;
};

static struct linear_call
call_of (const struct graph *g, const struct op *op)
{
  const struct tensor_slot *x = &g->tensors[op->x], *y = &g->tensors[op->y];
  return (struct linear_call) { .weight = op->weight, .p = op->p.linear, .x_store = x->store, .y_store = y->store };
}

/* y = act (w norm (x)). Where the norm is folded and the kernel that would be taken normalises what it reads, in one;
 * else by way of `normed`. The names are those of normed and y. */
static void
emit_normed (struct graph *g, const struct norm *n, const struct weight *w, struct place x, struct place normed,
    struct place y, uint32_t act, const char *norm_name, const char *name)
{
  struct op without = { .x = normed.tensor, .y = y.tensor }, with = { .x = x.tensor, .y = y.tensor };
  set_linear (&without, w, normed.rows, y.rows, act, 0);
  set_linear (&with, w, x.rows, y.rows, act, 0);
  with.p.linear.norm = 1;
  with.p.linear.eps = g->model->cfg.eps;
  struct linear_call call = call_of (g, &without), call_with = call_of (g, &with);
  if (n->folded && linear_normalises (g->model->dev, &call, &call_with)) {
    struct op *op = add (g, OP_LINEAR, x.tensor, y.tensor, "%s", name);
    op->weight = w;
    op->p = with.p;
    return;
  }
  set_norm (g, add (g, OP_LAYERNORM, x.tensor, normed.tensor, "%s", norm_name), n, x.rows, normed.rows);
  set_linear (add (g, OP_LINEAR, normed.tensor, y.tensor, "%s", name), w, normed.rows, y.rows, act, 0);
}

/* patches -> the stream of tokens; returns its tensor, float (B * T, C) */
static uint32_t
emit_tokens (struct graph *g, uint32_t patches)
{
  const vit_model *m = g->model;
  const char *name = m->cfg.pre_norm ? "pos_embed" : "tokens";
  struct dims d = dims_of (g);
  bool table = m->folds & FOLD_POSITIONS;
  uint32_t stream = new_tensor (g, table ? d.B * d.T : d.B * d.P, d.C, STORE_F32);
  struct op *op = add (g, OP_LINEAR, patches, stream, "%s",
      table                   ? name
          : m->cfg.patch_norm ? "patch_embed.proj"
                              : "patch_embed");
  set_linear (op, &m->patch_embed, all (g, patches), all (g, stream), VIT_ACT_NONE, 0);
  if (m->cfg.patch_norm) {
    uint32_t normed = new_tensor (g, d.B * d.P, d.C, STORE_F32);
    op = add (g, OP_LAYERNORM, stream, normed, "patch_embed");
    set_norm (g, op, &m->patch_norm, all (g, stream), all (g, normed));
    stream = normed;
  }
  if (!table) {
    uint32_t embed = stream;
    stream = new_tensor (g, d.B * d.T, d.C, STORE_F32);
    op = add (g, OP_TOKENS, embed, stream, "%s", name);
    op->p.tokens = (struct tokens_params) { d.B, d.T, m->cfg.num_prefix, d.C };
  }
  if (m->cfg.pre_norm) {
    uint32_t normed = new_tensor (g, d.B * d.T, d.C, STORE_F32);
    op = add (g, OP_LAYERNORM, stream, normed, "tokens");
    set_norm (g, op, &m->pre_norm, all (g, stream), all (g, normed));
    stream = normed;
  }
  return stream;
}

/* Tensors that every block uses again. */
struct scratch {
  uint32_t normed, qkv, attended, hidden;
};

/* What attends in a block: every token, or the first `num` of each image alone. */
struct queries {
  uint32_t num; /* of an image */
  bool all;
};

/* attended = attention (norm1 (stream)) */
static void
emit_attention (struct graph *g, uint32_t i, uint32_t stream, const struct scratch *s, struct queries q)
{
  const struct vit_config *c = &g->model->cfg;
  const struct block *b = &g->model->blocks[i];
  uint32_t folds = g->model->folds;
  char norm_name[NAME], name[NAME];
  snprintf (norm_name, NAME, "blocks.%u.norm1%s", i, mark (b->norm1.folded));
  snprintf (name, NAME, "blocks.%u.attn.qkv%s", i, mark (folds & (FOLD_SCALE | FOLD_BIASES)));
  emit_normed (g, &b->norm1, &b->qkv, (struct place) { stream, all (g, stream) },
      (struct place) { s->normed, all (g, s->normed) }, (struct place) { s->qkv, all (g, s->qkv) }, VIT_ACT_NONE,
      norm_name, name);
  struct op *op =
      add (g, OP_ATTENTION, s->qkv, s->attended, "blocks.%u.attn%s", i, mark (!q.all || (folds & FOLD_BIASES)));
  op->p.attention = (struct attention_params) {
    .batch = g->batch,
    .tokens = config_tokens (c),
    .queries = q.num,
    .heads = c->heads,
    .head_dim = c->head_dim,
    .qkv_stride = g->tensors[s->qkv].stride,
    .out_stride = g->tensors[s->attended].stride,
    .scale = folds & FOLD_SCALE ? 1 : (float) (c->qk_scale * LOG2_E),
  };
}

/* stream += proj (attended); stream += fc2 (act (fc1 (norm2 (stream)))), for row r of `of` an image in the scratch and
 * rows `in` of the stream */
static void
emit_rest (struct graph *g, uint32_t i, uint32_t stream, const struct scratch *s, struct rows in, uint32_t r,
    struct queries q)
{
  const struct vit_config *c = &g->model->cfg;
  const struct block *b = &g->model->blocks[i];
  struct rows attended = q.all ? all (g, s->attended) : one_of (g, s->attended, r, q.num);
  struct rows normed = q.all ? all (g, s->normed) : one_of (g, s->normed, r, q.num);
  struct rows hidden = q.all ? all (g, s->hidden) : one_of (g, s->hidden, r, q.num);
  struct op *op = add (g, OP_LINEAR, s->attended, stream, "blocks.%u.attn.residual%s", i, mark (!q.all));
  set_linear (op, &b->proj, attended, in, VIT_ACT_NONE, 1);
  char norm_name[NAME], name[NAME];
  snprintf (norm_name, NAME, "blocks.%u.norm2%s", i, mark (!q.all || b->norm2.folded));
  snprintf (name, NAME, "blocks.%u.mlp.act%s", i, mark (!q.all));
  emit_normed (g, &b->norm2, &b->fc1, (struct place) { stream, in }, (struct place) { s->normed, normed },
      (struct place) { s->hidden, hidden }, c->act, norm_name, name);
  op = add (g, OP_LINEAR, s->hidden, stream, "blocks.%u%s", i, mark (!q.all));
  set_linear (op, &b->fc2, hidden, in, VIT_ACT_NONE, 1);
}

/* The last block's tokens that nobody looks at take part as keys and values alone. */
static void
emit_block (struct graph *g, uint32_t i, uint32_t stream, const struct scratch *s)
{
  const struct vit_config *c = &g->model->cfg;
  uint32_t tokens = config_tokens (c), looked_at = config_pooled (c);
  bool last = (g->model->folds & FOLD_LAST) && i + 1 == c->depth && looked_at < tokens;
  struct queries q = { last ? looked_at : tokens, !last };
  emit_attention (g, i, stream, s, q);
  if (!last)
    emit_rest (g, i, stream, s, all (g, stream), 0, q);
  for (uint32_t r = 0; last && r < looked_at; r++)
    emit_rest (g, i, stream, s, one_of (g, stream, r, tokens), r, q);
}

/* What the head's first linear reads: rows of x, which a norm that is folded into the linear has yet to normalise. */
struct pooled {
  struct place x;
  const struct norm *norm; /* NULL: none is left to do */
  const char *name;        /* of what it makes */
  uint32_t parts;          /* of each row, to be added up; 0: it is whole */
};

/* The last block where nothing but the class token matters and the head's first linear normalises what it reads: in
 * few images that is too little work for kernels of rows by the hundred, which would be six. */
static bool
class_block_of (const struct graph *g, struct class_block *out)
{
  const vit_model *m = g->model;
  const struct vit_config *c = &m->cfg;
  const struct block *b = &m->blocks[c->depth - 1];
  *out = (struct class_block) {
    .qkv = &b->qkv,
    .proj = &b->proj,
    .fc1 = &b->fc1,
    .fc2 = &b->fc2,
    .next = c->head == HEAD_LINEAR ? &m->head : &m->head_fc1,
    .images = g->batch,
    .tokens = config_tokens (c),
    .head_dim = c->head_dim,
    .act = c->act,
    .scale = m->folds & FOLD_SCALE ? 1 : (float) (c->qk_scale * LOG2_E),
    .eps = c->eps,
  };
  return (m->folds & FOLD_LAST) && config_pooled (c) == 1 && b->norm1.folded && b->norm2.folded && c->final_norm
      && m->norm.folded && class_block_suits (m->dev, out);
}

static struct pooled
emit_class_block (struct graph *g, uint32_t stream, const struct class_block *block)
{
  uint32_t i = g->model->cfg.depth - 1, dim = g->model->cfg.dim, heads = g->model->cfg.heads;
  uint32_t slices = class_mlp_parts (block);
  uint32_t attended = new_tensor (g, g->batch, heads * dim, STORE_F32);
  uint32_t parts = new_tensor (g, g->batch, slices * dim, STORE_F32);
  add (g, OP_CLASS_ATTENTION, stream, attended, "blocks.%u.attn.parts.folded", i)->p.block = *block;
  add (g, OP_CLASS_MLP, attended, parts, "blocks.%u.parts.folded", i)->p.block = *block;
  return (struct pooled) { { parts, all (g, parts) }, &g->model->norm, NULL, slices };
}

/* A norm over one vector an image: now, or with the linear that it is folded into. */
static void
pool_norm (struct graph *g, struct pooled *p, const struct norm *n, const char *name)
{
  p->norm = n;
  p->name = name;
  uint32_t dim = g->model->cfg.dim, tokens = g->model->cfg.distilled ? 2 : 1;
  if (n->folded && tokens == 1)
    return;
  /* two tokens lie side by side, before and after, and are normalised each by itself */
  uint32_t normed = new_tensor (g, g->batch, tokens * dim, STORE_F32);
  for (uint32_t r = 0; r < tokens; r++) {
    struct rows x = p->x.rows, y = all (g, normed);
    x.first += r * dim;
    y.first += r * dim;
    set_norm (g, add (g, OP_LAYERNORM, p->x.tensor, normed, "%s", name), n, x, y);
  }
  *p = (struct pooled) { { normed, all (g, normed) }, NULL, NULL, 0 };
}

/* The stream -> one vector an image, float. */
static struct pooled
emit_pool (struct graph *g, uint32_t stream)
{
  const vit_model *m = g->model;
  struct dims d = dims_of (g);
  /* the class token is row 0 of each image */
  struct pooled p = { { stream, one_of (g, stream, 0, d.T) }, NULL, NULL, 0 };
  if (m->cfg.pool == POOL_MEAN) {
    if (m->cfg.final_norm) {
      uint32_t normed = new_tensor (g, d.B * d.T, d.C, STORE_F32);
      struct op *op = add (g, OP_LAYERNORM, stream, normed, "norm%s", mark (m->norm.folded));
      set_norm (g, op, &m->norm, all (g, stream), all (g, normed));
      stream = normed;
    }
    uint32_t mean = new_tensor (g, d.B, d.C, STORE_F32);
    struct op *op =
        add (g, OP_POOL, stream, mean, "%s%s", m->cfg.pool_norm ? "pool.mean" : "pool", mark (m->norm.folded));
    op->p.pool = (struct pool_params) { d.B, d.T, m->cfg.num_prefix, d.C };
    p.x = (struct place) { mean, all (g, mean) };
  } else if (m->cfg.final_norm) /* of the class token alone: no other row is looked at */
    pool_norm (g, &p, &m->norm, m->cfg.pool_norm ? "norm.token" : m->norm.folded ? "pool.folded" : "pool");
  if (m->cfg.pool_norm)
    pool_norm (g, &p, &m->pool_norm, m->pool_norm.folded ? "pool.folded" : "pool");
  if (m->cfg.head == HEAD_MLP)
    pool_norm (g, &p, &m->head_norm, m->head_norm.folded ? "head.norm.folded" : "head.norm");
  return p;
}

/* y = act (w x), x normalised if that is left to do; returns y. */
static uint32_t
emit_head_linear (struct graph *g, const struct pooled *p, const struct weight *w, uint32_t act, enum store store,
    const char *name)
{
  const struct vit_config *c = &g->model->cfg;
  uint32_t normed = p->norm && !p->parts ? new_tensor (g, g->batch, c->dim, STORE_F32) : 0;
  uint32_t out = new_tensor (g, g->batch, w->out_dim, store);
  struct place y = { out, all (g, out) };
  if (p->parts) {
    struct op *op = add (g, OP_LINEAR, p->x.tensor, out, "%s", name);
    set_linear (op, w, p->x.rows, y.rows, act, 0);
    op->p.linear.norm = 1;
    op->p.linear.eps = c->eps;
    op->parts = p->parts;
  } else if (p->norm)
    emit_normed (g, p->norm, w, p->x, (struct place) { normed, all (g, normed) }, y, act, p->name, name);
  else
    set_linear (add (g, OP_LINEAR, p->x.tensor, out, "%s", name), w, p->x.rows, y.rows, act, 0);
  return out;
}

static void
emit_head (struct graph *g, struct pooled p)
{
  const vit_model *m = g->model;
  if (m->cfg.head != HEAD_LINEAR) {
    uint32_t act = m->cfg.head == HEAD_TANH ? VIT_ACT_TANH : (uint32_t) m->cfg.act;
    uint32_t hidden = emit_head_linear (g, &p, &m->head_fc1, act, m->activations, "head.hidden");
    p = (struct pooled) { { hidden, all (g, hidden) }, NULL, NULL, 0 };
  }
  emit_head_linear (g, &p, &m->head, VIT_ACT_NONE, STORE_F32, "logits");
}

bool
graph_init (struct graph *g, const vit_model *model, uint32_t batch, vit_error *err)
{
  const struct vit_config *c = &model->cfg;
  *g = (struct graph) { .model = model, .batch = batch, .max_ops = 7 * c->depth + 24 };
  g->ops = calloc (g->max_ops, sizeof *g->ops);
  if (!g->ops)
    return fail_memory (err, "the graph", g->max_ops * sizeof *g->ops);
  struct dims d = dims_of (g);
  uint32_t rows = d.B * d.T;
  uint32_t patches = new_operand (g, d.B * model_input_rows (model), model->patch_embed.in_dim, model->activations);
  uint32_t stream = emit_tokens (g, patches);
  struct scratch s = {
    .normed = new_operand (g, rows, d.C, model->activations),
    .qkv = new_operand (g, rows, 3 * d.A, model->activations),
    .attended = new_operand (g, rows, d.A, model->activations),
    .hidden = new_operand (g, rows, c->mlp_dim, model->activations),
  };
  struct class_block last;
  bool alone = class_block_of (g, &last);
  for (uint32_t i = 0; i < c->depth - alone; i++)
    emit_block (g, i, stream, &s);
  emit_head (g, alone ? emit_class_block (g, stream, &last) : emit_pool (g, stream));
  graph_plan_arena (g);
  return true;
}
