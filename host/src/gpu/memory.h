/* Buffers in device memory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_MEMORY_H
#define VIT_GPU_MEMORY_H

#include "gpu/heap.h"

enum memory_use {
  MEMORY_LOCAL,   /* shaders only; filled through buffer_write */
  MEMORY_COPIED,  /* the same, but the transfer queue writes it too */
  MEMORY_UPLOAD,  /* mapped, the CPU writes in order, shaders or copies read */
  MEMORY_READBACK /* mapped and cached where possible, shaders or copies write, the CPU reads */
};

struct buffer {
  VkBuffer handle;
  struct piece memory;
  VkDeviceSize size;    /* bytes, a multiple of 256 */
  void *map;            /* UPLOAD, READBACK: host pointer; LOCAL: too where the memory is mappable, else NULL */
  uint64_t address;     /* device address; 0 where the feature is off */
  bool coherent, local; /* no flush needed; in device-local memory */
};

/* A buffer and its memory. `name` is what it is for, in a message. */
bool buffer_create (vit_device *dev, enum memory_use use, VkDeviceSize size, const char *name, struct buffer *out,
    vit_error *err);
void buffer_destroy (vit_device *dev, struct buffer *b); /* accepts a zeroed one, zeroes it */

/* Blocking copies, through staging where the memory is not mapped. For loading, tests and taps, never per frame. */
bool buffer_write (vit_device *dev, struct buffer *b, VkDeviceSize offset, const void *data, VkDeviceSize size,
    vit_error *err);
bool buffer_read (vit_device *dev, struct buffer *b, VkDeviceSize offset, void *data, VkDeviceSize size,
    vit_error *err);
/* Makes CPU writes visible to the device, and device writes to the CPU, where the memory is not coherent. */
bool buffer_flush (vit_device *dev, const struct buffer *b, vit_error *err);
bool buffer_invalidate (vit_device *dev, const struct buffer *b, vit_error *err);

#endif
