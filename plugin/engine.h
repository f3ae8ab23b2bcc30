/* One element's share of the network: loads it, names its classes, runs frames through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_ENGINE_H
#define PLUGIN_ENGINE_H

#include <gst/gst.h>
#include <vit/vit.h>

#include "settings.h"

typedef struct Engine Engine;

/* Opens the device and loads the model that settings name. Blocks. NULL with error on failure. */
Engine *engine_new (const LoadSettings * settings, GError ** error);
void engine_free (Engine ** engine);

/* Whether the engine is what settings ask for and still works. */
gboolean engine_serves (const Engine * engine, const LoadSettings * settings);

/* What was loaded. */
typedef struct
{
  const gchar *path;                    /* of the checkpoint */
  const gchar *model_name;              /* lives as long as the process */
  const gchar *warning;                 /* why the engine is not all that was asked for; NULL if it is */
  struct vit_model_info model;
  struct vit_device_info device;
} EngineFacts;
const EngineFacts *engine_facts (const Engine * engine);

/* A class's name; lives as long as the process. */
const gchar *engine_label (const Engine * engine, guint class_index);

/* Asked while waiting; FALSE ends the wait. */
typedef gboolean (*EngineGoOn) (gpointer ctx);

typedef enum
{
  ENGINE_OK,
  ENGINE_STOPPED,               /* go_on said so */
  ENGINE_FAILED                 /* error is set */
} EngineStatus;

/* Queues one image, which is read before this returns. A frame that an earlier wait left behind is finished first. */
EngineStatus engine_submit (Engine * engine, const vit_image * image, EngineGoOn go_on, gpointer ctx, GError ** error);
/* Waits for the image queued last; the result's logits stay valid until the next call. */
EngineStatus engine_collect (Engine * engine, EngineGoOn go_on, gpointer ctx, vit_result * result, GError ** error);

/* The session's counters, for the thread that runs frames. */
void engine_session_stats (const Engine * engine, struct vit_session_stats *stats);

#endif
