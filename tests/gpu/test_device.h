/* Opens the device that the GPU tests run on, or skips. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GPU_TEST_DEVICE_H
#define VIT_TESTS_GPU_TEST_DEVICE_H

#include "vit/vit.h"

/*
 * Environment: VIT_TEST_DEVICE chooses as vit_device_params.select does; VIT_VALIDATE=1 turns the validation
 * layer on, and then any warning is a failure of the test. No pipeline cache on disk.
 */
struct vit_device_params test_device_params (void);
vit_device *test_device_open (void); /* ends with 77 where there is no device, with 1 on any other failure */
void test_device_close (vit_device **device);
int test_device_warnings (void); /* how many there were */
/* With validation ends the test when a warning came; test_device_close calls it. */
void test_device_require_silence (void);
/* The log function of test_device_params, for tests that fill in their own. */
void test_device_log (void *ctx, enum vit_log_level level, const char *msg);

#endif
