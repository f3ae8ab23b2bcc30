/* Collects the pipelines and the special calls of a recording. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/plan.h"

#include <stdlib.h>
#include <string.h>

void
plan_init (struct plan *plan)
{
  *plan = (struct plan) { .current = -1 };
}

void
plan_finish (struct plan *plan)
{
  free (plan->pipelines);
  free (plan->specials);
  free (plan->calls);
  plan_init (plan);
}

/* Room for one more of `size` bytes each; the list moves. */
static bool
grow (void **list, uint32_t num, uint32_t *space, size_t size, vit_error *err)
{
  if (num < *space)
    return true;
  uint32_t wanted = *space ? 2 * *space : 16;
  void *grown = realloc (*list, wanted * size);
  if (!grown)
    return fail_memory (err, "the plan of kernels", wanted * size);
  *list = grown;
  *space = wanted;
  return true;
}

bool
plan_add (struct plan *plan, enum shader shader, const struct spec *spec, bool *first, vit_error *err)
{
  *first = false;
  for (uint32_t i = 0; i < plan->num; i++)
    if (plan->pipelines[i].shader == shader && spec_same (&plan->pipelines[i].spec, spec))
      return true;
  void *list = plan->pipelines;
  if (!grow (&list, plan->num, &plan->space, sizeof *plan->pipelines, err))
    return false;
  plan->pipelines = list;
  plan->pipelines[plan->num++] = (struct planned) { shader, *spec, plan->current };
  *first = true;
  return true;
}

bool
plan_special (struct plan *plan, const struct special *special, vit_error *err)
{
  void *list = plan->specials;
  if (!grow (&list, plan->num_specials, &plan->space_specials, sizeof *plan->specials, err))
    return false;
  plan->specials = list;
  plan->specials[plan->num_specials] = *special;
  plan->current = (int) plan->num_specials++;
  return true;
}

bool
plan_call (struct plan *plan, const struct special *call, vit_error *err)
{
  if (!plan)
    return true;
  void *list = plan->calls;
  if (!grow (&list, plan->num_calls, &plan->space_calls, sizeof *plan->calls, err))
    return false;
  plan->calls = list;
  plan->calls[plan->num_calls++] = *call;
  return true;
}

void
plan_end_special (struct plan *plan)
{
  plan->current = -1;
}
