/* Tests of vitclassify with batches of frames: sizes, timeouts, order, events in their midst, errors, counters. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batchcheck.h"

#include <string.h>

/* Full batches, and what is left at the end; a device that takes its time works on `inflight` of them. */
GST_START_TEST (test_full_batches_and_eos)
{
  static const struct
  {
    guint batch, inflight, frames;
  } rows[] = { {1, 1, 5}, {1, 2, 7}, {4, 1, 10}, {4, 2, 10}, {3, 8, 50}, {256, 8, 300}, {2, 3, 12} };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *line = g_strdup_printf ("vitclassify batch-size=%u inflight=%u batch-timeout=100000000000", rows[i].batch,
        rows[i].inflight);
    guint held = rows[i].batch * rows[i].inflight;
    gint batches = (gint) ((rows[i].frames + rows[i].batch - 1) / rows[i].batch);
    GstCaps *caps;
    GstHarness *h = batchcheck_harness (line, &caps);

    /* a device that stands still gets as many batches as there are in what the element holds */
    g_atomic_int_set (&fakevit.hang, held > 1);
    for (guint n = 0; n < rows[i].frames; n++) {
      if (n == held)
        g_atomic_int_set (&fakevit.hang, FALSE);
      batchcheck_push (h, caps, n);
    }
    g_atomic_int_set (&fakevit.hang, FALSE);
    fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
    fail_unless_equals_int (gst_harness_buffers_in_queue (h), rows[i].frames);
    for (guint n = 0; n < rows[i].frames; n++)
      batchcheck_pull (h, n);
    fail_unless_equals_int (fakevit.submits, batches);
    fail_unless (fakevit.most_under_way >= (gint) (MIN (held, rows[i].frames) / rows[i].batch));
    fail_unless (fakevit.most_under_way <= (gint) rows[i].inflight);
    fail_unless_equals_int (fakevit.loads, 1);
    g_free (line);
    batchcheck_finish (h, caps);
  }
}
GST_END_TEST;

/* Frames wait for company no longer than they may, then go in order with those that come later. */
GST_START_TEST (test_timeout)
{
  static const guint expected[] = { 2, 1, 4 };
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=20000000", &caps);

  batchcheck_push (h, caps, 0);
  batchcheck_push (h, caps, 1);
  batchcheck_pull (h, 0);
  batchcheck_pull (h, 1);
  batchcheck_push (h, caps, 2);
  batchcheck_pull (h, 2);
  for (guint n = 3; n < 7; n++)
    batchcheck_push (h, caps, n);
  for (guint n = 3; n < 7; n++)
    batchcheck_pull (h, n);
  /* a machine that stalls for longer than the timeout splits the last batch */
  if (fakevit.submits == 3)
    batchcheck_sizes (expected, 3);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* With no patience at all frames gather only while the device is full. */
GST_START_TEST (test_no_timeout)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=0", &caps);

  g_atomic_int_set (&fakevit.hang, TRUE);
  for (guint n = 0; n < 6; n++)
    batchcheck_push (h, caps, n);
  fail_unless_equals_int (fakevit.submits, 2);
  g_atomic_int_set (&fakevit.hang, FALSE);
  for (guint n = 0; n < 6; n++)
    batchcheck_pull (h, n);
  batchcheck_sizes ((const guint[]) { 1, 1, 4 }, 3);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* The default is as long as a batch takes to come, in a live pipeline; the harness is one. */
GST_START_TEST (test_default_timeout)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=3", &caps);

  batchcheck_push (h, caps, 0);
  batchcheck_pull (h, 0);
  batchcheck_sizes ((const guint[]) { 1 }, 1);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* Frames of many fates, times and batches, from a device and an application that are slow at random: in order. */
GST_START_TEST (test_order_at_random)
{
  GRand *rand = g_rand_new_with_seed (4);

  for (guint round = 0; round < 12; round++) {
    guint batch = (guint) g_rand_int_range (rand, 1, 6), inflight = (guint) g_rand_int_range (rand, 1, 5);
    guint interval = (guint) g_rand_int_range (rand, 1, 4), timeout = (guint) g_rand_int_range (rand, 0, 4000000);
    gchar *line = g_strdup_printf ("vitclassify batch-size=%u inflight=%u batch-timeout=%u interval=%u carry-over=last",
        batch, inflight, timeout, interval);
    GstCaps *caps;
    GstHarness *h = batchcheck_harness (line, &caps);
    guint pulled = 0, last = 0, since = 0;

    for (guint n = 0; n < 40; n++) {
      GstBuffer *buffer = common_frame (caps, fakecheck_corners[n % FAKE_CLASSES], n);

      fakevit.collect_ms = (guint) g_rand_int_range (rand, 0, 3);
      if (g_rand_int_range (rand, 0, 6) == 0)
        GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
      fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
      if (g_rand_int_range (rand, 0, 4) == 0)
        g_usleep ((gulong) g_rand_int_range (rand, 0, 5000));
    }
    fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
    for (; pulled < 40; pulled++) {
      GstBuffer *out = gst_harness_pull (h);
      const gchar *label = fakecheck_label_of (out);

      fail_unless_equals_uint64 (GST_BUFFER_PTS (out), pulled * BATCHCHECK_FRAME);
      if (GST_BUFFER_FLAG_IS_SET (out, GST_BUFFER_FLAG_GAP)) {
        fail_unless (label == NULL);
      } else {
        if (since == 0)
          last = pulled;
        fail_unless_equals_string (label, fakevit_labels[last % FAKE_CLASSES]);
        since = (since + 1) % interval;
      }
      gst_buffer_unref (out);
    }
    fail_unless (fakevit.most_under_way <= (gint) inflight);
    g_free (line);
    batchcheck_finish (h, caps);
  }
  g_rand_free (rand);
}
GST_END_TEST;

/* Events and queries keep their place: the frames before them leave first, in a batch that isn't full. */
GST_START_TEST (test_events_keep_their_place)
{
  GstCaps *caps, *larger;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=100000000000", &caps);
  GstQuery *drain = gst_query_new_drain ();

  fakevit.collect_ms = 2;
  batchcheck_push (h, caps, 0);
  fail_unless (gst_harness_push_event (h, gst_event_new_gap (BATCHCHECK_FRAME, BATCHCHECK_FRAME)));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 1);
  batchcheck_push (h, caps, 1);
  batchcheck_push (h, caps, 2);
  fail_unless (gst_harness_push_event (h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
              gst_structure_new_empty ("mark"))));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 3);
  batchcheck_push (h, caps, 3);
  gst_pad_peer_query (h->srcpad, drain);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 4);
  /* another size in the middle of a batch: each frame is read as what it is */
  batchcheck_push (h, caps, 4);
  larger = common_caps ("I420", 48, 34, NULL);
  gst_harness_set_src_caps (h, gst_caps_ref (larger));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 5);
  batchcheck_push (h, larger, 5);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  for (guint n = 0; n < 6; n++)
    batchcheck_pull (h, n);
  batchcheck_sizes ((const guint[]) { 1, 2, 1, 1, 1 }, 5);
  gst_query_unref (drain);
  gst_caps_unref (larger);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* interval leaves frames out, and the line is full of them before the batch is: it goes out as it is. */
