/* vit-bench: how fast the engine runs a model on a device, and what it costs to start. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "facts.h"
#include "measure.h"
#include "ppm.h"
#include "synth.h"
#include "times.h"
#include "tool.h"

static const char help[] =
    "Usage: vit-bench MODEL [OPTION...]\n"
    "       vit-bench --shape B/16 [OPTION...]\n"
    "\n"
    "Times a model from pictures in memory to logits in memory, preprocessing included, and the\n"
    "way there: opening the device, loading, planning, the first picture.\n"
    "\n"
    "  --shape SIZE        random weights of a published size instead of MODEL: Ti, S, B, L or H,\n"
    "                      a slash and the patch, maybe @SIDE: Ti/16, B/32, L/16, H/14, B/16@384.\n"
    "                      Written to a folder under TMPDIR, which is removed again\n"
    "  --runs N            timed submits (default 20)\n"
    "  --warm-up N         submits before them (default 3, or as many as are in flight)\n"
    "  --batch N           images a submit (default 1)\n"
    "  --in-flight N       submits under way at once (default 1)\n"
    "  --frame WxH         size of the pictures (default: the network's input)\n"
    "  --format F          rgb (default), rgbx, nv12 or i420\n"
    "  --image FILE.ppm    a picture instead of noise\n"
    "  --tune MODE         auto (default), off or full: timing kernels for the model's layers first\n"
    "  --kernels           each kernel's time by the device's clock too\n"
    "  --peak              the share of what this device does at best, measured: multiply-adds in a\n"
    "                      shader and, where the device is a CPU, in its own instructions: the larger\n"
    "  --vector-width N    of software Vulkan, bits: auto (default: 512 where the CPU has AVX-512 and\n"
    "                      LP_NATIVE_VECTOR_WIDTH is not set), keep (as it is), 128, 256 or 512\n" TOOL_OPTIONS_HELP
    "\n"
    "Times are from one finished submit to the next; compare only figures taken in one run on one\n"
    "machine. Exit status: 0 done, 1 failed, 2 wrong command line.\n";

enum format { FORMAT_RGB, FORMAT_RGBX, FORMAT_NV12, FORMAT_I420, NUM_FORMATS };
static const char *const format_names[NUM_FORMATS] = { "rgb", "rgbx", "nv12", "i420" };

struct options {
  struct tool_options common;
  const char *model, *image;
  struct synth_shape shape; /* name empty: not asked for */
  struct measure_plan plan;
  uint32_t width, height; /* 0: the network's input */
  enum format format;
  const char *vector_width;
  enum vit_tune tune;
  bool kernels, peak, warmup_given, done;
};

/* Everything made on the way, and how long each step took. */
struct bench {
  vit_device *device;
  vit_model *model;
  vit_session *session;
  struct vit_device_info device_info;
  struct vit_model_info info;
  struct vit_session_stats stats;
  struct vit_device_memory memory;
  vit_image image;
  unsigned char *pixels;
  double device_ms, load_ms, session_ms, first_image_ms;
  struct measure_result speed;
  struct cpu_width width;
  struct times times;
  struct vit_device_peak device_peak; /* 0: not asked for */
  struct cpu_peak cpu_peak;           /* 0: the device is none */
};

enum {
  OPT_SHAPE = TOOL_OWN,
  OPT_RUNS,
  OPT_WARM_UP,
  OPT_BATCH,
  OPT_IN_FLIGHT,
  OPT_FRAME,
  OPT_FORMAT,
  OPT_IMAGE,
  OPT_TUNE,
  OPT_KERNELS,
  OPT_PEAK,
  OPT_VECTOR_WIDTH
};

static bool
parse_format (const char *text, enum format *out, vit_error *err)
{
  for (int i = 0; i < NUM_FORMATS; i++)
    if (strcmp (text, format_names[i]) == 0) {
      *out = (enum format) i;
      return true;
    }
  return tool_fail (err, VIT_ERR_ARG, "--format is '%s', expected rgb, rgbx, nv12 or i420", text);
}

