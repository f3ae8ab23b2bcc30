/* Times a whole pipeline, 720p NV12 in, messages out, beside the bare engine, and counts the element's own CPU time. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/video/video.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef FAKE_ENGINE
#include "../plugin/fakevit.h"
void gst_plugin_vitclassify_register (void);
#else
#include "cpu.h"
#include "measure.h"
#include "synth.h"
#endif

static const char usage[] =
    "usage: pipeline [--frames=N] [--rounds=N] [--model=PATH | --shape=B/16] [--most=US] [PROPERTY=VALUE...]\n"
    "\n"
    "The properties are vitclassify's. In each round the engine alone, driven by vit-bench's own loop, and the "
    "pipeline\n"
    "run in turns in this process, with the same picture and as many submits under way; both begin and end with "
    "nothing\n"
    "under way. The source pushes one picture again and again, whose memory nobody copies; the sink lets go of what\n"
    "comes; a thread reads the bus. What each takes of the CPU is counted by the threads' own clocks.\n"
    "--most: fail if the element takes more than so many microseconds of the CPU a frame.\n";

enum { WIDTH = 1280, HEIGHT = 720, WARM = 8, MAX_ROUNDS = 100 };

struct options {
  guint frames, rounds, most_us;
  const gchar *model, *shape;
  gchar **properties; /* words, name=value, up to NULL */
};

/* Microseconds of CPU a frame. */
struct shares {
  double bringing, pushing; /* the element's, in the source's thread and in its own */
  double source, sink, bus; /* the pipeline around it */
  double all;               /* of the process */
  double caller;            /* whoever drives the bare engine */
};

struct bench {
  struct options options;
  GstElement *pipeline, *element;
  GstPad *source, *sink;
  GstBuffer *picture;
  guint batch_size, inflight;
  guint64 pushed;
  pthread_t bus_reader;
  gint reading; /* atomic */
  GMutex lock;
  GCond changed;
  /* under the lock */
  guint64 arrived;
  gint64 last_us; /* when the last frame arrived */
  double in_sink; /* seconds of CPU */
  pthread_t pusher;
};

static void
die (const gchar *what, const gchar *why)
{
  g_printerr ("pipeline: %s: %s\n", what, why);
  exit (1);
}

/* ---- clocks: seconds of CPU ---- */

static double
cpu_seconds (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static double
own_seconds (void)
{
  return cpu_seconds (CLOCK_THREAD_CPUTIME_ID);
}

static double
seconds_of (pthread_t thread)
{
  clockid_t clock;
  return pthread_getcpuclockid (thread, &clock) == 0 ? cpu_seconds (clock) : 0;
}

/* ---- the pipeline's ends ---- */

static GstFlowReturn
take_frame (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  struct bench *b = gst_pad_get_element_private (pad);
  double begin = own_seconds ();
  (void) parent;
  gst_buffer_unref (buffer);
  g_mutex_lock (&b->lock);
  b->pusher = pthread_self ();
  b->arrived++;
  b->last_us = g_get_monotonic_time ();
  g_cond_signal (&b->changed);
  b->in_sink += own_seconds () - begin;
  g_mutex_unlock (&b->lock);
  return GST_FLOW_OK;
}

static gboolean
answer_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  return GST_QUERY_TYPE (query) == GST_QUERY_DRAIN || gst_pad_query_default (pad, parent, query);
}

/* Pushes n frames and returns what of this thread's time went by in the element. */
static double
push_frames (struct bench *b, guint n)
{
  double inside = 0;
  for (guint i = 0; i < n; i++) {
    GstBuffer *buffer = gst_buffer_copy (b->picture); /* another buffer, the same memory */
    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (b->pushed++, GST_SECOND, 30);
    GST_BUFFER_DURATION (buffer) = GST_SECOND / 30;
    double begin = own_seconds ();
    if (gst_pad_push (b->source, buffer) != GST_FLOW_OK)
      die ("the pipeline", "stopped; GST_DEBUG=vitclassify:5 tells more");
    inside += own_seconds () - begin;
  }
  return inside;
}

/* Until the last frame has arrived. */
static void
drain (struct bench *b)
{
  GstQuery *query = gst_query_new_drain ();
  gst_pad_peer_query (b->source, query);
  gst_query_unref (query);
  g_mutex_lock (&b->lock);
  while (b->arrived < b->pushed)
    g_cond_wait (&b->changed, &b->lock);
  g_mutex_unlock (&b->lock);
}

