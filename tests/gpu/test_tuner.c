/* Timing kernels against each other: once, within bounds, remembered for this device and driver alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "check.h"
#include "gpu/memo_check.h"
#include "gpu/test_device.h"
#include "make_model.h"

/* The real driver, which says that it is a GPU's, of this version. */
static uint32_t driver_version;
static PFN_vkGetInstanceProcAddr real_get;
static PFN_vkGetPhysicalDeviceProperties _Atomic real_properties;
static PFN_vkGetPhysicalDeviceProperties2 _Atomic real_properties2;

static VKAPI_ATTR void VKAPI_CALL
properties (VkPhysicalDevice device, VkPhysicalDeviceProperties *out)
{
  real_properties (device, out);
  out->driverVersion += driver_version;
  out->deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

static VKAPI_ATTR void VKAPI_CALL
properties2 (VkPhysicalDevice device, VkPhysicalDeviceProperties2 *out)
{
  real_properties2 (device, out);
  out->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
}

static void *
get (void *instance, const char *name)
{
  PFN_vkVoidFunction f = real_get (instance, name);
  if (f && strcmp (name, "vkGetPhysicalDeviceProperties") == 0) {
    real_properties = (PFN_vkGetPhysicalDeviceProperties) f;
    return (void *) properties;
  }
  if (f && strcmp (name, "vkGetPhysicalDeviceProperties2") == 0) {
    real_properties2 = (PFN_vkGetPhysicalDeviceProperties2) f;
    return (void *) properties2;
  }
  return (void *) f;
}

static char *model_folder;

static void
hear (void *ctx, enum vit_phase phase, uint32_t done, uint32_t total)
{
  uint32_t *shapes = ctx;
  if (phase != VIT_PHASE_TUNE)
    return;
  REQUIRE (done <= total && total > 0);
  *shapes = total;
}

/* How many shapes were timed. */
static uint32_t
classify (const char *cache_dir, enum vit_tune tune, float logits[CLASSES])
{
  uint8_t pixels[32 * 32 * 3];
  vit_image image = { .format = VIT_FORMAT_RGB, .width = 32, .height = 32, .planes = { pixels }, .strides = { 96 } };
  struct vit_device_params params = test_device_params ();
  uint32_t shapes = 0;
  struct vit_session_params session_params = { .tune = tune, .progress = hear, .progress_ctx = &shapes };
  vit_error err = { 0 };
  vit_result result;
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) (i * 37);
  params.cache_dir = cache_dir;
  params.get_instance_proc_addr = get;
  vit_device *device = vit_device_create (&params, &err);
  if (!device && err.code == VIT_ERR_UNSUPPORTED)
    SKIP ("no device: %s", err.msg);
  REQUIRE_OK (device, err);
  vit_model *model = vit_model_load (device, model_folder, &(struct vit_model_params) { .precision = VIT_F32 }, &err);
  REQUIRE_OK (model, err);
  vit_session *session = vit_session_create (model, &session_params, &err);
  REQUIRE_OK (session, err);
  REQUIRE_OK (vit_session_submit (session, &image, 1, &err) == VIT_SUBMITTED, err);
  REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  memcpy (logits, result.logits, CLASSES * sizeof *logits);
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  vit_device_destroy (&device);
  return shapes;
}

int
main (void)
{
  void *loader = dlopen ("libvulkan.so.1", RTLD_NOW);
  float good[CLASSES], logits[CLASSES];
  const char *kernels = getenv ("VIT_KERNELS");
  if (!loader)
    SKIP ("no Vulkan loader");
  real_get = (PFN_vkGetInstanceProcAddr) dlsym (loader, "vkGetInstanceProcAddr");
  REQUIRE (real_get);
  char *folder = make_folder ();
  model_folder = make_folder ();
  make_model (model_folder, &(struct model_options) { .dim = 96, .heads = 3 }, 3);

  REQUIRE (classify (folder, VIT_TUNE_OFF, good) == 0);
  setenv ("VIT_TUNE_MS", "1", 1); /* too little for anything: nothing is remembered, and all goes on */
  uint32_t all = classify (folder, VIT_TUNE_AUTO, logits);
  memo_require_same (logits, good);
  if (all == 0 && kernels && strcmp (kernels, "plain") == 0)
    SKIP ("nothing to choose from");
  REQUIRE (all >= 4);
  setenv ("VIT_TUNE_MS", "60000", 1);
  REQUIRE (classify (folder, VIT_TUNE_AUTO, logits) == all);
  memo_require_same (logits, good);
  REQUIRE (classify (folder, VIT_TUNE_AUTO, logits) == 0);
  memo_require_same (logits, good);
  REQUIRE (classify (folder, VIT_TUNE_OFF, logits) == 0);
  REQUIRE (classify (folder, VIT_TUNE_FULL, logits) == all);
  memo_damage (folder);
  REQUIRE (classify (folder, VIT_TUNE_AUTO, logits) == all);
  driver_version = 1;
  REQUIRE (classify (folder, VIT_TUNE_AUTO, logits) == all);
  memo_require_same (logits, good);
  remove_folder (&folder);
  remove_folder (&model_folder);
  return check_status ();
}
