/* Chooses the unrolled attention kernel and its cut for a shape and records it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention_cpu.h"

#include "base/round.h"
#include "cpu/cpu_attention.h"
#include "gpu/cpu_output.h"

enum { ROWS = CPU_ATTENTION_ROWS, TABLE = CPU_ATTENTION_TABLE, MAX_TILES = 8, MAX_CHUNK = 32 };

_Static_assert(sizeof (struct cpu_attention_params) <= MAX_PUSH, "push constants over the guaranteed size");
_Static_assert(sizeof (struct cpu_columns_params) <= MAX_PUSH, "push constants over the guaranteed size");

/* The kernel's specialization constants. */
struct cut {
  uint32_t blocks, tiles, chunk, group;
};

/* As many tokens a subgroup as keep the workgroup within bounds: more code, but every subgroup's sums meet in shared
 * memory. */
static bool
cut_tokens (const struct caps *caps, uint32_t tokens, struct cut *cut)
{
  for (cut->tiles = 1; cut->tiles <= MAX_TILES; cut->tiles++) {
    cut->blocks = ceil_div (tokens, ROWS * cut->tiles);
    if (cut->blocks <= CPU_ATTENTION_BLOCKS && cut->blocks * caps->subgroup_size <= caps->max_invocations)
      return tokens >= ROWS * cut->tiles;
  }
  return false;
}

/* The widest part of the head whose sums fit into shared memory. 16 lanes compile 16 of them at once in 6 s, 8 in 2 s,
 * for a twentieth of the speed (Mesa 22.3.6, heads of 64); 8 lanes take as long either way. */
static bool
cut_head (const struct caps *caps, uint32_t head_dim, struct cut *cut)
{
  uint32_t vector = 4 * caps->subgroup_size + 4;
  for (cut->chunk = head_dim < MAX_CHUNK ? head_dim : MAX_CHUNK; cut->chunk >= 4; cut->chunk -= 4) {
    uint32_t vectors = head_dim + 2 * cut->blocks + cut->blocks * (cut->chunk | 1) + 1;
    if (head_dim % cut->chunk == 0 && vectors * vector <= caps->max_shared)
      break;
  }
  for (cut->group = caps->subgroup_size > 8 ? 8 : 16; cut->group > 4 && cut->chunk % cut->group != 0;)
    cut->group -= 4;
  return cut->chunk >= 4;
}

/* Whether the kernel does it whose subgroups have four columns of a head each; the other one has less code where tokens
 * are many, and is faster where subgroups are few. At fewer lanes it gained nothing (Mesa 22.3.6, 25.0.7). */
static bool
columns_suit (const struct caps *caps, const struct attention_params *p)
{
  uint32_t lanes = caps->subgroup_size, blocks = ceil_div (p->tokens, ROWS);
  uint32_t pool = blocks * ROWS > p->head_dim ? blocks * ROWS : p->head_dim;
  return lanes == 16 && p->tokens >= lanes && blocks <= CPU_COLUMNS_TABLE && p->heads <= CPU_COLUMNS_TABLE
      && 4 * blocks >= p->head_dim && blocks * lanes <= caps->max_invocations && p->qkv_stride % 4 == 0
      && p->out_stride % 4 == 0 && 4ull * p->queries * p->out_stride <= cpu_output_limit (caps)
      && (pool + 2 * blocks) * (4 * lanes + 4) <= caps->max_shared;
}

bool
attention_cpu_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k)
{
  (void) k;
  const struct caps *caps = device_caps (dev);
  struct cut cut;
  if (store != STORE_F32 || !caps->unrolled || caps->loops || p->tokens < caps->subgroup_size || p->head_dim % 4 != 0)
    return false;
  return columns_suit (caps, p)
      || (p->tokens <= caps->subgroup_size * TABLE * TABLE && p->out_stride % 2 == 0
          && cut_tokens (caps, p->tokens, &cut) && cut_head (caps, p->head_dim, &cut));
}

static bool
record_columns (struct recorder *rec, struct span qkv, struct span out, const struct attention_params *p,
    vit_error *err)
{
  const struct caps *caps = device_caps (recorder_device (rec));
  struct cpu_columns_params push = {
    .tokens = p->tokens,
    .queries = p->queries,
    .width = 4 * p->heads * p->head_dim,
    .scale = p->scale,
  };
  for (uint32_t i = 0; i < CPU_COLUMNS_TABLE; i++)
    push.table[i] = i;
  struct dispatch d = {
    .shader = SHADER_cpu_attention_columns_16,
    .spec = { 5, { ceil_div (p->tokens, ROWS), p->head_dim, p->qkv_stride / 4, p->out_stride / 4, caps->broadcasts } },
    .push = &push,
    .push_size = sizeof push,
    .groups = { ceil_div (p->queries, caps->subgroup_size), p->heads, 1 },
  };
  for (uint32_t b = 0; b < p->batch; b++) {
    push.qkv = qkv.buffer->address + qkv.offset + 4 * ((uint64_t) b * p->tokens * p->qkv_stride);
    uint64_t floats = (p->queries - 1) * (uint64_t) p->out_stride + p->heads * p->head_dim;
    d.bind[3] = cpu_output (out, (uint64_t) b * p->queries * p->out_stride, floats, &push.y);
    push.y /= 4;
    if (!recorder_dispatch (rec, &d, err))
      return false;
  }
  return true;
}

static enum shader
unrolled_shader (uint32_t lanes)
{
  return lanes == 4 ? SHADER_cpu_attention_4 : lanes == 8 ? SHADER_cpu_attention_8 : SHADER_cpu_attention_16;
}

bool
record_attention_cpu (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err)
{
  (void) store, (void) k;
  const struct caps *caps = device_caps (recorder_device (rec));
  if (columns_suit (caps, p))
    return record_columns (rec, qkv, out, p, err);
  uint32_t blocks = ceil_div (p->queries, caps->subgroup_size);
  struct cut cut;
  if (!cut_tokens (caps, p->tokens, &cut) || !cut_head (caps, p->head_dim, &cut))
    return fail (err, VIT_ERR_UNSUPPORTED, "attention of %u tokens and head size %u doesn't fit this device", p->tokens,
        p->head_dim);
  struct cpu_attention_params push = {
    .tokens = p->tokens,
    .queries = p->queries,
    .token = 4 * p->qkv_stride,
    .width = 4 * p->heads * p->head_dim,
    .y_token = p->out_stride,
    .scale = p->scale,
  };
  for (uint32_t i = 0; i < TABLE; i++)
    push.table[i] = i;
  struct dispatch d = {
    .shader = unrolled_shader (caps->subgroup_size),
    .spec = { 6, { cut.blocks, cut.tiles, p->head_dim, cut.chunk, cut.group, caps->broadcasts } },
    .push = &push,
    .push_size = sizeof push,
    .groups = { blocks < TABLE ? blocks : TABLE, ceil_div (blocks, TABLE), 0 },
  };
  for (uint32_t b = 0; b < p->batch; b++)
    for (uint32_t h = 0; h < p->heads; h += TABLE) {
      uint64_t token = (uint64_t) b * p->tokens, query = (uint64_t) b * p->queries, head = 4 * h * p->head_dim;
      push.qkv = qkv.buffer->address + qkv.offset + token * push.token + head;
      push.y = out.buffer->address + out.offset + 4 * query * p->out_stride + head;
      d.groups[2] = p->heads - h < TABLE ? p->heads - h : TABLE;
      if (!recorder_dispatch (rec, &d, err))
        return false;
    }
  return true;
}
