/* The element vitmetatext: video with classifications in, a text for each frame out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_VITMETATEXT_H
#define PLUGIN_VITMETATEXT_H

#include <gst/gst.h>

G_BEGIN_DECLS

GST_ELEMENT_REGISTER_DECLARE (vitmetatext);

G_END_DECLS

#endif
