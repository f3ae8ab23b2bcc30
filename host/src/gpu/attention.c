/* Attention: records the kernel that fits the head size and the device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/recorder.h"

bool
record_attention (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err)
{
  if (p->head_dim > MAX_HEAD_DIM)
    return fail (err, VIT_ERR_UNSUPPORTED, "a head size of %u is over the limit of %d", p->head_dim, MAX_HEAD_DIM);
  struct dispatch d = {
    .shader = store == STORE_F16 ? SHADER_attention_h : SHADER_attention_f,
    .spec = { 1, { p->head_dim } },
    .bind = { qkv, { 0 }, { 0 }, out },
    .push = p,
    .push_size = sizeof *p,
    .groups = { (p->tokens + 31) / 32, p->heads, p->batch },
  };
  return recorder_dispatch (rec, &d, err);
}
