/* A Vulkan device: creation and facts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/compile.h"
#include "gpu/kernels.h"
#include "gpu/matrix.h"
#include "gpu/memo.h"
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

/* VIT_SYNC=fence does without, as a device of Vulkan 1.1 */
static bool
has_timeline (const vit_device *dev)
{
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &timeline };
  const char *sync = getenv ("VIT_SYNC");
  if (dev->info.api_version < VK_API_VERSION_1_2 || (sync && strcmp (sync, "fence") == 0))
    return false;
  dev->instance.GetPhysicalDeviceFeatures2 (dev->physical, &features);
  return timeline.timelineSemaphore;
}

bool
device_has_extension (const vit_device *dev, const char *name)
{
  uint32_t n = 0;
  bool found = false;
  if (dev->instance.EnumerateDeviceExtensionProperties (dev->physical, NULL, &n, NULL) != VK_SUCCESS)
    return false;
  VkExtensionProperties *list = calloc (n, sizeof *list);
  if (list && dev->instance.EnumerateDeviceExtensionProperties (dev->physical, NULL, &n, list) == VK_SUCCESS)
    for (uint32_t i = 0; i < n; i++)
      found = found || strcmp (list[i].extensionName, name) == 0;
  free (list);
  return found;
}

/* Features that no message to the user is about. */
static void
read_features (vit_device *dev)
{
  VkPhysicalDevice16BitStorageFeatures storage16 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
  };
  VkPhysicalDevice8BitStorageFeatures storage8 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES,
    .pNext = &storage16,
  };
  VkPhysicalDeviceShaderFloat16Int8Features half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
    .pNext = &storage8,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &half };
  if (dev->info.api_version < VK_API_VERSION_1_2)
    return;
  dev->instance.GetPhysicalDeviceFeatures2 (dev->physical, &features);
  dev->caps.float16 = half.shaderFloat16;
  dev->caps.small_integers = features.features.shaderInt16 && half.shaderInt8 && storage16.storageBuffer16BitAccess
      && storage8.storageBuffer8BitAccess;
}

/* Are stores behind the end of a binding dropped, if one asks for it? */
static bool
has_robustness (const vit_device *dev)
{
  VkPhysicalDeviceRobustness2FeaturesEXT robust = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT,
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &robust };
  if (!device_has_extension (dev, VK_EXT_ROBUSTNESS_2_EXTENSION_NAME))
    return false;
  dev->instance.GetPhysicalDeviceFeatures2 (dev->physical, &features);
  return robust.robustBufferAccess2 && features.features.robustBufferAccess;
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
  c->plain = kernels && strcmp (kernels, "plain") == 0;
  /* VIT_KERNELS=gpu has a CPU do as GPUs do, for tests of whole networks */
  c->gpu = !c->software || (kernels && strcmp (kernels, "gpu") == 0);
  c->unrolled = !c->gpu && c->buffer_address && c->small_integers && !c->plain && has_robustness (dev)
      && (c->subgroup_size == 4 || c->subgroup_size == 8 || c->subgroup_size == 16)
      && (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
      && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT)
      && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_BALLOT_BIT);
  /* the year of lavapipe that learned clustered operations also learned this */
  c->broadcasts = c->unrolled && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_CLUSTERED_BIT);
  c->timeline = has_timeline (dev);
  /* Compilers that can multiply matrices across a subgroup also follow what is uniform through loops: lavapipe does
   * both from the same year on. What it promises wrongly costs speed, not right answers. */
  c->loops = c->unrolled && device_has_extension (dev, "VK_KHR_cooperative_matrix");
  c->max_push = l->maxPushConstantsSize;
  c->max_shared = l->maxComputeSharedMemorySize;
  c->max_invocations = l->maxComputeWorkGroupInvocations;
  memcpy (c->max_groups, l->maxComputeWorkGroupCount, sizeof c->max_groups);
  c->bindings = l->maxPerStageDescriptorStorageBuffers < MAX_BINDINGS ? MIN_BINDINGS : MAX_BINDINGS;
  c->max_storage_range = l->maxStorageBufferRange;
  dev->atom = l->nonCoherentAtomSize ? l->nonCoherentAtomSize : 1;
  c->timestamp_ns = l->timestampPeriod;
  dev->instance.GetPhysicalDeviceMemoryProperties (dev->physical, &dev->memory);
  matrix_find (dev);
}

