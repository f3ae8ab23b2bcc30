/* The pipeline cache on disk: written whole, ignored when damaged, shared by writers; and a device without halves. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vulkan/vulkan.h>

#include "check.h"
#include "gpu/test_device.h"
#include "make_model.h"

static char *model_folder;

/* Opens a device with this cache, classifies one picture, and closes everything. */
static void
classify_once (const char *cache_dir)
{
  uint8_t pixels[8 * 8 * 3] = { 7 };
  vit_image image = { .format = VIT_FORMAT_RGB, .width = 8, .height = 8, .planes = { pixels }, .strides = { 24 } };
  struct vit_device_params params = test_device_params ();
  vit_error err = { 0 };
  vit_result result;
  params.cache_dir = cache_dir;
  vit_device *device = vit_device_create (&params, &err);
  if (!device && err.code == VIT_ERR_UNSUPPORTED)
    SKIP ("no device: %s", err.msg);
  REQUIRE_OK (device, err);
  vit_model *model = vit_model_load (device, model_folder, NULL, &err);
  REQUIRE_OK (model, err);
  vit_session *session = vit_session_create (model, NULL, &err);
  REQUIRE_OK (session, err);
  REQUIRE_OK (vit_session_submit (session, &image, 1, &err) == VIT_SUBMITTED, err);
  REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  REQUIRE (isfinite (result.logits[0]));
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  test_device_close (&device);
}

/* The one file of this kind in the folder, its path in path; and nothing else but the other kind. */
static void
only_file (const char *folder, const char *kind, char *path, size_t size)
{
  unsigned n = 0;
  DIR *dir = opendir (folder);
  REQUIRE (dir);
  for (const struct dirent *e = readdir (dir); e; e = readdir (dir))
    if (strncmp (e->d_name, kind, strlen (kind)) == 0) {
      REQUIRE_TEXT (e->d_name + strlen (e->d_name) - 4, ".bin");
      snprintf (path, size, "%s/%s", folder, e->d_name);
      n++;
    }
  closedir (dir);
  REQUIRE (n == 1);
}

static size_t
read_file (const char *path, uint8_t *out, size_t size)
{
  FILE *f = fopen (path, "rb");
  REQUIRE (f);
  size_t n = fread (out, 1, size, f);
  fclose (f);
  return n;
}

static void
write_file (const char *path, const uint8_t *data, size_t size)
{
  FILE *f = fopen (path, "wb");
  REQUIRE (f);
  REQUIRE (fwrite (data, 1, size, f) == size);
  REQUIRE (fclose (f) == 0);
}

/* Every kind of damage is an empty cache, and the next run writes a good one in its place. */
static void
test_damage (void)
{
  static uint8_t good[1 << 20], bad[1 << 20], found[1 << 20];
  char path[512], *folder = make_folder ();
  classify_once (folder);
  only_file (folder, "pipelines-", path, sizeof path);
  size_t n = read_file (path, good, sizeof good);
  REQUIRE (n > 24 && n < sizeof good);
  const struct {
    const char *what;
    size_t size;
    size_t flip; /* byte to change */
  } table[] = { { "empty", 0, 0 }, { "cut in the header", 10, 0 }, { "cut", n - 1, n }, { "too long", n + 3, n + 1 },
    { "another version", n, 7 }, { "a huge size", n, 14 }, { "a flipped bit", n, n - 3 } };
  for (size_t i = 0; i < COUNT_OF (table); i++) {
    memcpy (bad, good, n);
    bad[table[i].flip] ^= 0x40;
    write_file (path, bad, table[i].size);
    classify_once (folder);
    size_t m = read_file (path, found, sizeof found);
    if (m == table[i].size && memcmp (bad, found, m) == 0)
      check_failed ("%s: the damaged file was left as it was", table[i].what);
  }
  remove_folder (&folder);
}

/* Processes that write at once leave one whole file, and nothing half-written beside it. */
static void
test_writers (void)
{
  char path[512], *folder = make_folder ();
  pid_t children[4];
  for (size_t i = 0; i < COUNT_OF (children); i++) {
    children[i] = fork ();
    REQUIRE (children[i] >= 0);
    if (children[i] == 0) {
      for (int round = 0; round < 2; round++)
        classify_once (folder);
      _exit (0);
    }
  }
  for (size_t i = 0; i < COUNT_OF (children); i++) {
    int status;
    REQUIRE (waitpid (children[i], &status, 0) == children[i] && WIFEXITED (status) && WEXITSTATUS (status) == 0);
  }
  only_file (folder, "pipelines-", path, sizeof path);
  classify_once (folder);
  remove_folder (&folder);
}

/* A place that can't be written is no error. */
static void
test_no_place (void)
{
  classify_once ("/proc/no/such/place");
  classify_once ("");
}

/* A driver without 16-bit storage: the real one, less the feature. */
static PFN_vkGetInstanceProcAddr real_get;
static PFN_vkGetPhysicalDeviceFeatures2 real_features;

static VKAPI_ATTR void VKAPI_CALL
features_without_half (VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *out)
{
  real_features (device, out);
  for (VkBaseOutStructure *s = out->pNext; s; s = s->pNext)
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES)
      ((VkPhysicalDevice16BitStorageFeatures *) (void *) s)->storageBuffer16BitAccess = VK_FALSE;
}

static void *
get_without_half (void *instance, const char *name)
{
  PFN_vkVoidFunction f = real_get (instance, name);
  if (f && strcmp (name, "vkGetPhysicalDeviceFeatures2") == 0) {
    real_features = (PFN_vkGetPhysicalDeviceFeatures2) f;
    return (void *) features_without_half;
  }
  return (void *) f;
}

static char last_warning[600];

static void
keep_warning (void *ctx, enum vit_log_level level, const char *msg)
{
  (void) ctx;
  if (level == VIT_LOG_WARNING)
    snprintf (last_warning, sizeof last_warning, "%s", msg);
}

static void
test_precision_falls_back (void)
{
  void *loader = dlopen ("libvulkan.so.1", RTLD_NOW);
  REQUIRE (loader);
  real_get = (PFN_vkGetInstanceProcAddr) dlsym (loader, "vkGetInstanceProcAddr");
  REQUIRE (real_get);
  struct vit_device_params params = { .get_instance_proc_addr = get_without_half,
    .cache_dir = "",
    .log = keep_warning };
  vit_error err = { 0 };
  struct vit_model_info info;
  vit_device *device = vit_device_create (&params, &err);
  REQUIRE_OK (device, err);
  vit_model *model = vit_model_load (device, model_folder, &(struct vit_model_params) { .precision = VIT_F16 }, &err);
  REQUIRE_OK (model, err);
  vit_model_get_info (model, &info);
  REQUIRE (info.precision == VIT_F32);
  REQUIRE_TEXT (last_warning, "storageBuffer16BitAccess");
  vit_model_destroy (&model);
  vit_device_destroy (&device);
}

int
main (void)
{
  model_folder = make_folder ();
  make_model (model_folder, &(struct model_options) { 0 }, 1);
  test_damage ();
  test_writers ();
  test_no_place ();
  test_precision_falls_back ();
  remove_folder (&model_folder);
  return check_status ();
}
