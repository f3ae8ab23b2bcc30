/* What the tests of the elements share: frames of one colour in any format, harnesses, bus messages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_PLUGIN_COMMON_H
#define TESTS_PLUGIN_COMMON_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

/* Every format that vitclassify takes. */
extern const gchar *const common_formats[];
extern const guint common_n_formats;

/* Makes the elements known: those linked in with the fake engine, or the plug-in that $GST_PLUGIN_PATH has. */
void common_init (void);

/* Caps of a frame; colorimetry NULL: GStreamer's default for the format and size. */
GstCaps *common_caps (const gchar * format, gint width, gint height, const gchar * colorimetry);

/* A frame of one colour (0 to 1), painted by GStreamer's own converter; n is its number at 25 frames a second. */
GstBuffer *common_frame (GstCaps * caps, const gdouble rgb[3], guint n);

/* The same picture with rows that are padded by `pad` bytes, and planes apart, described by a GstVideoMeta. */
GstBuffer *common_padded (GstBuffer * tight, GstCaps * caps, gsize pad);

/* A harness around an element described as for gst-launch; its bus is collected from then on. */
GstHarness *common_harness (const gchar * line, GstCaps * caps);
void common_teardown (GstHarness * harness);

/* The next message of these types on the harness's bus, or NULL. */
GstMessage *common_message (GstHarness * harness, GstMessageType types);

/* What malloc has given out and not got back, in bytes, in all its arenas: resident memory would count what the arenas
 * of ended threads keep, too, and swing by tens of MB. 0 where a sanitizer or another C library cannot say. */
gssize common_heap_bytes (void);

#endif
