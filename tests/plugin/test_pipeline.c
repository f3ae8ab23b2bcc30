/* Tests of whole pipelines: real files, changing sizes, overlays, the documented examples, leaks, memory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <glib/gstdio.h>
#include <gst/gsttracer.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FAKE_ENGINE
#include "fakevit.h"
#endif

#define SAMPLE TEST_DATA "/sample.webm"
#define TIMEOUT (300 * GST_SECOND)

static gchar *folder;           /* for what tests write */

static gchar *
in_folder (const gchar * name)
{
  return g_build_filename (folder, name, NULL);
}

static GstElement *
launch (const gchar * line)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  fail_unless (pipeline && !error, "%s: %s", line, error ? error->message : "");
  return pipeline;
}

/* Plays to the end; returns the labels of the element messages, in order. */
static GPtrArray *
play (GstElement * pipeline)
{
  GPtrArray *labels = g_ptr_array_new_with_free_func (g_free);
  GstBus *bus = gst_element_get_bus (pipeline);
  gboolean ended = FALSE;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    GstMessage *message = gst_bus_timed_pop_filtered (bus, TIMEOUT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR |
        GST_MESSAGE_ELEMENT);
    const GstStructure *s;
    GError *error = NULL;

    fail_unless (message != NULL, "the pipeline hangs");
    s = gst_message_get_structure (message);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, NULL);
    fail_unless (error == NULL, "%s", error ? error->message : "");
    ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (!ended && gst_structure_has_name (s, "vitclassify"))
      g_ptr_array_add (labels, g_strdup (gst_structure_get_string (s, "label")));
    gst_message_unref (message);
  }
  gst_object_unref (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return labels;
}

static void
play_all (const gchar * line)
{
  g_ptr_array_unref (play (launch (line)));
}

/* One frame of each of the clip's five photographs. */
GST_START_TEST (test_webm)
{
  GPtrArray *labels = play (launch ("filesrc location=" SAMPLE " ! decodebin ! videoconvert ! "
          "vitclassify interval=60 message-mode=all ! fakesink"));

  fail_unless_equals_int (labels->len, 5);
#ifndef FAKE_ENGINE
  {
    static const gchar *const expected[] = { "cat", "bird", "horse", "deer", "dog" };

    for (guint i = 0; i < 5; i++)
      fail_unless_equals_string (g_ptr_array_index (labels, i), expected[i]);
  }
#endif
  g_ptr_array_unref (labels);
}
GST_END_TEST;

static json_t *
next_json (FILE * file)
{
  char line[4096];
  json_error_t error;
  json_t *root;

  if (!fgets (line, sizeof line, file))
    return NULL;
  root = json_loads (line, 0, &error);
  fail_unless (root != NULL, "%s: %s", error.text, line);
  return root;
}

/* Every frame gives one line, in order, with the clip's timestamps. */
GST_START_TEST (test_ndjson_file)
{
  gchar *path = in_folder ("out.ndjson");
  gchar *line = g_strdup_printf ("filesrc location=" SAMPLE " ! decodebin ! videoconvert ! "
      "vitclassify interval=50 carry-over=last top-k=2 ! vitmetatext format=ndjson ! filesink location=%s", path);
  gint64 n = 0, last = -1;
  json_t *root;
  FILE *file;

  play_all (line);
  file = fopen (path, "r");
  fail_unless (file != NULL);
  while ((root = next_json (file))) {
    gint64 timestamp = json_integer_value (json_object_get (root, "timestamp"));

    fail_unless_equals_int (json_integer_value (json_object_get (root, "frame")), n);
    fail_unless (timestamp > last);
    last = timestamp;
    fail_unless_equals_int (json_integer_value (json_object_get (root, "frames_ago")), n % 50);
    fail_unless_equals_int (json_array_size (json_object_get (root, "classes")), 2);
    json_decref (root);
    n++;
  }
  fail_unless_equals_int (n, 300);
  fclose (file);
  g_unlink (path);
  g_free (line);
  g_free (path);
}
GST_END_TEST;

