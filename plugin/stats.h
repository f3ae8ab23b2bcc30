/* What vitclassify counts and times, and how it shows that as a structure. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_STATS_H
#define PLUGIN_STATS_H

#include <gst/gst.h>

/* Times of the last frames that percentiles are taken over. */
#define STATS_WINDOW 128

typedef struct
{
  guint64 count, sum, last;     /* ns */
  guint64 recent[STATS_WINDOW]; /* ns, a ring */
} StatsTimes;

typedef struct
{
  guint64 batches, batched;     /* submitted: batches, frames in them */
  guint64 reported_latency;     /* ns, what a LATENCY query is told */
  guint64 frames, inferred, skipped_interval, skipped_qos, skipped_gap, carried, errors;
  StatsTimes held;              /* from a classified frame's coming to its leaving */
  StatsTimes total;             /* from a frame's submission to its result */
  StatsTimes forward;           /* on the device */
  guint64 device_memory;        /* bytes of the session and of the model it may share */
} Stats;

void stats_add_time (StatsTimes * times, guint64 ns);
guint64 stats_average (const StatsTimes * times);
/* The counters and times, with the device and precision that they are of (NULL: nothing loaded). */
GstStructure *stats_structure (const Stats * stats, const gchar * device, const gchar * precision);

#endif
