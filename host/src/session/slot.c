/* One batch under way: its memory, its command buffers, its submit. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session/slot.h"

#include <stdlib.h>
#include <string.h>

static vit_device *
device_of (const struct slot *s)
{
  return s->model->dev;
}

/* Logits of image i start at i * classes floats in the last tensor of the arena. */
static VkDeviceSize
logits_bytes (const struct slot *s, uint32_t n)
{
  return (VkDeviceSize) n * s->model->cfg.classes * sizeof (float);
}

/* The network for n images. */
static bool
record_network (struct slot *s, uint32_t n, vit_error *err)
{
  struct network *net = &s->networks[n - 1];
  struct recorder *rec = NULL;
  if (!graph_init (&net->graph, s->model, n, err) || !(rec = recorder_create (device_of (s), err))
      || !recorder_begin (rec, err))
    goto error;
  recorder_start_clock (rec);
  recorder_barrier (rec); /* the patches come from the command buffers before this one */
  if (!graph_record (&net->graph, rec, &s->arena, net->graph.num_ops, err))
    goto error;
  recorder_copy (rec, &s->arena, graph_op_output (&net->graph, net->graph.num_ops)->offset, &s->readback, 0,
      logits_bytes (s, n));
  recorder_stop_clock (rec);
  if (!recorder_end (rec, err))
    goto error;
  s->counters->descriptor_updates += recorder_descriptor_updates (rec);
  net->rec = rec;
  return true;
error:
  recorder_destroy (&rec);
  graph_finish (&net->graph);
  return false;
}

bool
slot_init (struct slot *s, vit_model *model, uint32_t max_batch, struct counters *counters, vit_error *err)
{
  *s = (struct slot) { .model = model, .counters = counters, .max_batch = max_batch };
  vit_device *dev = model->dev;
  struct graph largest;
  s->frames = calloc (max_batch, sizeof *s->frames);
  s->networks = calloc (max_batch, sizeof *s->networks);
  s->commands = calloc (2 * (size_t) max_batch + 1, sizeof *s->commands);
  if (!s->frames || !s->networks || !s->commands)
    return fail_memory (err, "a session's slot", max_batch * (sizeof *s->frames + sizeof *s->networks));
  if (!graph_init (&largest, model, max_batch, err))
    return false;
  uint64_t arena = largest.arena_bytes;
  graph_finish (&largest);
  s->counters->allocations += 2;
  if (!buffer_create (dev, MEMORY_LOCAL, arena, "activations", &s->arena, err)
      || !buffer_create (dev, MEMORY_READBACK, logits_bytes (s, max_batch), "logits", &s->readback, err)
      || !ticket_init (dev, &s->ticket, err) || !ticket_init (dev, &s->copies, err))
    return false;
  for (uint32_t n = 1; n <= max_batch; n++)
    if (!record_network (s, n, err))
      return false;
  return true;
}

static void
frame_finish (vit_device *dev, struct frame *f)
{
  recorder_destroy (&f->rec);
  recorder_destroy (&f->copy);
  buffer_destroy (dev, &f->upload);
  buffer_destroy (dev, &f->local);
  buffer_destroy (dev, &f->tables);
  buffer_destroy (dev, &f->rows);
  if (f->planned)
    preprocess_plan_finish (&f->plan);
  f->planned = false;
}

void
slot_finish (struct slot *s)
{
  if (!s->model)
    return;
  vit_device *dev = device_of (s);
  if (s->num && !s->done)
    slot_wait (s, UINT64_MAX, NULL);
  for (uint32_t i = 0; s->frames && i < s->max_batch; i++)
    frame_finish (dev, &s->frames[i]);
  for (uint32_t i = 0; s->networks && i < s->max_batch; i++) {
    recorder_destroy (&s->networks[i].rec);
    graph_finish (&s->networks[i].graph);
  }
  ticket_finish (dev, &s->ticket);
  ticket_finish (dev, &s->copies);
  buffer_destroy (dev, &s->arena);
  buffer_destroy (dev, &s->readback);
  free (s->frames);
  free (s->networks);
  free (s->commands);
  memset (s, 0, sizeof *s);
}

/* Is preprocessing one kernel, which needs no memory for rows between two? */
static bool
at_once (const struct slot *s, const struct frame *f)
{
  return preprocess_at_once (device_of (s), f->plan.tile_rows);
}

