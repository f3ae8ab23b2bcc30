/* A Vulkan device with its queue: creation, facts, submits and fences. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/kernels.h"
#include "gpu/pipelines.h"
#include "gpu/select.h"

const char *
vit_version (void)
{
  return VIT_VERSION;
}

void
device_log (const vit_device *dev, enum vit_log_level level, const char *format, ...)
{
  if (!dev->params.log)
    return;
  char text[600];
  va_list args;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  dev->params.log (dev->params.log_ctx, level, text);
}

const struct caps *
device_caps (const vit_device *dev)
{
  return &dev->caps;
}

static void
read_limits (vit_device *dev)
{
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES };
  VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup };
  dev->instance.GetPhysicalDeviceProperties2 (dev->physical, &p);
  const VkPhysicalDeviceLimits *l = &p.properties.limits;
  struct caps *c = &dev->caps;
  c->storage16 = dev->info.storage16;
  c->buffer_address = dev->info.buffer_address;
  c->software = dev->info.type == VIT_DEVICE_CPU;
  c->subgroup_size = subgroup.subgroupSize;
  c->subgroup_arithmetic = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
      && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
  /* VIT_KERNELS=plain keeps to the kernels that run anywhere: to compare, and to look for a driver's fault */
  const char *kernels = getenv ("VIT_KERNELS");
  c->unrolled = c->software && c->buffer_address && (!kernels || strcmp (kernels, "plain") != 0)
      && (c->subgroup_size == 4 || c->subgroup_size == 8 || c->subgroup_size == 16)
      && (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
      && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
  c->max_push = l->maxPushConstantsSize;
  c->max_shared = l->maxComputeSharedMemorySize;
  c->max_invocations = l->maxComputeWorkGroupInvocations;
  memcpy (c->max_groups, l->maxComputeWorkGroupCount, sizeof c->max_groups);
  c->max_storage_range = l->maxStorageBufferRange;
  dev->atom = l->nonCoherentAtomSize ? l->nonCoherentAtomSize : 1;
  c->timestamp_ns = l->timestampPeriod;
  dev->instance.GetPhysicalDeviceMemoryProperties (dev->physical, &dev->memory);
}

/* A family that computes; one that does nothing but compute, if there is one, disturbs drawing least. */
static bool
find_queue_family (vit_device *dev, vit_error *err)
{
  VkQueueFamilyProperties families[32];
  uint32_t n = 32;
  int best = -1;
  dev->instance.GetPhysicalDeviceQueueFamilyProperties (dev->physical, &n, families);
  for (uint32_t i = 0; i < n && i < 32; i++)
    if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)
        && (best < 0 || !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)))
      best = (int) i;
  if (best < 0)
    return fail (err, VIT_ERR_UNSUPPORTED, "%.100s has no queue that computes; choose another device", dev->info.name);
  dev->queue_family = (uint32_t) best;
  if (families[best].timestampValidBits == 0)
    dev->caps.timestamp_ns = 0;
  return true;
}

static bool
open_device (vit_device *dev, vit_error *err)
{
  float priority = 1.0f;
  VkPhysicalDeviceBufferDeviceAddressFeatures bda = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
    .bufferDeviceAddress = VK_TRUE,
  };
  VkPhysicalDevice16BitStorageFeatures half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
    .pNext = dev->caps.buffer_address ? &bda : NULL,
    .storageBuffer16BitAccess = dev->caps.storage16,
  };
  VkPhysicalDeviceFeatures2 features = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
    .pNext = &half,
    .features.shaderInt64 = dev->caps.buffer_address,
  };
  VkDeviceQueueCreateInfo queue = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueFamilyIndex = dev->queue_family,
    .queueCount = 1,
    .pQueuePriorities = &priority,
  };
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue,
  };
  VkResult r = dev->instance.CreateDevice (dev->physical, &info, NULL, &dev->handle);
  if (r != VK_SUCCESS) {
    dev->handle = VK_NULL_HANDLE;
    return vk_ok (err, "vkCreateDevice", r);
  }
  instance_load_device (&dev->instance, dev->handle, &dev->vk);
  dev->vk.vkGetDeviceQueue (dev->handle, dev->queue_family, 0, &dev->queue);
  return true;
}

