/* The frames that vitclassify holds, in order: the streaming thread brings them, another may take them away. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frameline.h"

#include "framebatch.h"

/* How long to wait for the device before looking whether the pipeline still wants the frames. */
#define WAIT_SLICE (50 * GST_MSECOND)

static GstClockTime
now (void)
{
  return (GstClockTime) g_get_monotonic_time () * GST_USECOND;
}

void
frame_clear (Frame * frame)
{
  gst_clear_buffer (&frame->buffer);
  g_clear_error (&frame->error);
  *frame = (Frame) { 0 };
}

void
frameline_init (FrameLine * line)
{
  g_mutex_init (&line->lock);
  g_cond_init (&line->changed);
}

static Frame *
frame_at (FrameLine * line, guint64 number)
{
  return &line->ring[number % line->capacity];
}

static void
drop_all (FrameLine * line)
{
  for (; line->first < line->end; line->first++)
    frame_clear (frame_at (line, line->first));
  line->sent = line->end;
  line->gathering = 0;
  line->draining = line->leaving = FALSE;
}

static void
free_places (FrameLine * line)
{
  g_clear_pointer (&line->ring, g_free);
  g_clear_pointer (&line->maps, g_free);
  g_clear_pointer (&line->images, g_free);
  g_clear_pointer (&line->batch, g_free);
}

void
frameline_finish (FrameLine * line)
{
  drop_all (line);
  free_places (line);
  g_mutex_clear (&line->lock);
  g_cond_clear (&line->changed);
}

void
frameline_start (FrameLine * line, Engine * engine, guint batch_size, guint inflight, gboolean threaded)
{
  free_places (line);
  line->engine = engine;
  line->batch_size = batch_size;
  line->inflight = inflight;
  line->capacity = batch_size * inflight;
  line->threaded = threaded;
  line->ring = g_new0 (Frame, line->capacity);
  line->maps = g_new0 (GstVideoFrame, batch_size);
  line->images = g_new0 (vit_image, batch_size);
  line->batch = g_new0 (Frame *, batch_size);
  line->failed = FALSE;
  line->timeout = GST_CLOCK_TIME_NONE;
  line->counts = (FrameLineCounts) { 0 };
  frameline_clear (line);
}

void
frameline_stop (FrameLine * line)
{
  g_mutex_lock (&line->lock);
  line->stopped = TRUE;
  g_cond_broadcast (&line->changed);
  g_mutex_unlock (&line->lock);
}

void
frameline_clear (FrameLine * line)
{
  g_mutex_lock (&line->lock);
  drop_all (line);
  line->stopped = FALSE;
  line->ret = line->failed ? GST_FLOW_ERROR : GST_FLOW_OK;
  g_mutex_unlock (&line->lock);
}

void
frameline_set_format (FrameLine * line, const GstVideoInfo * info, GstClockTime timeout)
{
  g_mutex_lock (&line->lock);
  line->info = *info;
  line->timeout = timeout;
  g_mutex_unlock (&line->lock);
}

/* ---- with the lock held ---- */

static guint
length (const FrameLine * line)
{
  return (guint) (line->end - line->first);
}

static GstFlowReturn
state_of (const FrameLine * line)
{
  return line->stopped ? GST_FLOW_FLUSHING : line->ret;
}

/* When the frames that gather have waited long enough; NONE: nothing gathers, or they may wait for ever. */
static GstClockTime
deadline_of (FrameLine * line)
{
  guint64 number = line->sent;

  if (line->gathering == 0 || !GST_CLOCK_TIME_IS_VALID (line->timeout))
    return GST_CLOCK_TIME_NONE;
  while (frame_at (line, number)->fate != FRAME_WAIT)
    number++;
  return frame_at (line, number)->came + line->timeout;
}

/* Nobody can come before somebody leaves, and the first waits for company. */
static gboolean
is_stuck (FrameLine * line)
{
  return length (line) == line->capacity && line->sent == line->first
      && frame_at (line, line->first)->fate == FRAME_WAIT;
}

static gboolean
should_send (FrameLine * line)
{
  GstClockTime deadline;

  if (line->gathering == 0 || line->sending || !engine_has_room (line->engine))
    return FALSE;
  if (line->gathering >= line->batch_size || line->draining || is_stuck (line))
    return TRUE;
  deadline = deadline_of (line);
  return GST_CLOCK_TIME_IS_VALID (deadline) && now () >= deadline;
}

/* Hands a batch to the engine, without the lock meanwhile: its frames stay where they are. */
static void
send_batch (FrameLine * line)
{
  GError *error = NULL;
  guint n = 0, submitted;

  for (; line->sent < line->end && n < line->batch_size; line->sent++) {
    Frame *frame = frame_at (line, line->sent);

    if (frame->fate != FRAME_WAIT)
      continue;
    frame->ticket = (guintptr) ++line->tickets;
    line->batch[n++] = frame;
  }
  line->gathering -= n;
  line->sending = TRUE;
  g_mutex_unlock (&line->lock);
  submitted = framebatch_submit (line->batch, n, &line->info, line->engine, line->maps, line->images, &error);
  g_mutex_lock (&line->lock);
  line->sending = FALSE;
  if (error)
    line->batch[submitted]->error = error;      /* no frame behind it will leave */
  if (submitted > 0)
    line->counts.batches++;
  line->counts.images += submitted;
  g_cond_broadcast (&line->changed);
}

/* ---- the streaming thread's side ---- */

/* with the lock held */
static void
send_or_wait (FrameLine * line)
{
  if (should_send (line))
    send_batch (line);
  else
    g_cond_wait (&line->changed, &line->lock);
}

