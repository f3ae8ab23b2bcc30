/* Checkpoints with random weights in a temporary folder, so that speed can be measured without a download. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_SYNTH_H
#define VIT_TOOLS_SYNTH_H

#include "vit/vit.h"

/* "B/16", "Ti/16@384": a published size, its patch, and the side of the picture (224 where none is given). */
struct synth_shape {
  char name[32];
  uint32_t dim, depth, heads, patch, size; /* patch, size // pixels */
};
bool synth_parse (const char *text, struct synth_shape *shape, vit_error *err);

/* Writes the checkpoint in timm's layout (1000 classes, float32) and gives the folder's path, which lives until
 * synth_remove. The folder goes away when the program ends, also by SIGINT, SIGTERM or SIGHUP. One at a time. */
const char *synth_create (const struct synth_shape *shape, vit_error *err);
void synth_remove (void);

#endif