static bool
parse_tune (const char *text, enum vit_tune *out, vit_error *err)
{
  static const char *const names[] = { [VIT_TUNE_AUTO] = "auto", [VIT_TUNE_OFF] = "off", [VIT_TUNE_FULL] = "full" };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp (text, names[i]) == 0) {
      *out = (enum vit_tune) i;
      return true;
    }
  return tool_fail (err, VIT_ERR_ARG, "--tune is '%s', expected auto, off or full", text);
}

static bool
parse_one (struct options *o, int option, const char *value, vit_error *err)
{
  switch (option) {
    case OPT_SHAPE:
      return synth_parse (value, &o->shape, err);
    case OPT_RUNS:
      return tool_number ("--runs", value, 1, 1000000, &o->plan.runs, err);
    case OPT_WARM_UP:
      o->warmup_given = true;
      return tool_number ("--warm-up", value, 0, 1000000, &o->plan.warmup, err);
    case OPT_BATCH:
      return tool_number ("--batch", value, 1, 256, &o->plan.batch, err);
    case OPT_IN_FLIGHT:
      return tool_number ("--in-flight", value, 1, 8, &o->plan.in_flight, err);
    case OPT_FRAME:
      return tool_size ("--frame", value, &o->width, &o->height, err);
    case OPT_FORMAT:
      return parse_format (value, &o->format, err);
    case OPT_IMAGE:
      o->image = value;
      return true;
    case OPT_TUNE:
      return parse_tune (value, &o->tune, err);
    case OPT_KERNELS:
      o->kernels = true;
      return true;
    case OPT_PEAK:
      o->peak = true;
      return true;
    case OPT_VECTOR_WIDTH:
      o->vector_width = value;
      return true;
    case TOOL_HELP:
    case TOOL_VERSION:
      o->done = true;
      if (option == TOOL_HELP)
        fputs (help, stdout);
      else
        printf ("vit-bench %s\n", vit_version ());
      return tool_flush (err);
    default:
      return tool_option (&o->common, option, value, err);
  }
}

static bool
parse (struct options *o, int argc, char **argv, vit_error *err)
{
  static const struct option rows[] = { TOOL_OPTIONS, { "shape", required_argument, NULL, OPT_SHAPE },
    { "runs", required_argument, NULL, OPT_RUNS }, { "warm-up", required_argument, NULL, OPT_WARM_UP },
    { "batch", required_argument, NULL, OPT_BATCH }, { "in-flight", required_argument, NULL, OPT_IN_FLIGHT },
    { "frame", required_argument, NULL, OPT_FRAME }, { "format", required_argument, NULL, OPT_FORMAT },
    { "image", required_argument, NULL, OPT_IMAGE }, { "kernels", no_argument, NULL, OPT_KERNELS },
    { "tune", required_argument, NULL, OPT_TUNE }, { "peak", no_argument, NULL, OPT_PEAK },
    { "vector-width", required_argument, NULL, OPT_VECTOR_WIDTH }, { 0 } };
  for (int option; !o->done && (option = getopt_long (argc, argv, ":", rows, NULL)) != -1;)
    if (!parse_one (o, option, optarg ? optarg : argv[optind - 1], err))
      return false;
  if (o->done)
    return true;
  if (optind < argc)
    o->model = argv[optind++];
  if (optind < argc)
    return tool_fail (err, VIT_ERR_ARG, "unexpected argument '%s'; one model is all it takes", argv[optind]);
  if (!o->model == !o->shape.name[0])
    return tool_fail (err, VIT_ERR_ARG, "%s; name a checkpoint or give --shape, as in --shape B/16",
        o->model ? "both a MODEL and --shape given" : "no MODEL given");
  /* the first frame of a slot may allocate for its size */
  if (!o->warmup_given && o->plan.warmup < o->plan.in_flight)
    o->plan.warmup = o->plan.in_flight;
  if (o->image && (o->width || o->format != FORMAT_RGB))
    return tool_fail (err, VIT_ERR_ARG, "--image brings its own size and format; leave out --frame and --format");
  return true;
}

