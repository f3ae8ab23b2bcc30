/* vit-info: what the devices are, what a model is, and what any layer of it says about a picture. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "ppm.h"
#include "tool.h"

static const char help[] =
    "Usage: vit-info [OPTION...]                     list the Vulkan devices\n"
    "       vit-info MODEL [OPTION...]               facts of a model\n"
    "       vit-info MODEL --logits IMAGE.ppm        classify one picture, as JSON\n"
    "       vit-info MODEL --tap NAME IMAGE.ppm      show one tensor on the way\n"
    "\n"
    "MODEL is a folder as transformers or timm saves it (config.json and safetensors), or a\n"
    ".safetensors file. IMAGE is a binary PPM (P6) picture with 8 bits a channel.\n"
    "\n"
    "  --labels            the label of every class\n"
    "  --labels-file FILE  labels from a file, one a line, instead of the checkpoint's\n"
    "  --logits            print {\"device\", \"logits\": [...], \"top\": [{\"label\", \"class\", \"probability\"}]}\n"
    "  --top-k N           how many classes \"top\" has (default 5)\n"
    "  --taps              the names that --tap takes, in the order of computation\n"
    "  --tap NAME          print that tensor: its shape, then a row of numbers a line\n"
    "  --raw FILE          with --tap: write it as little-endian float32 instead\n" TOOL_OPTIONS_HELP "\n"
    "Exit status: 0 done, 1 failed (one line on stderr says why), 2 wrong command line.\n";

struct options {
  struct tool_options common;
  const char *model, *image, *labels_file, *tap, *raw;
  bool labels, logits, taps, done;
  uint32_t top_k;
};

/* What a model and a picture need; zeroed, half built or whole, close () takes it. */
struct run {
  vit_device *device;
  vit_model *model;
  vit_session *session;
  struct vit_model_info info;
  char **labels; /* (classes) of --labels-file, or NULL */
  vit_image image;
  unsigned char *pixels;
};

enum { OPT_LABELS = TOOL_OWN, OPT_LABELS_FILE, OPT_LOGITS, OPT_TOP_K, OPT_TAPS, OPT_TAP, OPT_RAW };

static bool
parse_one (struct options *o, int option, const char *value, vit_error *err)
{
  switch (option) {
    case OPT_LABELS:
      o->labels = true;
      return true;
    case OPT_LABELS_FILE:
      o->labels_file = value;
      return true;
    case OPT_LOGITS:
      o->logits = true;
      return true;
    case OPT_TOP_K:
      return tool_number ("--top-k", value, 1, 1000000, &o->top_k, err);
    case OPT_TAPS:
      o->taps = true;
      return true;
    case OPT_TAP:
      o->tap = value;
      return true;
    case OPT_RAW:
      o->raw = value;
      return true;
    case TOOL_HELP:
    case TOOL_VERSION:
      o->done = true;
      printf ("%s%s%s", option == TOOL_HELP ? help : "vit-info ", option == TOOL_HELP ? "" : vit_version (),
          option == TOOL_HELP ? "" : "\n");
      return tool_flush (err);
    default:
      return tool_option (&o->common, option, value, err);
  }
}

/* Combinations that mean nothing are said at once, before a device is opened. */
static bool
check_options (const struct options *o, vit_error *err)
{
  int actions = o->logits + o->taps + (o->tap != NULL);
  if (actions > 1)
    return tool_fail (err, VIT_ERR_ARG, "--logits, --taps and --tap exclude each other; give one");
  if ((actions || o->labels || o->labels_file) && !o->model)
    return tool_fail (err, VIT_ERR_ARG, "no MODEL given; name a checkpoint folder or a .safetensors file");
  if ((o->logits || o->tap) && !o->image)
    return tool_fail (err, VIT_ERR_ARG, "no picture given; name a binary PPM file after %s",
        o->tap ? "--tap NAME" : "--logits");
  if (o->image && !o->logits && !o->tap)
    return tool_fail (err, VIT_ERR_ARG, "picture '%s' given, but neither --logits nor --tap NAME to do with it",
        o->image);
  if (o->raw && !o->tap)
    return tool_fail (err, VIT_ERR_ARG, "--raw '%s' given without --tap NAME", o->raw);
  return true;
}

