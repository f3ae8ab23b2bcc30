/* Knows what would make a device faster that is a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_ADVICE_H
#define PLUGIN_ADVICE_H

#include <glib.h>
#include <vit/vit.h>

/* One sentence for the user if there is something to gain on this device, NULL if not or if the process was told. */
const gchar *advice_once (const struct vit_device_info * device);

#endif