static bool
open_device (vit_device *dev, vit_error *err)
{
  float priority = 1.0f;
  VkPhysicalDeviceBufferDeviceAddressFeatures bda = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES,
    .bufferDeviceAddress = VK_TRUE,
  };
  VkPhysicalDevice8BitStorageFeatures bytes = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES,
    .pNext = dev->caps.buffer_address ? &bda : NULL,
    .storageBuffer8BitAccess = VK_TRUE,
  };
  VkPhysicalDeviceShaderFloat16Int8Features small = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
    .pNext = dev->caps.unrolled ? &bytes : bytes.pNext,
    .shaderFloat16 = dev->caps.float16,
    .shaderInt8 = dev->caps.unrolled,
  };
  VkPhysicalDevice16BitStorageFeatures half = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
    .pNext = dev->caps.float16 || dev->caps.unrolled ? (void *) &small : bytes.pNext,
    .storageBuffer16BitAccess = dev->caps.storage16,
  };
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
    .pNext = &half,
    .timelineSemaphore = VK_TRUE,
  };
  struct matrix_features matrix;
  matrix_features_init (&matrix, dev->caps.timeline ? (void *) &timeline : &half);
  VkPhysicalDeviceRobustness2FeaturesEXT robust = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT,
    .pNext = dev->caps.matrix.m ? &matrix.matrix : matrix.model.pNext,
    .robustBufferAccess2 = VK_TRUE,
  };
  const char *extensions[2];
  uint32_t num_extensions = 0;
  if (dev->caps.matrix.m)
    extensions[num_extensions++] = "VK_KHR_cooperative_matrix";
  /* Looping kernels store nothing behind the end, and are faster where the driver compares nothing with it. */
  const bool robustness = dev->caps.unrolled && !dev->caps.loops;
  if (robustness)
    extensions[num_extensions++] = VK_EXT_ROBUSTNESS_2_EXTENSION_NAME;
  VkPhysicalDeviceFeatures2 features = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
    .pNext = robustness ? &robust : robust.pNext,
    .features.robustBufferAccess = robustness,
    .features.shaderInt64 = dev->caps.buffer_address,
    .features.shaderInt16 = dev->caps.unrolled,
  };
  VkDeviceQueueCreateInfo queues[2];
  for (uint32_t i = 0; i < 2; i++)
    queues[i] = (VkDeviceQueueCreateInfo) {
      .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
      .queueFamilyIndex = i ? dev->copies.family : dev->compute.family,
      .queueCount = 1,
      .pQueuePriorities = &priority,
    };
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &features,
    .queueCreateInfoCount = dev->transfer == &dev->copies ? 2 : 1,
    .pQueueCreateInfos = queues,
    .enabledExtensionCount = num_extensions,
    .ppEnabledExtensionNames = extensions,
  };
  VkResult r = instance_open_device (&dev->instance, dev->physical, &info, &dev->handle, &dev->vk);
  if (r != VK_SUCCESS) {
    dev->handle = VK_NULL_HANDLE;
    return vk_ok (err, "vkCreateDevice", r);
  }
  return queues_open (dev, err);
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
  pthread_mutex_init (&dev->compute.lock, NULL);
  pthread_mutex_init (&dev->copies.lock, NULL);
  pthread_mutex_init (&dev->late_lock, NULL);
  heap_init (&dev->heap);
  if (params)
    dev->params = *params;
  if (!instance_init (&dev->instance, &dev->params, err) || !choose_device (dev, err))
    goto error;
  read_features (dev);
  read_limits (dev);
  if (!queues_choose (dev, err) || !open_device (dev, err)
      || !(dev->kernels = kernels_create (dev, dev->params.cache_dir, err))
      || !(dev->memo = memo_create (dev, dev->params.cache_dir, err)))
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
  compile_join_late (dev);
  memo_destroy (&dev->memo);
  kernels_destroy (dev, &dev->kernels);
  queues_close (dev);
  if (dev->handle)
    instance_close_device (dev->handle, &dev->vk);
  instance_finish (&dev->instance);
  pthread_mutex_destroy (&dev->compute.lock);
  pthread_mutex_destroy (&dev->copies.lock);
  pthread_mutex_destroy (&dev->late_lock);
  heap_finish (&dev->heap);
  free (dev);
}

void
vit_device_get_info (const vit_device *device, struct vit_device_info *out)
{
  *out = device->info;
}

void
vit_device_get_memory (vit_device *device, struct vit_device_memory *out)
{
  pthread_mutex_lock (&device->heap.lock);
  *out = (struct vit_device_memory) { device->heap.bytes, device->heap.allocations };
  pthread_mutex_unlock (&device->heap.lock);
}
