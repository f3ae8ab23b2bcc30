/* Hands out pieces of device memory from blocks that small buffers share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/heap.h"

#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"

/* A device may allow as few as 4096 allocations, and each costs some drivers a system call a submit. So what is smaller
 * than LARGE shares; what is larger gains nothing from sharing and would leave gaps. */
enum { LARGE = 512 << 10, SHARED = 2 << 20 };

struct range {
  VkDeviceSize begin, end;
};

struct block {
  struct block *next;
  VkDeviceMemory memory;
  VkDeviceSize size;
  uint32_t type;
  void *map;
  struct range *used; /* (num), ascending */
  uint32_t num, room;
};

void
heap_init (struct heap *h)
{
  *h = (struct heap) { 0 };
  pthread_mutex_init (&h->lock, NULL);
}

void
heap_finish (struct heap *h)
{
  pthread_mutex_destroy (&h->lock);
}

static void
block_destroy (vit_device *dev, struct block *b)
{
  if (b->memory)
    dev->vk.vkFreeMemory (dev->handle, b->memory, NULL); /* unmaps it too */
  free (b->used);
  free (b);
}

static bool
allocate (vit_device *dev, struct block *b, const char *name, vit_error *err)
{
  VkMemoryAllocateFlagsInfo address = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
    .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT,
  };
  VkMemoryAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
    .pNext = dev->caps.buffer_address ? &address : NULL,
    .allocationSize = b->size,
    .memoryTypeIndex = b->type,
  };
  VkResult r = dev->vk.vkAllocateMemory (dev->handle, &info, NULL, &b->memory);
  if (r != VK_SUCCESS)
    b->memory = VK_NULL_HANDLE;
  if (r == VK_ERROR_OUT_OF_DEVICE_MEMORY || r == VK_ERROR_OUT_OF_HOST_MEMORY)
    return fail (err, VIT_ERR_MEMORY, "%s: %.100s has no %.1f MB of memory left (%.1f MB of it are held here)", name,
        dev->info.name, (double) b->size * 1e-6, (double) dev->heap.bytes * 1e-6);
  return vk_ok (err, "vkAllocateMemory", r);
}

static struct block *
block_create (vit_device *dev, uint32_t type, VkDeviceSize size, const char *name, vit_error *err)
{
  struct block *b = calloc (1, sizeof *b);
  if (!b) {
    fail_memory (err, name, sizeof *b);
    return NULL;
  }
  b->size = size < LARGE ? SHARED : size;
  b->type = type;
  bool mappable = dev->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
  if (allocate (dev, b, name, err)
      && (!mappable || VK_TRY (dev, err, MapMemory, dev->handle, b->memory, 0, VK_WHOLE_SIZE, 0, &b->map)))
    return b;
  block_destroy (dev, b);
  return NULL;
}

/* The first gap that is large enough: where it begins, and before which range in use it lies. False: there is none. */
static bool
find_gap (const struct block *b, VkDeviceSize size, VkDeviceSize alignment, VkDeviceSize *offset, uint32_t *before)
{
  VkDeviceSize begin = 0;
  uint32_t i = 0;
  for (; i < b->num && begin + size > b->used[i].begin; i++)
    begin = (b->used[i].end + alignment - 1) & ~(alignment - 1);
  *offset = begin;
  *before = i;
  return begin <= b->size && size <= b->size - begin;
}

/* Notes down that range `before` is now the given one. */
static bool
insert_range (struct block *b, uint32_t before, struct range range, const char *name, vit_error *err)
{
  if (b->num == b->room) {
    struct range *grown = realloc (b->used, (b->room + 16) * sizeof *grown);
    if (!grown)
      return fail_memory (err, name, (b->room + 16) * sizeof *grown);
    b->used = grown;
    b->room += 16;
  }
  memmove (b->used + before + 1, b->used + before, (b->num - before) * sizeof *b->used);
  b->used[before] = range;
  b->num++;
  return true;
}

/* With the lock held. */
static bool
take (vit_device *dev, uint32_t type, VkDeviceSize alignment, const char *name, struct piece *out, vit_error *err)
{
  struct heap *h = &dev->heap;
  struct block *b = h->blocks;
  uint32_t before = 0;
  while (b && (b->type != type || !find_gap (b, out->size, alignment, &out->offset, &before)))
    b = b->next;
  bool fresh = !b;
  if (fresh) {
    b = block_create (dev, type, out->size, name, err);
    out->offset = before = 0;
  }
  if (!b)
    return false;
  if (!insert_range (b, before, (struct range) { out->offset, out->offset + out->size }, name, err)) {
    if (fresh)
      block_destroy (dev, b);
    return false;
  }
  if (fresh) {
    b->next = h->blocks;
    h->blocks = b;
    h->bytes += b->size;
    h->allocations++;
  }
  out->block = b;
  out->memory = b->memory;
  out->map = b->map ? (uint8_t *) b->map + out->offset : NULL;
  return true;
}

bool
heap_take (vit_device *dev, uint32_t memory_type, VkDeviceSize size, VkDeviceSize alignment, const char *name,
    struct piece *out, vit_error *err)
{
  *out = (struct piece) { .size = size };
  pthread_mutex_lock (&dev->heap.lock);
  bool ok = take (dev, memory_type, alignment, name, out, err);
  pthread_mutex_unlock (&dev->heap.lock);
  return ok;
}

void
heap_give (vit_device *dev, struct piece *p)
{
  struct heap *h = &dev->heap;
  struct block *b = p->block;
  if (!b)
    return;
  pthread_mutex_lock (&h->lock);
  uint32_t i = 0;
  while (b->used[i].begin != p->offset)
    i++;
  memmove (b->used + i, b->used + i + 1, (b->num - i - 1) * sizeof *b->used);
  b->num--;
  if (b->num == 0) {
    struct block **link = &h->blocks;
    while (*link != b)
      link = &(*link)->next;
    *link = b->next;
    h->bytes -= b->size;
    h->allocations--;
    block_destroy (dev, b);
  }
  pthread_mutex_unlock (&h->lock);
  *p = (struct piece) { 0 };
}
