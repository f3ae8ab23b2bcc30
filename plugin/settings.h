/* The properties of vitclassify that can be set: their types, defaults, storage. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_SETTINGS_H
#define PLUGIN_SETTINGS_H

#include <gst/gst.h>
#include <vit/vit.h>

#include "classmeta.h"

typedef enum
{
  MESSAGE_MODE_NONE,
  MESSAGE_MODE_CHANGED,
  MESSAGE_MODE_ALL
} MessageMode;

typedef enum
{
  CARRY_OVER_NONE,
  CARRY_OVER_LAST
} CarryOver;

/* What takes effect when the element starts. */
typedef struct
{
  gchar *model, *labels, *labels_file, *device, *cache_dir;     /* NULL: not set */
  enum vit_precision precision;
  enum vit_tune tune;
  enum vit_activation activation;
  ClassMetaFlags meta;
  guint batch_size, inflight;
  guint64 batch_timeout;        /* ns; NONE: by what the stream is */
} LoadSettings;

/* What takes effect with the next frame. */
typedef struct
{
  guint top_k, interval;
  gfloat threshold;
  CarryOver carry_over;
  MessageMode message_mode;
  gboolean qos_skip;
} FrameSettings;

typedef struct
{
  LoadSettings load;
  FrameSettings frame;
} Settings;

/* Property ids from 1 to SETTINGS_LAST belong to this file. */
#define SETTINGS_LAST 18

void settings_init (Settings * settings);
void settings_finish (Settings * settings);
void settings_install (GObjectClass * klass);

/* One property; the caller holds the object's lock. FALSE: not one of these. */
gboolean settings_set (Settings * settings, guint id, const GValue * value);
gboolean settings_get (const Settings * settings, guint id, GValue * value);

/* A deep copy, to be finished with settings_load_finish. */
void settings_load_copy (LoadSettings * to, const LoadSettings * from);
void settings_load_finish (LoadSettings * load);
/* Whether what was loaded for a still serves b. */
gboolean settings_load_equal (const LoadSettings * a, const LoadSettings * b);

#endif
