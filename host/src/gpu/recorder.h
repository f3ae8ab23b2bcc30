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

/* profile.c; each accepts NULL: nobody asked. */
struct profile;
struct profile *profile_create (vit_device *dev, vit_error *err);
void profile_destroy (vit_device *dev, struct profile **profile);
void profile_begin (vit_device *dev, struct profile *profile, VkCommandBuffer commands);
void profile_label (struct profile *profile, const char *op, double flops);
/* Behind a dispatch (NULL: a copy) and whatever makes the next one wait for it. */
bool profile_mark (vit_device *dev, struct profile *profile, VkCommandBuffer commands, const struct dispatch *d,
    vit_error *err);
uint32_t profile_read (vit_device *dev, const struct profile *profile, struct vit_kernel_time *out, uint32_t max);

#endif
