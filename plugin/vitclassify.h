/* The element vitclassify: its state, shared by the file of the element and that of a frame's way through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_VITCLASSIFY_H
#define PLUGIN_VITCLASSIFY_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "classmeta.h"
#include "engine.h"
#include "facts.h"
#include "lateness.h"
#include "settings.h"
#include "stats.h"

G_BEGIN_DECLS

/* What becomes of the frame between submit_input_buffer and generate_output. */
typedef enum
{
  FRAME_PASS,                   /* as it came */
  FRAME_CARRY,                  /* with the last result, if that is wanted */
  FRAME_WAIT                    /* with its own result, which is under way */
} FrameFate;

#define GST_TYPE_VIT_CLASSIFY (gst_vit_classify_get_type ())
G_DECLARE_FINAL_TYPE (GstVitClassify, gst_vit_classify, GST, VIT_CLASSIFY, GstBaseTransform)

struct _GstVitClassify
{
  GstBaseTransform parent;

  /* under the object's lock */
  Settings settings;
  Facts facts;
  Stats stats;
  Lateness lateness;
  GstClockTime frame_duration;  /* by the caps; NONE: they don't say */

  /* the state change's while stopped, the streaming thread's while started */
  Engine *engine;
  enum vit_activation activation;
  ClassMetaFlags meta;
  GstVideoInfo info;
  FrameSettings frame;          /* for the frame in hand */
  FrameFate fate;
  GstBuffer *held;              /* the frame in hand */
  guint since_inferred;         /* frames, that one counted; 0: none was */
  ClassResult *last;
  const gchar *last_label;      /* the last message's; empty: none */
  guint64 notified_latency;     /* ns */
  gboolean failed;              /* an error was posted: no second one */
};

GST_ELEMENT_REGISTER_DECLARE (vitclassify);

G_END_DECLS

#endif
