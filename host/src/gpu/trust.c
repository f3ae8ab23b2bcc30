/* Remembers which kernels were tried on this device and driver, and which of them were given up. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/trust.h"

#include <stdio.h>
#include <string.h>

#include "gpu/memo.h"
#include "gpu/plan.h"

static const char *const family_names[] = {
  [TRUST_LINEAR] = "linear",
  [TRUST_ATTENTION] = "attention",
  [TRUST_LAYERNORM] = "layernorm",
};

static void
refusal_key (char key[MEMO_TEXT], enum trust_family family, const char *name, uint32_t size)
{
  snprintf (key, MEMO_TEXT, "refused %s %s %u", family_names[family], name, size);
}

static void
pipeline_key (char key[MEMO_TEXT], const struct planned *p)
{
  int n = snprintf (key, MEMO_TEXT, "right %s", shader_name (p->shader));
  for (uint32_t i = 0; i < p->spec.num && n < MEMO_TEXT; i++)
    n += snprintf (key + n, (size_t) (MEMO_TEXT - n), "%c%x", i ? ',' : ':', p->spec.value[i]);
}

bool
trust_refuses (const vit_device *dev, enum trust_family family, const char *name, uint32_t size)
{
  char key[MEMO_TEXT], value[MEMO_TEXT];
  refusal_key (key, family, name, size);
  return memo_get (dev, key, value);
}

enum verdict
trust_recall (const vit_device *dev, const struct planned *p)
{
  char key[MEMO_TEXT], value[MEMO_TEXT];
  pipeline_key (key, p);
  return memo_get (dev, key, value) ? VERDICT_RIGHT : VERDICT_NONE;
}

bool
trust_remember (vit_device *dev, const struct plan *plan, uint32_t index, enum verdict verdict, vit_error *err)
{
  const struct planned *p = &plan->pipelines[index];
  char key[MEMO_TEXT];
  if (verdict == VERDICT_RIGHT) {
    pipeline_key (key, p);
    return memo_set (dev, key, "1", err);
  }
  const struct special *s = &plan->specials[p->special];
  switch (s->kind) {
    case SPECIAL_LINEAR:
      refusal_key (key, TRUST_LINEAR, s->linear->name, s->p.linear.in_dim);
      break;
    case SPECIAL_ATTENTION:
      refusal_key (key, TRUST_ATTENTION, s->attention->name, s->p.attention.tokens);
      break;
    case SPECIAL_LAYERNORM:
      refusal_key (key, TRUST_LAYERNORM, s->layernorm->name, s->p.layernorm.dim);
      break;
  }
  char before[MEMO_TEXT];
  if (memo_get (dev, key, before)) /* another form of the same kernel was given up already, and told */
    return true;
  device_log (dev, VIT_LOG_WARNING, "kernel %s (%s) %s on %.100s, %.100s: using the ordinary one, which is slower",
      shader_name (p->shader), key + strlen ("refused "),
      verdict == VERDICT_WRONG ? "gives wrong results" : "takes too long to compile", dev->info.name, dev->info.driver);
  return memo_set (dev, key, verdict == VERDICT_WRONG ? "wrong" : "slow", err);
}
