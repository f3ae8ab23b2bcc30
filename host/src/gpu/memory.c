/* Buffers: what memory they get, and blocking copies to and from them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/memory.h"

#include <string.h>

#include "gpu/device.h"
#include "gpu/kernels.h"

enum { STAGING_BYTES = 8 << 20 };

/* Property flags in the order of preference; a type must have all of one entry. */
static const VkMemoryPropertyFlags wanted[][4] = {
  [MEMORY_LOCAL] = { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0 },
  [MEMORY_COPIED] = { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0 },
  [MEMORY_UPLOAD] = { VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
          | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT },
  [MEMORY_READBACK] = { VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT
          | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT },
};
static const uint32_t num_wanted[] = {
  [MEMORY_LOCAL] = 2,
  [MEMORY_COPIED] = 2,
  [MEMORY_UPLOAD] = 3,
  [MEMORY_READBACK] = 3,
};

static int
find_type (const vit_device *dev, enum memory_use use, uint32_t allowed)
{
  for (uint32_t w = 0; w < num_wanted[use]; w++)
    for (uint32_t i = 0; i < dev->memory.memoryTypeCount; i++)
      if ((allowed >> i & 1) && (dev->memory.memoryTypes[i].propertyFlags & wanted[use][w]) == wanted[use][w])
        return (int) i;
  return -1;
}

static bool
bind_memory (vit_device *dev, enum memory_use use, const char *name, struct buffer *b, vit_error *err)
{
  VkMemoryRequirements need;
  dev->vk.vkGetBufferMemoryRequirements (dev->handle, b->handle, &need);
  int type = find_type (dev, use, need.memoryTypeBits);
  if (type < 0)
    return fail (err, VIT_ERR_UNSUPPORTED, "%.100s has no memory type for %s", dev->info.name, name);
  VkMemoryPropertyFlags flags = dev->memory.memoryTypes[type].propertyFlags;
  b->coherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  b->local = flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  /* multiples of 256 never share a nonCoherentAtomSize, so one buffer's flush leaves others alone */
  VkDeviceSize alignment = need.alignment > 256 ? need.alignment : 256, size = (need.size + 255) / 256 * 256;
  if (!heap_take (dev, (uint32_t) type, size, alignment, name, &b->memory, err)
      || !VK_TRY (dev, err, BindBufferMemory, dev->handle, b->handle, b->memory.memory, b->memory.offset))
    return false;
  b->map = (use != MEMORY_LOCAL && use != MEMORY_COPIED) || b->coherent ? b->memory.map : NULL;
  return true;
}

bool
buffer_create (vit_device *dev, enum memory_use use, VkDeviceSize size, const char *name, struct buffer *out,
    vit_error *err)
{
  memset (out, 0, sizeof *out);
  out->size = size = (size + 255) / 256 * 256;
  const uint32_t families[2] = { dev->compute.family, dev->copies.family };
  bool shared = use == MEMORY_COPIED && dev->transfer == &dev->copies;
  VkBufferCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
    .sharingMode = shared ? VK_SHARING_MODE_CONCURRENT : VK_SHARING_MODE_EXCLUSIVE,
    .queueFamilyIndexCount = shared ? 2 : 0,
    .pQueueFamilyIndices = families,
    .size = size,
    .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
        | (dev->caps.buffer_address ? VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT : 0),
  };
  if (!VK_TRY (dev, err, CreateBuffer, dev->handle, &info, NULL, &out->handle)) {
    out->handle = VK_NULL_HANDLE;
    goto error;
  }
  if (!bind_memory (dev, use, name, out, err))
    goto error;
  if (dev->caps.buffer_address) {
    VkBufferDeviceAddressInfo a = { .sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, .buffer = out->handle };
    out->address = dev->vk.vkGetBufferDeviceAddress (dev->handle, &a);
  }
  return true;
error:
  buffer_destroy (dev, out);
  return false;
}

void
buffer_destroy (vit_device *dev, struct buffer *b)
{
  if (b->handle)
    dev->vk.vkDestroyBuffer (dev->handle, b->handle, NULL);
  heap_give (dev, &b->memory);
  memset (b, 0, sizeof *b);
}

static VkMappedMemoryRange
whole_range (const struct buffer *b)
{
  return (VkMappedMemoryRange) {
    .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
    .memory = b->memory.memory,
    .offset = b->memory.offset,
    .size = b->memory.size,
  };
}

bool
buffer_flush (vit_device *dev, const struct buffer *b, vit_error *err)
{
  VkMappedMemoryRange range = whole_range (b);
  return b->coherent || VK_TRY (dev, err, FlushMappedMemoryRanges, dev->handle, 1, &range);
}

bool
buffer_invalidate (vit_device *dev, const struct buffer *b, vit_error *err)
{
  VkMappedMemoryRange range = whole_range (b);
  return b->coherent || VK_TRY (dev, err, InvalidateMappedMemoryRanges, dev->handle, 1, &range);
}

/* Moves data between a buffer that the CPU can't see and data, a piece at a time. */
static bool
copy_through_staging (vit_device *dev, struct buffer *b, VkDeviceSize offset, uint8_t *data, VkDeviceSize size,
    bool write, vit_error *err)
{
  struct buffer staging = { 0 };
  struct recorder *rec = recorder_create (dev, err);
  VkDeviceSize piece = size < STAGING_BYTES ? size : STAGING_BYTES;
  bool ok = rec && buffer_create (dev, write ? MEMORY_UPLOAD : MEMORY_READBACK, piece, "staging", &staging, err);
  for (VkDeviceSize done = 0; ok && done < size; done += piece) {
    VkDeviceSize n = size - done < piece ? size - done : piece;
    if (write)
      memcpy (staging.map, data + done, n);
    ok = (!write || buffer_flush (dev, &staging, err)) && recorder_begin (rec, err);
    if (!ok)
      break;
    recorder_copy (rec, write ? &staging : b, write ? 0 : offset + done, write ? b : &staging,
        write ? offset + done : 0, n);
    ok = recorder_end (rec, err) && recorder_run (rec, err) && (write || buffer_invalidate (dev, &staging, err));
    if (ok && !write)
      memcpy (data + done, staging.map, n);
  }
  buffer_destroy (dev, &staging);
  recorder_destroy (&rec);
  return ok;
}

bool
buffer_write (vit_device *dev, struct buffer *b, VkDeviceSize offset, const void *data, VkDeviceSize size,
    vit_error *err)
{
  if (!b->map)
    return copy_through_staging (dev, b, offset, (uint8_t *) data, size, true, err);
  memcpy ((uint8_t *) b->map + offset, data, size);
  return buffer_flush (dev, b, err);
}

bool
buffer_read (vit_device *dev, struct buffer *b, VkDeviceSize offset, void *data, VkDeviceSize size, vit_error *err)
{
  if (!b->map)
    return copy_through_staging (dev, b, offset, data, size, false, err);
  if (!buffer_invalidate (dev, b, err))
    return false;
  memcpy (data, (uint8_t *) b->map + offset, size);
  return true;
}