/* Images a second. */
static double
run_pipeline (struct bench *b, struct shares *s)
{
  const guint n = b->options.frames;
  push_frames (b, MAX (WARM, b->batch_size * b->inflight));
  drain (b);
  gboolean threaded = !pthread_equal (b->pusher, pthread_self ());
  b->in_sink = 0;
  double own = own_seconds (), bus = seconds_of (b->bus_reader), all = cpu_seconds (CLOCK_PROCESS_CPUTIME_ID);
  double pusher = threaded ? seconds_of (b->pusher) : 0;
  gint64 begin_us = g_get_monotonic_time ();
  double bringing = push_frames (b, n);
  own = own_seconds () - own;
  drain (b);
  s->all = (cpu_seconds (CLOCK_PROCESS_CPUTIME_ID) - all) * 1e6 / n;
  s->bus = (seconds_of (b->bus_reader) - bus) * 1e6 / n;
  s->source = (own - bringing) * 1e6 / n;
  s->sink = b->in_sink * 1e6 / n;
  s->pushing = threaded ? (seconds_of (b->pusher) - pusher) * 1e6 / n - s->sink : 0;
  s->bringing = bringing * 1e6 / n - (threaded ? 0 : s->sink);
  return n * 1e6 / (double) (b->last_us - begin_us);
}

/* ---- the application ---- */

static void *
read_bus (void *data)
{
  struct bench *b = data;
  GstBus *bus = gst_element_get_bus (b->pipeline);
  while (g_atomic_int_get (&b->reading)) {
    GstMessage *message = gst_bus_timed_pop (bus, 100 * GST_MSECOND);
    GError *error = NULL;
    if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, NULL);
      die ("the pipeline", error->message);
    }
    if (message)
      gst_message_unref (message);
  }
  gst_object_unref (bus);
  return NULL;
}

/* Noise: a flat picture could meet a shortcut that a real one would not. */
static void
make_picture (struct bench *b, GstCaps *caps)
{
  GstVideoInfo info;
  GstMapInfo map;
  guint32 state = 1;
  if (!gst_video_info_from_caps (&info, caps))
    die ("the picture", "its caps make no sense");
  b->picture = gst_buffer_new_allocate (NULL, info.size, NULL);
  gst_buffer_map (b->picture, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++) {
    state = state * 1664525u + 1013904223u;
    map.data[i] = (guint8) (state >> 24);
  }
  gst_buffer_unmap (b->picture, &map);
}

static void
set_properties (struct bench *b)
{
  if (b->options.model)
    g_object_set (b->element, "model", b->options.model, NULL);
  for (gchar **word = b->options.properties; *word; word++) {
    gchar **parts = g_strsplit (*word, "=", 2);
    if (!parts[0] || !parts[1] || !g_object_class_find_property (G_OBJECT_GET_CLASS (b->element), parts[0]))
      die (*word, usage);
    gst_util_set_object_arg (G_OBJECT (b->element), parts[0], parts[1]);
    g_strfreev (parts);
  }
  g_object_get (b->element, "batch-size", &b->batch_size, "inflight", &b->inflight, NULL);
}

