/* Tests of what vitclassify tells: metas, labels, messages, confidences. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

static const gdouble red[3] = { 1, 0.1, 0.2 };  /* red, then magenta, then yellow */
static const gdouble blue[3] = { 0, 0, 1 };

static const gchar *
nth_string (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_string (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static gint
nth_int (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_int (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static gdouble
nth_double (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_double (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static void
check_structure (const GstStructure * s)
{
  gdouble confidence;
  gint id;

  fail_unless (s != NULL);
  fail_unless_equals_string (gst_structure_get_string (s, "label"), "red");
  fail_unless (gst_structure_get_int (s, "label_id", &id) && id == FAKE_RED);
  fail_unless (gst_structure_get_double (s, "confidence", &confidence) && confidence > 0.5 && confidence < 1);
  fail_unless (g_str_has_prefix (gst_structure_get_string (s, "model_name"), "fake "));
  fail_unless (gst_structure_has_field (s, "layer_name"));
  fail_unless_equals_int (gst_value_array_get_size (gst_structure_get_value (s, "labels")), 3);
  fail_unless_equals_string (nth_string (s, "labels", 1), "magenta");
  fail_unless_equals_int (nth_int (s, "label_ids", 2), FAKE_YELLOW);
  fail_unless (nth_double (s, "confidences", 0) == confidence);
  fail_unless (nth_double (s, "confidences", 1) > nth_double (s, "confidences", 2));
}

GST_START_TEST (test_metas)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out, *copy, *part;
  GstVideoRegionOfInterestMeta *roi;

  fakecheck_reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitclassify top-k=3 meta=roi+custom", gst_caps_ref (caps));
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
  roi = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  fail_unless (roi != NULL);
  fail_unless_equals_string (g_quark_to_string (roi->roi_type), "red");
  fail_unless (roi->x == 0 && roi->y == 0 && roi->w == 40 && roi->h == 20);
  check_structure (gst_video_region_of_interest_meta_get_param (roi, "classification"));
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "vitclassify")));

  copy = gst_buffer_copy (out);
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (copy, "vitclassify")));
  part = gst_buffer_copy_region (out, GST_BUFFER_COPY_META | GST_BUFFER_COPY_MEMORY, 0, 10);
  fail_unless (gst_buffer_get_custom_meta (part, "vitclassify") == NULL);
  gst_buffer_unref (part);
  gst_buffer_unref (copy);
  gst_buffer_unref (out);

  gst_harness_set (h, "vitclassify", "threshold", 0.999, NULL);
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 1));
  fail_unless (gst_buffer_get_custom_meta (out, "vitclassify") == NULL);
  fail_unless (gst_buffer_get_meta (out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) == NULL);
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

#ifdef HAVE_GST_ANALYTICS
/* Two classifiers: the second adds to the relation meta of the first. */
GST_START_TEST (test_analytics)
{
  GstAnalyticsRelationMeta *relations;
  GstAnalyticsMtd mtd;
  gpointer state = NULL;
  guint n = 0, metas = 0;
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out;

  fakecheck_reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitclassify top-k=3 meta=analytics ! vitclassify top-k=8", gst_caps_ref (caps));
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
  while (gst_buffer_iterate_meta_filtered (out, &state, GST_ANALYTICS_RELATION_META_API_TYPE))
    metas++;
  fail_unless_equals_int (metas, 1);
  relations = gst_buffer_get_analytics_relation_meta (out);
  state = NULL;
  while (gst_analytics_relation_meta_iterate (relations, &state, gst_analytics_cls_mtd_get_mtd_type (), &mtd)) {
    fail_unless_equals_int (gst_analytics_cls_mtd_get_length (&mtd), n == 0 ? 3 : 8);
    fail_unless_equals_string (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&mtd, 0)), "red");
    fail_unless_equals_string (g_quark_to_string (gst_analytics_cls_mtd_get_quark (&mtd, 2)), "yellow");
    for (gsize i = 0; i + 1 < gst_analytics_cls_mtd_get_length (&mtd); i++)
      fail_unless (gst_analytics_cls_mtd_get_level (&mtd, i) >= gst_analytics_cls_mtd_get_level (&mtd, i + 1));
    fail_unless (gst_analytics_cls_mtd_get_level (&mtd, 0) > 0.9f && gst_analytics_cls_mtd_get_level (&mtd, 0) < 1.0f);
    n++;
  }
  fail_unless_equals_int (n, 2);
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;
#endif

/* What is asked for is attached, and nothing else. */
GST_START_TEST (test_meta_choice)
{
  static const struct
  {
    const gchar *meta;
    gboolean roi, custom;
  } rows[] = {
    {"none", FALSE, FALSE}, {"roi", TRUE, FALSE}, {"custom", FALSE, TRUE},
#ifdef HAVE_GST_ANALYTICS
    {"auto", FALSE, TRUE}, {"analytics", FALSE, FALSE},
#else
    {"auto", TRUE, TRUE}, {"analytics", TRUE, TRUE},
#endif
  };

  fakecheck_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *line = g_strdup_printf ("vitclassify meta=%s", rows[i].meta);
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (line, gst_caps_ref (caps));
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));

    fail_unless ((gst_buffer_get_meta (out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) != NULL) == rows[i].roi,
        "%s", line);
    fail_unless ((gst_buffer_get_custom_meta (out, "vitclassify") != NULL) == rows[i].custom, "%s", line);
    gst_buffer_unref (out);
    gst_caps_unref (caps);
    g_free (line);
    common_teardown (h);
  }
}
GST_END_TEST;

