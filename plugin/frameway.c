/* One frame's way through vitclassify: whether to classify it, the network, the result on the buffer and the bus. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frameway.h"

#include "errors.h"
#include "frameimage.h"

/* A flush and a state change both set this flag before they wait for the streaming thread to leave. */
static gboolean
go_on (gpointer ctx)
{
  return !GST_PAD_IS_FLUSHING (GST_BASE_TRANSFORM_SINK_PAD (ctx));
}

static GstFlowReturn
flow_of (GstVitClassify * self, EngineStatus status, GError * error)
{
  if (status == ENGINE_OK)
    return GST_FLOW_OK;
  if (status == ENGINE_STOPPED)
    return GST_FLOW_FLUSHING;
  GST_OBJECT_LOCK (self);
  self->stats.errors++;
  GST_OBJECT_UNLOCK (self);
  self->failed = TRUE;
  errors_post (GST_ELEMENT (self), &error);
  return GST_FLOW_ERROR;
}

static void
snapshot (GstVitClassify * self, GstBuffer * buffer)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));

  if (GST_CLOCK_TIME_IS_VALID (stream_time))
    gst_object_sync_values (GST_OBJECT (self), stream_time);
  GST_OBJECT_LOCK (self);
  self->frame = self->settings.frame;
  GST_OBJECT_UNLOCK (self);
}

/* A frame that the sink would show too late is not worth the network's time. Says so on the bus. */
static gboolean
skip_late (GstVitClassify * self, GstBuffer * buffer)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  Lateness lateness;
  Stats *stats = &self->stats;
  guint64 inferred, skipped;

  GST_OBJECT_LOCK (self);
  lateness = self->lateness;
  inferred = stats->inferred;
  skipped = stats->skipped_qos + 1;
  GST_OBJECT_UNLOCK (self);
  if (!lateness_is_late (&lateness, running_time))
    return FALSE;
  gst_element_post_message (GST_ELEMENT (self), lateness_message (&lateness, GST_OBJECT (self), segment, buffer,
          inferred, skipped));
  return TRUE;
}

static FrameFate
decide_fate (GstVitClassify * self, GstBuffer * buffer)
{
  FrameFate fate = FRAME_CARRY;
  guint64 *skipped = NULL;

  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP)) {
    skipped = &self->stats.skipped_gap;
    fate = FRAME_PASS;
  } else if (self->since_inferred > 0 && self->since_inferred < self->frame.interval) {
    skipped = &self->stats.skipped_interval;
    self->since_inferred++;
  } else if (self->frame.qos_skip && skip_late (self, buffer)) {
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

static GstFlowReturn
submit_frame (GstVitClassify * self, GstBuffer * buffer)
{
  EngineStatus status = ENGINE_FAILED;
  GstVideoFrame frame;
  GError *error = NULL;
  vit_image image;

  if (!gst_video_frame_map (&frame, &self->info, buffer, GST_MAP_READ)) {
    g_set_error (&error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "A buffer of %" G_GSIZE_FORMAT " bytes can't be read as a %dx%d %s frame of %" G_GSIZE_FORMAT " bytes",
        gst_buffer_get_size (buffer), self->info.width, self->info.height,
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&self->info)), self->info.size);
    return flow_of (self, status, error);
  }
  if (frameimage_fill (&image, &frame, &self->info, &error))
    status = engine_submit (self->engine, &image, go_on, self, &error);
  gst_video_frame_unmap (&frame);
  return flow_of (self, status, error);
}