static void
start_pipeline (struct bench *b)
{
  GstCaps *caps = gst_caps_from_string ("video/x-raw,format=NV12,width=1280,height=720,framerate=30/1");
  GstSegment segment;
  make_picture (b, caps);
  b->pipeline = gst_pipeline_new (NULL);
  b->element = gst_element_factory_make ("vitclassify", NULL);
  if (!b->element)
    die ("vitclassify", "no such element; GST_PLUGIN_PATH must name the folder with libgstvitclassify.so");
  gst_util_set_object_arg (G_OBJECT (b->element), "message-mode", "all");
  set_properties (b);
  gst_bin_add (GST_BIN (b->pipeline), b->element);
  b->source = gst_pad_new ("source", GST_PAD_SRC);
  b->sink = gst_pad_new ("sink", GST_PAD_SINK);
  gst_pad_set_element_private (b->sink, b);
  gst_pad_set_chain_function (b->sink, take_frame);
  gst_pad_set_query_function (b->sink, answer_query);
  GstPad *in = gst_element_get_static_pad (b->element, "sink"), *out = gst_element_get_static_pad (b->element, "src");
  gst_pad_set_active (b->source, TRUE);
  gst_pad_set_active (b->sink, TRUE);
  gst_pad_link_full (b->source, in, GST_PAD_LINK_CHECK_NOTHING);
  gst_pad_link_full (out, b->sink, GST_PAD_LINK_CHECK_NOTHING);
  gst_object_unref (in);
  gst_object_unref (out);
  g_atomic_int_set (&b->reading, TRUE);
  if (pthread_create (&b->bus_reader, NULL, read_bus, b) != 0)
    die ("the application", "no thread");
  if (gst_element_set_state (b->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    die ("the pipeline", "does not start; GST_DEBUG=vitclassify:5 tells more");
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (b->source, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (b->source, gst_event_new_caps (caps));
  gst_pad_push_event (b->source, gst_event_new_segment (&segment));
  gst_caps_unref (caps);
}

static void
stop_pipeline (struct bench *b)
{
  gst_element_set_state (b->pipeline, GST_STATE_NULL);
  g_atomic_int_set (&b->reading, FALSE);
  pthread_join (b->bus_reader, NULL);
  gst_object_unref (b->source);
  gst_object_unref (b->sink);
  gst_object_unref (b->pipeline);
  gst_buffer_unref (b->picture);
}

/* ---- the bare engine ---- */

#ifndef FAKE_ENGINE
struct engine {
  vit_device *device;
  vit_model *model;
  vit_session *session;
  vit_image image;
  GstMapInfo map;
};

static void
engine_open (struct bench *b, struct engine *e)
{
  vit_error err = { 0 };
  gchar *select;
  gint precision;
  g_object_get (b->element, "device", &select, "precision", &precision, NULL);
  const struct vit_device_params device = { .select = select };
  const struct vit_model_params model = { .precision = (enum vit_precision) precision };
  const struct vit_session_params session = { .max_batch = b->batch_size, .in_flight = b->inflight };
  if (!(e->device = vit_device_create (&device, &err))
      || !(e->model = vit_model_load (e->device, b->options.model, &model, &err))
      || !(e->session = vit_session_create (e->model, &session, &err)))
    die ("the engine", err.msg);
  g_free (select);
  gst_buffer_map (b->picture, &e->map, GST_MAP_READ);
  e->image = (vit_image) { .format = VIT_FORMAT_NV12,
    .width = WIDTH,
    .height = HEIGHT,
    .planes = { e->map.data, e->map.data + WIDTH * HEIGHT },
    .strides = { WIDTH, WIDTH },
    .matrix = VIT_MATRIX_BT709,
    .chroma_h_cosited = true };
}

static void
engine_close (struct bench *b, struct engine *e)
{
  gst_buffer_unmap (b->picture, &e->map);
  vit_session_destroy (&e->session);
  vit_model_destroy (&e->model);
  vit_device_destroy (&e->device);
}

/* Images a second. */
static double
run_engine (struct bench *b, struct engine *e, struct shares *s)
{
  struct measure_plan plan = { .batch = b->batch_size, .in_flight = b->inflight };
  struct measure_result result;
  vit_error err = { 0 };
  plan.warmup = MAX (WARM, b->batch_size * b->inflight) / b->batch_size;
  plan.runs = MAX (b->options.frames / b->batch_size, 1);
  double begin = own_seconds ();
  if (!measure_run (e->session, &e->image, &plan, &result, &err))
    die ("the engine", err.msg);
  s->caller = (own_seconds () - begin) * 1e6 / ((plan.warmup + plan.runs) * b->batch_size);
  return result.images_per_s;
}
#endif

/* ---- rounds ---- */

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static double
median (double *values, guint n)
{
  qsort (values, n, sizeof *values, compare);
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* Medians of the rounds, member by member. */
static struct shares
typical (const struct shares *rounds, guint n)
{
  struct shares result = { 0 };
  double values[MAX_ROUNDS] = { 0 };
  for (size_t at = 0; at < sizeof result; at += sizeof (double)) {
    for (guint i = 0; i < n; i++)
      memcpy (&values[i], (const char *) &rounds[i] + at, sizeof (double));
    values[0] = median (values, n);
    memcpy ((char *) &result + at, values, sizeof (double));
  }
  return result;
}

static gboolean
report (const struct bench *b, const struct shares *rounds)
{
  struct shares s = typical (rounds, b->options.rounds);
  double element = s.bringing + s.pushing;
  g_print ("CPU a frame, us: element %.0f (%.0f with the source, %.0f pushing), source %.0f, sink %.0f, bus %.0f\n",
      element, s.bringing, s.pushing, s.source, s.sink, s.bus);
  if (s.caller > 0)
    g_print ("    beside what the bare engine's caller takes, %.0f, the element has %.0f; the driver's threads %.0f\n",
        s.caller, element - s.caller, s.all - element - s.source - s.sink - s.bus);
  if (b->options.most_us == 0 || element <= b->options.most_us)
    return TRUE;
  g_printerr ("pipeline: the element takes %.0f us of CPU a frame, expected %u at most\n", element, b->options.most_us);
  return FALSE;
}

static gboolean
run (struct bench *b)
{
  struct shares rounds[MAX_ROUNDS] = { 0 };
#ifdef FAKE_ENGINE
  for (guint i = 0; i < b->options.rounds; i++)
    run_pipeline (b, &rounds[i]);
#else
  struct engine engine = { 0 };
  double ratios[MAX_ROUNDS] = { 0 };
  engine_open (b, &engine);
  for (guint i = 0; i < b->options.rounds; i++) {
    double alone = run_engine (b, &engine, &rounds[i]), whole = run_pipeline (b, &rounds[i]);
    ratios[i] = 100 * whole / alone;
    g_print ("pipeline %.2f images/s, engine alone %.2f images/s, %.1f %%\n", whole, alone, ratios[i]);
  }
  engine_close (b, &engine);
  g_print ("median %.1f %%, batches of %u, %u under way\n", median (ratios, b->options.rounds), b->batch_size,
      b->inflight);
#endif
  return report (b, rounds);
}

static gboolean
parse_number (const gchar *word, const gchar *option, guint *out)
{
  guint64 value;
  if (!g_str_has_prefix (word, option))
    return FALSE;
  if (!g_ascii_string_to_unsigned (word + strlen (option), 10, 1, 1000000, &value, NULL))
    die (word, usage);
  *out = (guint) value;
  return TRUE;
}

static void
parse (struct options *o, int argc, char **argv)
{
  guint words = 0;
  o->properties = g_new0 (gchar *, (gsize) argc);
  for (int i = 1; i < argc; i++) {
    if (parse_number (argv[i], "--frames=", &o->frames) || parse_number (argv[i], "--rounds=", &o->rounds)
        || parse_number (argv[i], "--most=", &o->most_us))
      continue;
    if (g_str_has_prefix (argv[i], "--model="))
      o->model = argv[i] + strlen ("--model=");
    else if (g_str_has_prefix (argv[i], "--shape="))
      o->shape = argv[i] + strlen ("--shape=");
    else if (*argv[i] != '-')
      o->properties[words++] = argv[i];
    else
      die (argv[i], usage);
  }
  if (o->rounds > MAX_ROUNDS)
    die ("--rounds", "100 at most");
}

/* The model's weights may lie in a folder that goes away once both have loaded them. */
static void
choose_model (struct options *o)
{
#ifdef FAKE_ENGINE
  (void) o;
#else
  struct synth_shape shape;
  vit_error err = { 0 };
  if (!o->shape)
    return;
  if (!synth_parse (o->shape, &shape, &err) || !(o->model = synth_create (&shape, &err)))
    die (o->shape, err.msg);
#endif
}

int
main (int argc, char **argv)
{
  struct bench b = { .options = { .frames = 100, .rounds = 5, .model = MODEL } };
  gboolean ok;
  parse (&b.options, argc, argv);
#ifndef FAKE_ENGINE
  struct cpu_width width;
  vit_error err = { 0 };
  if (!cpu_width_apply ("auto", &width, &err))
    die ("the driver's width", err.msg);
#endif
  gst_init (NULL, NULL);
#ifdef FAKE_ENGINE
  fakevit.copies = TRUE;
  fakevit.collect_ms = 2; /* as long as each thread has to wait for the other, as for a device */
  gst_plugin_vitclassify_register ();
#endif
  choose_model (&b.options);
  start_pipeline (&b);
  ok = run (&b);
  stop_pipeline (&b);
#ifndef FAKE_ENGINE
  synth_remove ();
#endif
  g_free (b.options.properties);
  gst_deinit ();
  return ok ? 0 : 1;
}