/* Planes of one allocation, filled with noise: a flat picture could meet a shortcut that a real one would not. */
static bool
make_noise (struct bench *b, uint32_t w, uint32_t h, enum format format, vit_error *err)
{
  size_t cw = (w + 1) / 2, ch = (h + 1) / 2, luma = (size_t) w * h;
  size_t size = format == FORMAT_RGB ? luma * 3 : format == FORMAT_RGBX ? luma * 4 : luma + 2 * cw * ch;
  unsigned char *p = malloc (size);
  if (!p)
    return tool_fail (err, VIT_ERR_MEMORY, "a picture of %u x %u: out of memory (%zu bytes asked for)", w, h, size);
  uint32_t state = 1;
  for (size_t i = 0; i < size; i++) {
    state = state * 1664525u + 1013904223u;
    p[i] = (unsigned char) (state >> 24);
  }
  b->pixels = p;
  b->image = (vit_image) { .format = VIT_FORMAT_RGB,
    .width = w,
    .height = h,
    .planes = { p },
    .strides = { w * 3 },
    .chroma_h_cosited = true };
  if (format == FORMAT_RGBX) {
    b->image.format = VIT_FORMAT_RGBX;
    b->image.strides[0] = w * 4;
  } else if (format != FORMAT_RGB) {
    bool nv12 = format == FORMAT_NV12;
    b->image.format = nv12 ? VIT_FORMAT_NV12 : VIT_FORMAT_I420;
    b->image.strides[0] = w;
    b->image.planes[1] = p + luma;
    b->image.strides[1] = (uint32_t) (nv12 ? 2 * cw : cw);
    b->image.planes[2] = nv12 ? NULL : p + luma + cw * ch;
    b->image.strides[2] = nv12 ? 0 : (uint32_t) cw;
  }
  return true;
}

/* The clock's steps: each returns what has passed since the last. */
static double
lap (double *since)
{
  double now = tool_now_ms (), passed = now - *since;
  *since = now;
  return passed;
}

/* What --format names, as the engine knows it. */
static enum vit_format
engine_format (enum format format)
{
  static const enum vit_format of[] = { [FORMAT_RGB] = VIT_FORMAT_RGB,
    [FORMAT_RGBX] = VIT_FORMAT_RGBX,
    [FORMAT_NV12] = VIT_FORMAT_NV12,
    [FORMAT_I420] = VIT_FORMAT_I420 };
  return of[format];
}

static bool
bench_open (struct bench *b, const struct options *o, vit_error *err)
{
  struct vit_model_params model_params = o->common.model;
  model_params.formats = 1u << engine_format (o->format);
  const char *path = o->model ? o->model : synth_create (&o->shape, err);
  if (!path)
    return false;
  double clock = tool_now_ms ();
  b->device = vit_device_create (&o->common.device, err);
  if (!b->device)
    return false;
  b->device_ms = lap (&clock);
  b->model = vit_model_load (b->device, path, &model_params, err);
  b->load_ms = lap (&clock);
  synth_remove (); /* the weights are on the device now */
  if (!b->model)
    return false;
  vit_device_get_info (b->device, &b->device_info);
  vit_model_get_info (b->model, &b->info);
  if (!b->pixels
      && !make_noise (b, o->width ? o->width : b->info.preprocess.width,
          o->width ? o->height : b->info.preprocess.height, o->format, err))
    return false;
  clock = tool_now_ms ();
  struct vit_session_params params = { .max_batch = o->plan.batch, .in_flight = o->plan.in_flight, .tune = o->tune };
  b->session = vit_session_create (b->model, &params, err);
  b->session_ms = lap (&clock);
  if (!b->session)
    return false;
  struct measure_plan one = { .batch = 1, .in_flight = 1, .runs = 1 };
  struct measure_result ignored;
  bool ok = measure_run (b->session, &b->image, &one, &ignored, err);
  b->first_image_ms = lap (&clock);
  return ok;
}

static double
gflops (const struct bench *b)
{
  return b->info.flops * b->speed.images_per_s * 1e-9;
}

/* The larger of what the device does at best and, where it is a CPU, what that CPU does. 0: not measured. */
static double
peak_gflops (const struct bench *b)
{
  return b->cpu_peak.gflop_per_s > b->device_peak.gflop_per_s ? b->cpu_peak.gflop_per_s : b->device_peak.gflop_per_s;
}

