/* Tests of vitmetatext: labels and JSON from what others attached, timestamps, overlays. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

#include <jansson.h>
#include <locale.h>
#include <string.h>

static const gdouble red[3] = { 1, 0.1, 0.2 };

static gchar *
text_of (GstBuffer * buffer)
{
  gchar *text = NULL;
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  text = g_strndup ((const gchar *) map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  return text;
}

/* The text that line makes of a red frame. */
static gchar *
push_red (const gchar * line, guint n, GstBuffer ** buffer)
{
  GstCaps *caps = common_caps ("RGB", 40, 20, NULL);
  GstHarness *h = common_harness (line, gst_caps_ref (caps));
  GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, red, n));
  gchar *text = text_of (out);

  gst_caps_unref (caps);
  common_teardown (h);
  if (buffer)
    *buffer = out;
  else
    gst_buffer_unref (out);
  return text;
}

static json_t *
parse (const gchar * text)
{
  json_error_t error;
  json_t *root = json_loads (text, JSON_REJECT_DUPLICATES, &error);

  fail_unless (root != NULL, "%s: %s", error.text, text);
  fail_unless (strchr (text, '\n') == text + strlen (text) - 1, "one line: %s", text);
  return root;
}

GST_START_TEST (test_label)
{
  GstBuffer *out;
  gchar *text;

  fakecheck_reset ();
  text = push_red ("vitclassify ! vitmetatext", 3, &out);
  fail_unless_equals_string (text, "red 96 %");
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), 120 * GST_MSECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), 40 * GST_MSECOND);
  fail_if (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_GAP));
  gst_buffer_unref (out);
  g_free (text);
  text = push_red ("vitclassify top-k=2 ! vitmetatext", 0, NULL);
  fail_unless_equals_string (text, "red 96 %\nmagenta 3 %");
  g_free (text);
}
GST_END_TEST;

/* An overlay needs to know how long to show a text: where the frame doesn't say, the frame rate does. */
GST_START_TEST (test_duration)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *buffer;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitmetatext", gst_caps_ref (caps));
  buffer = common_frame (caps, red, 1);
  GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  buffer = gst_harness_push_and_pull (h, buffer);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), 40 * GST_MSECOND);
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_no_result)
{
  GstBuffer *out;
  gchar *text;
  json_t *root;

  fakecheck_reset ();
  text = push_red ("vitmetatext", 0, &out);
  fail_unless_equals_string (text, "");
  fail_unless (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_GAP));
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), 40 * GST_MSECOND);
  gst_buffer_unref (out);
  g_free (text);
  text = push_red ("vitmetatext format=ndjson", 0, NULL);
  root = parse (text);
  fail_unless_equals_int (json_array_size (json_object_get (root, "objects")), 0);
  fail_unless_equals_int (json_array_size (json_object_get (root, "classes")), 0);
  json_decref (root);
  g_free (text);
}
GST_END_TEST;

