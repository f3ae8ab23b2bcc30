/* Attention: records the kernel that fits the head size and the device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/recorder.h"

/* The widest cut of a head that leaves an invocation's registers alone: all of it up to 80 columns, else the largest
 * divisor up to 64. */
static uint32_t
choose_slice (uint32_t head_dim)
{
  if (head_dim <= 80)
    return head_dim;
  uint32_t slice = 64;
  while (head_dim % slice)
    slice--;
  return slice;
}

bool
record_attention (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err)
{
  uint32_t slice = choose_slice (p->head_dim);
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_attention_h : SHADER_attention_f,
    .spec = { 2, { p->head_dim, slice } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { (p->tokens + 31) / 32, p->heads * (p->head_dim / slice), p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}
