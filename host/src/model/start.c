/* Plans the network's kernels by its shapes alone, and compiles them while the weights are loaded. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/start.h"

#include <stdlib.h>

#include "gpu/compile.h"
#include "gpu/kernels.h"
#include "model/graph.h"
#include "model/preprocess.h"

/* weight and bias slots lie side by side; norm: of what it reads, whose bias would go into its own, or NUM_SLOTS */
static void
plan_linear (vit_model *m, enum slot weight, enum slot norm, uint32_t in_dim, struct norm *norm_out, struct weight *out)
{
  const struct vit_config *c = &m->cfg;
  if (!slot_present (c, weight))
    return;
  bool folded = norm != NUM_SLOTS && slot_present (c, norm) && (m->folds & FOLD_NORMS);
  if (norm_out)
    norm_out->folded = folded;
  bool bias = folded || slot_present (c, (enum slot) (weight + 1));
  weight_plan (m->dev, slot_per_block (weight) ? m->store : m->outer, m->activations, bias, in_dim,
      (uint32_t) (slot_count (c, weight) / in_dim), out);
}

/* What load_network will make of them, but for what depends on the numbers: a wrong plan costs time, no more. */
static void
plan_weights (vit_model *m)
{
  const struct vit_config *c = &m->cfg;
  if (c->patch_norm)
    m->folds &= ~(uint32_t) FOLD_POSITIONS;
  if (c->pool != POOL_TOKEN)
    m->folds &= ~(uint32_t) FOLD_LAST;
  plan_linear (m, SLOT_PATCH_W, NUM_SLOTS, 3 * c->patch_width * c->patch_height, NULL, &m->patch_embed);
  if (m->folds & FOLD_POSITIONS)
    m->patch_embed.bias_rows = config_tokens (c);
  for (uint32_t i = 0; i < c->depth; i++) {
    struct block *b = &m->blocks[i];
    plan_linear (m, SLOT_QKV_W, SLOT_NORM1_W, c->dim, &b->norm1, &b->qkv);
    plan_linear (m, SLOT_PROJ_W, NUM_SLOTS, c->heads * c->head_dim, NULL, &b->proj);
    plan_linear (m, SLOT_FC1_W, SLOT_NORM2_W, c->dim, &b->norm2, &b->fc1);
    plan_linear (m, SLOT_FC2_W, NUM_SLOTS, c->mlp_dim, NULL, &b->fc2);
  }
  enum slot norm = slot_present (c, SLOT_HEAD_NORM_W) ? SLOT_HEAD_NORM_W
      : slot_present (c, SLOT_POOL_NORM_W)            ? SLOT_POOL_NORM_W
                                                      : SLOT_NORM_W;
  struct norm *out = norm == SLOT_HEAD_NORM_W ? &m->head_norm : norm == SLOT_POOL_NORM_W ? &m->pool_norm : &m->norm;
  bool one = c->head == HEAD_LINEAR;
  plan_linear (m, SLOT_HEAD_FC1_W, norm, c->dim, one ? NULL : out, &m->head_fc1);
  plan_linear (m, SLOT_HEAD_W, one ? norm : NUM_SLOTS, one ? c->dim : c->head_hidden, one ? out : NULL, &m->head);
}

/* What reads pictures, where that depends on their format alone and not on their size. */
static bool
plan_formats (const vit_model *m, struct recorder *rec, uint32_t formats, vit_error *err)
{
  const struct preprocess_v_params v = { .width = 1, .height = 1 };
  bool ok = true;
  for (uint32_t f = 0; ok && f < 32; f++) {
    struct preprocess_h_params h = { .width = 1, .num_rows = 1, .kind = preprocess_kind ((enum vit_format) f) };
    if ((formats >> f & 1) && h.kind && !preprocess_at_once (m->dev, 1))
      ok = record_preprocess_h (rec, (struct span) { 0 }, (struct span) { 0 }, (struct span) { 0 }, &h, err)
          && record_preprocess_v (rec, (struct span) { 0 }, (struct span) { 0 }, (struct span) { 0 }, m->activations,
              &v, err);
  }
  return ok;
}

static bool
plan_kernels (vit_model *m, struct plan *plan, uint32_t formats, vit_error *err)
{
  struct graph graph = { 0 };
  struct recorder *rec = NULL;
  struct buffer nowhere = { 0 };
  if (!m->blocks && !(m->blocks = calloc (m->cfg.depth, sizeof *m->blocks)))
    return fail_memory (err, "the blocks", m->cfg.depth * sizeof *m->blocks);
  plan_weights (m);
  bool ok = graph_init (&graph, m, 1, err) && (rec = recorder_create_dry (m->dev, plan, err)) != NULL
      && graph_record (&graph, rec, &nowhere, graph.num_ops, err) && plan_formats (m, rec, formats, err);
  recorder_destroy (&rec);
  graph_finish (&graph);
  return ok;
}

/* Kernels are compiled and tried while the weights are read and packed for them. A kernel that fails its trial leaves
 * weights in an order that only it reads, so they are loaded once more for the ones that are left. */
bool
start_network (vit_model *m, const struct checkpoint *file, const struct vit_model_params *params, vit_error *err)
{
  vit_progress call = params ? params->progress : NULL;
  void *ctx = params ? params->progress_ctx : NULL;
  struct load_progress progress = { .layers = progress_begin (call, ctx, VIT_PHASE_LOAD, m->cfg.depth + 2) };
  uint32_t wanted = m->folds, given_up = 0;
  bool ok = true;
  do {
    struct plan plan;
    plan_init (&plan);
    model_clear (m);
    m->folds = wanted;
    ok = plan_kernels (m, &plan, params ? params->formats : 0, err)
        && (progress.compile = compile_start (m->dev, &plan, err)) != NULL;
    plan_finish (&plan);
    if (!ok)
      break;
    if (!progress.kernels.total)
      progress.kernels = progress_begin (call, ctx, VIT_PHASE_COMPILE, compile_total (progress.compile));
    ok = load_network (m, file, &progress, err);
    if (!ok)
      compile_stop (progress.compile);
    ok = compile_finish (&progress.compile, &progress.kernels, &given_up, ok ? err : NULL) && ok;
  } while (ok && given_up > 0);
  if (ok)
    progress_set (&progress.layers, progress.layers.total);
  return ok;
}
