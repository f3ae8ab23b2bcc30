/* Facts of devices and models, as text for people and as JSON for programs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_FACTS_H
#define VIT_TOOLS_FACTS_H

#include <jansson.h>

#include "vit/vit.h"

void facts_print_device (uint32_t index, const struct vit_device_info *info);
json_t *facts_device_json (const struct vit_device_info *info); /* NULL: out of memory */

void facts_print_model (const struct vit_model_info *info);
json_t *facts_model_json (const struct vit_model_info *info); /* NULL: out of memory */

#endif
