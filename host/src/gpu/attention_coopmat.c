/* Records the cooperative-matrix kernel of attention, and tells which calls it can do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention_coopmat.h"

#include "base/round.h"
#include "coopmat/coopmat.h"

enum { BLOCK = COOPMAT_BLOCK, QUERIES = COOPMAT_QUERIES };

/* Of shared memory; the arithmetic of the shader's declarations. */
static uint32_t
shared_bytes (uint32_t head_dim)
{
  return 16 * (2 * BLOCK * (head_dim / 8 + 1) + QUERIES * (BLOCK / 4 + 1) + QUERIES * (BLOCK / 8 + 1));
}

/* Halves, as they come from the linear before: queries and keys are multiplied as they are. */
bool
attention_coopmat_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k)
{
  (void) k;
  const struct caps *caps = device_caps (dev);
  const struct matrix_shape *s = &caps->matrix;
  if (s->m == 0 || store != STORE_F16 || p->head_dim < 32 || p->head_dim > 128)
    return false;
  uint32_t sharers = caps->subgroup_size / s->m; /* lanes of a row of scores: each has whole eights of them */
  return sharers && caps->subgroup_size % s->m == 0 && BLOCK % (8 * sharers) == 0 && p->head_dim % s->k == 0
      && p->head_dim % s->n == 0 && p->qkv_stride % ROW_ALIGN == 0 && p->out_stride % 4 == 0
      && QUERIES / s->m * caps->subgroup_size <= caps->max_invocations
      && shared_bytes (p->head_dim) <= caps->max_shared;
}

bool
record_attention_coopmat (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err)
{
  (void) store, (void) k;
  const struct caps *caps = device_caps (recorder_device (rec));
  const struct matrix_shape *s = &caps->matrix;
  struct coopmat_attention_params push = {
    .tokens = p->tokens,
    .queries = p->queries,
    .qkv_stride = p->qkv_stride / 8,
    .width = p->heads * p->head_dim / 8,
    .out_stride = p->out_stride,
    .scale = p->scale,
  };
  struct dispatch d = {
    .shader = SHADER_attention_coopmat,
    .spec = { 5, { QUERIES / s->m * caps->subgroup_size, s->m, s->n, s->k, p->head_dim } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = &push,
    .push_size = sizeof push,
    .groups = { ceil_div (p->queries, QUERIES), p->heads, p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}
