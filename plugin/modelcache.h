/* Shares devices and models between all elements of the process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_MODELCACHE_H
#define PLUGIN_MODELCACHE_H

#include <glib.h>
#include <vit/vit.h>

/*
 * One vit_device for each way of selecting it, and one vit_model for each (device, path, precision), however many
 * elements use them. Counted: the last one out frees it. Every function may be called from any thread; a thread that
 * asks for what another is just loading waits for it.
 */
typedef struct CacheEntry CacheEntry;

/* The share of a device; select and cache_dir may be NULL (the engine's defaults). NULL with err on failure. */
CacheEntry *modelcache_acquire_device (const gchar * select, const gchar * cache_dir, vit_error * err);

/* The share of a model loaded onto a device; holds the device's share too. The progress function of params is called
 * if this call does the loading. NULL with err on failure. */
CacheEntry *modelcache_acquire_model (CacheEntry * device, const gchar * path, const struct vit_model_params *params,
    vit_error * err);

/* Gives a share back and sets the caller's pointer to NULL. */
void modelcache_release (CacheEntry ** entry);

/* Nobody new gets this model or its device: the device is lost. Those who have it keep it until they release it. */
void modelcache_retire (CacheEntry * model);

vit_device *modelcache_device (const CacheEntry * entry);
vit_model *modelcache_model (const CacheEntry * entry);

/* What the engine warned of while this model was loaded; NULL if nothing. Borrowed. */
const gchar *modelcache_warning (const CacheEntry * model);

#endif
