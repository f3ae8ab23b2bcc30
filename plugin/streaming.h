/* How frames, events and queries pass vitclassify: through the line of frames, in order, with a known latency. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_STREAMING_H
#define PLUGIN_STREAMING_H

#include "vitclassify.h"

/* Sets the virtual functions of frames, events and queries. */
void streaming_install (GstBaseTransformClass * klass);
/* Prepares a new element's pads. */
void streaming_init (GstVitClassify * self);

/* For a loaded engine; pads are active. */
void streaming_start (GstVitClassify * self, const LoadSettings * settings);
/* Drops what is held; the streaming thread is gone. */
void streaming_stop (GstVitClassify * self);

/* The stream's format changed to self->info; the line is empty. */
void streaming_set_format (GstVitClassify * self);

/* Buffers that the element may hold at a time beside the one that it is given. */
guint streaming_buffers_held (GstVitClassify * self);

#endif
