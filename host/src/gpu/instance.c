/* A Vulkan instance, its function table, its devices, its validation messages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "gpu/vk.h"

/* Of all that asks the loader for functions or changes what it knows. It finds whose function is asked for in lists of
 * all instances, drivers and devices, and takes no lock for that: 1.4.309 crashed in vkGetDeviceProcAddr while another
 * thread's vkEnumeratePhysicalDevices unloaded a driver without devices. volk keeps entry points in globals too. */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

const char *
vk_result_text (VkResult r)
{
  static const struct {
    VkResult code;
    const char *text;
  } table[] = {
    { VK_ERROR_OUT_OF_HOST_MEMORY, "out of host memory" },
    { VK_ERROR_OUT_OF_DEVICE_MEMORY, "out of device memory" },
    { VK_ERROR_INITIALIZATION_FAILED, "initialization failed" },
    { VK_ERROR_DEVICE_LOST, "device lost" },
    { VK_ERROR_MEMORY_MAP_FAILED, "mapping memory failed" },
    { VK_ERROR_LAYER_NOT_PRESENT, "layer not present" },
    { VK_ERROR_EXTENSION_NOT_PRESENT, "extension not present" },
    { VK_ERROR_FEATURE_NOT_PRESENT, "feature not present" },
    { VK_ERROR_INCOMPATIBLE_DRIVER, "no compatible driver" },
    { VK_ERROR_TOO_MANY_OBJECTS, "too many objects" },
    { VK_ERROR_FRAGMENTED_POOL, "fragmented pool" },
    { VK_ERROR_OUT_OF_POOL_MEMORY, "out of pool memory" },
    { VK_TIMEOUT, "timeout" },
    { VK_INCOMPLETE, "incomplete" },
  };
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].code == r)
      return table[i].text;
  return "unknown error";
}

bool
vk_ok (vit_error *err, const char *call, VkResult r)
{
  if (r == VK_SUCCESS)
    return true;
  enum vit_code code = VIT_ERR_UNSUPPORTED;
  if (r == VK_ERROR_OUT_OF_HOST_MEMORY || r == VK_ERROR_OUT_OF_DEVICE_MEMORY || r == VK_ERROR_OUT_OF_POOL_MEMORY)
    code = VIT_ERR_MEMORY;
  else if (r == VK_ERROR_DEVICE_LOST)
    code = VIT_ERR_DEVICE_LOST;
  return fail (err, code, "%s failed: %s (%d)", call, vk_result_text (r), (int) r);
}

static VKAPI_ATTR VkBool32 VKAPI_CALL
on_message (VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
    const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
  const struct vit_device_params *log = user;
  (void) severity;
  (void) types;
  char text[1024];
  snprintf (text, sizeof text, "validation: %s", data->pMessage);
  if (log->log)
    log->log (log->log_ctx, VIT_LOG_WARNING, text);
  else
    fprintf (stderr, "vit: %s\n", text);
  return VK_FALSE;
}

static bool
find_loader (struct instance *in, const struct vit_device_params *params, vit_error *err)
{
  if (params->get_instance_proc_addr) {
    in->get_proc_addr = (PFN_vkGetInstanceProcAddr) params->get_instance_proc_addr;
    return true;
  }
  VkResult r = volkInitialize ();
  in->get_proc_addr = vkGetInstanceProcAddr;
  if (r == VK_SUCCESS)
    return true;
  return fail (err, VIT_ERR_UNSUPPORTED,
      "the Vulkan loader libvulkan.so.1 was not found: install libvulkan1 and a driver such as mesa-vulkan-drivers");
}

static bool
has_layer (const struct instance *in, const char *name)
{
  VkLayerProperties layers[64];
  uint32_t n = 64;
  PFN_vkEnumerateInstanceLayerProperties enumerate =
      (PFN_vkEnumerateInstanceLayerProperties) in->get_proc_addr (NULL, "vkEnumerateInstanceLayerProperties");
  if (!enumerate || enumerate (&n, layers) < 0)
    return false;
  for (uint32_t i = 0; i < n; i++)
    if (strcmp (layers[i].layerName, name) == 0)
      return true;
  return false;
}

/* Validation messages go to the log function of params, which must outlive the instance. */
static void
attach_messenger (struct instance *in, const struct vit_device_params *params)
{
  PFN_vkCreateDebugUtilsMessengerEXT create =
      (PFN_vkCreateDebugUtilsMessengerEXT) in->get_proc_addr (in->handle, "vkCreateDebugUtilsMessengerEXT");
  VkDebugUtilsMessengerCreateInfoEXT info = {
    .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
    .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
    .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
    .pfnUserCallback = on_message,
    .pUserData = (void *) params,
  };
  if (create && create (in->handle, &info, NULL, &in->messenger) != VK_SUCCESS)
    in->messenger = VK_NULL_HANDLE;
}

