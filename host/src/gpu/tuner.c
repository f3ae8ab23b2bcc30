/* Times kernels against each other and remembers the fastest. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/tuner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gpu/memo.h"
#include "gpu/trial.h"
#include "gpu/trust.h"

enum { AUTO_MS = 2000, FULL_MS = 30000, RUNS = 5 };

static void
linear_key (char key[MEMO_TEXT], const struct weight *w, enum store x, enum store y, const struct linear_params *p)
{
  snprintf (key, MEMO_TEXT, "fastest linear %ux%ux%u %d%d%d act%u add%u bias%u norm%u", p->rows, p->in_dim, p->out_dim,
      (int) x, (int) w->store, (int) y, p->act, p->add, p->bias_rows > 1 ? 2 : p->bias_rows, p->norm);
}

static void
attention_key (char key[MEMO_TEXT], enum store store, const struct attention_params *p)
{
  snprintf (key, MEMO_TEXT, "fastest attention %ux%u of %ux%u queries %u %d", p->batch, p->tokens, p->heads,
      p->head_dim, p->queries, (int) store);
}

static void
key_of (char key[MEMO_TEXT], const struct special *s)
{
  if (s->kind == SPECIAL_LINEAR)
    linear_key (key, &s->weight, s->x_store, s->y_store, &s->p.linear);
  else
    attention_key (key, s->y_store, &s->p.attention);
}

static struct linear_call
call_of (const struct special *s)
{
  return (struct linear_call) { .weight = &s->weight, .p = s->p.linear, .x_store = s->x_store, .y_store = s->y_store };
}

/* May kernel number `index` of the table do the call? Then *out is the call done by it. */
static bool
candidate (const vit_device *dev, const struct special *s, uint32_t index, struct special *out)
{
  *out = *s;
  if (s->kind == SPECIAL_LINEAR) {
    const struct linear_kernel *k = out->linear = linear_kernel_at (index);
    struct linear_call call = call_of (s);
    return k->suits (dev, &call, k) && !trust_refuses (dev, TRUST_LINEAR, k->name, s->p.linear.in_dim);
  }
  const struct attention_kernel *k = out->attention = attention_kernel_at (index);
  return k->suits (dev, s->y_store, &s->p.attention, k)
      && !trust_refuses (dev, TRUST_ATTENTION, k->name, s->p.attention.tokens);
}

static uint32_t
num_kernels (const struct special *s)
{
  return s->kind == SPECIAL_LINEAR ? linear_num_kernels () : attention_num_kernels ();
}

static const char *
kernel_name (const struct special *s)
{
  return s->kind == SPECIAL_LINEAR ? s->linear->name : s->attention->name;
}

const struct linear_kernel *
tuner_linear (const vit_device *dev, const struct linear_call *call)
{
  char key[MEMO_TEXT], name[MEMO_TEXT];
  linear_key (key, call->weight, call->x_store, call->y_store, &call->p);
  const struct linear_kernel *k = memo_get (dev, key, name) ? linear_kernel_named (name) : NULL;
  if (k && k->suits (dev, call, k) && !trust_refuses (dev, TRUST_LINEAR, k->name, call->p.in_dim))
    return k;
  return linear_static_choice (dev, call);
}

const struct attention_kernel *
tuner_attention (const vit_device *dev, enum store store, const struct attention_params *p)
{
  char key[MEMO_TEXT], name[MEMO_TEXT];
  attention_key (key, store, p);
  bool timed = memo_get (dev, key, name);
  for (uint32_t i = 0; timed && i < attention_num_kernels (); i++) {
    const struct attention_kernel *k = attention_kernel_at (i);
    if (strcmp (k->name, name) == 0 && k->suits (dev, store, p, k)
        && !trust_refuses (dev, TRUST_ATTENTION, k->name, p->tokens))
      return k;
  }
  return attention_static_choice (dev, store, p);
}

/* Is the call one to be timed? */
static bool
wanted (const vit_device *dev, const struct special *s, enum vit_tune mode)
{
  char key[MEMO_TEXT], value[MEMO_TEXT];
  struct special ignored;
  uint32_t n = 0;
  if (s->kind == SPECIAL_LAYERNORM)
    return false;
  for (uint32_t i = 0; i < num_kernels (s); i++)
    n += candidate (dev, s, i, &ignored);
  key_of (key, s);
  return n > 1 && (mode == VIT_TUNE_FULL || !memo_get (dev, key, value));
}

/* A call of the same shape stands before it in the plan. */
static bool
seen (const struct plan *plan, uint32_t index)
{
  char key[MEMO_TEXT], other[MEMO_TEXT];
  key_of (key, &plan->calls[index]);
  for (uint32_t i = 0; i < index; i++) {
    key_of (other, &plan->calls[i]);
    if (plan->calls[i].kind == plan->calls[index].kind && strcmp (key, other) == 0)
      return true;
  }
  return false;
}

/* Each candidate's best run counts: what disturbs a run only makes it longer. One that is wrong is left out; it is
 * given up for good when it is compiled for use. */
static bool
tune_call (vit_device *dev, const struct special *s, uint64_t until_ms, vit_error *err)
{
  char key[MEMO_TEXT];
  struct special call;
  const char *best = NULL;
  double best_ms = 0;
  for (uint32_t i = 0; i < num_kernels (s); i++) {
    double ms;
    bool right = true;
    if (!candidate (dev, s, i, &call))
      continue;
    if (now_ms () >= until_ms)
      return true; /* half a comparison is none */
    if (i + 1 < num_kernels (s) && !trial_run (dev, &call, &right, err))
      return false;
    if (!right)
      continue;
    uint64_t now = now_ms (); /* the trial may have compiled for long */
    if (!trial_time (dev, &call, RUNS, now < until_ms ? until_ms - now : 0, &ms, err))
      return false;
    if (ms > 0 && (!best || ms < best_ms)) {
      best = kernel_name (&call);
      best_ms = ms;
    }
  }
  key_of (key, s);
  return !best || memo_set (dev, key, best, err);
}

/* VIT_TUNE_MS overrides the bound. */
static uint64_t
limit_ms (enum vit_tune mode)
{
  const char *text = getenv ("VIT_TUNE_MS");
  long ms = text ? strtol (text, NULL, 10) : 0;
  return ms > 0 ? (uint64_t) ms : mode == VIT_TUNE_FULL ? FULL_MS : AUTO_MS;
}

bool
tuner_run (vit_device *dev, const struct plan *plan, enum vit_tune mode, vit_progress call, void *ctx, vit_error *err)
{
  const struct caps *caps = device_caps (dev);
  uint32_t total = 0, done = 0;
  bool ok = true;
  if (mode == VIT_TUNE_OFF || caps->plain || caps->timestamp_ns <= 0 || (mode == VIT_TUNE_AUTO && caps->software))
    return true;
  for (uint32_t i = 0; i < plan->num_calls; i++)
    total += wanted (dev, &plan->calls[i], mode) && !seen (plan, i);
  struct progress progress = progress_begin (call, ctx, VIT_PHASE_TUNE, total);
  uint64_t until_ms = now_ms () + limit_ms (mode);
  for (uint32_t i = 0; ok && i < plan->num_calls && done < total && now_ms () < until_ms; i++) {
    if (!wanted (dev, &plan->calls[i], mode) || seen (plan, i))
      continue;
    ok = tune_call (dev, &plan->calls[i], until_ms, err);
    progress_set (&progress, ++done);
  }
  if (ok)
    progress_set (&progress, total);
  memo_save (dev);
  return ok;
}
