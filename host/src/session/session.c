/* Submits pictures and collects results in order, over a ring of slots. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gpu/compile.h"
#include "gpu/tuner.h"

enum { MAX_BATCH = 256, MAX_IN_FLIGHT = 8 };

static bool
record_batch (const vit_session *s, struct recorder *rec, uint32_t n, vit_error *err)
{
  struct graph graph;
  bool ok = graph_init (&graph, s->model, n, err) && graph_record (&graph, rec, &s->slots[0].arena, graph.num_ops, err);
  graph_finish (&graph);
  return ok;
}

/* Records the networks of all batch sizes, or what the recorder takes of them. */
static bool
record_all (const vit_session *s, struct recorder *rec, vit_error *err)
{
  bool ok = true;
  for (uint32_t n = 1; ok && n <= s->max_batch; n++)
    ok = record_batch (s, rec, n, err);
  return ok;
}

/* The two sizes of a batch that are most likely: one picture, and all there is room for. */
static bool
tune (vit_session *s, const struct vit_session_params *params, vit_error *err)
{
  struct plan plan;
  plan_init (&plan);
  struct recorder *rec = recorder_create_dry (s->model->dev, &plan, err);
  bool ok = rec && record_batch (s, rec, 1, err) && (s->max_batch == 1 || record_batch (s, rec, s->max_batch, err))
      && tuner_run (s->model->dev, &plan, params ? params->tune : VIT_TUNE_AUTO, params ? params->progress : NULL,
          params ? params->progress_ctx : NULL, err);
  recorder_destroy (&rec);
  plan_finish (&plan);
  return ok;
}

/* Compiles what the model's loading didn't. A kernel that is given up here is one of several for the same weights, and
 * recording will do without it. */
static bool
compile_kernels (vit_session *s, const struct vit_session_params *params, vit_error *err)
{
  struct plan plan;
  plan_init (&plan);
  struct recorder *rec = recorder_create_dry (s->model->dev, &plan, err);
  struct compile *work = NULL;
  bool ok = rec && record_all (s, rec, err) && (work = compile_start (s->model->dev, &plan, err)) != NULL;
  recorder_destroy (&rec);
  plan_finish (&plan);
  if (!ok)
    return false;
  uint32_t given_up;
  struct progress progress = progress_begin (params ? params->progress : NULL, params ? params->progress_ctx : NULL,
      VIT_PHASE_COMPILE, compile_total (work));
  return compile_finish (&work, &progress, &given_up, err);
}

/* Some drivers compile a kernel, or find it in their cache, when it first runs: run a workgroup of each now, on
 * whatever lies in the arena. */
static bool
warm_up (vit_session *s, vit_error *err)
{
  struct plan met;
  plan_init (&met);
  struct recorder *rec = recorder_create (s->model->dev, err);
  if (rec)
    recorder_only_new (rec, &met);
  bool ok = rec && recorder_begin (rec, err) && record_all (s, rec, err) && recorder_end (rec, err)
      && recorder_run (rec, err);
  recorder_destroy (&rec);
  plan_finish (&met);
  kernels_save (s->model->dev);
  return ok;
}

/* How much memory the slots need in all, and what would need less. */
static void
explain_memory (const vit_session *s, vit_error *err)
{
  struct graph largest, smallest;
  vit_error ignored;
  if (!graph_init (&largest, s->model, s->max_batch, &ignored))
    return;
  if (graph_init (&smallest, s->model, 1, &ignored))
    fail_memory_add (err,
        "; with a batch of %u and %u in flight %.1f MB are needed beside the weights: one picture at a time needs "
        "%.1f MB",
        s->max_batch, s->num_slots, (double) largest.arena_bytes * s->num_slots * 1e-6,
        (double) smallest.arena_bytes * 1e-6);
  graph_finish (&smallest);
  graph_finish (&largest);
}

vit_session *
vit_session_create (vit_model *model, const struct vit_session_params *params, vit_error *err)
{
  uint32_t batch = params && params->max_batch ? params->max_batch : 1;
  uint32_t flight = params && params->in_flight ? params->in_flight : 1;
  if (!model || batch > MAX_BATCH || flight > MAX_IN_FLIGHT) {
    fail (err, VIT_ERR_ARG,
        "vit_session_create: found max_batch %u and in_flight %u, expected a model, 1 to %d and 1 to %d", batch, flight,
        MAX_BATCH, MAX_IN_FLIGHT);
    return NULL;
  }
  vit_session *s = calloc (1, sizeof *s);
  if (!s) {
    fail_memory (err, "the session", sizeof *s);
    return NULL;
  }
  pthread_mutex_init (&s->lock, NULL);
  s->model = model_ref (model);
  s->max_batch = batch;
  s->num_slots = flight;
  s->slots = calloc (flight, sizeof *s->slots);
  s->logits = calloc (model->cfg.classes, sizeof *s->logits);
  if (!s->slots || !s->logits) {
    fail_memory (err, "the session", flight * sizeof *s->slots + model->cfg.classes * sizeof *s->logits);
    goto error;
  }
  if (!tune (s, params, err) || !compile_kernels (s, params, err))
    goto error;
  bool ok = true;
  for (uint32_t i = 0; ok && i < flight; i++)
    ok = slot_init (&s->slots[i], s->model, batch, &s->counters, err);
  if (!ok || !warm_up (s, err)) {
    explain_memory (s, err);
    goto error;
  }
  s->at_creation = s->counters;
  return s;
error:
  vit_session_destroy (&s);
  return NULL;
}