/* The whole schema, in a locale whose numbers have commas where the machine has one, and labels that need escapes. */
GST_START_TEST (test_ndjson)
{
  static const gchar *const locales[] = { "C", "de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8" };

  fakecheck_reset ();
  fakevit.multi_class_names = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (locales); i++) {
    const char *label, *name;
    gint timestamp, running, frame, width, height, x, y, w, h, id, ago;
    double confidence;
    json_t *root, *classes;
    json_error_t error;
    gchar *text;

    setlocale (LC_ALL, locales[i]);
    text = push_red ("vitclassify top-k=3 ! vitmetatext format=ndjson", 0, NULL);
    setlocale (LC_ALL, "C");
    root = parse (text);
    fail_unless (json_unpack_ex (root, &error, JSON_STRICT,
            "{s:i,s:i,s:i,s:{s:i,s:i!},s:[{s:i,s:i,s:i,s:i,s:{s:s,s:i,s:f,s:{s:s!}!}!}!],s:o,s:i!}",
            "timestamp", &timestamp, "running_time", &running, "frame", &frame, "resolution", "width", &width, "height",
            &height, "objects", "x", &x, "y", &y, "w", &w, "h", &h, "classification", "label", &label, "label_id", &id,
            "confidence", &confidence, "model", "name", &name, "classes", &classes, "frames_ago", &ago) == 0,
        "%s: %s", error.text, text);
    fail_unless (timestamp == 0 && running == 0 && frame == 0 && ago == 0);
    fail_unless (width == 40 && height == 20 && x == 0 && y == 0 && w == 40 && h == 20);
    fail_unless_equals_string (label, "r\303\251d");
    fail_unless_equals_int (id, FAKE_RED);
    fail_unless (confidence > 0.95 && confidence < 0.97);
    fail_unless (g_str_has_prefix (name, "fake "));
    fail_unless_equals_int (json_array_size (classes), 3);
    json_decref (root);
    g_free (text);
  }
}
GST_END_TEST;

GST_START_TEST (test_escapes)
{
  static const gdouble colours[3][3] = { {0, 0, 0}, {0, 0, 1}, {0, 1, 0} };
  static const gchar *const labels[] = { "black, \"dark\"", "blue\\sea", "green\tleaf" };
  GstCaps *caps;
  GstHarness *h;

  fakecheck_reset ();
  fakevit.multi_class_names = TRUE;
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify ! vitmetatext format=ndjson", gst_caps_ref (caps));
  for (guint i = 0; i < 3; i++) {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, colours[i], i));
    gchar *text = text_of (out);
    json_t *root = parse (text), *best;

    fail_unless_equals_int (json_integer_value (json_object_get (root, "frame")), i);
    best = json_array_get (json_object_get (root, "classes"), 0);
    fail_unless_equals_string (json_string_value (json_object_get (best, "label")), labels[i]);
    json_decref (root);
    g_free (text);
    gst_buffer_unref (out);
  }
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* Regions of others (a detector and a classifier of its objects), without our arrays and with broken ones. */
GST_START_TEST (test_foreign_regions)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *buffer;
  GstVideoRegionOfInterestMeta *roi;
  gchar *text;
  json_t *root, *objects;

  fakecheck_reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitmetatext format=ndjson", gst_caps_ref (caps));
  buffer = common_frame (caps, red, 0);
  gst_buffer_add_video_region_of_interest_meta (buffer, "face", 1, 2, 3, 4);
  roi = gst_buffer_add_video_region_of_interest_meta (buffer, "car", 5, 6, 7, 8);
  gst_video_region_of_interest_meta_add_param (roi, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5,
          NULL));
  gst_video_region_of_interest_meta_add_param (roi, gst_structure_new ("colour", "label", G_TYPE_STRING, "blue",
          "confidence", G_TYPE_DOUBLE, 0.75, "labels", G_TYPE_STRING, "not an array", NULL));
  buffer = gst_harness_push_and_pull (h, buffer);
  text = text_of (buffer);
  root = parse (text);
  objects = json_object_get (root, "objects");
  fail_unless_equals_int (json_array_size (objects), 1);
  fail_unless_equals_int (json_integer_value (json_object_get (json_array_get (objects, 0), "w")), 7);
  fail_unless (strstr (text, "\"confidence\":0.75}") != NULL, "%s", text);
  fail_unless (strstr (text, "label_id") == NULL && strstr (text, "model") == NULL, "%s", text);
  json_decref (root);
  g_free (text);
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_two_classifiers)
{
  gchar *text;
  json_t *root;

  fakecheck_reset ();
  text = push_red ("vitclassify ! vitclassify top-k=2 ! vitmetatext format=ndjson", 0, NULL);
  root = parse (text);
  fail_unless_equals_int (json_array_size (json_object_get (root, "objects")), 2);
  fail_unless_equals_int (json_array_size (json_object_get (root, "classes")), 2);
  json_decref (root);
  g_free (text);
}
GST_END_TEST;

