/* Binary PPM (P6) pictures, read with every number distrusted. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ppm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

enum { SIDE_MAX = 16384, HEADER_MAX = 65536 };

/* One header number after white space and comments; -1 where there is none. The byte after it is used up, as the
 * format wants. `left` bounds what a header may hold, so that a huge comment ends. */
static long
header_number (FILE *f, int *left)
{
  int c = getc (f);
  for (bool comment = false; *left > 0; (*left)--, c = getc (f)) {
    if (c == '#')
      comment = true;
    else if (c == '\n')
      comment = false;
    else if (c == EOF || (!comment && !strchr (" \t\r\v\f", c)))
      break;
  }
  if (c < '0' || c > '9')
    return -1;
  long value = 0;
  for (; c >= '0' && c <= '9'; c = getc (f))
    value = value > 99999 ? 99999 : value * 10 + (c - '0');
  return c != EOF && strchr (" \t\r\n\v\f", c) ? value : -1;
}

static bool
read_header (FILE *f, const char *path, uint32_t *width, uint32_t *height, vit_error *err)
{
  char magic[2] = { 0 };
  size_t n = fread (magic, 1, 2, f);
  if (ferror (f))
    return tool_fail (err, VIT_ERR_IO, "%s: can't be read: %s", path, strerror (errno));
  if (n < 2 || magic[0] != 'P' || magic[1] != '6')
    return tool_fail (err, VIT_ERR_FORMAT,
        "%s: starts with %s, expected P6, a binary PPM picture; convert it, as with: ffmpeg -i PICTURE out.ppm", path,
        n < 2 ? "nothing: the file is empty" : "other bytes");
  int left = HEADER_MAX;
  long w = header_number (f, &left), h = header_number (f, &left), top = header_number (f, &left);
  if (w < 0 || h < 0 || top < 0)
    return tool_fail (err, VIT_ERR_FORMAT, "%s: the PPM header is cut off or broken, expected P6 WIDTH HEIGHT 255",
        path);
  if (w < 1 || h < 1 || w > SIDE_MAX || h > SIDE_MAX)
    return tool_fail (err, VIT_ERR_FORMAT, "%s: is %ld x %ld pixels, expected sides from 1 to %d", path, w, h,
        SIDE_MAX);
  if (top != 255)
    return tool_fail (err, VIT_ERR_FORMAT, "%s: its largest value is %ld, expected 255; save it with 8 bits a channel",
        path, top);
  *width = (uint32_t) w;
  *height = (uint32_t) h;
  return true;
}

/* A header may promise more than the file holds: look before gigabytes are asked for. Pipes have no size to look at. */
static bool
check_size (FILE *f, const char *path, size_t size, vit_error *err)
{
  struct stat st;
  long at = ftell (f);
  if (fstat (fileno (f), &st) != 0 || !S_ISREG (st.st_mode) || at < 0)
    return true;
  long long found = (long long) st.st_size - at;
  if (found >= (long long) size)
    return true;
  return tool_fail (err, VIT_ERR_FORMAT,
      "%s: holds %lld bytes of pixels, expected %zu; the file is cut off, fetch it again", path, found, size);
}

bool
ppm_read (const char *path, vit_image *image, unsigned char **pixels, vit_error *err)
{
  *pixels = NULL;
  FILE *f = fopen (path, "rb");
  if (!f)
    return tool_fail (err, VIT_ERR_IO,
        "%s: can't be opened: %s; expected a binary PPM picture; check the path and its permissions", path,
        strerror (errno));
  uint32_t w = 0, h = 0;
  unsigned char *data = NULL;
  if (!read_header (f, path, &w, &h, err))
    goto error;
  size_t size = (size_t) w * h * 3;
  if (!check_size (f, path, size, err))
    goto error;
  data = malloc (size);
  if (!data) {
    tool_fail (err, VIT_ERR_MEMORY, "%s: out of memory (%zu bytes asked for)", path, size);
    goto error;
  }
  size_t n = fread (data, 1, size, f);
  if (n != size) {
    tool_fail (err, VIT_ERR_FORMAT, "%s: holds %zu bytes of pixels, expected %zu; the file is cut off, fetch it again",
        path, n, size);
    goto error;
  }
  fclose (f);
  *image = (vit_image) { .format = VIT_FORMAT_RGB, .width = w, .height = h, .planes = { data }, .strides = { w * 3 } };
  *pixels = data;
  return true;
error:
  free (data);
  fclose (f);
  return false;
}
