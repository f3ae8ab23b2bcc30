/* Reads and replaces files in the cache folder. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/cachefile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_CACHE_BYTES = 256 << 20 };

/* The driver's own header says nothing of a torn or rotten file; this one does. */
struct header {
  char magic[8];
  uint64_t size; /* bytes after the header */
  uint64_t hash; /* FNV-1a of them */
};
static const char magic[8] = "vitpipe1";

uint64_t
cachefile_hash (const void *data, size_t size)
{
  const uint8_t *bytes = data;
  uint64_t h = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++)
    h = (h ^ bytes[i]) * 0x100000001b3u;
  return h;
}

uint64_t
cachefile_hash_words (const uint32_t *words, size_t size)
{
  uint64_t h = size;
  for (size_t i = 0; i < size / sizeof *words; i++)
    h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 32;
}

/* "a/b" joined, to be freed */
static char *
join (const char *a, const char *b)
{
  size_t size = strlen (a) + strlen (b) + 2;
  char *out = malloc (size);
  if (out)
    snprintf (out, size, "%s/%s", a, b);
  return out;
}

static char *
default_dir (void)
{
  const char *cache = getenv ("XDG_CACHE_HOME"), *home = getenv ("HOME");
  if (cache && cache[0] == '/')
    return join (cache, "gst-vitclassify");
  return home && home[0] == '/' ? join (home, ".cache/gst-vitclassify") : NULL;
}

static bool
make_dirs (char *path)
{
  for (char *p = path + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      mkdir (path, 0777);
      *p = '/';
    }
  return mkdir (path, 0777) == 0 || errno == EEXIST;
}

char *
cachefile_path (const char *dir, const char *kind, const struct vit_device_info *device)
{
  if (dir && !dir[0])
    return NULL;
  char *folder = dir ? strdup (dir) : default_dir ();
  char name[128], uuid[2 * sizeof device->uuid + 1];
  for (size_t i = 0; i < sizeof device->uuid; i++)
    snprintf (uuid + 2 * i, 3, "%02x", device->uuid[i]);
  snprintf (name, sizeof name, "%s-%s-%016llx.bin", kind, uuid,
      (unsigned long long) cachefile_hash (device->driver, strlen (device->driver)));
  char *path = folder && make_dirs (folder) ? join (folder, name) : NULL;
  free (folder);
  return path;
}

void *
cachefile_read (const char *path, size_t *size)
{
  struct header h;
  void *data = NULL;
  *size = 0;
  FILE *f = fopen (path, "rb");
  if (!f)
    return NULL;
  if (fread (&h, sizeof h, 1, f) == 1 && memcmp (h.magic, magic, sizeof magic) == 0 && h.size > 0
      && h.size <= MAX_CACHE_BYTES && (data = malloc (h.size)) != NULL) {
    if (fread (data, 1, h.size, f) == h.size && fgetc (f) == EOF && cachefile_hash (data, h.size) == h.hash) {
      *size = h.size;
    } else {
      free (data);
      data = NULL;
    }
  }
  fclose (f);
  return data;
}

bool
cachefile_write (const char *path, const void *data, size_t size)
{
  size_t length = strlen (path) + 16;
  char *temporary = malloc (length);
  if (!temporary)
    return false;
  snprintf (temporary, length, "%s.XXXXXX", path);
  int fd = mkstemp (temporary);
  FILE *f = fd >= 0 ? fdopen (fd, "wb") : NULL;
  if (fd >= 0 && !f)
    close (fd);
  struct header h = { .size = size, .hash = cachefile_hash (data, size) };
  memcpy (h.magic, magic, sizeof magic);
  bool ok = f && fwrite (&h, sizeof h, 1, f) == 1 && fwrite (data, 1, size, f) == size;
  if (f && fclose (f) != 0)
    ok = false;
  ok = ok && rename (temporary, path) == 0;
  if (!ok && fd >= 0)
    unlink (temporary);
  free (temporary);
  return ok;
}
