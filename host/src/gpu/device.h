/* The inner parts of a vit_device, for src/gpu alone; others use the functions at the end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_DEVICE_H
#define VIT_GPU_DEVICE_H

#include <stdatomic.h>

#include "gpu/heap.h"
#include "gpu/queue.h"

struct compile;
struct kernels;
struct memo;

struct vit_device {
  atomic_uint refs;
  struct instance instance;
  VkPhysicalDevice physical;
  VkDevice handle;
  struct VolkDeviceTable vk;
  struct queue compute, copies;
  struct queue *transfer; /* copies frames beside computing: &copies, or &compute to try it; NULL: there is none */
  bool staged;            /* frames never go straight into the device's own memory, to try the other ways */
  struct heap heap;
  struct caps caps;
  struct vit_device_info info;
  VkPhysicalDeviceMemoryProperties memory;
  VkDeviceSize atom;       /* nonCoherentAtomSize */
  struct kernels *kernels; /* pipelines, their layouts and the cache on disk */
  struct memo *memo;       /* what was found out about it */
  pthread_mutex_t late_lock;
  struct compile *late;            /* work of which threads were left behind, to be joined at the end */
  struct vit_device_params params; /* as given; but select and cache_dir, the caller's strings, are forgotten */
};

bool device_has_extension (const vit_device *dev, const char *name); /* one that can't tell has none */

/* From here on: for everyone above. */
vit_device *device_ref (vit_device *dev);
const struct caps *device_caps (const vit_device *dev);
void device_log (const vit_device *dev, enum vit_log_level level, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));

#endif