static void
print_peak (const struct bench *b)
{
  printf ("peak     %.1f GFLOP/s in a shader", b->device_peak.gflop_per_s);
  if (b->cpu_peak.threads)
    printf (", %.1f in the CPU's own code (%s, %u threads)", b->cpu_peak.gflop_per_s, b->cpu_peak.instructions,
        b->cpu_peak.threads);
  printf ("; copies %.1f GB/s\n         %.1f %% of the peak%s\n", b->device_peak.copy_gb_per_s,
      100 * gflops (b) / peak_gflops (b), b->cpu_peak.threads ? ", the larger of the two" : "");
}

static bool
print_text (const struct bench *b, const struct options *o, vit_error *err)
{
  const struct measure_plan *p = &o->plan;
  printf ("model    %s, %u x %u, %u tokens, %.2f M parameters, %.2f GFLOP an image\n",
      o->model ? b->info.name : o->shape.name, b->info.preprocess.width, b->info.preprocess.height, b->info.tokens,
      (double) b->info.parameters * 1e-6, b->info.flops * 1e-9);
  printf ("device   %s, %s, precision %s\n", b->device_info.name, b->device_info.driver,
      tool_precision_name (b->info.precision));
  if (b->device_info.type == VIT_DEVICE_CPU)
    printf ("width    LP_NATIVE_VECTOR_WIDTH %s%s\n", b->width.bits[0] ? b->width.bits : "is not set",
        b->width.chosen ? ", set for this run (--vector-width keep: left alone)" : "");
  printf ("start    %.1f ms: device %.1f, load %.1f, session %.1f, first image %.1f\n",
      b->device_ms + b->load_ms + b->session_ms + b->first_image_ms, b->device_ms, b->load_ms, b->session_ms,
      b->first_image_ms);
  printf ("speed    median %.3f ms a submit (p10 %.3f, p90 %.3f), %u runs of %u image%s, %u in flight\n",
      b->speed.median_ms, b->speed.p10_ms, b->speed.p90_ms, p->runs, p->batch, p->batch == 1 ? "" : "s", p->in_flight);
  printf ("         %.2f images/s, %.1f GFLOP/s", b->speed.images_per_s, gflops (b));
  if (b->speed.gpu_ms > 0)
    printf (", %.3f ms on the device", b->speed.gpu_ms);
  printf ("\nsubmit   %u dispatches, %u barriers, %u pipelines for one image\n", b->stats.dispatches, b->stats.barriers,
      b->stats.pipelines);
  printf ("image    %g submits, %g allocations, %g descriptor updates\n", b->speed.submits, b->speed.allocations,
      b->speed.descriptor_updates);
  printf ("memory   weights %.1f MB, session %.1f MB; all in all %.1f MB in %u allocations\n",
      (double) b->info.weight_bytes * 1e-6, (double) b->stats.device_bytes * 1e-6, (double) b->memory.bytes * 1e-6,
      b->memory.allocations);
  if (o->peak)
    print_peak (b);
  if (o->kernels)
    times_print (&b->times, peak_gflops (b));
  return tool_flush (err);
}

/* What was asked for besides the speed. */
static bool
add_extras (json_t *value, const struct bench *b, const struct options *o)
{
  bool ok = true;
  if (b->device_info.type == VIT_DEVICE_CPU)
    ok = json_object_set_new (value, "vector_width",
             json_pack ("{s:s, s:b}", "bits", b->width.bits, "chosen", b->width.chosen))
        == 0;
  if (ok && o->peak)
    ok = json_object_set_new (value, "peak",
             json_pack ("{s:f, s:f, s:f, s:f, s:s}", "gflop_per_s", peak_gflops (b), "share",
                 gflops (b) / peak_gflops (b), "shader_gflop_per_s", b->device_peak.gflop_per_s, "copy_gb_per_s",
                 b->device_peak.copy_gb_per_s, "cpu_instructions", b->cpu_peak.threads ? b->cpu_peak.instructions : ""))
        == 0;
  if (ok && o->kernels)
    ok = json_object_set_new (value, "kernels", times_json (&b->times)) == 0;
  return ok;
}