static size_t
rows_bytes (const struct slot *s, const struct frame *f)
{
  return at_once (s, f) ? 0 : f->plan.rows_size;
}

/* Keeps a buffer that is large enough. */
static bool
grow (struct slot *s, enum memory_use use, VkDeviceSize size, const char *name, struct buffer *b, vit_error *err)
{
  if (b->size >= size && size > 0)
    return true;
  buffer_destroy (device_of (s), b);
  s->counters->allocations++;
  return buffer_create (device_of (s), use, size, name, b, err);
}

static bool
record_transfer (struct frame *f, vit_error *err)
{
  if (!recorder_begin (f->copy, err))
    return false;
  recorder_transfer (f->copy, &f->upload, &f->local, f->plan.upload_size);
  return recorder_end (f->copy, err);
}

bool
slot_record_frame (struct slot *s, uint32_t index, struct recorder *rec, vit_error *err)
{
  struct frame *f = &s->frames[index];
  const struct preprocess_plan *plan = &f->plan;
  struct preprocess_v_params v = plan->v;
  const struct buffer *source = f->local.handle ? &f->local : &f->upload;
  const vit_model *m = s->model;
  uint32_t rows = model_input_rows (m), prefix = model_input_prefix (m);
  v.out_stride = s->networks[0].graph.tensors[0].stride;
  v.out_first = (index * rows + prefix) * v.out_stride;
  v.zeros = prefix * v.out_stride;
  for (int c = 0; c < 3 && (m->folds & FOLD_PIXELS); c++) {
    v.scale[c] = 1 / 128.0f; /* what load.c counts on */
    v.offset[c] = -1;
  }
  struct span out = { &s->arena, 0, (VkDeviceSize) (index + 1) * rows * v.out_stride * store_size (m->activations) };
  if (source == &f->local && !(f->copy && rec == f->rec))
    recorder_copy (rec, &f->upload, 0, &f->local, 0, plan->upload_size);
  if (at_once (s, f))
    return record_preprocess (rec, span_all (source), span_all (&f->tables), out, m->activations, &plan->h, &v,
        plan->tile_rows, err);
  if (!record_preprocess_h (rec, span_all (source), span_all (&f->tables), span_all (&f->rows), &plan->h, err))
    return false;
  recorder_barrier (rec);
  return record_preprocess_v (rec, span_all (&f->rows), span_all (&f->tables), out, m->activations, &v, err);
}

static bool
record_frame (struct slot *s, uint32_t index, vit_error *err)
{
  struct frame *f = &s->frames[index];
  if (f->copy && !record_transfer (f, err))
    return false;
  if (!recorder_begin (f->rec, err))
    return false;
  if (index == 0) /* the first of a submit; the network's end stops it */
    recorder_start_clock (f->rec);
  if (!slot_record_frame (s, index, f->rec, err) || !recorder_end (f->rec, err))
    return false;
  s->counters->descriptor_updates += recorder_descriptor_updates (f->rec);
  return true;
}

static bool
check_sizes (const struct slot *s, const struct frame *f, const vit_image *image, vit_error *err)
{
  VkDeviceSize most = device_caps (device_of (s))->max_storage_range;
  size_t rows = rows_bytes (s, f), need = f->plan.upload_size > rows ? f->plan.upload_size : rows;
  if (need <= most)
    return true;
  return fail (err, VIT_ERR_UNSUPPORTED,
      "a picture of %ux%u needs %zu bytes, over this device's limit of %llu for one buffer; scale it down first",
      image->width, image->height, need, (unsigned long long) most);
}

/* Memory and command buffers for the plan. */
static bool
make_room (struct slot *s, struct frame *f, vit_error *err)
{
  vit_device *dev = device_of (s);
  if (!grow (s, MEMORY_UPLOAD, f->plan.upload_size, "frame", &f->upload, err)
      || !grow (s, MEMORY_LOCAL, f->plan.tables_size, "tap tables", &f->tables, err)
      || (!at_once (s, f) && !grow (s, MEMORY_LOCAL, rows_bytes (s, f), "resized rows", &f->rows, err))
      || (!f->rec && !(f->rec = recorder_create (dev, err))))
    return false;
  if (f->upload.local && !dev->staged)
    return true;
  return grow (s, MEMORY_COPIED, f->plan.upload_size, "frame copy", &f->local, err)
      && (!dev->transfer || f->copy || (f->copy = recorder_create_transfer (dev, err)));
}