static bool
parse (struct options *o, int argc, char **argv, vit_error *err)
{
  static const struct option rows[] = { TOOL_OPTIONS, { "labels", no_argument, NULL, OPT_LABELS },
    { "labels-file", required_argument, NULL, OPT_LABELS_FILE }, { "logits", no_argument, NULL, OPT_LOGITS },
    { "top-k", required_argument, NULL, OPT_TOP_K }, { "taps", no_argument, NULL, OPT_TAPS },
    { "tap", required_argument, NULL, OPT_TAP }, { "raw", required_argument, NULL, OPT_RAW }, { 0 } };
  for (int option; !o->done && (option = getopt_long (argc, argv, ":", rows, NULL)) != -1;)
    if (!parse_one (o, option, optarg ? optarg : argv[optind - 1], err))
      return false;
  if (o->done)
    return true;
  if (argc - optind > 2)
    return tool_fail (err, VIT_ERR_ARG, "unexpected argument '%s'; a model and a picture are all it takes",
        argv[optind + 2]);
  if (optind < argc)
    o->model = argv[optind++];
  if (optind < argc)
    o->image = argv[optind];
  return check_options (o, err);
}

static bool
list_devices (const struct options *o, vit_error *err)
{
  enum { MAX_DEVICES = 64 };
  struct vit_device_info infos[MAX_DEVICES];
  int n = vit_device_list (&o->common.device, infos, MAX_DEVICES, err);
  if (n < 0)
    return false;
  if (n == 0)
    return tool_fail (err, VIT_ERR_UNSUPPORTED,
        "no Vulkan device found; install a driver, as the software one in Debian's mesa-vulkan-drivers");
  n = n > MAX_DEVICES ? MAX_DEVICES : n;
  json_t *list = o->common.json ? json_array () : NULL;
  for (int i = 0; i < n; i++)
    if (!o->common.json)
      facts_print_device ((uint32_t) i, &infos[i]);
    else if (json_array_append_new (list, facts_device_json (&infos[i])) != 0) {
      json_decref (list);
      list = NULL;
    }
  return o->common.json ? tool_json_print (list, JSON_INDENT (2), err) : tool_flush (err);
}

static void
run_close (struct run *r)
{
  vit_session_destroy (&r->session);
  vit_labels_free (&r->labels, r->info.classes);
  vit_model_destroy (&r->model);
  vit_device_destroy (&r->device);
  free (r->pixels);
}

/* The cheap things that can be wrong come first: the picture before the model, the model before its labels. */
static bool
run_open (struct run *r, const struct options *o, vit_error *err)
{
  if (o->image && !ppm_read (o->image, &r->image, &r->pixels, err))
    return false;
  r->device = vit_device_create (&o->common.device, err);
  if (!r->device)
    return false;
  r->model = vit_model_load (r->device, o->model, &o->common.model, err);
  if (!r->model)
    return false;
  vit_model_get_info (r->model, &r->info);
  if (o->labels_file && !vit_labels_read (o->labels_file, r->info.classes, &r->labels, err))
    return false;
  if (o->logits || o->taps || o->tap) {
    r->session = vit_session_create (r->model, NULL, err);
    return r->session != NULL;
  }
  return true;
}

static const char *
label_of (const struct run *r, uint32_t class_index)
{
  return r->labels ? r->labels[class_index] : vit_model_label (r->model, class_index);
}

static bool
show_facts (const struct run *r, const struct options *o, vit_error *err)
{
  if (!o->common.json) {
    facts_print_model (&r->info);
    for (uint32_t i = 0; o->labels && i < r->info.classes; i++)
      printf ("%s%-5u  %s\n", i ? "            " : "labels      ", i, label_of (r, i));
    return tool_flush (err);
  }
  json_t *facts = facts_model_json (&r->info);
  json_t *labels = o->labels ? json_array () : NULL;
  bool ok = facts && (!o->labels || labels);
  for (uint32_t i = 0; ok && o->labels && i < r->info.classes; i++)
    ok = json_array_append_new (labels, tool_json_text (label_of (r, i))) == 0;
  if (ok && labels)
    ok = json_object_set (facts, "labels", labels) == 0;
  json_decref (labels);
  if (!ok) {
    json_decref (facts);
    facts = NULL;
  }
  return tool_json_print (facts, JSON_INDENT (2) | JSON_REAL_PRECISION (9), err);
}

/* One picture through the session; the result's logits live until the session's next collect. */
static bool
classify (struct run *r, vit_result *result, vit_error *err)
{
  if (vit_session_submit (r->session, &r->image, 1, err) == VIT_SUBMIT_FAILED)
    return false;
  switch (vit_session_collect (r->session, UINT64_MAX, result, err)) {
    case VIT_COLLECTED:
      break;
    case VIT_COLLECT_FAILED:
      return false;
    default:
      return tool_fail (err, VIT_ERR_DEVICE_LOST, "the device gave no result for the picture");
  }
  for (uint32_t i = 0; i < result->classes; i++)
    if (!isfinite (result->logits[i]))
      return tool_fail (err, VIT_ERR_FORMAT,
          "logit %u is %f, expected a finite number; try --precision f32, and see"
          " with --tap which tensor is the first to overflow",
          i, (double) result->logits[i]);
  return true;
}

