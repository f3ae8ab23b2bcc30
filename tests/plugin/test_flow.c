/* Tests of vitclassify's way with streams: order, flushes, stops, gaps, skipped and late frames, times. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

GST_START_TEST (test_order_and_eos)
{
  GstCaps *caps;
  GstHarness *h;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  for (guint n = 0; n < 20; n++)
    fail_unless_equals_int (gst_harness_push (h, common_frame (caps, fakecheck_corners[n % FAKE_CLASSES], n)),
      GST_FLOW_OK);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 20);
  for (guint n = 0; n < 20; n++) {
    GstBuffer *out = gst_harness_pull (h);

    fakecheck_label (out, fakevit_labels[n % FAKE_CLASSES], "order");
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * 40 * GST_MSECOND);
    fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), 40 * GST_MSECOND);
    gst_buffer_unref (out);
  }
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* A flush while the device works: the frame is dropped at once, the next one gets its own result and not the old. */
GST_START_TEST (test_flush_while_waiting)
{
  GstCaps *caps;
  GstHarness *h;
  GThread *pusher;

  fakecheck_reset ();
  fakevit.hang = TRUE;
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify inflight=1", gst_caps_ref (caps));
  pusher = fakecheck_push_in_thread (h, 1);
  fakecheck_wait_for_submits (1);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless_equals_int (fakecheck_join (pusher), GST_FLOW_FLUSHING);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  fakevit.hang = FALSE;
  {
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  }
  fakecheck_classify (h, caps, FAKE_BLUE, 1, 0, "after the flush");
  fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* The element asks for a result rarely enough to sleep, and often enough to notice a state change. */
GST_START_TEST (test_waiting_is_asleep)
{
  static const gchar *const lines[] = { "vitclassify inflight=1", "vitclassify",
    "vitclassify batch-size=2 inflight=3" };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h;

    fakecheck_reset ();
    h = common_harness (lines[i], gst_caps_ref (caps));
    fakevit.collect_ms = 300;
    for (guint n = 0; n < 2; n++)
      fail_unless_equals_int (gst_harness_push (h, common_frame (caps, fakecheck_corners[n], n)), GST_FLOW_OK);
    for (guint n = 0; n < 2; n++)
      gst_buffer_unref (gst_harness_pull (h));
    /* two batches of 300 ms in steps of 40 and more */
    fail_unless (fakevit.polls <= 2 * 300 / 40, "%s: %d polls", lines[i], fakevit.polls);
    gst_caps_unref (caps);
    common_teardown (h);
  }
}
GST_END_TEST;

/* The same for going down while the device works. */
GST_START_TEST (test_stop_while_waiting)
{
  GstHarness *h;
  GThread *pusher;

  fakecheck_reset ();
  fakevit.hang = TRUE;
  h = common_harness ("vitclassify inflight=1", common_caps ("RGB", 16, 16, NULL));
  pusher = fakecheck_push_in_thread (h, 1);
  fakecheck_wait_for_submits (1);
  fail_unless_equals_int (gst_element_set_state (h->element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (fakecheck_join (pusher), GST_FLOW_FLUSHING);
  fail_unless_equals_int (fakevit.sessions, 0);
  common_teardown (h);
}
GST_END_TEST;

static guint64
stat_of (GstHarness * h, const gchar * field)
{
  GstElement *element = gst_harness_find_element (h, "vitclassify");
  GstStructure *stats;
  guint64 value = G_MAXUINT64;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, field, &value), "%s", field);
  gst_structure_free (stats);
  gst_object_unref (element);
  return value;
}

GST_START_TEST (test_gap)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *buffer;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (caps, fakecheck_corners[FAKE_RED], 0);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  buffer = gst_harness_push_and_pull (h, buffer);
  fail_unless (fakecheck_label_of (buffer) == NULL);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (fakevit.submits, 0);
  fail_unless_equals_uint64 (stat_of (h, "skipped-gap"), 1);
  fail_unless (gst_harness_push_event (h, gst_event_new_gap (40 * GST_MSECOND, GST_SECOND)));
  fakecheck_classify (h, caps, FAKE_RED, 30, 0, "after the gap");
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_interval_and_carry_over)
{
  GstCaps *caps;
  GstHarness *h;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify interval=3 carry-over=last", gst_caps_ref (caps));
  for (guint n = 0; n < 7; n++) {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, fakecheck_corners[n], n));
    guint ago = 99;

    fakecheck_label (out, fakevit_labels[n - n % 3], "carried");
    gst_structure_get_uint (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "vitclassify")),
        "frames_ago", &ago);
    fail_unless_equals_int (ago, n % 3);
    gst_buffer_unref (out);
  }
  fail_unless_equals_int (fakevit.submits, 3);
  fail_unless_equals_uint64 (stat_of (h, "skipped-interval"), 4);
  fail_unless_equals_uint64 (stat_of (h, "carried"), 4);
  gst_harness_set (h, "vitclassify", "carry-over", 0, NULL);
  {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, fakecheck_corners[1], 7));

    fail_unless (fakecheck_label_of (out) == NULL);
    gst_buffer_unref (out);
  }
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* After a flush the count of skipped frames and lateness begin anew, and no result is carried over. */
GST_START_TEST (test_flush_forgets)
{
  GstSegment segment;
  GstCaps *caps;
  GstHarness *h;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify interval=3 carry-over=last", gst_caps_ref (caps));
  fakecheck_classify (h, caps, FAKE_RED, 0, 0, "before the flush");
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 10 * GST_SECOND, 0));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  fakecheck_classify (h, caps, FAKE_BLUE, 1, 0, "after the flush");
  fail_unless_equals_int (fakevit.submits, 2);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* A frame that is late is passed on without its result, counted, and reported; then all is well again. */
