/* Turns what the engine reports into the GError that an element posts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_ERRORS_H
#define PLUGIN_ERRORS_H

#include <gst/gst.h>
#include <vit/vit.h>

/* What was being done when it failed: it decides the domain where the code alone does not. */
typedef enum
{
  ERRORS_DEVICE,  /* opening a device */
  ERRORS_MODEL,   /* reading a checkpoint or its labels */
  ERRORS_RUN      /* preparing or running the network */
} ErrorsWhile;

/* Sets error (NULL is fine) to the engine's own words. Returns FALSE always, so that it can end a function. */
gboolean errors_set (GError ** error, ErrorsWhile doing, const vit_error * err);

/* Posts error as the element's one ERROR message and frees it. */
void errors_post (GstElement * element, GError ** error);

#endif
