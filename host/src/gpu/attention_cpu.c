/* Chooses the cut of the unrolled attention kernel for a shape and records it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention_cpu.h"

#include "base/round.h"
#include "cpu/cpu_attention.h"

enum { ROWS = CPU_ATTENTION_ROWS, TABLE = CPU_ATTENTION_TABLE, MAX_TILES = 8, MAX_CHUNK = 32 };

_Static_assert(sizeof (struct cpu_attention_params) <= MAX_PUSH, "push constants over the guaranteed size");

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

bool
attention_cpu_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k)
{
  (void) k;
  const struct caps *caps = device_caps (dev);
  struct cut cut;
  return store == STORE_F32 && caps->unrolled && !caps->loops && p->tokens >= caps->subgroup_size
      && p->tokens <= caps->subgroup_size * TABLE * TABLE && p->head_dim % 4 == 0 && p->out_stride % 2 == 0
      && cut_tokens (caps, p->tokens, &cut) && cut_head (caps, p->head_dim, &cut);
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
