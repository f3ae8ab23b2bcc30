/* Knows from the sink's QoS events whether a frame would come too late. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lateness.h"

void
lateness_reset (Lateness * lateness)
{
  lateness->earliest = GST_CLOCK_TIME_NONE;
  lateness->proportion = 1.0;
}

/* The rule of GStreamer's decoders: a late frame shows how late the next ones will be, so aim as far ahead again. */
void
lateness_update (Lateness * lateness, GstEvent * event, GstClockTime frame_duration)
{
  GstClockTimeDiff diff;
  GstClockTime timestamp;
  GstQOSType type;

  gst_event_parse_qos (event, &type, &lateness->proportion, &diff, &timestamp);
  if (type == GST_QOS_TYPE_THROTTLE)
    return;
  if (!GST_CLOCK_TIME_IS_VALID (timestamp)) {
    lateness->earliest = GST_CLOCK_TIME_NONE;
  } else if (diff > 0) {
    lateness->earliest = timestamp + 2 * (GstClockTime) diff;
    if (GST_CLOCK_TIME_IS_VALID (frame_duration))
      lateness->earliest += frame_duration;
  } else {
    /* early: diff is how much to spare */
    lateness->earliest = timestamp > (GstClockTime) (-diff) ? timestamp - (GstClockTime) (-diff) : 0;
  }
}

gboolean
lateness_is_late (const Lateness * lateness, GstClockTime running_time)
{
  return GST_CLOCK_TIME_IS_VALID (lateness->earliest) && GST_CLOCK_TIME_IS_VALID (running_time)
      && running_time < lateness->earliest;
}

GstMessage *
lateness_message (const Lateness * lateness, GstObject * source, const ClassTimes * times, guint64 processed,
    guint64 skipped)
{
  GstMessage *message = gst_message_new_qos (source, FALSE, times->running_time, times->stream_time, times->timestamp,
      times->duration);

  gst_message_set_qos_values (message, GST_CLOCK_DIFF (times->running_time, lateness->earliest), lateness->proportion,
      1000000);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, processed, skipped);
  return message;
}
