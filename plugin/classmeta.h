/* A classification as metadata on a buffer and as a message: writes it, reads it back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_CLASSMETA_H
#define PLUGIN_CLASSMETA_H

#include <gst/gst.h>

/* The name of the custom meta and of the element message. */
#define CLASSMETA_NAME "vitclassify"

typedef enum
{
  CLASSMETA_NONE = 0,
  CLASSMETA_AUTO = 1 << 0,
  CLASSMETA_ANALYTICS = 1 << 1,
  CLASSMETA_ROI = 1 << 2,
  CLASSMETA_CUSTOM = 1 << 3
} ClassMetaFlags;

typedef struct
{
  gint id;                      /* the class's index, -1: not known */
  gdouble confidence;
  const gchar *label;
} ClassEntry;

/* One classification. Strings are borrowed: for the writer they live as long as the process, for the reader as long as
 * the buffer that it read. */
typedef struct
{
  const gchar *model;           /* NULL: not known */
  guint frames_ago;             /* frames since the picture that was classified */
  guint x, y, width, height;    /* pixels, the part of the picture; width 0: all of it */
  guint n;
  ClassEntry entries[];         /* (n), best first */
} ClassResult;

/* Registers the custom meta; called once, when the plug-in is registered. */
void classmeta_init (void);

/* The kinds that `wanted` means with this GStreamer. *missing becomes TRUE if analytics was asked for in vain. */
ClassMetaFlags classmeta_resolve (ClassMetaFlags wanted, gboolean * missing);

/* Adds result, which has entries, to a writable buffer of a picture of width x height pixels, in each of the kinds
 * that classmeta_resolve gave. FALSE: the buffer took none. */
gboolean classmeta_attach (GstBuffer * buffer, ClassMetaFlags kinds, guint width, guint height,
    const ClassResult * result);

/* All classifications on a buffer, of the richest kind that is there (custom, region of interest, analytics), in the
 * order in which they were attached: an array of ClassResult that frees its elements. */
GPtrArray *classmeta_read (GstBuffer * buffer);

/* A frame's place in time; GST_CLOCK_TIME_NONE where it has none. */
typedef struct
{
  GstClockTime timestamp, stream_time, running_time, duration;
} ClassTimes;

/* The element message. A result without entries says that no class reaches the threshold. */
GstMessage *classmeta_message (GstObject * source, const ClassTimes * times, const ClassResult * result,
    gboolean changed);

#endif