/* The kinds of metadata tell the same. */
GST_START_TEST (test_kinds_agree)
{
  gchar *custom, *roi;

  fakecheck_reset ();
  custom = push_red ("vitclassify top-k=3 meta=custom ! vitmetatext format=ndjson", 0, NULL);
  roi = push_red ("vitclassify top-k=3 meta=roi ! vitmetatext format=ndjson", 0, NULL);
  fail_unless_equals_string (custom, roi);
  g_free (custom);
  g_free (roi);
#ifdef HAVE_GST_ANALYTICS
  custom = push_red ("vitclassify top-k=3 meta=custom ! vitmetatext", 0, NULL);
  roi = push_red ("vitclassify top-k=3 meta=analytics ! vitmetatext", 0, NULL);
  fail_unless_equals_string (custom, roi);
  g_free (custom);
  g_free (roi);
#endif
}
GST_END_TEST;

/* An overlay shows each label on its own frame: the red one is drawn upon, the one without a result is not. */
GST_START_TEST (test_overlay)
{
  static const gdouble gray[3] = { 0.5, 0.5, 0.5 };
  GstCaps *caps;
  GstHarness *h;

  fakecheck_reset ();
  caps = common_caps ("RGB", 160, 120, NULL);
  h = common_harness ("vitclassify name=c threshold=0.3 ! tee name=t ! queue ! textoverlay name=o "
      "t. ! queue ! vitmetatext ! o.text_sink", gst_caps_ref (caps));
  for (guint n = 0; n < 4; n++) {
    GstBuffer *in = common_frame (caps, n % 2 ? gray : red, n);
    GstBuffer *kept = gst_buffer_copy_deep (in), *out;
    GstMapInfo a, b;

    gst_harness_push (h, in);
    if (n == 3)
      gst_harness_push_event (h, gst_event_new_eos ());
    out = gst_harness_pull (h);
    fail_unless (out != NULL);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * 40 * GST_MSECOND);
    fail_unless (gst_buffer_map (kept, &a, GST_MAP_READ) && gst_buffer_map (out, &b, GST_MAP_READ));
    fail_unless ((memcmp (a.data, b.data, a.size) == 0) == (n % 2 == 1), "frame %u", n);
    gst_buffer_unmap (kept, &a);
    gst_buffer_unmap (out, &b);
    gst_buffer_unref (kept);
    gst_buffer_unref (out);
  }
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* Memory that can't be mapped is fine, because the picture is not looked at. */
GST_START_TEST (test_any_memory)
{
  GstHarness *h;
  GstCaps *caps;
  GstQuery *query;

  fakecheck_reset ();
  h = common_harness ("vitmetatext", NULL);
  caps = gst_caps_from_string ("video/x-raw(memory:VAMemory), format=NV12, width=16, height=16, framerate=0/1");
  gst_harness_set_src_caps (h, gst_caps_ref (caps));
  query = gst_query_new_allocation (caps, TRUE);
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  gst_caps_unref (caps);
  gst_buffer_unref (gst_harness_push_and_pull (h, gst_buffer_new ()));
  common_teardown (h);
}
GST_END_TEST;

static Suite *
text_suite (void)
{
  Suite *suite = suite_create ("text");
  TCase *tc = tcase_create ("text");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_label);
  tcase_add_test (tc, test_duration);
  tcase_add_test (tc, test_no_result);
  tcase_add_test (tc, test_ndjson);
  tcase_add_test (tc, test_escapes);
  tcase_add_test (tc, test_foreign_regions);
  tcase_add_test (tc, test_two_classifiers);
  tcase_add_test (tc, test_kinds_agree);
  tcase_add_test (tc, test_overlay);
  tcase_add_test (tc, test_any_memory);
  return suite;
}

GST_CHECK_MAIN (text);
