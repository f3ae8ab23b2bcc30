/* Wraps the Vulkan commands that a compute library calls, to count them and to make one fail. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define VK_NO_PROTOTYPES
#include "gpu/fault_vulkan.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <vulkan/vulkan.h>

#include "check.h"

/* clang-format off */
/* What must balance at the end of a run. Sets and command buffers go with their pools. */
#define OBJECTS(X)                                                                                                   \
  X (Instance) X (Device) X (DeviceMemory) X (Buffer) X (BufferView) X (ShaderModule) X (Pipeline)                   \
  X (PipelineCache) X (PipelineLayout) X (DescriptorSetLayout) X (DescriptorPool) X (CommandPool) X (Fence)          \
  X (Semaphore) X (QueryPool) X (DebugUtilsMessengerEXT)

enum object {
#define X(name) OBJECT_##name,
  OBJECTS (X)
#undef X
  NUM_OBJECTS
};
/* clang-format on */
static const char *const object_names[] = {
#define X(name) #name,
  OBJECTS (X)
#undef X
};

enum { MAX_CALLS = 1 << 16 };

static PFN_vkGetInstanceProcAddr real_gipa;
/* The library calls from threads of its own too. */
static _Atomic int64_t balance[NUM_OBJECTS], calls;
static int64_t fail_at = -1;
static enum fault_code fail_code;
static const char *_Atomic fired;
static const char *only; /* calls of this name alone are counted */
static atomic_bool lost, may_be_lost[MAX_CALLS];

/* VK_SUCCESS: make the call. `waits`: a submit or a wait. */
static VkResult
fault (const char *name, bool waits)
{
  if (only && strcmp (name, only) != 0)
    return VK_SUCCESS;
  int64_t n = calls++;
  if (n < MAX_CALLS)
    may_be_lost[n] = waits;
  if (lost && waits)
    return VK_ERROR_DEVICE_LOST;
  if (n != fail_at)
    return VK_SUCCESS;
  fired = name;
  if (fail_code == FAULT_DEVICE_LOST)
    lost = true;
  return fail_code == FAULT_HOST_MEMORY  ? VK_ERROR_OUT_OF_HOST_MEMORY
      : fail_code == FAULT_DEVICE_MEMORY ? VK_ERROR_OUT_OF_DEVICE_MEMORY
                                         : VK_ERROR_DEVICE_LOST;
}

