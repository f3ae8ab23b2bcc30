/* Small checkpoint files for tests, written into a folder of their own and removed at the end. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_FILES_H
#define VIT_TESTS_FILES_H

#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char files_folder[64];

static inline const char *
files_path (const char *name)
{
  static char path[4][512];
  static unsigned next;
  char *out = path[next++ % 4];
  snprintf (out, sizeof path[0], "%s/%s", files_folder, name);
  return out;
}

/* Removes all files, not the folder. */
static inline void
files_clear (void)
{
  DIR *dir = opendir (files_folder);
  REQUIRE (dir);
  for (struct dirent *e = readdir (dir); e; e = readdir (dir)) {
    if (strcmp (e->d_name, ".") != 0 && strcmp (e->d_name, "..") != 0)
      remove (files_path (e->d_name));
  }
  closedir (dir);
}

static inline void
files_finish (void)
{
  files_clear ();
  rmdir (files_folder);
}

static inline void
files_init (void)
{
  const char *tmp = getenv ("TMPDIR");
  snprintf (files_folder, sizeof files_folder, "%.40s/vit-test-XXXXXX", tmp ? tmp : "/tmp");
  REQUIRE (mkdtemp (files_folder));
  atexit (files_finish);
}

static inline void
files_put (const char *name, const void *bytes, size_t size)
{
  FILE *f = fopen (files_path (name), "wb");
  REQUIRE (f);
  REQUIRE (fwrite (bytes, 1, size, f) == size);
  REQUIRE (fclose (f) == 0);
}

static inline void
files_put_text (const char *name, const char *text)
{
  files_put (name, text, strlen (text));
}

/* A safetensors file of this header and `size` bytes of data, as it comes. */
static inline void
files_put_raw (const char *name, const char *header, const void *data, size_t size)
{
  size_t n = strlen (header);
  unsigned char *bytes = malloc (8 + n + size);
  REQUIRE (bytes);
  for (int i = 0; i < 8; i++)
    bytes[i] = (unsigned char) ((uint64_t) n >> 8 * i);
  memcpy (bytes + 8, header, n);
  if (data)
    memcpy (bytes + 8 + n, data, size);
  else
    memset (bytes + 8 + n, 0, size);
  files_put (name, bytes, 8 + n + size);
  free (bytes);
}

/* The number that files_put_tensors writes at this place of the whole file. */
static inline float
files_number (size_t index)
{
  return (float) ((index * 29 + 5) % 127) / 64 - 1;
}

/* "NAME DTYPE D0,D1,...": adds the entry to the header; returns its elements. dtype F32, F16, BF16 or F64. */
static inline size_t
files_add_entry (json_t *header, const char *text, size_t *bytes)
{
  char name[128], dtype[16], dims[64], *at = dims;
  REQUIRE (sscanf (text, "%127s %15s %63s", name, dtype, dims) == 3);
  size_t size = strcmp (dtype, "F32") == 0 ? 4 : strcmp (dtype, "F64") == 0 ? 8 : 2, count = 1;
  json_t *shape = json_array ();
  while (*at) {
    long d = strtol (at, &at, 10);
    json_array_append_new (shape, json_integer (d));
    count *= (size_t) d;
    at += *at == ',';
  }
  json_t *entry = json_pack ("{s:s, s:o, s:[I,I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t) *bytes,
      (json_int_t) (*bytes + count * size));
  REQUIRE (entry);
  *bytes += count * size;
  json_object_set_new (header, name, entry);
  return count;
}

/* A safetensors file of tensors as files_add_entry reads them. F32 are filled with files_number, others with zeros.
 * poison: an element of the file's F32 numbers that becomes NaN; SIZE_MAX: none. */
static inline void
files_put_tensors (const char *name, const char *const *lines, size_t num, size_t poison)
{
  json_t *header = json_object ();
  size_t bytes = 0;
  for (size_t i = 0; i < num; i++) {
    if (lines[i])
      files_add_entry (header, lines[i], &bytes);
  }
  float *data = calloc (bytes / 4 + 2, 4);
  REQUIRE (data);
  for (size_t i = 0; i < bytes / 4; i++)
    data[i] = i == poison ? NAN : files_number (i);
  char *text = json_dumps (header, JSON_COMPACT);
  files_put_raw (name, text, data, bytes);
  free (text);
  free (data);
  json_decref (header);
}

#endif