/* Everything that depends on the picture's layout. On failure the frame is unplanned. */
static bool
plan_frame (struct slot *s, uint32_t index, const vit_image *image, vit_error *err)
{
  const struct vit_config *c = &s->model->cfg;
  struct frame *f = &s->frames[index];
  vit_device *dev = device_of (s);
  if (f->planned)
    preprocess_plan_finish (&f->plan);
  f->planned = false;
  if (!preprocess_plan (&f->plan, &s->model->preprocess, c->patch_width, c->patch_height, image, err))
    return false;
  if (!check_sizes (s, f, image, err) || !make_room (s, f, err)
      || !buffer_write (dev, &f->tables, 0, f->plan.tables, f->plan.tables_size, err) || !record_frame (s, index, err))
    goto error;
  f->planned = true;
  return true;
error:
  fail_memory_add (err, "; this picture of %ux%u needs %.1f MB in all: a smaller one or a smaller batch needs less",
      image->width, image->height, (double) (2 * f->plan.upload_size + rows_bytes (s, f)) * 1e-6);
  preprocess_plan_finish (&f->plan);
  return false;
}

bool
slot_plan (struct slot *s, uint32_t index, const vit_image *image, vit_error *err)
{
  struct frame *f = &s->frames[index];
  return preprocess_image_check (image, err)
      && ((f->planned && preprocess_same_layout (&f->plan, image)) || plan_frame (s, index, image, err));
}

bool
slot_load (struct slot *s, uint32_t index, const vit_image *image, vit_error *err)
{
  struct frame *f = &s->frames[index];
  if (!slot_plan (s, index, image, err))
    return false;
  preprocess_upload (&f->plan, image, f->upload.map);
  f->user = image->user;
  return buffer_flush (device_of (s), &f->upload, err);
}

/* The first n frames' copies, where they go over the transfer queue. *after: what the frames' kernels wait for. */
static bool
submit_copies (struct slot *s, uint32_t n, const struct ticket **after, vit_error *err)
{
  vit_device *dev = device_of (s);
  VkCommandBuffer *copies = s->commands + s->max_batch + 1;
  uint32_t num = 0;
  for (uint32_t i = 0; i < n; i++)
    if (s->frames[i].copy)
      copies[num++] = recorder_commands (s->frames[i].copy);
  *after = num ? &s->copies : NULL;
  return !num || queue_submit (dev, dev->transfer, copies, num, NULL, &s->copies, err);
}

/* Frames 0 .. n - 1 and what s->commands holds beyond them, `total` in all. */
static bool
submit (struct slot *s, uint32_t n, uint32_t total, vit_error *err)
{
  vit_device *dev = device_of (s);
  const struct ticket *after;
  bool done;
  for (uint32_t i = 0; i < n; i++)
    s->commands[i] = recorder_commands (s->frames[i].rec);
  if (!submit_copies (s, n, &after, err))
    return false;
  if (queue_submit (dev, &dev->compute, s->commands, total, after, &s->ticket, err))
    return true;
  if (after) /* the copies go on, from memory that the next frame is written to */
    ticket_wait (dev, after, UINT64_MAX, &done, NULL);
  return false;
}

bool
slot_submit (struct slot *s, uint32_t n, vit_error *err)
{
  s->commands[n] = recorder_commands (s->networks[n - 1].rec);
  s->taken = 0;
  s->done = false;
  return submit (s, n, n + 1, err);
}

bool
slot_preprocess (struct slot *s, vit_error *err)
{
  bool done;
  return submit (s, 1, 1, err) && ticket_wait (device_of (s), &s->ticket, UINT64_MAX, &done, err);
}

bool
slot_wait (struct slot *s, uint64_t timeout_ns, vit_error *err)
{
  vit_device *dev = device_of (s);
  return s->done
      || (ticket_wait (dev, &s->ticket, timeout_ns, &s->done, err)
          && (!s->done || buffer_invalidate (dev, &s->readback, err)));
}

const float *
slot_logits (const struct slot *s, uint32_t index)
{
  return (const float *) s->readback.map + (size_t) index * s->model->cfg.classes;
}

uint64_t
slot_bytes (const struct slot *s)
{
  uint64_t bytes = s->arena.size + s->readback.size;
  for (uint32_t i = 0; i < s->max_batch; i++) {
    const struct frame *f = &s->frames[i];
    bytes += f->upload.size + f->local.size + f->tables.size + f->rows.size;
  }
  return bytes;
}
