/* Shows one tensor of the network for one picture. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "gpu/half.h"
#include "session/session.h"

/* Tap 0 is the graph's input, tap i + 1 the output of op i. */
const char *
vit_session_tap_name (const vit_session *s, uint32_t index)
{
  return index == 0 ? graph_input_name (&s->slots[0].networks[0].graph)
                    : graph_op_name (&s->slots[0].networks[0].graph, index - 1);
}

static int
find_tap (const vit_session *s, const char *name)
{
  const char *tap;
  for (uint32_t i = 0; (tap = vit_session_tap_name (s, i)) != NULL; i++)
    if (strcmp (tap, name) == 0)
      return (int) i;
  return -1;
}

/* -> (rows, columns) */
static float *
to_float (const void *data, const struct tensor_slot *t)
{
  float *out = malloc ((size_t) t->rows * t->columns * sizeof *out);
  for (size_t i = 0; out && i < (size_t) t->rows * t->columns; i++) {
    size_t at = i / t->columns * t->stride + i % t->columns;
    out[i] = t->store == STORE_F16 ? half_to_float (((const uint16_t *) data)[at]) : ((const float *) data)[at];
  }
  return out;
}

/* Runs the picture's preprocessing and the first `ops` kernels, and reads the tensor they end in. */
static float *
run_and_read (struct slot *slot, uint32_t ops, const struct tensor_slot *t, vit_error *err)
{
  vit_device *dev = slot->model->dev;
  size_t bytes = (size_t) t->rows * t->stride * store_size (t->store);
  struct buffer readback = { 0 };
  float *out = NULL;
  struct recorder *rec = recorder_create (dev, err);
  if (!rec || !buffer_create (dev, MEMORY_READBACK, bytes, "tap", &readback, err) || !slot_preprocess (slot, err)
      || !recorder_begin (rec, err) || !graph_record (&slot->networks[0].graph, rec, &slot->arena, ops, err))
    goto done;
  recorder_copy (rec, &slot->arena, t->offset, &readback, 0, bytes);
  if (!recorder_end (rec, err) || !recorder_run (rec, err) || !buffer_invalidate (dev, &readback, err))
    goto done;
  out = to_float (readback.map, t);
  if (!out)
    fail_memory (err, "a tap", (size_t) t->rows * t->columns * sizeof *out);
done:
  buffer_destroy (dev, &readback);
  recorder_destroy (&rec);
  return out;
}

float *
vit_session_tap (vit_session *s, const vit_image *image, const char *name, uint32_t shape[2], vit_error *err)
{
  if (!s || !image || !name || !shape) {
    fail (err, VIT_ERR_ARG, "vit_session_tap: session, image, name and shape must not be NULL");
    return NULL;
  }
  int tap = find_tap (s, name);
  if (tap < 0) {
    fail (err, VIT_ERR_ARG, "no tensor is called '%.60s'; vit_session_tap_name lists them, from '%s' to 'logits'", name,
        vit_session_tap_name (s, 0));
    return NULL;
  }
  for (uint32_t i = 0; i < s->num_slots; i++)
    if (s->slots[i].num) {
      fail (err, VIT_ERR_ARG, "vit_session_tap: the session has results to collect first");
      return NULL;
    }
  struct slot *slot = &s->slots[0];
  if (!slot_load (slot, 0, image, err))
    return NULL;
  const struct graph *g = &slot->networks[0].graph;
  const struct tensor_slot *t = tap == 0 ? &g->tensors[0] : graph_op_output (g, (uint32_t) tap - 1);
  shape[0] = t->rows;
  shape[1] = t->columns;
  return run_and_read (slot, (uint32_t) tap, t, err);
}
