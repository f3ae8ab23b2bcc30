/* Devices that several threads open and close at once, as elements of one pipeline do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>

#include "check.h"
#include "gpu/test_device.h"

enum { THREADS = 4, TIMES = 25 };

static void *
open_and_close (void *ctx)
{
  unsigned *opened = ctx;
  for (int i = 0; i < TIMES; i++) {
    struct vit_device_params params = { .cache_dir = "" };
    vit_error err = { 0 };
    vit_device *device = vit_device_create (&params, &err);
    if (!device) {
      check_failed ("device %d: %s", i, err.msg);
      break;
    }
    vit_device_destroy (&device);
    ++*opened;
  }
  return NULL;
}

int
main (void)
{
  vit_device *first = test_device_open ();
  pthread_t threads[THREADS];
  unsigned opened[THREADS] = { 0 };
  for (int i = 0; i < THREADS; i++)
    REQUIRE (pthread_create (&threads[i], NULL, open_and_close, &opened[i]) == 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join (threads[i], NULL);
    REQUIRE (opened[i] == TIMES);
  }
  test_device_close (&first);
  return check_status ();
}
