/* What vit-info and vit-bench share: options, messages, opening a device, the clock. Uses the public API alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_TOOL_H
#define VIT_TOOLS_TOOL_H

#include <getopt.h>
#include <jansson.h>

#include "vit/vit.h"

enum tool_exit { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* Options that both programs take. Zero means default. */
struct tool_options {
  struct vit_device_params device;
  struct vit_model_params model;
  bool json;
  bool verbose; /* information and debug messages too */
};

/* getopt_long's rows and help text of these options; their values stay clear of every letter. */
enum {
  TOOL_DEVICE = 256,
  TOOL_PRECISION,
  TOOL_CACHE_DIR,
  TOOL_VALIDATE,
  TOOL_JSON,
  TOOL_VERBOSE,
  TOOL_HELP,
  TOOL_VERSION,
  TOOL_OWN /* a program's own options start here */
};
#define TOOL_OPTIONS                                                                                                   \
  { "device", required_argument, NULL, TOOL_DEVICE }, { "precision", required_argument, NULL, TOOL_PRECISION },        \
      { "cache-dir", required_argument, NULL, TOOL_CACHE_DIR }, { "validate", no_argument, NULL, TOOL_VALIDATE },      \
      { "json", no_argument, NULL, TOOL_JSON }, { "verbose", no_argument, NULL, TOOL_VERBOSE },                        \
      { "help", no_argument, NULL, TOOL_HELP },                                                                        \
  {                                                                                                                    \
    "version", no_argument, NULL, TOOL_VERSION                                                                         \
  }
#define TOOL_OPTIONS_HELP                                                                                              \
  "  --device SELECT     auto (default), an index, part of a name, uuid:HEX, pci:BB:DD.F or cpu\n"                     \
  "  --precision P       auto (default), f32, f16 or i8\n"                                                             \
  "  --cache-dir DIR     where compiled pipelines are kept; \"\" for nowhere\n"                                        \
  "  --validate          run under the Vulkan validation layer, messages go to stderr\n"                               \
  "  --json              facts as one JSON value instead of text\n"                                                    \
  "  --verbose           more messages on stderr\n"                                                                    \
  "  --help, --version\n"

/* Call first: sets the name that starts every message, and the log function of *options. */
void tool_init (const char *name, struct tool_options *options);
/* Takes what getopt_long (".., ":", ..) returned where it is one of the options above, or no option at all; value is
 * its optarg, or the command line's word where there is none. False: err says what is wrong with it (VIT_ERR_ARG). */
bool tool_option (struct tool_options *options, int option, const char *value, vit_error *err);
/* A whole number within bounds. */
bool tool_number (const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out, vit_error *err);
/* "1280x720", each side 1 to 16384. */
bool tool_size (const char *option, const char *text, uint32_t *width, uint32_t *height, vit_error *err);

/* Fills err and returns false. */
bool tool_fail (vit_error *err, enum vit_code code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));
/* Prints err on stderr, with a hint at --help where the command line is wrong, and returns the exit status. */
int tool_report (const vit_error *err);

double tool_now_ms (void);
const char *tool_precision_name (enum vit_precision precision);
/* A JSON string; bytes that are not UTF-8 become '?'. */
json_t *tool_json_text (const char *text);
/* Prints a value (consumed; NULL: out of memory) and a newline on stdout. */
bool tool_json_print (json_t *value, size_t flags, vit_error *err);
/* False: stdout could not be written, as on a full disk. */
bool tool_flush (vit_error *err);

#endif