void
vit_session_destroy (vit_session **session)
{
  if (!session || !*session)
    return;
  vit_session *s = *session;
  *session = NULL;
  for (uint32_t i = 0; s->slots && i < s->num_slots; i++)
    slot_finish (&s->slots[i]);
  free (s->slots);
  free (s->logits);
  vit_model_destroy (&s->model);
  pthread_mutex_destroy (&s->lock);
  free (s);
}

/* Who sees 0 may fill the slot, who sees more may collect it: what else is in it changes hands with this number. */
static uint32_t
slot_num (vit_session *s, const struct slot *slot)
{
  pthread_mutex_lock (&s->lock);
  uint32_t num = slot->num;
  pthread_mutex_unlock (&s->lock);
  return num;
}

static void
set_slot_num (vit_session *s, struct slot *slot, uint32_t num)
{
  pthread_mutex_lock (&s->lock);
  slot->num = num;
  pthread_mutex_unlock (&s->lock);
}

/* A device compiles for the first picture of each slot at most, and all slots share what was compiled: one is run. */
bool
vit_session_prepare (vit_session *s, const vit_image *layout, vit_error *err)
{
  if (!s || !layout)
    return fail (err, VIT_ERR_ARG, "vit_session_prepare: session and layout must not be NULL");
  vit_image image = *layout;
  for (int i = 0; i < 3; i++) { /* nothing reads them, but they must look like a picture's */
    image.planes[i] = s;
    image.strides[i] = UINT32_MAX;
  }
  struct slot *idle = NULL;
  for (uint32_t i = 0; i < s->num_slots; i++) {
    struct slot *slot = &s->slots[(s->next + i) % s->num_slots];
    if (slot_num (s, slot))
      continue;
    if (!slot_plan (slot, 0, &image, err))
      return false;
    idle = idle ? idle : slot;
  }
  return !idle || slot_preprocess (idle, err);
}

enum vit_submit
vit_session_submit (vit_session *s, const vit_image *images, uint32_t n, vit_error *err)
{
  if (!s || !images || n == 0 || n > s->max_batch) {
    fail (err, VIT_ERR_ARG, "vit_session_submit: found %u images, expected 1 to max_batch (%u)", n,
        s ? s->max_batch : 0);
    return VIT_SUBMIT_FAILED;
  }
  struct slot *slot = &s->slots[s->next];
  if (slot_num (s, slot))
    return VIT_SUBMIT_FULL;
  slot->submit_ns = now_ns ();
  for (uint32_t i = 0; i < n; i++)
    if (!slot_load (slot, i, &images[i], err))
      return VIT_SUBMIT_FAILED;
  if (!slot_submit (slot, n, err))
    return VIT_SUBMIT_FAILED;
  set_slot_num (s, slot, n);
  s->next = (s->next + 1) % s->num_slots;
  s->submits++;
  s->images += n;
  return VIT_SUBMITTED;
}

/* Hands out image `taken` of the slot and frees the slot after its last of `num`. */
static void
take (vit_session *s, struct slot *slot, uint32_t num, vit_result *out)
{
  *out = (vit_result) {
    .user = slot->frames[slot->taken].user,
    .classes = s->model->cfg.classes,
    .submit_to_ready_ns = now_ns () - slot->submit_ns,
  };
  if (slot->done) {
    memcpy (s->logits, slot_logits (slot, slot->taken), s->model->cfg.classes * sizeof *s->logits);
    out->logits = s->logits;
    out->gpu_ms = recorder_clock_ms (slot->frames[0].rec, slot->networks[num - 1].rec);
    pthread_mutex_lock (&s->lock);
    s->gpu_ms = out->gpu_ms;
    pthread_mutex_unlock (&s->lock);
  }
  if (++slot->taken < num)
    return;
  s->oldest = (s->oldest + 1) % s->num_slots;
  set_slot_num (s, slot, 0);
}

enum vit_collect
vit_session_collect (vit_session *s, uint64_t timeout_ns, vit_result *out, vit_error *err)
{
  if (!s || !out) {
    fail (err, VIT_ERR_ARG, "vit_session_collect: session and out must not be NULL");
    return VIT_COLLECT_FAILED;
  }
  struct slot *slot = &s->slots[s->oldest];
  uint32_t num = slot_num (s, slot);
  if (!num)
    return VIT_EMPTY;
  bool ok = slot_wait (slot, timeout_ns, err);
  if (ok && !slot->done)
    return VIT_NOT_READY;
  if (!ok)
    slot->done = false;
  take (s, slot, num, out);
  return ok ? VIT_COLLECTED : VIT_COLLECT_FAILED;
}

void
vit_session_get_stats (const vit_session *session, struct vit_session_stats *out)
{
  vit_session *s = (vit_session *) session; /* its lock is taken, nothing else changes */
  const struct slot *slot = &s->slots[0];
  const struct recorder *net = slot->networks[0].rec, *frame = slot->frames[0].rec;
  *out = (struct vit_session_stats) {
    .submits = s->submits,
    .images = s->images,
    .allocations = s->counters.allocations - s->at_creation.allocations,
    .descriptor_updates = s->counters.descriptor_updates - s->at_creation.descriptor_updates,
    .dispatches = recorder_dispatches (net) + (frame ? recorder_dispatches (frame) : 0),
    .barriers = recorder_barriers (net) + (frame ? recorder_barriers (frame) : 0),
    .pipelines = kernels_pipelines (s->model->dev),
  };
  pthread_mutex_lock (&s->lock);
  out->gpu_ms = s->gpu_ms;
  pthread_mutex_unlock (&s->lock);
  for (uint32_t i = 0; i < s->num_slots; i++)
    out->device_bytes += slot_bytes (&s->slots[i]);
}
