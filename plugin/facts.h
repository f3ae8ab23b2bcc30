/* The properties of vitclassify that can only be read: what is loaded and how it fares. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FACTS_H
#define PLUGIN_FACTS_H

#include <gst/gst.h>

#include "engine.h"
#include "settings.h"
#include "stats.h"

typedef struct
{
  guint classes;                /* 0: nothing loaded */
  gchar *model_name, *device_name;
  const gchar *precision;
  GstStructure *model_info;
} Facts;

void facts_install (GObjectClass * klass);
/* One property; the caller holds the object's lock. FALSE: not one of these. */
gboolean facts_get (const Facts * facts, const Stats * stats, guint id, GValue * value);

/* Replaces facts with those of an engine, or with nothing (NULL); the caller holds the object's lock. */
void facts_replace (Facts * facts, const EngineFacts * engine);
/* Tells listeners that the facts, or the latency, changed; no lock may be held. */
void facts_notify (GObject * object);
void facts_notify_latency (GObject * object);

#endif
