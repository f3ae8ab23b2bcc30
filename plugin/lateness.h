/* Knows from the sink's QoS events whether a frame would come too late. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_LATENESS_H
#define PLUGIN_LATENESS_H

#include <gst/gst.h>

#include "classmeta.h"

typedef struct
{
  GstClockTime earliest;        /* running time of the first frame worth its work; NONE: any */
  gdouble proportion;           /* of the last event: over 1 means too slow */
} Lateness;

void lateness_reset (Lateness * lateness);
/* Learns from a QOS event; frame_duration may be NONE. */
void lateness_update (Lateness * lateness, GstEvent * event, GstClockTime frame_duration);
gboolean lateness_is_late (const Lateness * lateness, GstClockTime running_time);

/* The QOS message for a frame that was not worked on; processed and skipped count frames since the stream began. */
GstMessage *lateness_message (const Lateness * lateness, GstObject * source, const ClassTimes * times,
    guint64 processed, guint64 skipped);

#endif