static json_t *
top_json (const struct run *r, const vit_result *result, const struct vit_score *top, uint32_t n)
{
  struct vit_device_info device;
  vit_device_get_info (r->device, &device);
  json_t *logits = json_array (), *list = json_array ();
  bool ok = logits && list;
  for (uint32_t i = 0; ok && i < result->classes; i++)
    ok = json_array_append_new (logits, json_real ((double) result->logits[i])) == 0;
  for (uint32_t i = 0; ok && i < n; i++)
    ok = json_array_append_new (list,
             json_pack ("{s:o, s:I, s:f}", "label", tool_json_text (label_of (r, top[i].class_index)), "class",
                 (json_int_t) top[i].class_index, "probability", (double) top[i].value))
        == 0;
  if (ok)
    return json_pack ("{s:o, s:s, s:o, s:o}", "device", tool_json_text (device.name), "precision",
        tool_precision_name (r->info.precision), "logits", logits, "top", list);
  json_decref (logits);
  json_decref (list);
  return NULL;
}

static bool
show_logits (struct run *r, const struct options *o, vit_error *err)
{
  vit_result result;
  if (!classify (r, &result, err))
    return false;
  uint32_t k = o->top_k < result.classes ? o->top_k : result.classes;
  struct vit_score *top = calloc (k, sizeof *top);
  if (!top)
    return tool_fail (err, VIT_ERR_MEMORY, "--top-k %u: out of memory", k);
  uint32_t n = vit_top_k (result.logits, result.classes, VIT_SOFTMAX, k, top);
  json_t *value = top_json (r, &result, top, n);
  free (top);
  return tool_json_print (value, JSON_COMPACT | JSON_REAL_PRECISION (9), err);
}

static bool
show_tap_names (const struct run *r, vit_error *err)
{
  const char *name;
  for (uint32_t i = 0; (name = vit_session_tap_name (r->session, i)); i++)
    puts (name);
  return tool_flush (err);
}

static bool
write_raw (const char *path, const float *data, size_t count, vit_error *err)
{
  FILE *f = fopen (path, "wb");
  if (!f)
    return tool_fail (err, VIT_ERR_IO, "%s: can't be created: %s", path, strerror (errno));
  bool ok = fwrite (data, sizeof *data, count, f) == count;
  if (fclose (f) != 0 || !ok)
    return tool_fail (err, VIT_ERR_IO, "%s: can't be written (%zu bytes): %s", path, count * sizeof *data,
        strerror (errno));
  return true;
}

static bool
show_tap (const struct run *r, const struct options *o, vit_error *err)
{
  uint32_t shape[2] = { 0 };
  float *data = vit_session_tap (r->session, &r->image, o->tap, shape, err); /* (shape[0], shape[1]) */
  if (!data)
    return false;
  bool ok = true;
  if (o->raw)
    ok = write_raw (o->raw, data, (size_t) shape[0] * shape[1], err);
  printf ("%s (%u, %u)\n", o->tap, shape[0], shape[1]);
  for (size_t row = 0; !o->raw && row < shape[0]; row++)
    for (size_t i = 0; i < shape[1]; i++)
      printf ("%.9g%c", (double) data[row * shape[1] + i], i + 1 < shape[1] ? ' ' : '\n');
  free (data);
  return ok && tool_flush (err);
}

static bool
run_model (const struct options *o, vit_error *err)
{
  struct run r = { 0 };
  bool ok = run_open (&r, o, err);
  if (ok && o->logits)
    ok = show_logits (&r, o, err);
  else if (ok && o->taps)
    ok = show_tap_names (&r, err);
  else if (ok && o->tap)
    ok = show_tap (&r, o, err);
  else if (ok)
    ok = show_facts (&r, o, err);
  run_close (&r);
  return ok;
}

int
main (int argc, char **argv)
{
  struct options o = { .top_k = 5 };
  vit_error err = { .code = VIT_OK };
  tool_init ("vit-info", &o.common);
  if (!parse (&o, argc, argv, &err))
    return tool_report (&err);
  if (o.done)
    return TOOL_OK;
  bool ok = o.model ? run_model (&o, &err) : list_devices (&o, &err);
  return ok ? TOOL_OK : tool_report (&err);
}