GST_START_TEST (test_interval_in_a_batch)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=3 inflight=2 interval=4 carry-over=last "
      "batch-timeout=100000000000", &caps);

  for (guint n = 0; n < 6; n++)
    batchcheck_push (h, caps, n);
  for (guint n = 0; n < 6; n++) {
    GstBuffer *out = gst_harness_pull (h);

    fakecheck_label (out, fakevit_labels[n - n % 4], "carried");
    gst_buffer_unref (out);
  }
  batchcheck_sizes ((const guint[]) { 2 }, 1);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* Frames that are late leave without a result, and those around them fill the batch. */
GST_START_TEST (test_late_frames_in_a_batch)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=100000000000", &caps);

  batchcheck_push (h, caps, 0);
  /* until 2 x 30 ms and a frame after the first: frames 1 and 2 */
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 30 * GST_MSECOND, 0));
  for (guint n = 1; n < 6; n++)
    batchcheck_push (h, caps, n);
  for (guint n = 0; n < 6; n++) {
    GstBuffer *out = gst_harness_pull (h);

    fakecheck_label (out, n == 1 || n == 2 ? NULL : fakevit_labels[n], "late or not");
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * BATCHCHECK_FRAME);
    gst_buffer_unref (out);
  }
  batchcheck_sizes ((const guint[]) { 4 }, 1);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* A late frame does not end the patience of those that gather: they go when the first has waited long enough. */
GST_START_TEST (test_late_frames_and_timeout)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=20000000", &caps);

  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 1, 0));
  for (guint n = 0; n < 3; n++)
    batchcheck_push (h, caps, n);
  for (guint n = 0; n < 3; n++) {
    GstBuffer *out = gst_harness_pull (h);

    fakecheck_label (out, n < 2 ? NULL : fakevit_labels[n], "late or not");
    gst_buffer_unref (out);
  }
  batchcheck_sizes ((const guint[]) { 1 }, 1);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* ---- errors ---- */

static void
check_error (GstHarness * h, const gchar * words)
{
  GstBus *bus = gst_element_get_bus (h->element);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 10 * GST_SECOND, GST_MESSAGE_ERROR);
  GError *error;

  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (strstr (error->message, words) != NULL, "%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  gst_object_unref (bus);
}

