/* Kernels are tried before they are used: a wrong one and a slow one are given up, and both verdicts remembered. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "check.h"
#include "gpu/cachefile.h"
#include "gpu/pipelines.h"
#include "gpu/memo_check.h"
#include "gpu/test_device.h"
#include "make_model.h"

enum { MAX_MODULES = 8 };

/* A driver that compiles one kernel, the unrolled LayerNorm, into something else, or not before it is told to. */
static struct {
  bool wrong, slow;
  uint32_t driver_version; /* added to the real one */
  pthread_mutex_t lock;
  pthread_cond_t released;
  atomic_uint compiled; /* pipelines of that kernel */
} driver = { .lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER };

static PFN_vkGetInstanceProcAddr real_get;
static PFN_vkGetDeviceProcAddr _Atomic real_get_device;
static PFN_vkGetPhysicalDeviceProperties _Atomic real_properties;
static PFN_vkCreateShaderModule _Atomic real_create_module;
static PFN_vkCreateComputePipelines _Atomic real_create_pipelines;
static _Atomic (VkShaderModule) modules[MAX_MODULES]; /* of that kernel, some of them gone */
static atomic_uint num_modules;

static VKAPI_ATTR void VKAPI_CALL
properties (VkPhysicalDevice device, VkPhysicalDeviceProperties *out)
{
  real_properties (device, out);
  out->driverVersion += driver.driver_version;
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_module (VkDevice device, const VkShaderModuleCreateInfo *info, const VkAllocationCallbacks *allocator,
    VkShaderModule *out)
{
  VkResult r = real_create_module (device, info, allocator, out);
  uint64_t hash = cachefile_hash_words (info->pCode, info->codeSize);
  if (r == VK_SUCCESS)
    for (int i = 0; i < MAX_MODULES; i++)
      if (modules[i] == *out)
        modules[i] = VK_NULL_HANDLE; /* the handle of one that is gone */
  if (r == VK_SUCCESS
      && (hash == shader_hash (SHADER_cpu_layernorm_4) || hash == shader_hash (SHADER_cpu_layernorm_8)
          || hash == shader_hash (SHADER_cpu_layernorm_16)))
    modules[num_modules++ % MAX_MODULES] = *out;
  return r;
}

static bool
is_ours (VkShaderModule module)
{
  for (int i = 0; i < MAX_MODULES; i++)
    if (modules[i] == module)
      return true;
  return false;
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_pipelines (VkDevice device, VkPipelineCache cache, uint32_t n, const VkComputePipelineCreateInfo *infos,
    const VkAllocationCallbacks *allocator, VkPipeline *out)
{
  uint32_t values[16];
  if (n != 1 || !is_ours (infos->stage.module))
    return real_create_pipelines (device, cache, n, infos, allocator, out);
  driver.compiled++;
  pthread_mutex_lock (&driver.lock);
  while (driver.slow)
    pthread_cond_wait (&driver.released, &driver.lock);
  pthread_mutex_unlock (&driver.lock);
  VkSpecializationInfo special = *infos->stage.pSpecializationInfo;
  VkComputePipelineCreateInfo info = *infos;
  memcpy (values, special.pData, special.dataSize);
  special.pData = values;
  info.stage.pSpecializationInfo = &special;
  if (driver.wrong)
    values[0] -= 2; /* the row's last two values are left out */
  return real_create_pipelines (device, cache, 1, &info, allocator, out);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
get_device (VkDevice device, const char *name)
{
  PFN_vkVoidFunction f = real_get_device (device, name);
  if (strcmp (name, "vkCreateShaderModule") == 0) {
    real_create_module = (PFN_vkCreateShaderModule) f;
    return (PFN_vkVoidFunction) create_module;
  }
  if (strcmp (name, "vkCreateComputePipelines") == 0) {
    real_create_pipelines = (PFN_vkCreateComputePipelines) f;
    return (PFN_vkVoidFunction) create_pipelines;
  }
  return f;
}

static void *
get (void *instance, const char *name)
{
  PFN_vkVoidFunction f = real_get (instance, name);
  if (f && strcmp (name, "vkGetDeviceProcAddr") == 0) {
    real_get_device = (PFN_vkGetDeviceProcAddr) f;
    return (void *) get_device;
  }
  if (f && strcmp (name, "vkGetPhysicalDeviceProperties") == 0) {
    real_properties = (PFN_vkGetPhysicalDeviceProperties) f;
    return (void *) properties;
  }
  return (void *) f;
}

static char *model_folder;
static atomic_uint wrong_warnings, slow_warnings;

static void
hear (void *ctx, enum vit_log_level level, const char *msg)
{
  (void) ctx;
  if (level != VIT_LOG_WARNING)
    return;
  wrong_warnings += strstr (msg, "cpu_layernorm") && strstr (msg, "wrong");
  slow_warnings += strstr (msg, "cpu_layernorm") && strstr (msg, "too long");
}

/* Opens everything, classifies a picture and closes. Counts begin anew. */
static void
classify (const char *cache_dir, float logits[CLASSES])
{
  uint8_t pixels[32 * 32 * 3];
  vit_image image = { .format = VIT_FORMAT_RGB, .width = 32, .height = 32, .planes = { pixels }, .strides = { 96 } };
  struct vit_device_params params = test_device_params ();
  vit_error err = { 0 };
  vit_result result;
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) (i * 37);
  driver.compiled = wrong_warnings = slow_warnings = 0;
  params.cache_dir = cache_dir;
  params.get_instance_proc_addr = get;
  params.log = hear;
  vit_device *device = vit_device_create (&params, &err);
  if (!device && err.code == VIT_ERR_UNSUPPORTED)
    SKIP ("no device: %s", err.msg);
  REQUIRE_OK (device, err);
  vit_model *model = vit_model_load (device, model_folder, &(struct vit_model_params) { .precision = VIT_F32 }, &err);
  REQUIRE_OK (model, err);
  vit_session *session = vit_session_create (model, NULL, &err);
  REQUIRE_OK (session, err);
  REQUIRE_OK (vit_session_submit (session, &image, 1, &err) == VIT_SUBMITTED, err);
  REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  memcpy (logits, result.logits, CLASSES * sizeof *logits);
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  pthread_mutex_lock (&driver.lock); /* a thread left behind is joined with the device */
  driver.slow = false;
  pthread_cond_broadcast (&driver.released);
  pthread_mutex_unlock (&driver.lock);
  vit_device_destroy (&device);
}

/* Trials on the driver as it is. */
static void
test_right (float good[CLASSES])
{
  float logits[CLASSES];
  char *folder = make_folder ();
  classify (folder, good);
  if (driver.compiled == 0)
    SKIP ("this device has no unrolled kernels");
  REQUIRE (wrong_warnings == 0 && slow_warnings == 0);
  unsigned tried = driver.compiled;
  classify (folder, logits);
  memo_require_same (logits, good);
  REQUIRE (driver.compiled > 0 && driver.compiled < tried); /* made, but not tried once more */
  memo_damage (folder);
  classify (folder, logits);
  REQUIRE (driver.compiled == tried);
  remove_folder (&folder);
}

static void
test_wrong (const float good[CLASSES])
{
  float logits[CLASSES];
  char *folder = make_folder ();
  driver.wrong = true;
  classify (folder, logits);
  memo_require_same (logits, good);
  REQUIRE (wrong_warnings == 1 && driver.compiled == 1);
  classify (folder, logits); /* remembered: neither tried nor used nor told again */
  memo_require_same (logits, good);
  REQUIRE (wrong_warnings == 0 && driver.compiled == 0);
  driver.driver_version = 1; /* another driver may be right */
  classify (folder, logits);
  memo_require_same (logits, good);
  REQUIRE (wrong_warnings == 1);
  driver.driver_version = 2;
  driver.wrong = false;
  classify (folder, logits);
  memo_require_same (logits, good);
  REQUIRE (wrong_warnings == 0 && driver.compiled > 0);
  driver.driver_version = 0;
  remove_folder (&folder);
}

static void
test_slow (const float good[CLASSES])
{
  float logits[CLASSES];
  char *folder = make_folder ();
  setenv ("VIT_COMPILE_LIMIT_MS", "100", 1);
  driver.slow = true;
  classify (folder, logits);
  memo_require_same (logits, good);
  REQUIRE (slow_warnings == 1);
  unsetenv ("VIT_COMPILE_LIMIT_MS");
  driver.slow = true;
  classify (folder, logits); /* would wait for long if it tried once more */
  memo_require_same (logits, good);
  REQUIRE (slow_warnings == 0 && driver.compiled == 0);
  driver.slow = false;
  remove_folder (&folder);
}

int
main (void)
{
  void *loader = dlopen ("libvulkan.so.1", RTLD_NOW);
  float good[CLASSES];
  if (!loader)
    SKIP ("no Vulkan loader");
  real_get = (PFN_vkGetInstanceProcAddr) dlsym (loader, "vkGetInstanceProcAddr");
  REQUIRE (real_get);
  model_folder = make_folder ();
  make_model (model_folder, &(struct model_options) { .dim = 96, .heads = 3 }, 3);
  test_right (good);
  test_wrong (good);
  test_slow (good);
  remove_folder (&model_folder);
  return check_status ();
}
