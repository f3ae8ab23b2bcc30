/* Which of the machine's Vulkan devices a user means. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_SELECT_H
#define VIT_GPU_SELECT_H

#include "gpu/vk.h"

enum { MAX_DEVICES = 32, MAX_EXTENSIONS = 1024 };

struct candidates {
  uint32_t num;
  VkPhysicalDevice handle[MAX_DEVICES];
  struct vit_device_info info[MAX_DEVICES];
  VkExtensionProperties extensions[MAX_EXTENSIONS]; /* of the device being asked */
};

/* Asks every device for its facts. An empty list is no error. */
bool candidates_read (struct candidates *c, const struct instance *in, vit_error *err);
/* The index of the device that params.select and no_software mean, or -1: the message lists those that exist. */
int candidates_choose (const struct candidates *c, const struct vit_device_params *params, vit_error *err);

#endif