/* A bad frame in the middle of a batch: those before it leave, the error tells which it was, then all is over. */
GST_START_TEST (test_bad_frame_in_a_batch)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 batch-timeout=100000000000", &caps);
  GstBuffer *bad = gst_buffer_new_allocate (NULL, 10, NULL);

  batchcheck_push (h, caps, 0);
  batchcheck_push (h, caps, 1);
  GST_BUFFER_PTS (bad) = 2 * BATCHCHECK_FRAME;
  fail_unless_equals_int (gst_harness_push (h, bad), GST_FLOW_OK);
  batchcheck_push (h, caps, 3);
  batchcheck_pull (h, 0);
  batchcheck_pull (h, 1);
  check_error (h, "0:00:00.080000000");
  batchcheck_sizes ((const guint[]) { 2 }, 1);
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, fakecheck_corners[0], 4)), GST_FLOW_ERROR);
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* A device that fails: the batches before it are whole. */
GST_START_TEST (test_failing_batch)
{
  for (guint in_submit = 0; in_submit < 2; in_submit++) {
    GstCaps *caps;
    GstHarness *h = batchcheck_harness ("vitclassify batch-size=2 inflight=2 batch-timeout=100000000000", &caps);

    fakevit.fail_after = 2;
    if (in_submit)
      fakevit.fail_submit = VIT_ERR_MEMORY;
    else
      fakevit.fail_collect = VIT_ERR_DEVICE_LOST;
    for (guint n = 0; n < 4; n++)
      gst_harness_push (h, common_frame (caps, fakecheck_corners[n], n));
    batchcheck_pull (h, 0);
    batchcheck_pull (h, 1);
    check_error (h, "0:00:00.080000000");
    gst_harness_push_event (h, gst_event_new_eos ());
    fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
    batchcheck_finish (h, caps);
  }
}
GST_END_TEST;

/* ---- counters, pools ---- */

GST_START_TEST (test_stats)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=2 batch-timeout=100000000000", &caps);
  GstElement *element = gst_harness_find_element (h, "vitclassify");
  GstStructure *stats;
  guint64 batches = 0, latency = 0;
  gdouble fill = 0;

  for (guint n = 0; n < 6; n++)
    batchcheck_push (h, caps, n);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  g_object_get (element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, "batches", &batches));
  fail_unless_equals_uint64 (batches, 2);
  fail_unless (gst_structure_get_double (stats, "batch-fill", &fill));
  fail_unless_equals_float (fill, 3.0);
  fail_unless (gst_structure_get_uint64 (stats, "latency-avg", &latency));
  fail_unless (latency > 0);
  gst_structure_free (stats);
  gst_object_unref (element);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* Who allocates for us learns that we keep some. */
GST_START_TEST (test_allocation)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=4 inflight=3", &caps);
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  guint min = 0;

  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless (gst_query_get_n_allocation_pools (query) > 0);
  gst_query_parse_nth_allocation_pool (query, 0, NULL, NULL, &min, NULL);
  fail_unless (min >= 12, "%u buffers", min);
  gst_query_unref (query);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

/* A tee'd buffer stays shared, one's own is not copied. */
GST_START_TEST (test_shared_buffers)
{
  GstCaps *caps;
  GstHarness *h = batchcheck_harness ("vitclassify batch-size=2 inflight=2", &caps);
  GstBuffer *mine = common_frame (caps, fakecheck_corners[0], 0), *own = common_frame (caps, fakecheck_corners[1], 1);
  GstBuffer *out;

  fail_unless_equals_int (gst_harness_push (h, gst_buffer_ref (mine)), GST_FLOW_OK);
  fail_unless_equals_int (gst_harness_push (h, own), GST_FLOW_OK);
  out = gst_harness_pull (h);
  fail_unless (out != mine && fakecheck_label_of (mine) == NULL);
  fail_unless (gst_buffer_peek_memory (mine, 0) == gst_buffer_peek_memory (out, 0), "the picture was copied");
  gst_buffer_unref (out);
  out = gst_harness_pull (h);
  fail_unless (out == own, "a buffer of one's own was copied");
  gst_buffer_unref (out);
  gst_buffer_unref (mine);
  batchcheck_finish (h, caps);
}
GST_END_TEST;

static Suite *
batches_suite (void)
{
  Suite *suite = suite_create ("batches");
  TCase *tc = tcase_create ("batches");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_full_batches_and_eos);
  tcase_add_test (tc, test_timeout);
  tcase_add_test (tc, test_no_timeout);
  tcase_add_test (tc, test_default_timeout);
  tcase_add_test (tc, test_order_at_random);
  tcase_add_test (tc, test_events_keep_their_place);
  tcase_add_test (tc, test_interval_in_a_batch);
  tcase_add_test (tc, test_late_frames_in_a_batch);
  tcase_add_test (tc, test_late_frames_and_timeout);
  tcase_add_test (tc, test_bad_frame_in_a_batch);
  tcase_add_test (tc, test_failing_batch);
  tcase_add_test (tc, test_stats);
  tcase_add_test (tc, test_allocation);
  tcase_add_test (tc, test_shared_buffers);
  return suite;
}

GST_CHECK_MAIN (batches);
