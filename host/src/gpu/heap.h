/* Blocks of device memory: large buffers have one to themselves, small ones share. The only caller of
 * vkAllocateMemory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_HEAP_H
#define VIT_GPU_HEAP_H

#include <pthread.h>

#include "gpu/vk.h"

struct block;

/* All blocks of a device; safe from any thread. */
struct heap {
  pthread_mutex_t lock;
  struct block *blocks;
  uint64_t bytes; /* of device memory held */
  uint32_t allocations;
};
void heap_init (struct heap *h);
void heap_finish (struct heap *h); /* every piece was given back */

/* A part of a block. */
struct piece {
  struct block *block; /* NULL: none */
  VkDeviceMemory memory;
  VkDeviceSize offset, size;
  void *map; /* of the piece, where the memory can be mapped at all; else NULL */
};

/* `name` is what it's for, in a message. The offset is a multiple of alignment, a power of two. */
bool heap_take (vit_device *dev, uint32_t memory_type, VkDeviceSize size, VkDeviceSize alignment, const char *name,
    struct piece *out, vit_error *err);
void heap_give (vit_device *dev, struct piece *p); /* accepts a zeroed one, zeroes it */

#endif
