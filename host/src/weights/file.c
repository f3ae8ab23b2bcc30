/* Opens and reads regular files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

bool
file_exists (const char *path)
{
  struct stat st;
  return stat (path, &st) == 0;
}

bool
file_is_folder (const char *path)
{
  struct stat st;
  return stat (path, &st) == 0 && S_ISDIR (st.st_mode);
}

const char *
file_name (const char *path)
{
  const char *slash = strrchr (path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

bool
file_ends (const char *path, const char *suffix)
{
  size_t a = strlen (path), b = strlen (suffix);
  return a >= b && strcmp (path + a - b, suffix) == 0;
}

char *
file_join (const char *folder, const char *name, vit_error *err)
{
  size_t a = strlen (folder), b = strlen (name);
  char *path = malloc (a + b + 2);
  if (!path) {
    fail_memory (err, name, a + b + 2);
    return NULL;
  }
  memcpy (path, folder, a);
  if (a > 0 && folder[a - 1] != '/')
    path[a++] = '/';
  memcpy (path + a, name, b + 1);
  return path;
}

char *
file_folder (const char *path, vit_error *err)
{
  const char *slash = strrchr (path, '/');
  size_t length = !slash ? 0 : slash == path ? 1 : (size_t) (slash - path);
  char *folder = slash ? strndup (path, length) : strdup (".");
  if (!folder)
    fail_memory (err, path, length + 2);
  return folder;
}

/* Opens a regular file; *size is its length. */
static int
open_regular (const char *path, const char *what, size_t *size, vit_error *err)
{
  /* O_NONBLOCK: a pipe of that name is an error, not a wait for its writer. */
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    fail (err, VIT_ERR_IO, "%s: can't be opened: %s; expected %s; check the path and its permissions", path,
        strerror (errno), what);
    return -1;
  }
  struct stat st;
  if (fstat (fd, &st) != 0)
    fail (err, VIT_ERR_IO, "%s: can't be examined: %s", path, strerror (errno));
  else if (S_ISDIR (st.st_mode))
    fail (err, VIT_ERR_IO, "%s: is a folder, expected %s; name the file in it", path, what);
  else if (!S_ISREG (st.st_mode))
    fail (err, VIT_ERR_IO, "%s: is a pipe, socket or device, expected %s in a regular file", path, what);
  else if ((uintmax_t) st.st_size > SIZE_MAX)
    fail (err, VIT_ERR_IO, "%s: is too large for this machine's address space", path);
  else {
    *size = (size_t) st.st_size;
    return fd;
  }
  close (fd);
  return -1;
}

/* What a clone without git-lfs leaves in a large file's place. */
static bool
check_pointer (const char *path, const char *bytes, size_t size, vit_error *err)
{
  static const char start[] = "version https://git-lfs";
  if (size < sizeof start - 1 || memcmp (bytes, start, sizeof start - 1) != 0)
    return true;
  return fail (err, VIT_ERR_FORMAT,
      "%s: is a Git LFS pointer, the file itself was not fetched; run `git lfs pull` in "
      "its folder (or download the file again)",
      path);
}

bool
file_get (int fd, const char *path, uint64_t offset, void *out, size_t size, vit_error *err)
{
  for (size_t got = 0; got < size;) {
    ssize_t n = pread (fd, (char *) out + got, size - got, (off_t) (offset + got));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail (err, VIT_ERR_IO, "%s: can't be read: %s", path, strerror (errno));
    if (n == 0)
      return fail (err, VIT_ERR_IO,
          "%s: ended at byte %" PRIu64 " while it was being read, expected %zu bytes more; was it replaced or cut "
          "meanwhile? load it again when it is whole",
          path, offset + got, size - got);
    got += (size_t) n;
  }
  return true;
}

int
file_open (const char *path, size_t *size, vit_error *err)
{
  char start[64];
  int fd = open_regular (path, "a safetensors file", size, err);
  if (fd < 0)
    return -1;
  size_t n = *size < sizeof start ? *size : sizeof start;
  if (*size == 0)
    fail (err, VIT_ERR_FORMAT, "%s: is empty (0 bytes), expected a safetensors file; download or copy it again", path);
  else if (file_get (fd, path, 0, start, n, err) && check_pointer (path, start, n, err))
    return fd;
  close (fd);
  return -1;
}

static bool
read_all (int fd, const char *path, char *text, size_t size, size_t *got, vit_error *err)
{
  for (*got = 0; *got < size;) {
    ssize_t n = read (fd, text + *got, size - *got);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail (err, VIT_ERR_IO, "%s: can't be read: %s", path, strerror (errno));
    if (n == 0)
      break;
    *got += (size_t) n;
  }
  text[*got] = 0;
  return true;
}

bool
file_read (const char *path, const char *what, size_t limit, char **text, size_t *size, vit_error *err)
{
  size_t length = 0;
  int fd = open_regular (path, what, &length, err);
  if (fd < 0)
    return false;
  bool ok = false;
  char *buffer = NULL;
  if (length > limit)
    fail (err, VIT_ERR_FORMAT, "%s: has %zu bytes, expected %s of at most %zu; is it another file?", path, length, what,
        limit);
  else if (!(buffer = malloc (length + 1)))
    fail_memory (err, path, length + 1);
  else
    ok = read_all (fd, path, buffer, length, size, err) && check_pointer (path, buffer, *size, err);
  close (fd);
  if (!ok)
    free (buffer);
  else
    *text = buffer;
  return ok;
}
