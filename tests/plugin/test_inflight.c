/* Tests of vitclassify with several batches under way: flushes, stops, what downstream says, latency. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batchcheck.h"

/* A flush drops frames in every place: with the device, gathering, and in the pusher's hands; no old result returns. */
GST_START_TEST (test_flush_in_flight)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify", &caps);
  GThread *pusher;

  for (guint round = 0; round < 5; round++) {
    g_atomic_int_set (&fakevit.hang, TRUE);
    fakevit.submits = 0;
    /* one more than the element holds */
    pusher = fakecheck_push_in_thread (h, 3);
    /* what the last round left is with the device still */
    if (round == 0)
      fakecheck_wait_for_submits (2);
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
    fail_unless_equals_int (fakecheck_join (pusher), GST_FLOW_FLUSHING);
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
    fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
    batchcheck_push_segment (h);
    if (round % 2 == 0)
      continue;
    g_atomic_int_set (&fakevit.hang, FALSE);
    batchcheck_push (h, caps, 5);
    batchcheck_pull (h, 5);
    batchcheck_push (h, caps, 6);
    batchcheck_pull (h, 6);
  }
  fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* A FLUSH_STOP that nothing announced finds threads at work on the frames that it drops. */
GST_START_TEST (test_flush_stop_alone)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=2 batch-timeout=0", &caps);

  for (guint round = 0; round < 300; round++) {
    fakevit.collect_ms = round % 3;
    for (guint n = 0; n < round % 4; n++)
      batchcheck_push (h, caps, n);
    fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
    batchcheck_push_segment (h);
    while (gst_harness_buffers_in_queue (h) > 0)
      gst_buffer_unref (gst_harness_pull (h));
  }
  batchcheck_push (h, caps, 5);
  batchcheck_pull (h, 5);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

GST_START_TEST (test_flush_while_gathering)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 batch-timeout=100000000000", &caps);

  batchcheck_push (h, caps, 0);
  batchcheck_push (h, caps, 1);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  batchcheck_push_segment (h);
  fail_unless_equals_int (fakevit.submits, 0);
  for (guint n = 2; n < 6; n++)
    batchcheck_push (h, caps, n);
  for (guint n = 2; n < 6; n++)
    batchcheck_pull (h, n);
  batchcheck_sizes ((const guint[]) { 4 }, 1);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* Down to NULL and to READY with frames in every place. */
