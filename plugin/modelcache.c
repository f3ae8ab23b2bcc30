/* Shares devices and models between all elements of the process. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "modelcache.h"

#include <glib/gstdio.h>
#include <gst/gst.h>

GST_DEBUG_CATEGORY_STATIC (vit_engine_debug);
#define GST_CAT_DEFAULT vit_engine_debug

enum state
{
  MAKING,
  READY,
  FAILED
};

struct CacheEntry
{
  gchar *key;
  guint refs;
  enum state state;
  CacheEntry *parent;           /* a model's device */
  vit_device *device;           /* a device entry owns it, a model entry borrows it */
  vit_model *model;
  gchar *warning;
  vit_error err;                /* why state is FAILED */
};

/* What it takes to make an entry. */
struct request
{
  CacheEntry *device;
  const gchar *select, *cache_dir, *path;
  const struct vit_model_params *params;
};

static GMutex lock;             /* guards entries and every entry's refs and state */
static GCond made;
static GHashTable *entries;     /* key -> entry, those that may still be given out */

/* The engine warns from the thread that asked it to load, so the warning finds its element this way although the log
 * function belongs to a device that others share. */
static GPrivate collected = G_PRIVATE_INIT (NULL);

static void
init_debug (void)
{
  static gsize once;

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (vit_engine_debug, "vitengine", 0, "the vision transformer engine");
    g_once_init_leave (&once, 1);
  }
}

static void
log_engine (void *ctx, enum vit_log_level level, const char *msg)
{
  GString *warnings = g_private_get (&collected);

  (void) ctx;
  if (level == VIT_LOG_WARNING && warnings)
    g_string_append_printf (warnings, "%s%s", warnings->len > 0 ? "; " : "", msg);
  GST_CAT_LEVEL_LOG (vit_engine_debug, level == VIT_LOG_WARNING ? GST_LEVEL_WARNING :
      level == VIT_LOG_INFO ? GST_LEVEL_INFO : GST_LEVEL_DEBUG, NULL, "%s", msg);
}

static gboolean
make_device (CacheEntry * entry, const struct request *request, vit_error * err)
{
  const struct vit_device_params params = {
    .select = request->select,
    .cache_dir = request->cache_dir,
    .log = log_engine,
  };

  entry->device = vit_device_create (&params, err);
  return entry->device != NULL;
}

static gboolean
make_model (CacheEntry * entry, const struct request *request, vit_error * err)
{
  GString *warnings = g_string_new (NULL);

  g_private_set (&collected, warnings);
  entry->model = vit_model_load (entry->device, request->path, request->params, err);
  g_private_set (&collected, NULL);
  entry->warning = g_string_free (warnings, warnings->len == 0);
  return entry->model != NULL;
}

static void
entry_free (CacheEntry * entry)
{
  vit_model_destroy (&entry->model);
  if (!entry->parent)
    vit_device_destroy (&entry->device);
  modelcache_release (&entry->parent);
  g_free (entry->warning);
  g_free (entry->key);
  g_free (entry);
}

/* with the lock held */
static void
forget (CacheEntry * entry)
{
  if (entries && g_hash_table_lookup (entries, entry->key) == entry) {
    g_hash_table_remove (entries, entry->key);
    if (g_hash_table_size (entries) == 0)
      g_clear_pointer (&entries, g_hash_table_unref);
  }
}

/* with the lock held; waits until whoever is making the entry has finished */
static CacheEntry *
share (CacheEntry * entry, vit_error * err)
{
  entry->refs++;
  while (entry->state == MAKING)
    g_cond_wait (&made, &lock);
  if (entry->state == READY)
    return entry;
  *err = entry->err;
  return NULL;
}

static void
drop (CacheEntry * entry)
{
  gboolean last;

  g_mutex_lock (&lock);
  last = --entry->refs == 0;
  if (last)
    forget (entry);
  g_mutex_unlock (&lock);
  if (last)
    entry_free (entry);
}

