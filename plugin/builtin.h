/* Finds the model that comes with the plug-in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_BUILTIN_H
#define PLUGIN_BUILTIN_H

#include <gst/gst.h>

/* Remembers where the plug-in itself lies; called once, when it is registered. */
void builtin_init (GstPlugin * plugin);

/* The folder of the built-in model, to be freed; NULL with error where there is none. Looks in
 * $VITCLASSIFY_MODEL_DIR, then near the plug-in's own file (installed or in a build tree), then in the data
 * directory chosen at build time. */
gchar *builtin_model_path (GError ** error);

#endif
