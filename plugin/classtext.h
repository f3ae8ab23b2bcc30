/* A frame's classifications as text: a label to show, a line of JSON to store. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_CLASSTEXT_H
#define PLUGIN_CLASSTEXT_H

#include "classmeta.h"

typedef struct
{
  GstClockTime timestamp, running_time; /* ns; NONE: null in JSON */
  guint64 number;               /* of the frame in the stream, from 0 */
  guint width, height;          /* pixels */
} ClassTextFrame;

/* "cat 97 %", a line for each class, without a line break at the end; empty where there is no result. To be freed. */
gchar *classtext_label (const GPtrArray * results);

/* One JSON object and a line break; NULL when memory ran out. To be freed. */
gchar *classtext_ndjson (const ClassTextFrame * frame, const GPtrArray * results);

#endif
