/* A Vulkan loader whose n-th fallible call fails, and which counts what is created and destroyed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GPU_FAULT_VULKAN_H
#define VIT_TESTS_GPU_FAULT_VULKAN_H

#include <stdbool.h>
#include <stdint.h>

enum fault_code {
  FAULT_HOST_MEMORY,   /* VK_ERROR_OUT_OF_HOST_MEMORY */
  FAULT_DEVICE_MEMORY, /* VK_ERROR_OUT_OF_DEVICE_MEMORY */
  FAULT_DEVICE_LOST    /* submits and waits only; every later one says it too */
};

/* For vit_device_params.get_instance_proc_addr. */
void *fault_get_instance_proc_addr (void *instance, const char *name);
/* Loads the real loader; false: there is none. */
bool fault_open (void);

/* From now on fallible call n (from 0) returns code instead of being made; n < 0: none. Counts begin anew. */
void fault_arm (int64_t n, enum fault_code code);
/* The same of the calls of one command, "AllocateMemory". */
void fault_arm_name (const char *name, int64_t n, enum fault_code code);
/* The call that was made to fail since, without its "vk"; NULL: none was reached. */
const char *fault_fired (void);
/* Fallible calls since. */
int64_t fault_calls (void);
/* Was call n a submit or a wait, that may find the device lost? */
bool fault_may_be_lost (int64_t n);
/* The kind of object of which more were made than destroyed, or the other way round; NULL: all balance. */
const char *fault_unbalanced (int64_t *surplus);

#endif