static bool
create_instance (struct instance *in, const struct vit_device_params *params, vit_error *err)
{
  PFN_vkCreateInstance create = (PFN_vkCreateInstance) in->get_proc_addr (NULL, "vkCreateInstance");
  if (!create)
    return fail (err, VIT_ERR_UNSUPPORTED, "the Vulkan loader has no vkCreateInstance: is it a Vulkan library?");
  const char *layer = "VK_LAYER_KHRONOS_validation", *debug = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  bool validate = params->validate;
  if (validate && !has_layer (in, layer))
    return fail (err, VIT_ERR_UNSUPPORTED,
        "validation was asked for but the layer %s is not installed: install vulkan-validationlayers", layer);
  VkValidationFeatureEnableEXT sync = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
  VkValidationFeaturesEXT features = {
    .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
    .enabledValidationFeatureCount = 1,
    .pEnabledValidationFeatures = &sync,
  };
  VkApplicationInfo app = {
    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
    .pApplicationName = "vit",
    .apiVersion = VK_API_VERSION_1_3,
  };
  VkInstanceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
    .pNext = validate ? &features : NULL,
    .pApplicationInfo = &app,
    .enabledLayerCount = validate,
    .ppEnabledLayerNames = &layer,
    .enabledExtensionCount = validate,
    .ppEnabledExtensionNames = &debug,
  };
  VkResult r = create (&info, NULL, &in->handle);
  if (r == VK_ERROR_INCOMPATIBLE_DRIVER)
    return fail (err, VIT_ERR_UNSUPPORTED,
        "no Vulkan driver is installed: install your GPU's driver, or mesa-vulkan-drivers for software Vulkan");
  if (r != VK_SUCCESS)
    in->handle = VK_NULL_HANDLE;
  return vk_ok (err, "vkCreateInstance", r);
}

/* With the lock held. */
static bool
open_instance (struct instance *in, const struct vit_device_params *params, vit_error *err)
{
  if (!find_loader (in, params, err) || !create_instance (in, params, err))
    return false;
#define X(name) in->name = (PFN_vk##name) in->get_proc_addr (in->handle, "vk" #name);
  INSTANCE_FUNCTIONS (X)
#undef X
#define X(name)                                                                                                        \
  if (!in->name)                                                                                                       \
    return fail (err, VIT_ERR_UNSUPPORTED, "the Vulkan loader is too old: it has no vk" #name " (Vulkan 1.1)");
  INSTANCE_FUNCTIONS (X)
#undef X
  if (params->validate)
    attach_messenger (in, params);
  return true;
}

bool
instance_init (struct instance *in, const struct vit_device_params *params, vit_error *err)
{
  pthread_mutex_lock (&loader_lock);
  bool ok = open_instance (in, params, err);
  pthread_mutex_unlock (&loader_lock);
  return ok;
}

void
instance_finish (struct instance *in)
{
  pthread_mutex_lock (&loader_lock);
  if (in->messenger) {
    PFN_vkDestroyDebugUtilsMessengerEXT destroy =
        (PFN_vkDestroyDebugUtilsMessengerEXT) in->get_proc_addr (in->handle, "vkDestroyDebugUtilsMessengerEXT");
    destroy (in->handle, in->messenger, NULL);
  }
  PFN_vkDestroyInstance destroy = in->DestroyInstance;
  if (in->handle && !destroy)
    destroy = (PFN_vkDestroyInstance) in->get_proc_addr (in->handle, "vkDestroyInstance");
  if (in->handle && destroy)
    destroy (in->handle, NULL);
  pthread_mutex_unlock (&loader_lock);
  memset (in, 0, sizeof *in);
}

PFN_vkVoidFunction
instance_function (const struct instance *in, const char *name)
{
  pthread_mutex_lock (&loader_lock);
  PFN_vkVoidFunction function = in->get_proc_addr (in->handle, name);
  pthread_mutex_unlock (&loader_lock);
  return function;
}

VkResult
instance_enumerate (const struct instance *in, uint32_t *num, VkPhysicalDevice *devices)
{
  pthread_mutex_lock (&loader_lock);
  VkResult r = in->EnumeratePhysicalDevices (in->handle, num, devices);
  pthread_mutex_unlock (&loader_lock);
  return r;
}

VkResult
instance_open_device (const struct instance *in, VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
    VkDevice *device, struct VolkDeviceTable *table)
{
  pthread_mutex_lock (&loader_lock);
  VkResult r = in->CreateDevice (physical, info, NULL, device);
  if (r == VK_SUCCESS) {
    PFN_vkGetDeviceProcAddr before = vkGetDeviceProcAddr;
    vkGetDeviceProcAddr = in->GetDeviceProcAddr;
    volkLoadDeviceTable (table, *device);
    vkGetDeviceProcAddr = before;
  }
  pthread_mutex_unlock (&loader_lock);
  return r;
}

void
instance_close_device (VkDevice device, const struct VolkDeviceTable *table)
{
  pthread_mutex_lock (&loader_lock);
  table->vkDestroyDevice (device, NULL);
  pthread_mutex_unlock (&loader_lock);
}