static CacheEntry *
entry_new (gchar * key, CacheEntry * device)
{
  CacheEntry *entry = g_new0 (CacheEntry, 1);

  entry->key = key;
  entry->refs = 1;
  if (device) {
    device->refs++;
    entry->parent = device;
    entry->device = device->device;
  }
  if (!entries)
    entries = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_insert (entries, entry->key, entry);
  return entry;
}

/* Finds or makes the entry of a key, which is taken. */
static CacheEntry *
acquire (gchar * key, gboolean (*make) (CacheEntry *, const struct request *, vit_error *),
    const struct request *request, vit_error * err)
{
  CacheEntry *entry, *shared;
  gboolean ok;

  g_mutex_lock (&lock);
  entry = entries ? g_hash_table_lookup (entries, key) : NULL;
  if (entry) {
    shared = share (entry, err);
    g_mutex_unlock (&lock);
    g_free (key);
    if (!shared)
      drop (entry);
    return shared;
  }
  entry = entry_new (key, request->device);
  g_mutex_unlock (&lock);

  ok = make (entry, request, &entry->err);

  g_mutex_lock (&lock);
  entry->state = ok ? READY : FAILED;
  if (!ok)
    forget (entry);
  g_cond_broadcast (&made);
  g_mutex_unlock (&lock);
  if (ok)
    return entry;
  *err = entry->err;
  drop (entry);
  return NULL;
}

CacheEntry *
modelcache_acquire_device (const gchar * select, const gchar * cache_dir, vit_error * err)
{
  const struct request request = {.select = select,.cache_dir = cache_dir };

  init_debug ();
  return acquire (g_strdup_printf ("device\n%s\n%s%s", select ? select : "auto", cache_dir ? "=" : "",
          cache_dir ? cache_dir : ""), make_device, &request, err);
}

/* changes when the file is written to or replaced */
static guint64
file_fingerprint (const gchar * path)
{
  GStatBuf info;
  gchar *text;
  guint64 hash;

  if (g_stat (path, &info) != 0)
    return 0;
  text = g_strdup_printf ("%s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, path,
      (gint64) info.st_size, (gint64) info.st_mtime, (gint64) info.st_ino);
  hash = (guint64) g_str_hash (text) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  g_free (text);
  return hash;
}

/* A checkpoint that was replaced while in use is another model: its files' sizes, times and numbers tell. */
static guint64
fingerprint (const gchar * path)
{
  GDir *folder = g_dir_open (path, 0, NULL);
  const gchar *name;
  guint64 sum = 0;

  if (!folder)
    return file_fingerprint (path);
  while ((name = g_dir_read_name (folder))) {
    gchar *child = g_build_filename (path, name, NULL);

    sum += file_fingerprint (child);    /* a sum, because a folder has no order */
    g_free (child);
  }
  g_dir_close (folder);
  return sum;
}

CacheEntry *
modelcache_acquire_model (CacheEntry * device, const gchar * path, const struct vit_model_params *params,
    vit_error * err)
{
  const struct request request = {.device = device,.path = path,.params = params };
  gchar *full = g_canonicalize_filename (path, NULL);
  gchar *key = g_strdup_printf ("model\n%p\n%d\n%" G_GINT64_MODIFIER "x\n%s", (void *) device, (int) params->precision,
      fingerprint (full), full);

  g_free (full);
  return acquire (key, make_model, &request, err);
}

void
modelcache_release (CacheEntry ** entry)
{
  CacheEntry *mine = *entry;

  *entry = NULL;
  if (mine)
    drop (mine);
}

void
modelcache_retire (CacheEntry * model)
{
  g_mutex_lock (&lock);
  forget (model);
  forget (model->parent);
  g_mutex_unlock (&lock);
}

vit_device *
modelcache_device (const CacheEntry * entry)
{
  return entry->device;
}

vit_model *
modelcache_model (const CacheEntry * entry)
{
  return entry->model;
}

const gchar *
modelcache_warning (const CacheEntry * model)
{
  return model->warning;
}
