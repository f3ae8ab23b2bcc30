/* What was found out about a device and driver by trying and timing kernels: kept on disk beside the pipelines. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_MEMO_H
#define VIT_GPU_MEMO_H

#include "gpu/device.h"

enum { MEMO_TEXT = 96 }; /* longest key and value, with the 0 */

struct memo;

/* Reads the file, if it is of this device, driver, driver version, subgroup size and of these very kernels; else the
 * memo is empty. cache_dir: as vit_device_params.cache_dir. NULL: no memory. */
struct memo *memo_create (const vit_device *dev, const char *cache_dir, vit_error *err);
void memo_destroy (struct memo **memo);

/* These are safe from any thread. Keys and values are one line each, without '='. */
bool memo_get (const vit_device *dev, const char *key, char value[MEMO_TEXT]);
bool memo_set (const vit_device *dev, const char *key, const char *value, vit_error *err);
/* Writes the file if there is news, what other processes found out meanwhile included; that it can't be is no error. */
void memo_save (const vit_device *dev);

#endif
