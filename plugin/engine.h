/* One element's share of the network: loads it, names its classes, runs frames through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_ENGINE_H
#define PLUGIN_ENGINE_H

#include <gst/gst.h>
#include <vit/vit.h>

#include "settings.h"

typedef struct Engine Engine;

/* Opens the device and loads the model that settings name. Blocks, and tells how far it is from the calling thread; a
 * model that another thread loads just now is waited for in silence. NULL with error on failure. */
Engine *engine_new (const LoadSettings * settings, vit_progress progress, gpointer ctx, GError ** error);
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

/* As the property precision spells it. */
const gchar *engine_precision_name (enum vit_precision precision);

/* A class's name; lives as long as the process. */
const gchar *engine_label (const Engine * engine, guint class_index);

typedef enum
{
  ENGINE_OK,
  ENGINE_NOT_READY,             /* the device still computes */
  ENGINE_EMPTY,                 /* nothing was submitted that was not collected */
  ENGINE_FAILED                 /* error is set */
} EngineStatus;

/* Gets ready for images like this one, of which only the layout counts, so that the first isn't slower than the rest.
 * For the thread that submits, which may do so even where this failed. */
EngineStatus engine_prepare (Engine * engine, const vit_image * layout, GError ** error);

/* One thread may submit while another collects; both may ask. */

/* Whether a batch can be submitted now, and whether there is a result to collect, now or later. */
gboolean engine_has_room (const Engine * engine);
gboolean engine_is_busy (const Engine * engine);

/* Queues n images as one batch, which are read before this returns; needs room. images[i].user must hold the image's
 * ticket and is overwritten. OK or FAILED. */
EngineStatus engine_submit (Engine * engine, vit_image * images, guint n, GError ** error);
/* The next result in the order of submission and its ticket, waiting for timeout at most (ns); the logits stay valid
 * until the next call. A result that FAILED has a ticket too. */
EngineStatus engine_collect (Engine * engine, GstClockTime timeout, guintptr * ticket, vit_result * result,
    GError ** error);

/* Bytes of device memory that the session and the model, which others may share, take. */
gsize engine_device_bytes (Engine * engine);

#endif
