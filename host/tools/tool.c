/* Options, messages and the clock that vit-info and vit-bench share. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *tool_name = "vit";

/* May run on any thread: one fprintf, so that lines stay whole. */
static void
log_message (void *ctx, enum vit_log_level level, const char *msg)
{
  const struct tool_options *options = ctx;
  static const char *const words[] = { "warning: ", "", "debug: " };
  if (level == VIT_LOG_WARNING || options->verbose)
    fprintf (stderr, "%s: %s%s\n", tool_name, words[level], msg);
}

void
tool_init (const char *name, struct tool_options *options)
{
  tool_name = name;
  opterr = 0; /* tool_option says it, in one line */
  *options = (struct tool_options) { .device.log = log_message, .device.log_ctx = options };
}

bool
tool_fail (vit_error *err, enum vit_code code, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  err->code = code;
  vsnprintf (err->msg, sizeof err->msg, format, args);
  va_end (args);
  return false;
}

int
tool_report (const vit_error *err)
{
  fflush (stdout);
  fprintf (stderr, "%s: %s\n", tool_name, err->msg);
  return err->code == VIT_ERR_ARG ? TOOL_USAGE : TOOL_FAILED;
}

static bool
parse_precision (const char *text, enum vit_precision *out, vit_error *err)
{
  for (int i = VIT_AUTO; i <= VIT_I8; i++)
    if (strcmp (text, tool_precision_name ((enum vit_precision) i)) == 0) {
      *out = (enum vit_precision) i;
      return true;
    }
  return tool_fail (err, VIT_ERR_ARG, "--precision is '%s', expected auto, f32, f16 or i8", text);
}

bool
tool_option (struct tool_options *options, int option, const char *value, vit_error *err)
{
  switch (option) {
    case TOOL_DEVICE:
      options->device.select = value;
      return true;
    case TOOL_PRECISION:
      return parse_precision (value, &options->model.precision, err);
    case TOOL_CACHE_DIR:
      options->device.cache_dir = value;
      return true;
    case TOOL_VALIDATE:
      options->device.validate = true;
      return true;
    case TOOL_JSON:
      options->json = true;
      return true;
    case TOOL_VERBOSE:
      options->verbose = true;
      return true;
    case ':':
      return tool_fail (err, VIT_ERR_ARG, "option '%s' needs a value; see --help", value);
    default:
      return tool_fail (err, VIT_ERR_ARG, "'%s' is not an option, or takes no value; see --help", value);
  }
}

bool
tool_number (const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out, vit_error *err)
{
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull (text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
    return tool_fail (err, VIT_ERR_ARG, "%s is '%s', expected a whole number from %u to %u", option, text, min, max);
  *out = (uint32_t) value;
  return true;
}

bool
tool_size (const char *option, const char *text, uint32_t *width, uint32_t *height, vit_error *err)
{
  enum { SIDE_MAX = 16384 };
  unsigned w = 0, h = 0;
  int used = 0;
  if (strlen (text) > 11 || sscanf (text, "%5ux%5u%n", &w, &h, &used) != 2 || text[used] || !w || !h || w > SIDE_MAX
      || h > SIDE_MAX)
    return tool_fail (err, VIT_ERR_ARG, "%s is '%s', expected WIDTHxHEIGHT with sides from 1 to %d", option, text,
        SIDE_MAX);
  *width = w;
  *height = h;
  return true;
}

double
tool_now_ms (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec * 1e-6;
}

const char *
tool_precision_name (enum vit_precision precision)
{
  return precision == VIT_I8 ? "i8" : precision == VIT_F16 ? "f16" : precision == VIT_F32 ? "f32" : "auto";
}

json_t *
tool_json_text (const char *text)
{
  json_t *value = json_string (text);
  if (value)
    return value;
  char ascii[1024];
  size_t n = 0;
  for (; n < sizeof ascii - 1 && text[n]; n++)
    ascii[n] = (text[n] & 0x80) ? '?' : text[n];
  ascii[n] = 0;
  return json_string (ascii);
}

bool
tool_json_print (json_t *value, size_t flags, vit_error *err)
{
  if (!value)
    return tool_fail (err, VIT_ERR_MEMORY, "JSON output: out of memory");
  bool ok = json_dumpf (value, stdout, flags) == 0;
  json_decref (value);
  if (!ok)
    return tool_fail (err, VIT_ERR_IO, "standard output: can't be written; is the disk full or the reader gone?");
  putchar ('\n');
  return tool_flush (err);
}

bool
tool_flush (vit_error *err)
{
  if (fflush (stdout) != 0 || ferror (stdout))
    return tool_fail (err, VIT_ERR_IO, "standard output: %s; is the disk full or the reader gone?", strerror (errno));
  return true;
}