/* The custom meta survives whole; GStreamer scales regions, but forgets their parameters. */
GST_START_TEST (test_metas_survive_conversion)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out;
  GstVideoRegionOfInterestMeta *roi;

  fakecheck_reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitclassify top-k=3 meta=roi+custom ! videoconvert ! videoscale ! "
      "capsfilter caps=video/x-raw,format=I420,width=80,height=40", gst_caps_ref (caps));
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
  fail_unless (gst_buffer_get_custom_meta (out, "vitclassify") != NULL);
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "vitclassify")));
  roi = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  fail_unless (roi && roi->w == 80 && roi->h == 40);
  fail_unless_equals_string (g_quark_to_string (roi->roi_type), "red");
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_labels_property)
{
  static const struct
  {
    const gchar *labels, *expected;
  } rows[] = {
    {"a, b,c ,d,rouge,f,g,h", "rouge"},
    {"a\nb\nc\nd\nred, deep\nf\ng\nh\n", "red, deep"},
    {"a\r\nb\r\nc\r\nd\r\nr\377d\r\nf\r\ng\r\nh", "r\357\277\275d"},
  };

  fakecheck_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstElement *element = gst_element_factory_make ("vitclassify", NULL);
    GstHarness *h;
    GstBuffer *out;

    g_object_set (element, "labels", rows[i].labels, "meta", 8, NULL);
    h = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps (h, gst_caps_ref (caps));
    out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
    fail_unless_equals_string (gst_structure_get_string (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out,
                    "vitclassify")), "label"), rows[i].expected);
    gst_buffer_unref (out);
    gst_caps_unref (caps);
    gst_harness_teardown (h);
    gst_object_unref (element);
  }
}
GST_END_TEST;

/* ---- messages ---- */

static void
check_message (GstHarness * h, const gchar * label, gboolean changed, GstClockTime timestamp)
{
  GstMessage *message = common_message (h, GST_MESSAGE_ELEMENT);
  const GstStructure *s;
  gboolean value;
  guint64 time;

  if (!label) {
    fail_unless (message == NULL);
    return;
  }
  fail_unless (message != NULL, "no message for %s", label);
  s = gst_message_get_structure (message);
  fail_unless (gst_structure_has_name (s, "vitclassify"));
  fail_unless_equals_string (gst_structure_get_string (s, "label"), label);
  fail_unless (gst_structure_get_boolean (s, "changed", &value) && value == changed);
  fail_unless (gst_structure_get_uint64 (s, "timestamp", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "running-time", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "stream-time", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "duration", &time) && time == 40 * GST_MSECOND);
  fail_unless (gst_structure_has_field (s, "frames-ago") && gst_structure_has_field (s, "model"));
  fail_unless_equals_int (gst_value_array_get_size (gst_structure_get_value (s, "label-ids")), *label ? 1 : 0);
  gst_message_unref (message);
}

GST_START_TEST (test_messages)
{
  static const gchar *const modes[] = { "none", "changed", "all" };
  static const gdouble gray[3] = { 0.5, 0.5, 0.5 };     /* every class alike, none above the threshold */
  const gdouble *const colours[] = { red, red, blue, gray, gray, red };
  static const gchar *const labels[] = { "red", "red", "blue", "", "", "red" };

  fakecheck_reset ();
  for (guint mode = 0; mode < G_N_ELEMENTS (modes); mode++) {
    gchar *line = g_strdup_printf ("vitclassify threshold=0.3 message-mode=%s", modes[mode]);
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (line, gst_caps_ref (caps));

    for (guint n = 0; n < G_N_ELEMENTS (colours); n++) {
      gboolean changed = n == 0 || !g_str_equal (labels[n], labels[n - 1]);

      gst_buffer_unref (gst_harness_push_and_pull (h, common_frame (caps, colours[n], n)));
      check_message (h, mode == 2 || (mode == 1 && changed) ? labels[n] : NULL, changed, n * 40 * GST_MSECOND);
    }
    gst_caps_unref (caps);
    g_free (line);
    common_teardown (h);
  }
}
GST_END_TEST;

/* Raw outputs are below 0 here; a threshold of 0 keeps them. */
GST_START_TEST (test_activations)
{
  static const struct
  {
    const gchar *line;
    gdouble low, high;
  } rows[] = {
    {"vitclassify", 0.5, 0.99},
    {"vitclassify activation=sigmoid", 0.1, 0.3},
    {"vitclassify activation=none", -2.1, -1.7},
  };

  fakecheck_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (rows[i].line, gst_caps_ref (caps));
    GstMessage *message;
    gdouble confidence = 99;

    gst_buffer_unref (gst_harness_push_and_pull (h, common_frame (caps, red, 0)));
    message = common_message (h, GST_MESSAGE_ELEMENT);
    fail_unless (message != NULL);
    gst_structure_get_double (gst_message_get_structure (message), "confidence", &confidence);
    fail_unless (confidence > rows[i].low && confidence < rows[i].high, "%s: %g", rows[i].line, confidence);
    gst_message_unref (message);
    gst_caps_unref (caps);
    common_teardown (h);
  }
}
GST_END_TEST;

static Suite *
metas_suite (void)
{
  Suite *suite = suite_create ("metas");
  TCase *tc = tcase_create ("metas");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_metas);
#ifdef HAVE_GST_ANALYTICS
  tcase_add_test (tc, test_analytics);
#endif
  tcase_add_test (tc, test_meta_choice);
  tcase_add_test (tc, test_metas_survive_conversion);
  tcase_add_test (tc, test_labels_property);
  tcase_add_test (tc, test_messages);
  tcase_add_test (tc, test_activations);
  return suite;
}

GST_CHECK_MAIN (metas);