/* A series of photographs, each of another size; frames of 0/1 a second where there is one only. */
GST_START_TEST (test_jpegs)
{
  static const gint sizes[][2] = { {64, 48}, {31, 77}, {640, 360}, {1, 1}, {200, 8} };
  gchar *pattern = in_folder ("%02d.jpg"), *line;       /* for multifilesrc */
  GPtrArray *labels;

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    gchar *name = g_strdup_printf ("%02u.jpg", i), *path = in_folder (name);

    line = g_strdup_printf ("videotestsrc num-buffers=1 ! video/x-raw,width=%d,height=%d ! jpegenc ! "
        "filesink location=%s", sizes[i][0], sizes[i][1], path);
    play_all (line);
    g_free (line);
    if (i == 0) {
      line = g_strdup_printf ("filesrc location=%s ! jpegdec ! vitclassify message-mode=all ! fakesink", path);
      labels = play (launch (line));
      fail_unless_equals_int (labels->len, 1);
      g_ptr_array_unref (labels);
      g_free (line);
    }
    g_free (name);
    g_free (path);
  }
  line = g_strdup_printf ("multifilesrc location=%s caps=image/jpeg,framerate=1/1 ! jpegdec ! "
      "vitclassify message-mode=all ! fakesink", pattern);
  labels = play (launch (line));
  fail_unless_equals_int (labels->len, G_N_ELEMENTS (sizes));
  g_ptr_array_unref (labels);
  g_free (line);
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    gchar *name = g_strdup_printf ("%02u.jpg", i), *path = in_folder (name);

    g_unlink (path);
    g_free (path);
    g_free (name);
  }
  g_free (pattern);
}
GST_END_TEST;

/* Very large and very small frames. */
GST_START_TEST (test_sizes)
{
  static const gchar *const caps[] = { "NV12,width=8192,height=8192", "RGB,width=1,height=1",
    "I420,width=16384,height=2", "GRAY8,width=1,height=16384", "BGRx,width=4095,height=3" };

  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    gchar *line = g_strdup_printf ("videotestsrc num-buffers=2 pattern=blue ! video/x-raw,format=%s ! "
        "vitclassify message-mode=all ! fakesink", caps[i]);
    GPtrArray *labels = play (launch (line));

    fail_unless_equals_int (labels->len, 2);
    g_ptr_array_unref (labels);
    g_free (line);
  }
}
GST_END_TEST;

GST_START_TEST (test_overlay)
{
  play_all ("filesrc location=" SAMPLE " ! decodebin ! videoconvert ! identity eos-after=5 ! vitclassify ! tee name=t "
      "t. ! queue ! textoverlay name=o ! videoconvert ! fakesink "
      "t. ! queue ! vitmetatext ! o.text_sink");
}
GST_END_TEST;

/* Two streams in one process. */
GST_START_TEST (test_two_streams)
{
  GPtrArray *labels = play (launch ("videotestsrc num-buffers=4 ! vitclassify message-mode=all ! fakesink "
          "videotestsrc num-buffers=4 pattern=ball ! video/x-raw,format=I420 ! vitclassify message-mode=all ! "
          "fakesink"));

  fail_unless_equals_int (labels->len, 8);
  g_ptr_array_unref (labels);
}
GST_END_TEST;

/* Seeks while playing: flushes in mid-frame. */
GST_START_TEST (test_seeks)
{
  GstElement *pipeline = launch ("videotestsrc num-buffers=2000 ! video/x-raw,framerate=100/1 ! vitclassify ! "
      "fakesink sync=false");

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  fail_unless_equals_int (gst_element_get_state (pipeline, NULL, NULL, TIMEOUT), GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 10; i++) {
    fail_unless (gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, i * 100 * GST_MSECOND));
    g_usleep (5000);
  }
  fail_unless (gst_element_seek (pipeline, 1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
          GST_SEEK_TYPE_SET, 50 * GST_MSECOND));
  g_ptr_array_unref (play (pipeline));
}
GST_END_TEST;

