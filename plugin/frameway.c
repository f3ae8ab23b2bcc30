/* One frame's way through vitclassify: whether to classify it, the network, the result on the buffer and the bus. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frameway.h"

#include "errors.h"

/* Posts why a frame can't be classified, and which. */
static GstFlowReturn
fail (GstVitClassify * self, Frame * frame)
{
  if (GST_CLOCK_TIME_IS_VALID (frame->times.timestamp)) {
    gchar *message = g_strdup_printf ("%s (frame at %" GST_TIME_FORMAT ")", frame->error->message,
        GST_TIME_ARGS (frame->times.timestamp));

    g_free (frame->error->message);
    frame->error->message = message;
  }
  GST_OBJECT_LOCK (self);
  self->stats.errors++;
  GST_OBJECT_UNLOCK (self);
  frameline_fail (&self->line);
  errors_post (GST_ELEMENT (self), &frame->error);
  return GST_FLOW_ERROR;
}

static ClassTimes
times_of (GstVitClassify * self, GstBuffer * buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime pts = GST_BUFFER_PTS (buffer);

  return (ClassTimes) {
    .timestamp = pts,
    .stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts),
    .running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts),
    .duration = GST_BUFFER_DURATION (buffer),
  };
}

static void
snapshot (GstVitClassify * self, Frame * frame)
{
  if (GST_CLOCK_TIME_IS_VALID (frame->times.stream_time))
    gst_object_sync_values (GST_OBJECT (self), frame->times.stream_time);
  GST_OBJECT_LOCK (self);
  frame->settings = self->settings.frame;
  GST_OBJECT_UNLOCK (self);
}

/* A frame that the sink would show too late is not worth the network's time. Says so on the bus. */
static gboolean
skip_late (GstVitClassify * self, const Frame * frame)
{
  Lateness lateness;
  Stats *stats = &self->stats;
  guint64 inferred, skipped;

  GST_OBJECT_LOCK (self);
  lateness = self->lateness;
  inferred = stats->inferred;
  skipped = stats->skipped_qos + 1;
  GST_OBJECT_UNLOCK (self);
  if (!lateness_is_late (&lateness, frame->times.running_time))
    return FALSE;
  gst_element_post_message (GST_ELEMENT (self), lateness_message (&lateness, GST_OBJECT (self), &frame->times,
          inferred, skipped));
  return TRUE;
}

static FrameFate
decide_fate (GstVitClassify * self, const Frame * frame)
{
  FrameFate fate = FRAME_CARRY;
  guint64 *skipped = NULL;

  if (GST_BUFFER_FLAG_IS_SET (frame->buffer, GST_BUFFER_FLAG_GAP)) {
    skipped = &self->stats.skipped_gap;
    fate = FRAME_PASS;
  } else if (self->since_inferred > 0 && self->since_inferred < frame->settings.interval) {
    skipped = &self->stats.skipped_interval;
    self->since_inferred++;
  } else if (frame->settings.qos_skip && skip_late (self, frame)) {
    skipped = &self->stats.skipped_qos;
  } else {
    fate = FRAME_WAIT;
    self->since_inferred = 1;
  }
  GST_OBJECT_LOCK (self);
  self->stats.frames++;
  if (skipped)
    ++*skipped;
  GST_OBJECT_UNLOCK (self);
  return fate;
}

/* The classes to report, best first; with a threshold of 0 all of them, because raw outputs may be negative. */
static ClassResult *
report (GstVitClassify * self, const Frame * frame)
{
  const vit_result *logits = &frame->result;
  guint k = MIN (frame->settings.top_k, logits->classes);
  struct vit_score *scores = g_new (struct vit_score, k);       /* (k) */
  ClassResult *result = g_malloc0 (sizeof *result + k * sizeof result->entries[0]);

  k = vit_top_k (logits->logits, logits->classes, self->activation, k, scores);
  for (guint i = 0; i < k; i++) {
    if (frame->settings.threshold > 0.0f && scores[i].value < frame->settings.threshold)
      break;
    result->entries[i].id = (gint) scores[i].class_index;
    result->entries[i].confidence = (gdouble) scores[i].value;
    result->entries[i].label = engine_label (self->engine, scores[i].class_index);
    result->n++;
  }
  result->model = engine_facts (self->engine)->model_name;
  g_free (scores);
  return result;
}

static void
count_result (GstVitClassify * self, const Frame * frame)
{
  GstClockTime held = (GstClockTime) g_get_monotonic_time () * GST_USECOND - frame->came;
  gsize device_memory = engine_device_bytes (self->engine);
  guint64 average;

  GST_OBJECT_LOCK (self);
  self->stats.inferred++;
  self->stats.device_memory = device_memory;
  stats_add_time (&self->stats.total, frame->result.submit_to_ready_ns);
  stats_add_time (&self->stats.held, held);
  if (frame->result.gpu_ms > 0.0)
    stats_add_time (&self->stats.forward, (guint64) (frame->result.gpu_ms * (gdouble) GST_MSECOND));
  average = stats_average (&self->stats.held);
  GST_OBJECT_UNLOCK (self);
  if (MAX (average, self->notified_latency) - MIN (average, self->notified_latency) > self->notified_latency / 5) {
    self->notified_latency = average;
    facts_notify_latency (G_OBJECT (self));
  }
}

static void
post_result (GstVitClassify * self, const Frame * frame)
{
  MessageMode mode = frame->settings.message_mode;
  const gchar *label = self->last->n > 0 ? self->last->entries[0].label : "";
  gboolean changed = !g_str_equal (label, self->last_label);

  self->last_label = label;
  if (mode == MESSAGE_MODE_ALL || (changed && mode == MESSAGE_MODE_CHANGED))
    gst_element_post_message (GST_ELEMENT (self), classmeta_message (GST_OBJECT (self), &frame->times, self->last,
            changed));
}

static void
attach (GstVitClassify * self, Frame * frame)
{
  if (self->last->n == 0 || self->meta == CLASSMETA_NONE)
    return;
  /* copies metas where the buffer is shared, never the picture */
  frame->buffer = gst_buffer_make_writable (frame->buffer);
  if (!classmeta_attach (frame->buffer, self->meta, (guint) self->info.width, (guint) self->info.height, self->last))
    GST_WARNING_OBJECT (self, "the buffer took no metadata");
}

void
frameway_begin (GstVitClassify * self, Frame * frame, GstBuffer * buffer)
{
  *frame = (Frame) {.buffer = buffer,.times = times_of (self, buffer) };
  snapshot (self, frame);
  frame->fate = decide_fate (self, frame);
}

/* Takes the frame's own result, or lets the last one grow older. */
static void
settle_fate (GstVitClassify * self, Frame * frame)
{
  if (frame->fate == FRAME_WAIT) {
    g_free (self->last);
    self->last = report (self, frame);
    count_result (self, frame);
    return;
  }
  if (self->last)
    self->last->frames_ago++;
  if (frame->settings.carry_over == CARRY_OVER_NONE || !self->last)
    frame->fate = FRAME_PASS;
  if (frame->fate == FRAME_CARRY) {
    GST_OBJECT_LOCK (self);
    self->stats.carried++;
    GST_OBJECT_UNLOCK (self);
  }
}

GstFlowReturn
frameway_end (GstVitClassify * self, Frame * frame)
{
  if (frame->error)
    return fail (self, frame);
  settle_fate (self, frame);
  if (frame->fate != FRAME_PASS) {
    post_result (self, frame);
    attach (self, frame);
  }
  return GST_FLOW_OK;
}