GST_START_TEST (test_stop_in_flight)
{
  for (guint ready = 0; ready < 2; ready++) {
    GstCaps *caps;
    GstHarness *h = batchcheck_harness ("vitclassify batch-size=2 inflight=2 batch-timeout=100000000000", &caps);

    g_atomic_int_set (&fakevit.hang, TRUE);
    for (guint n = 0; n < 3; n++)
      batchcheck_push (h, caps, n);
    fail_unless_equals_int (gst_element_set_state (h->element, ready ? GST_STATE_READY : GST_STATE_NULL),
        GST_STATE_CHANGE_SUCCESS);
    fail_unless_equals_int (fakevit.sessions, (gint) ready);
    g_atomic_int_set (&fakevit.hang, FALSE);
    if (ready) {
      fail_unless_equals_int (gst_element_set_state (h->element, GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
      gst_harness_push_event (h, gst_event_new_stream_start ("again"));
      gst_harness_push_event (h, gst_event_new_caps (caps));
      batchcheck_push_segment (h);
      for (guint n = 5; n < 9; n++)
        batchcheck_push (h, caps, n);
      for (guint n = 5; n < 9; n++)
        batchcheck_pull (h, n);
    }
    fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
    batchcheck_finish (h, caps);
  }
}
GST_END_TEST;

/* What downstream says of a frame reaches upstream with a later one. */
static GstFlowReturn
refuse (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  (void) pad;
  (void) parent;
  gst_buffer_unref (buffer);
  return GST_FLOW_EOS;
}

GST_START_TEST (test_flow_from_downstream)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify", &caps);
  GstPadChainFunction chain = GST_PAD_CHAINFUNC (h->sinkpad);

  /* again and again: the segment may come while the thread that was refused a frame is about to rest */
  for (guint round = 0; round < 500; round++) {
    GstFlowReturn ret = GST_FLOW_OK;

    gst_pad_set_chain_function (h->sinkpad, refuse);
    for (guint n = 0; n < 8 && ret == GST_FLOW_OK; n++)
      ret = gst_harness_push (h, common_frame (caps, fakecheck_corners[n], n));
    fail_unless_equals_int (ret, GST_FLOW_EOS);
    /* a new segment begins anew, with what is in line still */
    gst_pad_set_chain_function (h->sinkpad, chain);
    batchcheck_push_segment (h);
    batchcheck_push (h, caps, 1);
    fail_unless (gst_harness_push_event (h, gst_event_new_gap (0, BATCHCHECK_FRAME)));
    while (gst_harness_buffers_in_queue (h) > 0)
      gst_buffer_unref (gst_harness_pull (h));
  }
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* ---- latency ---- */

static void
check_latency (GstHarness * h, GstClockTime min, GstClockTime max)
{
  GstQuery *query = gst_query_new_latency ();
  GstClockTime got_min, got_max;
  gboolean live;

  fail_unless (gst_pad_peer_query (h->sinkpad, query));
  gst_query_parse_latency (query, &live, &got_min, &got_max);
  fail_unless (live);
  fail_unless_equals_uint64 (got_min, min);
  fail_unless_equals_uint64 (got_max, max);
  gst_query_unref (query);
}

static guint
count_latency_messages (GstHarness * h)
{
  GstMessage *message;
  guint n = 0;

  for (; (message = common_message (h, GST_MESSAGE_LATENCY)); n++)
    gst_message_unref (message);
  return n;
}

GST_START_TEST (test_latency)
{
  static const struct
  {
    const gchar *line;
    GstClockTime added;
  } rows[] = {
    {"vitclassify inflight=1", 0},
    {"vitclassify", BATCHCHECK_FRAME},
    {"vitclassify inflight=4", 3 * BATCHCHECK_FRAME},
    {"vitclassify batch-size=4 inflight=1", 3 * BATCHCHECK_FRAME},
    {"vitclassify batch-size=4 inflight=2", 7 * BATCHCHECK_FRAME},
    {"vitclassify batch-size=4 inflight=1 batch-timeout=5000000", 5 * GST_MSECOND},
    {"vitclassify batch-size=4 inflight=2 batch-timeout=0", 4 * BATCHCHECK_FRAME},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstStructure *stats;
    guint64 reported = 99;
    GstCaps *caps, *other;
    GstHarness *h = batchcheck_harness (rows[i].line, &caps);
    GstElement *element = gst_harness_find_element (h, "vitclassify");

    gst_harness_set_upstream_latency (h, 1000);
    check_latency (h, 1000 + rows[i].added, GST_CLOCK_TIME_NONE);
    fail_unless_equals_int (count_latency_messages (h), rows[i].added > 0);
    g_object_get (element, "stats", &stats, NULL);
    fail_unless (gst_structure_get_uint64 (stats, "reported-latency", &reported));
    fail_unless_equals_uint64 (reported, rows[i].added);
    /* the same rate again: nobody is bothered */
    other = common_caps ("RGB", 32, 16, NULL);
    gst_harness_set_src_caps (h, gst_caps_copy (other));
    fail_unless_equals_int (count_latency_messages (h), 0);
    gst_caps_set_simple (other, "framerate", GST_TYPE_FRACTION, 50, 1, NULL);
    gst_harness_set_src_caps (h, other);
    fail_unless_equals_int (count_latency_messages (h), rows[i].added >= BATCHCHECK_FRAME);
    gst_structure_free (stats);
    gst_object_unref (element);
    batchcheck_finish (h, caps);
  }
}
GST_END_TEST;

static Suite *
inflight_suite (void)
{
  Suite *suite = suite_create ("inflight");
  TCase *tc = tcase_create ("inflight");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_flush_in_flight);
  tcase_add_test (tc, test_flush_stop_alone);
  tcase_add_test (tc, test_flush_while_gathering);
  tcase_add_test (tc, test_stop_in_flight);
  tcase_add_test (tc, test_flow_from_downstream);
  tcase_add_test (tc, test_latency);
  return suite;
}

GST_CHECK_MAIN (inflight);