/* A command that may fail. */
#define PLAIN(name, waits, parameters, arguments)                                                                      \
  static PFN_vk##name real_##name;                                                                                     \
  static VKAPI_ATTR VkResult VKAPI_CALL wrap_##name parameters                                                         \
  {                                                                                                                    \
    VkResult r = fault (#name, waits);                                                                                 \
    return r != VK_SUCCESS ? r : real_##name arguments;                                                                \
  }
/* ... and makes an object. */
#define CREATE(name, object, parameters, arguments)                                                                    \
  static PFN_vk##name real_##name;                                                                                     \
  static VKAPI_ATTR VkResult VKAPI_CALL wrap_##name parameters                                                         \
  {                                                                                                                    \
    VkResult r = fault (#name, false);                                                                                 \
    if (r == VK_SUCCESS)                                                                                               \
      r = real_##name arguments;                                                                                       \
    balance[OBJECT_##object] += r == VK_SUCCESS;                                                                       \
    return r;                                                                                                          \
  }
/* The same for a child of a device. */
#define CREATE_CHILD(name, object)                                                                                     \
  CREATE (name, object,                                                                                                \
      (VkDevice device, const Vk##name##Info *info, const VkAllocationCallbacks *allocator, Vk##object *out),          \
      (device, info, allocator, out))
#define DESTROY_CHILD(name, object)                                                                                    \
  static PFN_vk##name real_##name;                                                                                     \
  static VKAPI_ATTR void VKAPI_CALL wrap_##name (VkDevice device, Vk##object handle,                                   \
      const VkAllocationCallbacks *allocator)                                                                          \
  {                                                                                                                    \
    balance[OBJECT_##object] -= handle != VK_NULL_HANDLE;                                                              \
    real_##name (device, handle, allocator);                                                                           \
  }

typedef VkBufferViewCreateInfo VkCreateBufferViewInfo;
typedef VkBufferCreateInfo VkCreateBufferInfo;
typedef VkShaderModuleCreateInfo VkCreateShaderModuleInfo;
typedef VkPipelineCacheCreateInfo VkCreatePipelineCacheInfo;
typedef VkPipelineLayoutCreateInfo VkCreatePipelineLayoutInfo;
typedef VkDescriptorSetLayoutCreateInfo VkCreateDescriptorSetLayoutInfo;
typedef VkDescriptorPoolCreateInfo VkCreateDescriptorPoolInfo;
typedef VkCommandPoolCreateInfo VkCreateCommandPoolInfo;
typedef VkFenceCreateInfo VkCreateFenceInfo;
typedef VkSemaphoreCreateInfo VkCreateSemaphoreInfo;
typedef VkQueryPoolCreateInfo VkCreateQueryPoolInfo;
typedef VkMemoryAllocateInfo VkAllocateMemoryInfo;

CREATE (CreateInstance, Instance,
    (const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out), (info, allocator, out))
CREATE (CreateDevice, Device,
    (VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *out),
    (physical, info, allocator, out))
CREATE (CreateDebugUtilsMessengerEXT, DebugUtilsMessengerEXT,
    (VkInstance instance, const VkDebugUtilsMessengerCreateInfoEXT *info, const VkAllocationCallbacks *allocator,
        VkDebugUtilsMessengerEXT *out),
    (instance, info, allocator, out))
CREATE_CHILD (AllocateMemory, DeviceMemory)
CREATE_CHILD (CreateBuffer, Buffer)
CREATE_CHILD (CreateBufferView, BufferView)
CREATE_CHILD (CreateShaderModule, ShaderModule)
CREATE_CHILD (CreatePipelineCache, PipelineCache)
CREATE_CHILD (CreatePipelineLayout, PipelineLayout)
CREATE_CHILD (CreateDescriptorSetLayout, DescriptorSetLayout)
CREATE_CHILD (CreateDescriptorPool, DescriptorPool)
CREATE_CHILD (CreateCommandPool, CommandPool)
CREATE_CHILD (CreateFence, Fence)
CREATE_CHILD (CreateSemaphore, Semaphore)
CREATE_CHILD (CreateQueryPool, QueryPool)
DESTROY_CHILD (FreeMemory, DeviceMemory)
DESTROY_CHILD (DestroyBuffer, Buffer)
DESTROY_CHILD (DestroyBufferView, BufferView)
DESTROY_CHILD (DestroyShaderModule, ShaderModule)
DESTROY_CHILD (DestroyPipeline, Pipeline)
DESTROY_CHILD (DestroyPipelineCache, PipelineCache)
DESTROY_CHILD (DestroyPipelineLayout, PipelineLayout)
DESTROY_CHILD (DestroyDescriptorSetLayout, DescriptorSetLayout)
DESTROY_CHILD (DestroyDescriptorPool, DescriptorPool)
DESTROY_CHILD (DestroyCommandPool, CommandPool)
DESTROY_CHILD (DestroyFence, Fence)
DESTROY_CHILD (DestroySemaphore, Semaphore)
DESTROY_CHILD (DestroyQueryPool, QueryPool)

PLAIN (EnumerateInstanceLayerProperties, false, (uint32_t * n, VkLayerProperties *out), (n, out))
PLAIN (EnumerateInstanceExtensionProperties, false, (const char *layer, uint32_t *n, VkExtensionProperties *out),
    (layer, n, out))
PLAIN (EnumerateInstanceVersion, false, (uint32_t * out), (out))
PLAIN (EnumeratePhysicalDevices, false, (VkInstance instance, uint32_t *n, VkPhysicalDevice *out), (instance, n, out))
PLAIN (EnumerateDeviceExtensionProperties, false,
    (VkPhysicalDevice physical, const char *layer, uint32_t *n, VkExtensionProperties *out), (physical, layer, n, out))
PLAIN (MapMemory, false,
    (VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size, VkMemoryMapFlags flags,
        void **out),
    (device, memory, offset, size, flags, out))
PLAIN (BindBufferMemory, false, (VkDevice device, VkBuffer buffer, VkDeviceMemory memory, VkDeviceSize offset),
    (device, buffer, memory, offset))
PLAIN (FlushMappedMemoryRanges, false, (VkDevice device, uint32_t n, const VkMappedMemoryRange *ranges),
    (device, n, ranges))
PLAIN (InvalidateMappedMemoryRanges, false, (VkDevice device, uint32_t n, const VkMappedMemoryRange *ranges),
    (device, n, ranges))
PLAIN (GetPipelineCacheData, false, (VkDevice device, VkPipelineCache cache, size_t *size, void *data),
    (device, cache, size, data))
PLAIN (AllocateDescriptorSets, false, (VkDevice device, const VkDescriptorSetAllocateInfo *info, VkDescriptorSet *out),
    (device, info, out))
PLAIN (ResetDescriptorPool, false, (VkDevice device, VkDescriptorPool pool, VkDescriptorPoolResetFlags flags),
    (device, pool, flags))
PLAIN (AllocateCommandBuffers, false, (VkDevice device, const VkCommandBufferAllocateInfo *info, VkCommandBuffer *out),
    (device, info, out))
PLAIN (BeginCommandBuffer, false, (VkCommandBuffer commands, const VkCommandBufferBeginInfo *info), (commands, info))
PLAIN (EndCommandBuffer, false, (VkCommandBuffer commands), (commands))
PLAIN (ResetCommandBuffer, false, (VkCommandBuffer commands, VkCommandBufferResetFlags flags), (commands, flags))
PLAIN (ResetCommandPool, false, (VkDevice device, VkCommandPool pool, VkCommandPoolResetFlags flags),
    (device, pool, flags))
PLAIN (ResetFences, false, (VkDevice device, uint32_t n, const VkFence *fences), (device, n, fences))
PLAIN (QueueSubmit, true, (VkQueue queue, uint32_t n, const VkSubmitInfo *infos, VkFence fence),
    (queue, n, infos, fence))
PLAIN (QueueSubmit2, true, (VkQueue queue, uint32_t n, const VkSubmitInfo2 *infos, VkFence fence),
    (queue, n, infos, fence))
PLAIN (DeviceWaitIdle, true, (VkDevice device), (device))
PLAIN (GetFenceStatus, true, (VkDevice device, VkFence fence), (device, fence))
PLAIN (GetSemaphoreCounterValue, true, (VkDevice device, VkSemaphore semaphore, uint64_t *out),
    (device, semaphore, out))
PLAIN (GetQueryPoolResults, true,
    (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n, size_t size, void *data, VkDeviceSize stride,
        VkQueryResultFlags flags),
    (device, pool, first, n, size, data, stride, flags))

/* A lost device is done with its work; so a wait that is to report it waits first. */
static PFN_vkWaitForFences real_WaitForFences;
static VKAPI_ATTR VkResult VKAPI_CALL
wrap_WaitForFences (VkDevice device, uint32_t n, const VkFence *fences, VkBool32 all, uint64_t timeout)
{
  VkResult r = fault ("WaitForFences", true);
  if (r == VK_ERROR_DEVICE_LOST)
    real_WaitForFences (device, n, fences, VK_TRUE, 10000000000u);
  return r != VK_SUCCESS ? r : real_WaitForFences (device, n, fences, all, timeout);
}

static PFN_vkQueueWaitIdle real_QueueWaitIdle;
static VKAPI_ATTR VkResult VKAPI_CALL
wrap_QueueWaitIdle (VkQueue queue)
{
  VkResult r = fault ("QueueWaitIdle", true), real = real_QueueWaitIdle (queue);
  return r != VK_SUCCESS ? r : real;
}

static PFN_vkWaitSemaphores real_WaitSemaphores;
static VKAPI_ATTR VkResult VKAPI_CALL
wrap_WaitSemaphores (VkDevice device, const VkSemaphoreWaitInfo *info, uint64_t timeout)
{
  VkResult r = fault ("WaitSemaphores", true);
  if (r == VK_ERROR_DEVICE_LOST)
    real_WaitSemaphores (device, info, 10000000000u);
  return r != VK_SUCCESS ? r : real_WaitSemaphores (device, info, timeout);
}

static PFN_vkCreateComputePipelines real_CreateComputePipelines;
static VKAPI_ATTR VkResult VKAPI_CALL
wrap_CreateComputePipelines (VkDevice device, VkPipelineCache cache, uint32_t n,
    const VkComputePipelineCreateInfo *infos, const VkAllocationCallbacks *allocator, VkPipeline *out)
{
  VkResult r = fault ("CreateComputePipelines", false);
  for (uint32_t i = 0; r != VK_SUCCESS && i < n; i++)
    out[i] = VK_NULL_HANDLE;
  if (r == VK_SUCCESS)
    r = real_CreateComputePipelines (device, cache, n, infos, allocator, out);
  for (uint32_t i = 0; i < n; i++)
    balance[OBJECT_Pipeline] += out[i] != VK_NULL_HANDLE;
  return r;
}

static PFN_vkDestroyInstance real_DestroyInstance;
static VKAPI_ATTR void VKAPI_CALL
wrap_DestroyInstance (VkInstance instance, const VkAllocationCallbacks *allocator)
{
  balance[OBJECT_Instance] -= instance != VK_NULL_HANDLE;
  real_DestroyInstance (instance, allocator);
}

static PFN_vkDestroyDevice real_DestroyDevice;
static VKAPI_ATTR void VKAPI_CALL
wrap_DestroyDevice (VkDevice device, const VkAllocationCallbacks *allocator)
{
  balance[OBJECT_Device] -= device != VK_NULL_HANDLE;
  real_DestroyDevice (device, allocator);
}

static PFN_vkDestroyDebugUtilsMessengerEXT real_DestroyDebugUtilsMessengerEXT;
static VKAPI_ATTR void VKAPI_CALL
wrap_DestroyDebugUtilsMessengerEXT (VkInstance instance, VkDebugUtilsMessengerEXT messenger,
    const VkAllocationCallbacks *allocator)
{
  balance[OBJECT_DebugUtilsMessengerEXT] -= messenger != VK_NULL_HANDLE;
  real_DestroyDebugUtilsMessengerEXT (instance, messenger, allocator);
}

static PFN_vkGetDeviceProcAddr real_GetDeviceProcAddr;
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL wrap_GetDeviceProcAddr (VkDevice device, const char *name);

/* clang-format off */
#define WRAPPED(X)                                                                                                   \
  X (CreateInstance) X (CreateDevice) X (CreateDebugUtilsMessengerEXT) X (AllocateMemory) X (CreateBuffer)           \
  X (CreateBufferView) X (CreateShaderModule) X (CreatePipelineCache) X (CreatePipelineLayout)                       \
  X (CreateDescriptorSetLayout) X (CreateDescriptorPool) X (CreateCommandPool) X (CreateFence) X (CreateSemaphore)   \
  X (CreateQueryPool) X (FreeMemory) X (DestroyBuffer) X (DestroyBufferView) X (DestroyShaderModule)                 \
  X (DestroyPipeline) X (DestroyPipelineCache) X (DestroyPipelineLayout) X (DestroyDescriptorSetLayout)              \
  X (DestroyDescriptorPool) X (DestroyCommandPool) X (DestroyFence) X (DestroySemaphore) X (DestroyQueryPool)        \
  X (EnumerateInstanceLayerProperties) X (EnumerateInstanceExtensionProperties) X (EnumerateInstanceVersion)         \
  X (EnumeratePhysicalDevices) X (EnumerateDeviceExtensionProperties) X (MapMemory) X (BindBufferMemory)             \
  X (FlushMappedMemoryRanges) X (InvalidateMappedMemoryRanges) X (GetPipelineCacheData) X (AllocateDescriptorSets)   \
  X (ResetDescriptorPool) X (AllocateCommandBuffers) X (BeginCommandBuffer) X (EndCommandBuffer)                     \
  X (ResetCommandBuffer) X (ResetCommandPool) X (ResetFences) X (QueueSubmit) X (QueueSubmit2) X (QueueWaitIdle)     \
  X (DeviceWaitIdle) X (GetFenceStatus) X (WaitForFences) X (WaitSemaphores) X (GetSemaphoreCounterValue)            \
  X (GetQueryPoolResults) X (CreateComputePipelines) X (DestroyInstance) X (DestroyDevice)                           \
  X (DestroyDebugUtilsMessengerEXT) X (GetDeviceProcAddr)
/* clang-format on */

/* Commands that can't fail, as they are. What is in neither list is not there: a call that this test doesn't know
 * must not go untested, so it crashes here at once; add its line above. */
static const char *const infallible[] = {
  "GetPhysicalDevice",
  "GetDeviceQueue",
  "GetBufferMemoryRequirements",
  "GetBufferDeviceAddress",
  "Cmd",
  "UpdateDescriptorSets",
  "UnmapMemory",
  "FreeCommandBuffers",
  "GetDeviceMemory",
};

static PFN_vkVoidFunction
wrap (const char *name, PFN_vkVoidFunction real)
{
  if (!real || strncmp (name, "vk", 2) != 0)
    return NULL;
#define X(n)                                                                                                           \
  if (strcmp (name + 2, #n) == 0) {                                                                                    \
    real_##n = (PFN_vk##n) real;                                                                                       \
    return (PFN_vkVoidFunction) wrap_##n;                                                                              \
  }
  WRAPPED (X)
#undef X
  for (size_t i = 0; i < COUNT_OF (infallible); i++)
    if (strncmp (name + 2, infallible[i], strlen (infallible[i])) == 0)
      return real;
  return NULL;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
wrap_GetDeviceProcAddr (VkDevice device, const char *name)
{
  return wrap (name, real_GetDeviceProcAddr (device, name));
}

void *
fault_get_instance_proc_addr (void *instance, const char *name)
{
  PFN_vkVoidFunction f = wrap (name, real_gipa (instance, name));
  void *out;
  memcpy (&out, &f, sizeof out); /* C has no cast from a function to void * */
  return out;
}

bool
fault_open (void)
{
  void *library = dlopen ("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  void *symbol = library ? dlsym (library, "vkGetInstanceProcAddr") : NULL;
  memcpy (&real_gipa, &symbol, sizeof symbol);
  return real_gipa != NULL;
}

void
fault_arm (int64_t n, enum fault_code code)
{
  fail_at = n;
  fail_code = code;
  calls = 0;
  fired = only = NULL;
  lost = false;
  for (int i = 0; i < NUM_OBJECTS; i++)
    balance[i] = 0;
}

void
fault_arm_name (const char *name, int64_t n, enum fault_code code)
{
  fault_arm (n, code);
  only = name;
}

const char *
fault_fired (void)
{
  return fired;
}

int64_t
fault_calls (void)
{
  return calls;
}

bool
fault_may_be_lost (int64_t n)
{
  return n < MAX_CALLS && may_be_lost[n];
}

const char *
fault_unbalanced (int64_t *surplus)
{
  for (int i = 0; i < NUM_OBJECTS; i++)
    if (balance[i] != 0) {
      *surplus = balance[i];
      return object_names[i];
    }
  return NULL;
}
