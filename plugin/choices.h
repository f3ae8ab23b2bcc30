/* The enumerations among the properties of vitclassify. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_CHOICES_H
#define PLUGIN_CHOICES_H

#include <gst/gst.h>

GType choices_precision (void);
GType choices_activation (void);
GType choices_message_mode (void);
GType choices_carry_over (void);
GType choices_meta (void);
GType choices_tune (void);

#endif
