/* The device of the GPU tests: chosen by the environment, watched for warnings. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/test_device.h"

#include <stdatomic.h>

#include "check.h"

static atomic_int warnings;

static bool
validating (void)
{
  const char *text = getenv ("VIT_VALIDATE");
  return text && *text && strcmp (text, "0") != 0;
}

void
test_device_log (void *ctx, enum vit_log_level level, const char *msg)
{
  (void) ctx;
  if (level != VIT_LOG_WARNING)
    return;
  fprintf (stderr, "warning: %s\n", msg);
  warnings++;
}

struct vit_device_params
test_device_params (void)
{
  return (struct vit_device_params) {
    .select = getenv ("VIT_TEST_DEVICE"),
    .validate = validating (),
    .cache_dir = "",
    .log = test_device_log,
  };
}

vit_device *
test_device_open (void)
{
  vit_error err = { 0 };
  struct vit_device_params params = test_device_params ();
  vit_device *device = vit_device_create (&params, &err);
  if (!device && err.code == VIT_ERR_UNSUPPORTED)
    SKIP ("no device: %s", err.msg);
  REQUIRE_OK (device, err);
  return device;
}

int
test_device_warnings (void)
{
  return warnings;
}

void
test_device_require_silence (void)
{
  if (validating () && warnings)
    check_die (__FILE__, __LINE__, "%d warnings with validation on, expected none", warnings);
}

void
test_device_close (vit_device **device)
{
  vit_device_destroy (device);
  REQUIRE (!*device);
  test_device_require_silence ();
}
