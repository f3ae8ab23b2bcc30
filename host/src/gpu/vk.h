/* Vulkan as src/gpu sees it: the instance's and the device's own function tables, error text, what is enabled. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_VK_H
#define VIT_GPU_VK_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>
#include <volk.h>

#include "base/error.h"

/* A product of matrices that a subgroup does at once: (m, k) halves times (k, n) halves, added to (m, n) floats. */
struct matrix_shape {
  uint32_t m, n, k;
};

/* What the device was created with; kernels are chosen by these and by nothing else. */
struct caps {
  bool storage16;           /* storageBuffer16BitAccess */
  bool timeline;            /* timelineSemaphore */
  bool float16;             /* shaderFloat16: halves in registers and shared memory */
  bool buffer_address;      /* bufferDeviceAddress and shaderInt64 */
  bool small_integers;      /* of 8 and 16 bits, in registers and buffers */
  bool subgroup_arithmetic; /* in compute */
  bool software;            /* device type CPU: invocations are SIMD lanes, a barrier is a coroutine switch */
  bool
      gpu; /* kernels whose invocations meet in shared memory are good for it; VIT_KERNELS=gpu: or tried all the same */
  bool unrolled; /* not gpu, buffer_address, small_integers, a subgroup that a kernel of shaders/cpu was made for, with
                    shuffles; but for loops, what is stored behind the end of a binding is dropped
                    (robustBufferAccess2) */
  bool broadcasts; /* unrolled, and its compiler is at home with subgroupBroadcast */
  bool loops;      /* unrolled, and its compiler knows what is the same in all lanes across loops: shorter kernels do */
  bool plain;      /* VIT_KERNELS=plain: nothing but the kernels that run anywhere */
  uint32_t subgroup_size;
  struct matrix_shape matrix; /* m is 0: the device can't */
  uint32_t max_push;          /* bytes */
  uint32_t max_shared;        /* bytes of a workgroup */
  uint32_t max_invocations;   /* of a workgroup */
  uint32_t max_groups[3];
  uint32_t bindings; /* storage buffers of a kernel, as many as one here has: MIN_BINDINGS or MAX_BINDINGS */
  VkDeviceSize max_storage_range; /* bytes of one binding */
  double timestamp_ns;            /* nanoseconds a tick; 0: no timestamps */
};

#define INSTANCE_FUNCTIONS(X)                                                                                          \
  X (DestroyInstance)                                                                                                  \
  X (EnumeratePhysicalDevices)                                                                                         \
  X (GetPhysicalDeviceProperties2)                                                                                     \
  X (GetPhysicalDeviceProperties)                                                                                      \
  X (GetPhysicalDeviceFeatures2)                                                                                       \
  X (GetPhysicalDeviceMemoryProperties)                                                                                \
  X (GetPhysicalDeviceQueueFamilyProperties)                                                                           \
  X (EnumerateDeviceExtensionProperties)                                                                               \
  X (CreateDevice)                                                                                                     \
  X (GetDeviceProcAddr)

/* One Vulkan instance with its own table: two instances in a process never see each other's functions. */
struct instance {
  VkInstance handle;
  PFN_vkGetInstanceProcAddr get_proc_addr;
  VkDebugUtilsMessengerEXT messenger;
#define X(name) PFN_vk##name name;
  INSTANCE_FUNCTIONS (X)
#undef X
};
bool instance_init (struct instance *in, const struct vit_device_params *params, vit_error *err);
void instance_finish (struct instance *in); /* accepts a zeroed one */
/* These do what the functions of Vulkan do, one thread of the process at a time, which loaders need. */
PFN_vkVoidFunction instance_function (const struct instance *in, const char *name);
VkResult instance_enumerate (const struct instance *in, uint32_t *num, VkPhysicalDevice *devices);
/* Fills the table with the device's functions too. */
VkResult instance_open_device (const struct instance *in, VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
    VkDevice *device, struct VolkDeviceTable *table);
void instance_close_device (VkDevice device, const struct VolkDeviceTable *table);

const char *vk_result_text (VkResult r);
/* True for VK_SUCCESS; else fills err with the call's name and the result in words. */
bool vk_ok (vit_error *err, const char *call, VkResult r);
/* Calls a device function: an expression yielding bool. */
#define VK_TRY(dev, err, name, ...) vk_ok ((err), "vk" #name, (dev)->vk.vk##name (__VA_ARGS__))

#endif
