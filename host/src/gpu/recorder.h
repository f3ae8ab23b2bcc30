/* A command buffer under construction, for the kernels' own files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_RECORDER_H
#define VIT_GPU_RECORDER_H

#include "gpu/kernels.h"
#include "gpu/pipelines.h"

/* One dispatch, whatever it does. */
struct dispatch {
  enum shader shader;
  struct spec spec;
  struct span bind[MAX_BINDINGS]; /* a NULL buffer: not bound, the shader doesn't read it */
  const void *push;
  uint32_t push_size; /* bytes */
  uint32_t groups[3];
};
bool recorder_dispatch (struct recorder *rec, const struct dispatch *d, vit_error *err);
vit_device *recorder_device (const struct recorder *rec);

#endif