/* VIT_TEST_CYCLES asks for more than the few that fit into every run. */
GST_START_TEST (test_cycles)
{
  const gchar *more = g_getenv ("VIT_TEST_CYCLES");
  guint n = more ? (guint) atoi (more) : 24;
  GstElement *pipeline = launch ("videotestsrc ! vitclassify ! fakesink");
  gssize before = 0, after;

  for (guint i = 0; i < n; i++) {
    gst_element_set_state (pipeline, GST_STATE_PAUSED);
    fail_unless_equals_int (gst_element_get_state (pipeline, NULL, NULL, TIMEOUT), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (pipeline, GST_STATE_NULL);
    if (i == n / 3)
      before = common_heap_bytes ();
  }
  after = common_heap_bytes ();
  if (more)
    g_print ("%zd bytes after %u cycles, %zd after %u\n", before, n / 3, after, n);
  /* the driver keeps nothing, the validation layers keep up to 30 kB a cycle */
  fail_unless (after - before < (gssize) (n - n / 3) * (40 << 10), "%zd bytes more after %u cycles", after - before,
      n - n / 3);
  gst_object_unref (pipeline);
}
GST_END_TEST;

/* The lines after gst-launch-1.0 in the comments of a source file, made fit for a test. */
static GPtrArray *
examples_of (const gchar * path)
{
  GPtrArray *lines = g_ptr_array_new_with_free_func (g_free);
  gchar *source = NULL, *at;

  fail_unless (g_file_get_contents (path, &source, NULL, NULL));
  for (at = source; (at = strstr (at, "\n * gst-launch-1.0 "));) {
    gchar *end = strstr (at, "\n * ]|");
    GString *line;

    fail_unless (end != NULL);
    line = g_string_new_len (at, end - at);
    at = end;
    g_string_replace (line, "\n *", " ", 0);
    g_string_replace (line, "gst-launch-1.0", "", 0);
    g_string_replace (line, " -m ", " ", 0);
    g_string_replace (line, " -q ", " ", 0);
    g_string_replace (line, "clip.webm ! decodebin !", SAMPLE " ! decodebin ! identity eos-after=2 !", 0);
    g_string_replace (line, "autovideosink", "fakesink", 0);
    g_string_replace (line, "fdsink", "fakesink", 0);
    g_ptr_array_add (lines, g_string_free (line, FALSE));
  }
  g_free (source);
  return lines;
}

GST_START_TEST (test_examples)
{
  static const gchar *const files[] = { PLUGIN_SOURCE "/vitclassify.c", PLUGIN_SOURCE "/vitmetatext.c" };

  for (guint f = 0; f < G_N_ELEMENTS (files); f++) {
    GPtrArray *lines = examples_of (files[f]);

    fail_unless (lines->len >= 2, "%s", files[f]);
    for (guint i = 0; i < lines->len; i++)
      play_all (g_ptr_array_index (lines, i));
    g_ptr_array_unref (lines);
  }
}
GST_END_TEST;

/* Type finders keep caps of files' types for as long as the process lives; those of raw streams must go. */
static gboolean
may_live_on (const gchar * object)
{
  return strstr (object, "(GstCaps)") && !strstr (object, "/x-raw");
}

/* What GStreamer's leaks tracer, switched on in main, still sees alive after all the tests before. */
GST_START_TEST (test_leaks)
{
  static GstStructure *live;    /* kept: in GStreamer 1.22 it holds the objects without having taken references */
  GList *tracers = gst_tracing_get_active_tracers ();
  const GValue *objects;
  guint leaked = 0;

  fail_unless (tracers != NULL, "the leaks tracer is not there");
  g_signal_emit_by_name (tracers->data, "get-live-objects", &live);
  objects = gst_structure_get_value (live, "live-objects-list");
  for (guint i = 0; i < gst_value_list_get_size (objects); i++) {
    gchar *text = g_strdup_value_contents (gst_value_list_get_value (objects, i));

    if (!may_live_on (text)) {
      g_printerr ("still alive: %s\n", text);
      leaked++;
    }
    g_free (text);
  }
  fail_unless_equals_int (leaked, 0);
  g_list_free_full (tracers, gst_object_unref);
}
GST_END_TEST;

#ifndef FAKE_ENGINE
static gboolean
is_mapped (const gchar * library)
{
  gboolean found;
  gchar *maps;

  fail_unless (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  found = strstr (maps, library) != NULL;
  g_free (maps);
  return found;
}

/* Making the elements, as a registry scan does, loads no Vulkan. (A scan in this process may have: of others.) */
GST_START_TEST (test_no_vulkan_before_start)
{
  gboolean before = is_mapped ("libvulkan.so");
  GstElement *element = gst_element_factory_make ("vitclassify", NULL);

  fail_unless (is_mapped ("libgstvitclassify"), "the elements are not those of the plug-in");
  fail_unless_equals_int (is_mapped ("libvulkan.so"), before);
  gst_object_unref (element);
}
GST_END_TEST;

/* 0: there is a device, 77: none and none is required, 1: none although VIT_REQUIRE_GPU says that there is. */
static gint
probe_device (void)
{
  const gchar *required = g_getenv ("VIT_REQUIRE_GPU");
  GstElement *element = gst_element_factory_make ("vitclassify", NULL);
  gboolean started = element && gst_element_set_state (element, GST_STATE_PAUSED) == GST_STATE_CHANGE_SUCCESS;

  if (element) {
    gst_element_set_state (element, GST_STATE_NULL);
    gst_object_unref (element);
  }
  if (started)
    return 0;
  g_printerr ("vitclassify does not start here\n");
  return required && *required && !g_str_equal (required, "0") ? 1 : 77;
}
#endif

static Suite *
pipeline_suite (void)
{
  Suite *suite = suite_create ("pipeline");
  TCase *tc = tcase_create ("pipeline");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 600);
  tcase_add_test (tc, test_webm);
  tcase_add_test (tc, test_ndjson_file);
  tcase_add_test (tc, test_jpegs);
  tcase_add_test (tc, test_sizes);
  tcase_add_test (tc, test_overlay);
  tcase_add_test (tc, test_two_streams);
  tcase_add_test (tc, test_seeks);
  tcase_add_test (tc, test_cycles);
  tcase_add_test (tc, test_examples);
  tcase_add_test (tc, test_leaks);
  return suite;
}

int
main (int argc, char **argv)
{
  gint result = 0;

  /* not the registry's factories, which live as long as the process */
  g_setenv ("GST_TRACERS", "leaks(filters=\"GstElement,GstPad,GstBus,GstBuffer,GstBufferPool,GstMemory,GstCaps,"
      "GstEvent,GstMessage,GstQuery,GstSample\")", FALSE);
  gst_check_init (&argc, &argv);
  common_init ();
  folder = g_dir_make_tmp ("vitclassify-test-XXXXXX", NULL);
#ifndef FAKE_ENGINE
  {
    Suite *first = suite_create ("before the first start");
    TCase *tc = tcase_create ("registration");

    suite_add_tcase (first, tc);
    tcase_add_test (tc, test_no_vulkan_before_start);
    result = gst_check_run_suite (first, "registration", __FILE__);
  }
  if (result == 0)
    result = probe_device ();
#endif
  if (result == 0)
    result = gst_check_run_suite (pipeline_suite (), "pipeline", __FILE__);
  g_rmdir (folder);
  g_free (folder);
  return result;
}