/* The classes to report, best first; with a threshold of 0 all of them, because raw outputs may be negative. */
static ClassResult *
report (GstVitClassify * self, const vit_result * logits)
{
  guint k = MIN (self->frame.top_k, logits->classes);
  struct vit_score *scores = g_new (struct vit_score, k);       /* (k) */
  ClassResult *result = g_malloc0 (sizeof *result + k * sizeof result->entries[0]);

  k = vit_top_k (logits->logits, logits->classes, self->activation, k, scores);
  for (guint i = 0; i < k; i++) {
    if (self->frame.threshold > 0.0f && scores[i].value < self->frame.threshold)
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
count_result (GstVitClassify * self, const vit_result * result)
{
  struct vit_session_stats session;
  guint64 average;

  engine_session_stats (self->engine, &session);
  GST_OBJECT_LOCK (self);
  self->stats.inferred++;
  self->stats.device_memory = session.device_bytes + engine_facts (self->engine)->model.weight_bytes;
  stats_add_time (&self->stats.total, result->submit_to_ready_ns);
  if (session.gpu_ms > 0.0)
    stats_add_time (&self->stats.forward, (guint64) (session.gpu_ms * (gdouble) GST_MSECOND));
  average = stats_average (&self->stats.total);
  GST_OBJECT_UNLOCK (self);
  if (MAX (average, self->notified_latency) - MIN (average, self->notified_latency) > self->notified_latency / 5) {
    self->notified_latency = average;
    facts_notify_latency (G_OBJECT (self));
  }
}

static GstFlowReturn
collect_frame (GstVitClassify * self)
{
  GError *error = NULL;
  vit_result result;
  EngineStatus status = engine_collect (self->engine, go_on, self, &result, &error);

  if (status != ENGINE_OK)
    return flow_of (self, status, error);
  g_free (self->last);
  self->last = report (self, &result);
  count_result (self, &result);
  return GST_FLOW_OK;
}

static void
post_result (GstVitClassify * self, GstBuffer * buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  GstClockTime pts = GST_BUFFER_PTS (buffer);
  const ClassTimes times = {
    .timestamp = pts,
    .stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts),
    .running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts),
    .duration = GST_BUFFER_DURATION (buffer)
  };
  const gchar *label = self->last->n > 0 ? self->last->entries[0].label : "";
  gboolean changed = !g_str_equal (label, self->last_label);

  self->last_label = label;
  if (self->frame.message_mode == MESSAGE_MODE_ALL || (changed && self->frame.message_mode == MESSAGE_MODE_CHANGED))
    gst_element_post_message (GST_ELEMENT (self), classmeta_message (GST_OBJECT (self), &times, self->last, changed));
}

static GstBuffer *
attach (GstVitClassify * self, GstBuffer * buffer)
{
  if (self->last->n == 0 || self->meta == CLASSMETA_NONE)
    return buffer;
  buffer = gst_buffer_make_writable (buffer);   /* copies metas where the buffer is shared, never the picture */
  if (!classmeta_attach (buffer, self->meta, (guint) self->info.width, (guint) self->info.height, self->last))
    GST_WARNING_OBJECT (self, "the buffer took no metadata");
  return buffer;
}

GstFlowReturn
frameway_begin (GstVitClassify * self, GstBuffer * buffer)
{
  if (self->failed)
    return GST_FLOW_ERROR;
  snapshot (self, buffer);
  self->fate = decide_fate (self, buffer);
  return self->fate == FRAME_WAIT ? submit_frame (self, buffer) : GST_FLOW_OK;
}

/* Whether the frame gets a result, its own or the last one. */
static GstFlowReturn
settle_fate (GstVitClassify * self)
{
  if (self->fate == FRAME_WAIT)
    return collect_frame (self);
  if (self->last)
    self->last->frames_ago++;
  if (self->frame.carry_over == CARRY_OVER_NONE || !self->last)
    self->fate = FRAME_PASS;
  if (self->fate == FRAME_CARRY) {
    GST_OBJECT_LOCK (self);
    self->stats.carried++;
    GST_OBJECT_UNLOCK (self);
  }
  return GST_FLOW_OK;
}

GstFlowReturn
frameway_end (GstVitClassify * self, GstBuffer ** buffer)
{
  GstFlowReturn ret = settle_fate (self);

  if (ret == GST_FLOW_OK && self->fate != FRAME_PASS) {
    post_result (self, *buffer);
    *buffer = attach (self, *buffer);
  }
  return ret;
}