GST_START_TEST (test_qos_skip)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out;
  GstMessage *message;
  GstFormat format;
  guint64 processed, dropped;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  fakecheck_classify (h, caps, FAKE_RED, 0, 0, "in time");
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 50 * GST_MSECOND, 0));
  for (guint n = 1; n <= 3; n++) {
    out = gst_harness_push_and_pull (h, common_frame (caps, fakecheck_corners[FAKE_RED], n));
    fail_unless (fakecheck_label_of (out) == NULL, "frame %u", n);
    gst_buffer_unref (out);
  }
  message = common_message (h, GST_MESSAGE_QOS);
  fail_unless (message != NULL);
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  fail_unless_equals_uint64 (processed, 1);
  fail_unless_equals_uint64 (dropped, 1);
  gst_message_unref (message);
  fail_unless_equals_uint64 (stat_of (h, "skipped-qos"), 3);
  fakecheck_classify (h, caps, FAKE_RED, 4, 0, "in time again");

  gst_harness_set (h, "vitclassify", "qos-skip", FALSE, NULL);
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 10 * GST_SECOND, 0));
  fakecheck_classify (h, caps, FAKE_RED, 5, 0, "skipping is off");
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_threshold_is_controllable)
{
  GstCaps *caps;
  GstHarness *h;
  GstElement *element;
  GstControlSource *source;
  GstTimedValueControlSource *values;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  element = gst_harness_find_element (h, "vitclassify");
  source = gst_interpolation_control_source_new ();
  values = GST_TIMED_VALUE_CONTROL_SOURCE (source);
  g_object_set (source, "mode", GST_INTERPOLATION_MODE_NONE, NULL);
  fail_unless (gst_object_add_control_binding (GST_OBJECT (element),
          gst_direct_control_binding_new_absolute (GST_OBJECT (element), "threshold", source)));
  gst_timed_value_control_source_set (values, 0, 0.0);
  gst_timed_value_control_source_set (values, 40 * GST_MSECOND, 1.0);
  gst_timed_value_control_source_set (values, 80 * GST_MSECOND, 0.5);
  for (guint n = 0; n < 3; n++) {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, fakecheck_corners[FAKE_RED], n));

    fail_unless ((fakecheck_label_of (out) == NULL) == (n == 1), "frame %u", n);
    gst_buffer_unref (out);
  }
  gst_object_unref (source);
  gst_object_unref (element);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* One JPEG has no frame rate; some sources have no timestamps at all. */
GST_START_TEST (test_no_times)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *buffer;

  fakecheck_reset ();
  caps = common_caps ("I420", 16, 16, "1:4:0:0");
  gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (caps, fakecheck_corners[FAKE_YELLOW], 0);
  GST_BUFFER_PTS (buffer) = GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  buffer = gst_harness_push_and_pull (h, buffer);
  fakecheck_label (buffer, "yellow", "no times");
  fail_unless (!GST_BUFFER_PTS_IS_VALID (buffer));
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

static Suite *
flow_suite (void)
{
  Suite *suite = suite_create ("flow");
  TCase *tc = tcase_create ("flow");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_order_and_eos);
  tcase_add_test (tc, test_flush_while_waiting);
  tcase_add_test (tc, test_waiting_is_asleep);
  tcase_add_test (tc, test_stop_while_waiting);
  tcase_add_test (tc, test_gap);
  tcase_add_test (tc, test_interval_and_carry_over);
  tcase_add_test (tc, test_flush_forgets);
  tcase_add_test (tc, test_qos_skip);
  tcase_add_test (tc, test_threshold_is_controllable);
  tcase_add_test (tc, test_no_times);
  return suite;
}

GST_CHECK_MAIN (flow);
