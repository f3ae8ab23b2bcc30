/* How frames, events and queries pass vitclassify: through the line of frames, in order, with a known latency. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "streaming.h"

#include "frameway.h"

/* how long a batch waits at most where neither a live source nor a frame rate says more */
#define DEFAULT_TIMEOUT GST_SECOND
#define DEFAULT_LIVE_TIMEOUT (100 * GST_MSECOND)

static GstBaseTransformClass *parent_class;

/* The stream's past no longer counts: after a flush, for a new stream, when starting. */
static void
forget_stream (GstVitClassify * self)
{
  g_clear_pointer (&self->last, g_free);
  self->since_inferred = 0;
  GST_OBJECT_LOCK (self);
  lateness_reset (&self->lateness);
  GST_OBJECT_UNLOCK (self);
}

/* ---- latency ---- */

/* Frame durations that the line adds when the device keeps pace: as in a filter that holds no frames, the time of
 * computing itself is not counted. */
static guint64
latency_of (guint batch_size, guint inflight, GstClockTime timeout, GstClockTime duration)
{
  gboolean known = GST_CLOCK_TIME_IS_VALID (duration);
  guint64 fill = known ? (batch_size - 1) * duration : G_MAXUINT64;

  if (batch_size == 1)
    fill = 0;
  else if (fill > timeout)
    fill = timeout;
  return fill + (known ? (guint64) (inflight - 1) * batch_size * duration : 0);
}

static gboolean
upstream_is_live (GstVitClassify * self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  return live;
}

static GstClockTime
timeout_of (GstVitClassify * self)
{
  if (GST_CLOCK_TIME_IS_VALID (self->batch_timeout))
    return self->batch_timeout;
  if (!upstream_is_live (self))
    return DEFAULT_TIMEOUT;
  return GST_CLOCK_TIME_IS_VALID (self->frame_duration) ? self->line.batch_size * self->frame_duration :
      DEFAULT_LIVE_TIMEOUT;
}

void
streaming_set_format (GstVitClassify * self)
{
  GstClockTime timeout = timeout_of (self);
  guint64 latency = latency_of (self->line.batch_size, self->line.inflight, timeout, self->frame_duration);
  gboolean changed;

  frameline_set_format (&self->line, &self->info, timeout);
  GST_OBJECT_LOCK (self);
  changed = self->stats.reported_latency != latency;
  self->stats.reported_latency = latency;
  GST_OBJECT_UNLOCK (self);
  GST_DEBUG_OBJECT (self, "a batch waits %" GST_TIME_FORMAT ", latency %" GST_TIME_FORMAT, GST_TIME_ARGS (timeout),
      GST_TIME_ARGS (latency));
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static void
add_latency (GstVitClassify * self, GstQuery * query)
{
  GstClockTime min, max, duration;
  guint64 latency;
  gboolean live;

  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  latency = self->stats.reported_latency;
  duration = self->frame_duration;
  GST_OBJECT_UNLOCK (self);
  min += latency;
  /* all that the line can hold while downstream waits */
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += MAX (latency, GST_CLOCK_TIME_IS_VALID (duration) ? streaming_buffers_held (self) * duration : 0);
  gst_query_set_latency (query, live, min, max);
}

/* ---- frames ---- */

static GstFlowReturn
submit_input_buffer (GstBaseTransform * trans, gboolean is_discont, GstBuffer * input)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  GstFlowReturn ret = parent_class->submit_input_buffer (trans, is_discont, input);
  GstBuffer *buffer = trans->queued_buf;
  Frame frame;

  if (ret != GST_FLOW_OK || !buffer)
    return ret;
  trans->queued_buf = NULL;
  frameway_begin (self, &frame, buffer);
  ret = frameline_add (&self->line, &frame);
  frame_clear (&frame);
  return ret;
}

static GstFlowReturn
next_frame (GstVitClassify * self, GstBuffer ** buffer)
{
  Frame frame;
  GstFlowReturn ret = frameline_next (&self->line, &frame);

  if (ret == GST_FLOW_OK && frame.buffer)
    ret = frameway_end (self, &frame);
  if (ret == GST_FLOW_OK)
    *buffer = g_steal_pointer (&frame.buffer);
  frame_clear (&frame);
  return ret;
}

/* Where the line has its own thread the base class never has anything to push. */
static GstFlowReturn
generate_output (GstBaseTransform * trans, GstBuffer ** output)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  GstFlowReturn ret;

  *output = NULL;
  if (self->line.threaded)
    return GST_FLOW_OK;
  ret = next_frame (self, output);
  frameline_left (&self->line, GST_FLOW_OK);
  return ret;
}

/* The task of the source pad. */
static void
push_next (gpointer element)
{
  GstVitClassify *self = element;
  GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD (self);
  GstBuffer *buffer = NULL;
  GstFlowReturn ret = next_frame (self, &buffer);

  if (ret == GST_FLOW_OK)
    ret = gst_pad_push (pad, buffer);
  if (ret != GST_FLOW_OK) {
    /* before the streaming thread hears of it, which may start the task anew at once */
    GST_DEBUG_OBJECT (self, "pausing: %s", gst_flow_get_name (ret));
    gst_pad_pause_task (pad);
  }
  frameline_left (&self->line, ret);
}

