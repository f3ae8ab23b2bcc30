/* Registers the plug-in and its elements. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/gst.h>

#include "builtin.h"
#include "classmeta.h"
#include "vitclassify.h"
#include "vitmetatext.h"

/* No Vulkan here: a registry scan has to be instant and to work on machines without a driver. */
static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean registered = FALSE;

  builtin_init (plugin);
  classmeta_init ();
  registered |= GST_ELEMENT_REGISTER (vitclassify, plugin);
  registered |= GST_ELEMENT_REGISTER (vitmetatext, plugin);
  return registered;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, vitclassify, "Classifies video with Vision Transformers on "
    "Vulkan", plugin_init, VERSION, "LGPL", "gst-vitclassify", "Unknown package origin")
