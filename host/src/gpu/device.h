/* The inner parts of a vit_device, for src/gpu alone; others use the functions at the end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_DEVICE_H
#define VIT_GPU_DEVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gpu/vk.h"

struct kernels;

struct vit_device {
  atomic_uint refs;
  struct instance instance;
  VkPhysicalDevice physical;
  VkDevice handle;
  struct VolkDeviceTable vk;
  VkQueue queue;
  uint32_t queue_family;
  pthread_mutex_t queue_lock; /* vkQueueSubmit on `queue` */
  struct caps caps;
  struct vit_device_info info;
  VkPhysicalDeviceMemoryProperties memory;
  VkDeviceSize atom;               /* nonCoherentAtomSize */
  struct kernels *kernels;         /* pipelines, their layouts and the cache on disk */
  struct vit_device_params params; /* as given; only log, log_ctx and validate may be read after creation */
};

/* From here on: for everyone above. */
vit_device *device_ref (vit_device *dev);
const struct caps *device_caps (const vit_device *dev);
void device_log (const vit_device *dev, enum vit_log_level level, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

/* Command buffers handed over as one submit, in order; `fence` is signalled at the end. Takes the queue's lock. */
bool device_submit (vit_device *dev, const VkCommandBuffer *commands, uint32_t n, VkFence fence, vit_error *err);
bool fence_create (vit_device *dev, VkFence *out, vit_error *err);
void fence_destroy (vit_device *dev, VkFence *fence);
bool fence_reset (vit_device *dev, VkFence fence, vit_error *err);
/* Waits; *done tells whether it was signalled within the time. After a failure nothing is under way any more. */
bool fence_wait (vit_device *dev, VkFence fence, uint64_t timeout_ns, bool *done, vit_error *err);

#endif
