/* Keeps keys and values about a device in a file that is ignored on any other device, driver or build. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/memo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/cachefile.h"
#include "gpu/pipelines.h"

struct entry {
  char key[MEMO_TEXT], value[MEMO_TEXT];
};

struct memo {
  pthread_mutex_t lock;
  struct entry *entries;
  uint32_t num, space;
  bool news;          /* since the file was read or written */
  char *path;         /* NULL: memory only */
  char identity[512]; /* the file's first line */
};

/* Everything that a verdict may depend on but the kernel's shape. */
static void
describe (const vit_device *dev, char *out, size_t size)
{
  VkPhysicalDeviceProperties p;
  uint64_t kernels = 0;
  char uuid[2 * sizeof dev->info.uuid + 1];
  dev->instance.GetPhysicalDeviceProperties (dev->physical, &p);
  for (uint32_t i = 0; i < NUM_SHADERS; i++) {
    uint64_t pair[2] = { kernels, shader_hash ((enum shader) i) };
    kernels = cachefile_hash (pair, sizeof pair);
  }
  for (size_t i = 0; i < sizeof dev->info.uuid; i++)
    snprintf (uuid + 2 * i, 3, "%02x", dev->info.uuid[i]);
  int n = snprintf (out, size,
      "device %s %08" PRIx32 ":%08" PRIx32 " driver %s %08" PRIx32 " subgroup %u kernels %016" PRIx64, uuid, p.vendorID,
      p.deviceID, dev->info.driver, p.driverVersion, dev->caps.subgroup_size, kernels);
  for (int i = 0; i < n && (size_t) i < size; i++)
    if (out[i] == '\n')
      out[i] = ' ';
}

/* The lock is held. */
static struct entry *
find (const struct memo *m, const char *key)
{
  for (uint32_t i = 0; i < m->num; i++)
    if (strcmp (m->entries[i].key, key) == 0)
      return &m->entries[i];
  return NULL;
}

/* The lock is held. */
static bool
put (struct memo *m, const char *key, const char *value, vit_error *err)
{
  struct entry *e = find (m, key);
  if (!e && m->num == m->space) {
    uint32_t space = m->space ? 2 * m->space : 32;
    struct entry *grown = realloc (m->entries, space * sizeof *grown);
    if (!grown)
      return fail_memory (err, "the list of tried kernels", space * sizeof *grown);
    m->entries = grown;
    m->space = space;
  }
  if (!e)
    e = &m->entries[m->num++];
  snprintf (e->key, sizeof e->key, "%s", key);
  snprintf (e->value, sizeof e->value, "%s", value);
  return true;
}

/* Takes from the file what the memo hasn't yet. A file that is no good is no file. */
static void
merge_file (struct memo *m)
{
  size_t size;
  char *data = m->path ? cachefile_read (m->path, &size) : NULL;
  if (!data)
    return;
  data[size - 1] = 0; /* the last line's end */
  char *line = data, *end = strchr (line, '\n');
  bool ours =
      end && (size_t) (end - line) == strlen (m->identity) && strncmp (line, m->identity, (size_t) (end - line)) == 0;
  while (ours && end) {
    line = end + 1;
    end = strchr (line, '\n');
    if (end)
      *end = 0;
    char *equals = strchr (line, '=');
    if (!equals || equals - line >= MEMO_TEXT || strlen (equals + 1) >= MEMO_TEXT)
      continue;
    *equals = 0;
    if (!find (m, line))
      put (m, line, equals + 1, NULL);
  }
  free (data);
}

struct memo *
memo_create (const vit_device *dev, const char *cache_dir, vit_error *err)
{
  struct memo *m = calloc (1, sizeof *m);
  if (!m) {
    fail_memory (err, "the list of tried kernels", sizeof *m);
    return NULL;
  }
  pthread_mutex_init (&m->lock, NULL);
  describe (dev, m->identity, sizeof m->identity);
  m->path = cachefile_path (cache_dir, "kernels", &dev->info);
  merge_file (m);
  return m;
}

void
memo_destroy (struct memo **memo)
{
  struct memo *m = *memo;
  if (!m)
    return;
  pthread_mutex_destroy (&m->lock);
  free (m->entries);
  free (m->path);
  free (m);
  *memo = NULL;
}

bool
memo_get (const vit_device *dev, const char *key, char value[MEMO_TEXT])
{
  struct memo *m = dev->memo;
  pthread_mutex_lock (&m->lock);
  const struct entry *e = find (m, key);
  if (e)
    memcpy (value, e->value, MEMO_TEXT);
  pthread_mutex_unlock (&m->lock);
  return e != NULL;
}

bool
memo_set (const vit_device *dev, const char *key, const char *value, vit_error *err)
{
  struct memo *m = dev->memo;
  pthread_mutex_lock (&m->lock);
  bool ok = put (m, key, value, err);
  m->news |= ok;
  pthread_mutex_unlock (&m->lock);
  return ok;
}

void
memo_save (const vit_device *dev)
{
  struct memo *m = dev->memo;
  pthread_mutex_lock (&m->lock);
  if (!m->news || !m->path)
    goto end;
  merge_file (m);
  size_t size = strlen (m->identity) + 1 + m->num * 2 * (size_t) MEMO_TEXT + 1, used = 0;
  char *text = malloc (size);
  if (!text)
    goto end;
  used = (size_t) snprintf (text, size, "%s\n", m->identity);
  for (uint32_t i = 0; i < m->num; i++)
    used += (size_t) snprintf (text + used, size - used, "%s=%s\n", m->entries[i].key, m->entries[i].value);
  if (cachefile_write (m->path, text, used))
    m->news = false;
  free (text);
end:
  pthread_mutex_unlock (&m->lock);
}