GstFlowReturn
frameline_add (FrameLine * line, Frame * frame)
{
  GstFlowReturn ret;

  g_mutex_lock (&line->lock);
  while ((ret = state_of (line)) == GST_FLOW_OK && length (line) == line->capacity)
    send_or_wait (line);
  if (ret == GST_FLOW_OK) {
    frame->came = now ();
    line->gathering += frame->fate == FRAME_WAIT;
    *frame_at (line, line->end++) = *frame;
    *frame = (Frame) { 0 };
    if (should_send (line))
      send_batch (line);
    g_cond_broadcast (&line->changed);
  }
  g_mutex_unlock (&line->lock);
  return ret;
}

GstFlowReturn
frameline_drain (FrameLine * line)
{
  GstFlowReturn ret;

  g_mutex_lock (&line->lock);
  line->draining = TRUE;
  while ((ret = state_of (line)) == GST_FLOW_OK && (length (line) > 0 || line->leaving))
    send_or_wait (line);
  line->draining = FALSE;
  g_mutex_unlock (&line->lock);
  return ret;
}

/* ---- the side of whoever takes frames away ---- */

/* How long the device may be waited for: nobody wakes that wait, so not beyond the time when a batch must go. */
static GstClockTime
patience (FrameLine * line)
{
  GstClockTime deadline = deadline_of (line), time = now ();

  if (line->batch_size == 1 || line->timeout == 0 || !line->threaded)
    return WAIT_SLICE;
  if (GST_CLOCK_TIME_IS_VALID (deadline) && !line->sending && engine_has_room (line->engine))
    return deadline > time ? MIN (deadline - time, WAIT_SLICE) : 0;
  return GST_CLOCK_TIME_IS_VALID (line->timeout) ? CLAMP (line->timeout, GST_MSECOND, WAIT_SLICE) : WAIT_SLICE;
}

/* Waits a while for the oldest result, without the lock. It is the first frame's, or that of one dropped by a flush. */
static void
collect (FrameLine * line)
{
  GstClockTime timeout = patience (line);
  GError *error = NULL;
  EngineStatus status;
  guintptr ticket = 0;
  vit_result result;
  Frame *first;

  g_mutex_unlock (&line->lock);
  status = engine_collect (line->engine, timeout, &ticket, &result, &error);
  g_mutex_lock (&line->lock);
  first = length (line) > 0 ? frame_at (line, line->first) : NULL;
  if (first && status == ENGINE_OK && first->ticket == ticket)
    first->result = result;
  else if (first && status == ENGINE_FAILED && !first->error)
    first->error = g_steal_pointer (&error);
  g_clear_error (&error);
  if (status != ENGINE_NOT_READY)
    g_cond_broadcast (&line->changed);
}

static gboolean
is_ready (const Frame * frame)
{
  return frame->fate != FRAME_WAIT || frame->result.logits || frame->error;
}

/* A result may come before the sender has let go of the picture. */
static gboolean
is_being_sent (const FrameLine * line, const Frame * frame)
{
  return line->sending && line->batch[0] == frame;
}

static void
take_first (FrameLine * line, Frame * frame)
{
  Frame *first = frame_at (line, line->first);

  if (line->sent == line->first)
    line->sent++;
  line->first++;
  *frame = *first;
  *first = (Frame) { 0 };
  line->leaving = TRUE;
  g_cond_broadcast (&line->changed);
}

static void
sleep_until_changed (FrameLine * line)
{
  GstClockTime deadline = line->sending || !engine_has_room (line->engine) ? GST_CLOCK_TIME_NONE : deadline_of (line);

  if (GST_CLOCK_TIME_IS_VALID (deadline))
    g_cond_wait_until (&line->changed, &line->lock, (gint64) (deadline / GST_USECOND) + 1);
  else
    g_cond_wait (&line->changed, &line->lock);
}

GstFlowReturn
frameline_next (FrameLine * line, Frame * frame)
{
  GstFlowReturn ret;

  *frame = (Frame) { 0 };
  g_mutex_lock (&line->lock);
  while ((ret = state_of (line)) == GST_FLOW_OK) {
    Frame *first = length (line) > 0 ? frame_at (line, line->first) : NULL;

    if (should_send (line)) {
      send_batch (line);
    } else if (first && is_ready (first) && !is_being_sent (line, first)) {
      take_first (line, frame);
      break;
    } else if (engine_is_busy (line->engine) && !(first && is_ready (first))) {
      collect (line);
    } else if (!first && !line->threaded) {
      break;
    } else {
      sleep_until_changed (line);
    }
  }
  g_mutex_unlock (&line->lock);
  return ret;
}

void
frameline_left (FrameLine * line, GstFlowReturn ret)
{
  g_mutex_lock (&line->lock);
  line->leaving = FALSE;
  if (ret != GST_FLOW_OK && line->ret == GST_FLOW_OK)
    line->ret = ret;
  g_cond_broadcast (&line->changed);
  g_mutex_unlock (&line->lock);
}

void
frameline_fail (FrameLine * line)
{
  g_mutex_lock (&line->lock);
  line->failed = TRUE;
  line->ret = GST_FLOW_ERROR;
  g_cond_broadcast (&line->changed);
  g_mutex_unlock (&line->lock);
}

gboolean
frameline_forgive (FrameLine * line, GstFlowReturn ret)
{
  gboolean forgiven;

  g_mutex_lock (&line->lock);
  forgiven = line->ret == ret && !line->failed;
  if (forgiven)
    line->ret = GST_FLOW_OK;
  g_mutex_unlock (&line->lock);
  return forgiven;
}

FrameLineCounts
frameline_counts (FrameLine * line)
{
  FrameLineCounts counts;

  g_mutex_lock (&line->lock);
  counts = line->counts;
  g_mutex_unlock (&line->lock);
  return counts;
}