static bool
print_json (const struct bench *b, const struct options *o, vit_error *err)
{
  json_t *start = json_pack ("{s:f, s:f, s:f, s:f, s:f}", "device_ms", b->device_ms, "load_ms", b->load_ms,
      "session_ms", b->session_ms, "first_image_ms", b->first_image_ms, "first_result_ms",
      b->device_ms + b->load_ms + b->session_ms + b->first_image_ms);
  json_t *frame = json_pack ("{s:i, s:i, s:s}", "width", (int) b->image.width, "height", (int) b->image.height,
      "format", o->image ? "rgb" : format_names[o->format]);
  json_t *value = json_pack ("{s:o, s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f,"
                             " s:i, s:i, s:i, s:f, s:f, s:f, s:I, s:I, s:I, s:i, s:o, s:o, s:o, s:o}",
      "device", tool_json_text (b->device_info.name), "precision", tool_precision_name (b->info.precision), "shape",
      o->shape.name, "batch", (int) o->plan.batch, "in_flight", (int) o->plan.in_flight, "warm_up",
      (int) o->plan.warmup, "runs", (int) o->plan.runs, "median_ms", b->speed.median_ms, "p10_ms", b->speed.p10_ms,
      "p90_ms", b->speed.p90_ms, "gpu_ms", b->speed.gpu_ms, "images_per_s", b->speed.images_per_s, "gflop_per_s",
      gflops (b), "dispatches", (int) b->stats.dispatches, "barriers", (int) b->stats.barriers, "pipelines",
      (int) b->stats.pipelines, "submits_per_image", b->speed.submits, "allocations_per_image", b->speed.allocations,
      "descriptor_updates_per_image", b->speed.descriptor_updates, "device_bytes", (json_int_t) b->stats.device_bytes,
      "weight_bytes", (json_int_t) b->info.weight_bytes, "memory_bytes", (json_int_t) b->memory.bytes,
      "memory_allocations", (int) b->memory.allocations, "start", start, "frame", frame, "model",
      facts_model_json (&b->info), "driver", tool_json_text (b->device_info.driver));
  if (value && !add_extras (value, b, o)) {
    json_decref (value);
    value = NULL;
  }
  return tool_json_print (value, JSON_INDENT (2) | JSON_REAL_PRECISION (9), err);
}

static bool
run (struct bench *b, const struct options *o, vit_error *err)
{
  if (o->image && !ppm_read (o->image, &b->image, &b->pixels, err))
    return false;
  if (!bench_open (b, o, err) || !measure_run (b->session, &b->image, &o->plan, &b->speed, err))
    return false;
  vit_session_get_stats (b->session, &b->stats);
  vit_device_get_memory (b->device, &b->memory);
  if (o->kernels && !times_measure (b->session, &b->image, o->plan.batch, o->plan.runs, &b->times, err))
    return false;
  if (o->peak
      && (!vit_device_measure_peak (b->device, &b->device_peak, err)
          || (b->device_info.type == VIT_DEVICE_CPU && !cpu_peak_measure (&b->cpu_peak, err))))
    return false;
  return o->common.json ? print_json (b, o, err) : print_text (b, o, err);
}

int
main (int argc, char **argv)
{
  struct options o = { .plan = { .batch = 1, .in_flight = 1, .warmup = 3, .runs = 20 }, .vector_width = "auto" };
  struct bench b = { 0 };
  vit_error err = { .code = VIT_OK };
  tool_init ("vit-bench", &o.common);
  if (!parse (&o, argc, argv, &err))
    return tool_report (&err);
  if (o.done)
    return TOOL_OK;
  bool ok = cpu_width_apply (o.vector_width, &b.width, &err) && run (&b, &o, &err);
  times_finish (&b.times);
  vit_session_destroy (&b.session);
  vit_model_destroy (&b.model);
  vit_device_destroy (&b.device);
  free (b.pixels);
  return ok ? TOOL_OK : tool_report (&err);
}
