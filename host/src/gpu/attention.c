/* Attention: records the kernel that fits the head size and the device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/attention_cpu.h"
#include "gpu/plan.h"
#include "gpu/rows_loop.h"
#include "gpu/trust.h"

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

static bool
loop_suits (const vit_device *dev, enum store store, const struct attention_params *p)
{
  return store == STORE_F32 && attention_loop_suits (dev, p);
}

static bool
record_loop (struct recorder *rec, struct span qkv, struct span out, enum store store, const struct attention_params *p,
    vit_error *err)
{
  (void) store;
  return record_attention_loop (rec, qkv, out, p, err);
}

static bool
unrolled_suits (const vit_device *dev, enum store store, const struct attention_params *p)
{
  return store == STORE_F32 && attention_cpu_suits (dev, p);
}

static bool
record_unrolled (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err)
{
  (void) store;
  return record_attention_cpu (rec, qkv, out, p, err);
}

/* The best first; what none of them does is the plain kernel's. */
static const struct attention_kernel kernels[] = {
  { "loop", loop_suits, record_loop },
  { "unrolled", unrolled_suits, record_unrolled },
};

bool
record_attention (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *params, vit_error *err)
{
  struct attention_params full = *params, *p = &full;
  p->queries = p->queries ? p->queries : p->tokens;
  vit_device *dev = recorder_device (rec);
  for (uint32_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
    const struct attention_kernel *k = &kernels[i];
    if (!k->suits (dev, store, p) || trust_refuses (dev, TRUST_ATTENTION, k->name, p->tokens))
      continue;
    struct plan *plan = recorder_dry_plan (rec);
    struct special s = { .kind = SPECIAL_ATTENTION, .attention = k, .y_store = store, .p.attention = *p };
    if (plan && !plan_special (plan, &s, err))
      return false;
    bool ok = k->record (rec, qkv, out, store, p, err);
    if (plan)
      plan_end_special (plan);
    return ok;
  }
  return record_attention_plain (rec, qkv, out, store, p, err);
}

bool
record_attention_plain (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err)
{
  uint32_t slice = choose_slice (p->head_dim, device_caps (recorder_device (rec))->software);
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_attention_h : SHADER_attention_f,
    .spec = { 2, { p->head_dim, slice } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { (p->queries + 31) / 32, p->heads * (p->head_dim / slice), p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}
