/* Attention: the table of kernels and the choice among them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention.h"

#include "base/round.h"
#include "gpu/attention_coopmat.h"
#include "gpu/attention_cpu.h"
#include "gpu/rows_loop.h"
#include "gpu/trust.h"
#include "gpu/tuner.h"

/* What keeps a large GPU busy, as for linears. */
enum { ENOUGH_GROUPS = 128 };
/* Invocations of the tiled kernel's workgroups. */
enum { SMALL_TILE = 64, LARGE_TILE = 256 };
/* Of attention_tile.comp: keys of a tile; tiles whose scores fit registers; the same where one round isn't enough. */
enum { KEYS = 32, MAX_TILES = 8, ROUND_TILES = 4 };

/* Of shared memory; the arithmetic of the shader's declarations. */
static uint32_t
tile_bytes (enum store store, uint32_t head_dim, uint32_t threads)
{
  uint32_t rows = store == STORE_F16 ? head_dim / 2 : head_dim;
  uint32_t queries = (rows > KEYS ? rows : KEYS) * (threads / 8 + 1);
  uint32_t keys = rows * (KEYS / 2 + 2), values = KEYS * (rows / 2 + 1);
  return 8 * (queries + (keys > values ? keys : values));
}

static bool
tile_suits (const vit_device *dev, enum store store, const struct attention_params *p, const struct attention_kernel *k)
{
  const struct caps *caps = device_caps (dev);
  return !caps->plain && p->head_dim % 8 == 0 && p->head_dim >= 32 && p->head_dim <= 128
      && p->qkv_stride % ROW_ALIGN == 0 && p->out_stride % 4 == 0 && k->threads <= caps->max_invocations
      && tile_bytes (store, p->head_dim, k->threads) <= caps->max_shared;
}

/* Queries of a workgroup: four invocations share each. */
static uint32_t
tile_queries (const struct attention_kernel *k)
{
  return k->threads / 4;
}

static bool
record_tile (struct recorder *rec, struct span qkv, struct span out, enum store store, const struct attention_params *p,
    const struct attention_kernel *k, vit_error *err)
{
  uint32_t tiles = ceil_div (p->tokens, KEYS);
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_attention_tile_h : SHADER_attention_tile_f,
    .spec = { 3, { k->threads, p->head_dim, tiles <= MAX_TILES ? tiles : ROUND_TILES } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->queries, tile_queries (k)), p->heads, p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}

/* The widest cut of a head that spills no register: 64 of q and 32 of the sum make 96, with 128 ACO begins to spill on
 * gfx1100 (Mesa 22.3.6). A CPU has its stack in the cache, and repeated scores would cost it more. */
static uint32_t
choose_slice (uint32_t head_dim, bool software)
{
  if (head_dim <= 48 || (software && head_dim <= 128))
    return head_dim;
  uint32_t slice = 32;
  while (head_dim % slice)
    slice--;
  return slice;
}

/* slice: of the head, one invocation's; divides it */
static bool
record_slices (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, uint32_t slice, vit_error *err)
{
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_attention_h : SHADER_attention_f,
    .spec = { 2, { p->head_dim, slice } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { ceil_div (p->queries, 32), p->heads * (p->head_dim / slice), p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}

static bool
plain_suits (const vit_device *dev, enum store store, const struct attention_params *p,
    const struct attention_kernel *k)
{
  (void) dev, (void) store, (void) p, (void) k;
  return true;
}

static bool
record_plain (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, const struct attention_kernel *k, vit_error *err)
{
  (void) k;
  uint32_t slice = choose_slice (p->head_dim, device_caps (recorder_device (rec))->software);
  return record_slices (rec, qkv, out, store, p, slice, err);
}

static const struct attention_kernel kernels[] = {
  { "loop", attention_loop_suits, record_attention_loop, 0 },
  { "unrolled", attention_cpu_suits, record_attention_cpu, 0 },
  { "coopmat_64", attention_coopmat_suits, record_attention_coopmat, 0 },
  { "tile_64", tile_suits, record_tile, LARGE_TILE },
  { "tile_16", tile_suits, record_tile, SMALL_TILE },
  { "plain", plain_suits, record_plain, 0 },
};
enum { NUM_KERNELS = sizeof kernels / sizeof *kernels };

uint32_t
attention_num_kernels (void)
{
  return NUM_KERNELS;
}

const struct attention_kernel *
attention_kernel_at (uint32_t index)
{
  return &kernels[index];
}

/* A CPU runs tiles in shared memory slower than anything else. The large tile is for calls that make enough of it. */
static bool
worth_it (const vit_device *dev, const struct attention_params *p, const struct attention_kernel *k)
{
  if (k->record != record_tile && k->record != record_attention_coopmat)
    return true;
  return device_caps (dev)->gpu
      && (k->threads != LARGE_TILE || ceil_div (p->queries, tile_queries (k)) * p->heads * p->batch >= ENOUGH_GROUPS);
}

const struct attention_kernel *
attention_static_choice (const vit_device *dev, enum store store, const struct attention_params *p)
{
  const struct attention_kernel *plain = &kernels[NUM_KERNELS - 1], *k = kernels;
  while (k < plain
      && (!k->suits (dev, store, p, k) || !worth_it (dev, p, k)
          || trust_refuses (dev, TRUST_ATTENTION, k->name, p->tokens)))
    k++;
  return k;
}

bool
record_attention (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *params, vit_error *err)
{
  struct attention_params full = *params, *p = &full;
  p->queries = p->queries ? p->queries : p->tokens;
  const struct attention_kernel *k = tuner_attention (recorder_device (rec), store, p);
  struct plan *plan = k->record == record_plain ? NULL : recorder_dry_plan (rec);
  struct special s = { .kind = SPECIAL_ATTENTION, .attention = k, .y_store = store, .p.attention = *p };
  if (!plan_call (recorder_dry_plan (rec), &s, err))
    return false;
  if (plan && !plan_special (plan, &s, err))
    return false;
  bool ok = k->record (rec, qkv, out, store, p, k, err);
  if (plan)
    plan_end_special (plan);
  return ok;
}

/* Narrow slices are slower and less code: 8 of 64 take LLVM 15 0.4 s instead of 1.1 s, LLVM 19 1.9 s instead of 13.5 s
 * (lavapipe of Mesa 22.3 and 25.0). */
bool
record_attention_reference (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err)
{
  uint32_t slice = p->head_dim < 8 ? p->head_dim : 8;
  while (p->head_dim % slice)
    slice--;
  return record_slices (rec, qkv, out, store, p, slice, err);
}
