/* Files in the cache folder: checked when read, replaced whole when written. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_CACHEFILE_H
#define VIT_GPU_CACHEFILE_H

#include "vit/vit.h"

/* Path of this device's file of some kind ("pipelines"), to be freed; the folder is made. dir: as
 * vit_device_params.cache_dir. NULL: no cache, by wish or because there is no place for one. */
char *cachefile_path (const char *dir, const char *kind, const struct vit_device_info *device);
uint64_t cachefile_hash (const void *data, size_t size);            /* FNV-1a */
uint64_t cachefile_hash_words (const uint32_t *words, size_t size); /* of whole words, faster; size: bytes */
/* The data, to be freed, and its size; NULL where the file is missing, cut, corrupt or of another version. */
void *cachefile_read (const char *path, size_t *size);
/* Writes beside and renames, so that a reader or a second writer never sees half a file. */
bool cachefile_write (const char *path, const void *data, size_t size);

#endif
