/* Fills the caller's vit_error. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
fail (vit_error *err, enum vit_code code, const char *format, ...)
{
  if (!err)
    return false;
  va_list args;
  va_start (args, format);
  err->code = code;
  vsnprintf (err->msg, sizeof err->msg, format, args);
  va_end (args);
  /* parsers quote what they choke on, raw: a message stays one line whatever a file holds */
  for (char *p = err->msg; *p; p++)
    if ((unsigned char) *p < ' ' || *p == 127)
      *p = '?';
  return false;
}

bool
fail_memory (vit_error *err, const char *what, size_t size)
{
  return fail (err, VIT_ERR_MEMORY, "%s: out of memory (%zu bytes asked for)", what, size);
}

void
fail_memory_add (vit_error *err, const char *format, ...)
{
  if (!err || err->code != VIT_ERR_MEMORY)
    return;
  size_t used = strlen (err->msg);
  va_list args;
  va_start (args, format);
  vsnprintf (err->msg + used, sizeof err->msg - used, format, args);
  va_end (args);
}