static bool
choose_device (vit_device *dev, vit_error *err)
{
  struct candidates *c = calloc (1, sizeof *c);
  if (!c)
    return fail_memory (err, "the list of devices", sizeof *c);
  int chosen = candidates_read (c, &dev->instance, err) ? candidates_choose (c, &dev->params, err) : -1;
  if (chosen >= 0) {
    dev->physical = c->handle[chosen];
    dev->info = c->info[chosen];
  }
  free (c);
  return chosen >= 0;
}

vit_device *
vit_device_create (const struct vit_device_params *params, vit_error *err)
{
  vit_device *dev = calloc (1, sizeof *dev);
  if (!dev) {
    fail_memory (err, "the device", sizeof *dev);
    return NULL;
  }
  atomic_init (&dev->refs, 1);
  pthread_mutex_init (&dev->queue_lock, NULL);
  if (params)
    dev->params = *params;
  if (!instance_init (&dev->instance, &dev->params, err) || !choose_device (dev, err))
    goto error;
  read_limits (dev);
  if (!find_queue_family (dev, err) || !open_device (dev, err)
      || !(dev->kernels = kernels_create (dev, dev->params.cache_dir, err)))
    goto error;
  dev->params.select = dev->params.cache_dir = NULL; /* the caller's strings, not ours to keep */
  return dev;
error:
  vit_device_destroy (&dev);
  return NULL;
}

vit_device *
device_ref (vit_device *dev)
{
  atomic_fetch_add (&dev->refs, 1);
  return dev;
}

void
vit_device_destroy (vit_device **device)
{
  if (!device || !*device)
    return;
  vit_device *dev = *device;
  *device = NULL;
  if (atomic_fetch_sub (&dev->refs, 1) > 1)
    return;
  kernels_destroy (dev, &dev->kernels);
  if (dev->handle)
    dev->vk.vkDestroyDevice (dev->handle, NULL);
  instance_finish (&dev->instance);
  pthread_mutex_destroy (&dev->queue_lock);
  free (dev);
}

void
vit_device_get_info (const vit_device *device, struct vit_device_info *out)
{
  *out = device->info;
}

bool
device_submit (vit_device *dev, const VkCommandBuffer *commands, uint32_t n, VkFence fence, vit_error *err)
{
  VkSubmitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
    .commandBufferCount = n,
    .pCommandBuffers = commands,
  };
  pthread_mutex_lock (&dev->queue_lock);
  bool ok = VK_TRY (dev, err, QueueSubmit, dev->queue, 1, &info, fence);
  pthread_mutex_unlock (&dev->queue_lock);
  return ok;
}

bool
fence_create (vit_device *dev, VkFence *out, vit_error *err)
{
  VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
  if (VK_TRY (dev, err, CreateFence, dev->handle, &info, NULL, out))
    return true;
  *out = VK_NULL_HANDLE;
  return false;
}

void
fence_destroy (vit_device *dev, VkFence *fence)
{
  if (*fence)
    dev->vk.vkDestroyFence (dev->handle, *fence, NULL);
  *fence = VK_NULL_HANDLE;
}

bool
fence_reset (vit_device *dev, VkFence fence, vit_error *err)
{
  return VK_TRY (dev, err, ResetFences, dev->handle, 1, &fence);
}

bool
fence_wait (vit_device *dev, VkFence fence, uint64_t timeout_ns, bool *done, vit_error *err)
{
  VkResult r = dev->vk.vkWaitForFences (dev->handle, 1, &fence, VK_TRUE, timeout_ns);
  *done = r == VK_SUCCESS;
  if (r == VK_SUCCESS || r == VK_TIMEOUT)
    return true;
  /* A wait that failed says nothing of the work, whose memory the caller is about to give up. */
  pthread_mutex_lock (&dev->queue_lock);
  dev->vk.vkQueueWaitIdle (dev->queue);
  pthread_mutex_unlock (&dev->queue_lock);
  return vk_ok (err, "vkWaitForFences", r);
}
