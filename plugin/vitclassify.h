/* The element vitclassify: its state, shared by the files of the element and of what passes through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_VITCLASSIFY_H
#define PLUGIN_VITCLASSIFY_H

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "classmeta.h"
#include "engine.h"
#include "facts.h"
#include "frameline.h"
#include "lateness.h"
#include "settings.h"
#include "stats.h"

G_BEGIN_DECLS

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

  FrameLine line;               /* has its own lock */
  GstPadActivateModeFunction activate_src;      /* the base class's */

  /* the state change's while stopped, the streaming thread's while started */
  Engine *engine;
  GstClockTime batch_timeout;   /* ns; NONE: by what the stream is */
  guint since_inferred;         /* frames, that one counted; 0: none was */

  /* of the thread that pushes; other threads only while the line is empty */
  enum vit_activation activation;
  ClassMetaFlags meta;
  GstVideoInfo info;
  ClassResult *last;
  const gchar *last_label;      /* the last message's; empty: none */
  guint64 notified_latency;     /* ns */
};

GST_ELEMENT_REGISTER_DECLARE (vitclassify);

G_END_DECLS

#endif