static void
run_task (GstVitClassify * self)
{
  if (self->line.threaded)
    gst_pad_start_task (GST_BASE_TRANSFORM_SRC_PAD (self), push_next, self, NULL);
}

/* Both sides leave the line; the task has, when this returns. */
static void
rest (GstVitClassify * self)
{
  frameline_stop (&self->line);
  if (self->line.threaded)
    gst_pad_pause_task (GST_BASE_TRANSFORM_SRC_PAD (self));
}

/* ---- events and queries ---- */

/* The streaming thread may be the only one to know of a failure downstream, and it won't come again. */
static void
report_at_eos (GstVitClassify * self, GstFlowReturn ret)
{
  if (ret == GST_FLOW_NOT_LINKED || (ret < GST_FLOW_EOS && ret != GST_FLOW_ERROR))
    GST_ELEMENT_FLOW_ERROR (self, ret);
}

/* A serialized event keeps its place: the frames before it leave first. */
static gboolean
serialized_event (GstVitClassify * self, GstEvent * event)
{
  GstFlowReturn ret = frameline_drain (&self->line);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      forget_stream (self);
      if (frameline_forgive (&self->line, GST_FLOW_EOS))
        run_task (self);
      break;
    case GST_EVENT_SEGMENT:
      /* running times start anew */
      GST_OBJECT_LOCK (self);
      lateness_reset (&self->lateness);
      GST_OBJECT_UNLOCK (self);
      if (frameline_forgive (&self->line, GST_FLOW_EOS))
        run_task (self);
      break;
    case GST_EVENT_EOS:
      report_at_eos (self, ret);
      break;
    default:
      break;
  }
  return parent_class->sink_event (GST_BASE_TRANSFORM (self), event);
}

static gboolean
sink_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  gboolean ret;

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      /* downstream first: it may hold the thread that pushes */
      ret = parent_class->sink_event (trans, event);
      rest (self);
      return ret;
    case GST_EVENT_FLUSH_STOP:
      /* once more: not everybody sends FLUSH_START first */
      rest (self);
      ret = parent_class->sink_event (trans, event);
      forget_stream (self);
      frameline_clear (&self->line);
      run_task (self);
      return ret;
    default:
      return GST_EVENT_IS_SERIALIZED (event) ? serialized_event (self, event) : parent_class->sink_event (trans, event);
  }
}

static gboolean
src_event (GstBaseTransform * trans, GstEvent * event)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_QOS:
      GST_OBJECT_LOCK (self);
      lateness_update (&self->lateness, event, self->frame_duration);
      GST_OBJECT_UNLOCK (self);
      break;
    case GST_EVENT_RECONFIGURE:
      /* somebody linked to us again */
      if (frameline_forgive (&self->line, GST_FLOW_NOT_LINKED))
        run_task (self);
      break;
    default:
      break;
  }
  return parent_class->src_event (trans, event);
}

static gboolean
query (GstBaseTransform * trans, GstPadDirection direction, GstQuery * query)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  gboolean answered;

  if (direction == GST_PAD_SINK && GST_QUERY_IS_SERIALIZED (query) && frameline_drain (&self->line) != GST_FLOW_OK)
    GST_DEBUG_OBJECT (self, "nothing leaves any more before %" GST_PTR_FORMAT, query);
  answered = parent_class->query (trans, direction, query);
  if (answered && direction == GST_PAD_SRC && GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    add_latency (self, query);
  return answered;
}

/* ---- starting and stopping ---- */

guint
streaming_buffers_held (GstVitClassify * self)
{
  return self->line.threaded ? self->line.capacity : 0;
}

void
streaming_start (GstVitClassify * self, const LoadSettings * settings)
{
  gboolean push = GST_PAD_MODE (GST_BASE_TRANSFORM_SINK_PAD (self)) == GST_PAD_MODE_PUSH;

  /* who pulls waits for each frame */
  self->batch_timeout = settings->batch_timeout;
  frameline_start (&self->line, self->engine, push ? settings->batch_size : 1, push ? settings->inflight : 1,
      push && settings->batch_size * settings->inflight > 1);
  forget_stream (self);
  self->last_label = "";
  self->notified_latency = 0;
  run_task (self);
}

void
streaming_stop (GstVitClassify * self)
{
  frameline_stop (&self->line);
  gst_pad_stop_task (GST_BASE_TRANSFORM_SRC_PAD (self));
  frameline_clear (&self->line);
  forget_stream (self);
}

/* The pad is going down: whoever waits in the line must leave before that can end. */
static gboolean
activate_src (GstPad * pad, GstObject * parent, GstPadMode mode, gboolean active)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (parent);

  if (!active) {
    frameline_stop (&self->line);
    gst_pad_stop_task (pad);
  }
  return self->activate_src (pad, parent, mode, active);
}

void
streaming_init (GstVitClassify * self)
{
  GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD (self);

  frameline_init (&self->line);
  self->activate_src = GST_PAD_ACTIVATEMODEFUNC (pad);
  gst_pad_set_activatemode_function (pad, activate_src);
}

void
streaming_install (GstBaseTransformClass * klass)
{
  parent_class = g_type_class_peek_parent (klass);
  klass->sink_event = sink_event;
  klass->src_event = src_event;
  klass->query = query;
  klass->submit_input_buffer = submit_input_buffer;
  klass->generate_output = generate_output;
}
