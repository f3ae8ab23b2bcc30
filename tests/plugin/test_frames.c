/* Tests of vitclassify's way with frames: formats, strides, crops, order, flushes, skipping. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "fakevit.h"

#include <gst/controller/gstdirectcontrolbinding.h>
#include <gst/controller/gstinterpolationcontrolsource.h>

#define CUSTOM_META "vitclassify"

static const gdouble corners[FAKE_CLASSES][3] = { {0, 0, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1},
  {1, 1, 0}, {1, 1, 1} };

static void
reset (void)
{
  fakevit_reset ();
  common_init ();
}

static const gchar *
label_of (GstBuffer * buffer)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, CUSTOM_META);

  return meta ? gst_structure_get_string (gst_custom_meta_get_structure (meta), "label") : NULL;
}

static void
check_label (GstBuffer * buffer, const gchar * expected, const gchar * what)
{
  const gchar *label = label_of (buffer);

  fail_unless (g_strcmp0 (label, expected) == 0, "%s: %s instead of %s (saw %.3f %.3f %.3f)", what, label, expected,
      (double) fakevit.rgb[0], (double) fakevit.rgb[1], (double) fakevit.rgb[2]);
}

/* Pushes a frame of a corner's colour and checks that its name comes back. */
static void
classify (GstHarness * h, GstCaps * caps, enum fake_class corner, guint n, gsize pad, const gchar * what)
{
  GstBuffer *in = common_frame (caps, corners[corner], n), *out;

  if (pad) {
    GstBuffer *tight = in;

    in = common_padded (tight, caps, pad);
    gst_buffer_unref (tight);
  }
  out = gst_harness_push_and_pull (h, in);
  check_label (out, fakevit_labels[corner], what);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * 40 * GST_MSECOND);
  gst_buffer_unref (out);
}

/* Every format, odd and even sizes, both matrices and ranges, tight and padded rows, each caps change in mid-stream. */
GST_START_TEST (test_formats)
{
  static const gint sizes[][2] = { {1, 1}, {2, 2}, {7, 5}, {64, 48}, {33, 1} };
  static const gchar *const colorimetries[] = { NULL, "bt601", "bt709", "1:4:0:0", "bt2020" };
  GstHarness *h;
  guint n = 0;

  reset ();
  h = common_harness ("vitclassify", NULL);
  for (guint f = 0; f < common_n_formats; f++) {
    gboolean gray = g_str_equal (common_formats[f], "GRAY8");
    gboolean rgb = strstr (common_formats[f], "RGB") || strstr (common_formats[f], "BGR");

    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      for (guint c = 0; c < (gray || rgb ? 1 : G_N_ELEMENTS (colorimetries)); c++) {
        GstCaps *caps = common_caps (common_formats[f], sizes[s][0], sizes[s][1], colorimetries[c]);
        gchar *what = gst_caps_to_string (caps);

        gst_harness_set_src_caps (h, gst_caps_ref (caps));
        for (guint k = 0; k < FAKE_CLASSES; k += gray ? FAKE_CLASSES - 1 : 1) {
          classify (h, caps, k, n++, 0, what);
          classify (h, caps, k, n++, 12, what);
        }
        g_free (what);
        gst_caps_unref (caps);
      }
    }
  }
  fail_unless_equals_int (fakevit.loads, 1);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_colorimetry)
{
  static const struct
  {
    const gchar *colorimetry, *site;
    enum vit_matrix matrix;
    gboolean full, h, v;
  } rows[] = {
    {"bt601", "jpeg", VIT_MATRIX_BT601, FALSE, FALSE, FALSE},
    {"bt709", "mpeg2", VIT_MATRIX_BT709, FALSE, TRUE, FALSE},
    {"bt2020", "cosited", VIT_MATRIX_BT2020, FALSE, TRUE, TRUE},
    {"smpte240m", "v-cosited", VIT_MATRIX_SMPTE240M, FALSE, FALSE, TRUE},
    {"1:4:0:0", NULL, VIT_MATRIX_BT601, TRUE, FALSE, FALSE},
    {"2:2:0:0", NULL, VIT_MATRIX_FCC, FALSE, TRUE, FALSE},
  };
  GstHarness *h;

  reset ();
  h = common_harness ("vitclassify", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("I420", 16, 16, rows[i].colorimetry);

    if (rows[i].site)
      gst_caps_set_simple (caps, "chroma-site", G_TYPE_STRING, rows[i].site, NULL);
    gst_harness_set_src_caps (h, gst_caps_ref (caps));
    classify (h, caps, FAKE_GREEN, i, 0, rows[i].colorimetry);
    fail_unless_equals_int (fakevit.image.matrix, rows[i].matrix);
    fail_unless_equals_int (fakevit.image.full_range, rows[i].full);
    fail_unless (fakevit.image.chroma_h_cosited == rows[i].h, "%s", rows[i].colorimetry);
    fail_unless (fakevit.image.chroma_v_cosited == rows[i].v, "%s", rows[i].colorimetry);
    gst_caps_unref (caps);
  }
  common_teardown (h);
}
GST_END_TEST;

/* A picture within a larger buffer: by its video meta, then by a crop meta, then by a crop meta that sticks out. */
GST_START_TEST (test_crop)
{
  GstCaps *caps, *large;
  GstHarness *h;
  GstVideoCropMeta *crop;
  GstBuffer *buffer;

  reset ();
  caps = common_caps ("NV12", 20, 10, NULL);
  large = common_caps ("NV12", 32, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (large, corners[FAKE_RED], 0);
  {
    GstBuffer *padded = common_padded (buffer, large, 4);

    gst_buffer_unref (buffer);
    buffer = padded;
  }
  gst_buffer_unref (gst_harness_push_and_pull (h, gst_buffer_copy (buffer)));
  fail_unless_equals_int (fakevit.image.width, 32);
  fail_unless_equals_int (fakevit.image.crop.width, 20);
  fail_unless_equals_int (fakevit.image.crop.height, 10);

  crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = 6;
  crop->y = 4;
  crop->width = 20;
  crop->height = 10;
  gst_buffer_unref (gst_harness_push_and_pull (h, gst_buffer_copy (buffer)));
  fail_unless_equals_int (fakevit.image.crop.x, 6);
  fail_unless_equals_int (fakevit.image.crop.y, 4);
  fail_unless_equals_int (fakevit.image.crop.width, 20);
  fail_unless_equals_int (fakevit.image.crop.height, 10);

  crop->x = 30;
  crop->width = G_MAXUINT;
  gst_buffer_unref (gst_harness_push_and_pull (h, buffer));
  fail_unless_equals_int (fakevit.image.crop.width, 2);
  gst_caps_unref (caps);
  gst_caps_unref (large);
  common_teardown (h);
}
GST_END_TEST;

/* Buffers whose metas or sizes lie: one error each, no read outside them. */
GST_START_TEST (test_lying_buffers)
{
  GstCaps *caps;

  reset ();
  caps = common_caps ("RGB", 64, 64, NULL);
  for (guint lie = 0; lie < 3; lie++) {
    GstHarness *h = common_harness ("vitclassify", gst_caps_ref (caps));
    GstBuffer *buffer = gst_buffer_new_allocate (NULL, lie == 0 ? 100 : 64 * 64 * 3, NULL);
    gsize offset[4] = { lie == 1 ? 64 : 0, 0, 0, 0 };
    gint stride[4] = { lie == 2 ? 16 : 192, 0, 0, 0 };
    GstMessage *message;

    gst_buffer_memset (buffer, 0, 0, gst_buffer_get_size (buffer));
    if (lie > 0)
      gst_buffer_add_video_meta_full (buffer, 0, GST_VIDEO_FORMAT_RGB, 64, 64, 1, offset, stride);
    fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_ERROR);
    message = common_message (h, GST_MESSAGE_ERROR);
    fail_unless (message != NULL, "lie %u", lie);
    gst_message_unref (message);
    fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
    fail_unless_equals_int (fakevit.submits, 0);
    common_teardown (h);
  }
  gst_caps_unref (caps);
}
GST_END_TEST;

/* A buffer that others hold too is not changed, and its picture is not copied. */
GST_START_TEST (test_shared_buffer)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *in, *out;

  reset ();
  caps = common_caps ("I420", 32, 32, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  in = common_frame (caps, corners[FAKE_CYAN], 0);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  fail_unless (out != in);
  fail_unless (label_of (in) == NULL);
  check_label (out, "cyan", "shared");
  fail_unless (gst_buffer_peek_memory (in, 0) == gst_buffer_peek_memory (out, 0), "the picture was copied");
  gst_buffer_unref (out);
  gst_buffer_unref (in);

  in = common_frame (caps, corners[FAKE_CYAN], 1);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (out == in, "a buffer of one's own was copied");
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_order_and_eos)
{
  GstCaps *caps;
  GstHarness *h;

  reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  for (guint n = 0; n < 20; n++)
    fail_unless_equals_int (gst_harness_push (h, common_frame (caps, corners[n % FAKE_CLASSES], n)), GST_FLOW_OK);
  fail_unless (gst_harness_push_event (h, gst_event_new_eos ()));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 20);
  for (guint n = 0; n < 20; n++) {
    GstBuffer *out = gst_harness_pull (h);

    check_label (out, fakevit_labels[n % FAKE_CLASSES], "order");
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), n * 40 * GST_MSECOND);
    fail_unless_equals_uint64 (GST_BUFFER_DURATION (out), 40 * GST_MSECOND);
    gst_buffer_unref (out);
  }
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

static gpointer
push_one (gpointer data)
{
  GstHarness *h = data;
  GstCaps *caps = gst_pad_get_current_caps (h->srcpad);
  GstFlowReturn ret = gst_harness_push (h, common_frame (caps, corners[FAKE_RED], 0));

  gst_caps_unref (caps);
  return GINT_TO_POINTER (ret);
}

static void
wait_for_submits (gint n)
{
  while (g_atomic_int_get (&fakevit.submits) < n)
    g_usleep (1000);
}

/* A flush while the device works: the frame is dropped at once, the next one gets its own result and not the old. */
GST_START_TEST (test_flush_while_waiting)
{
  GstCaps *caps;
  GstHarness *h;
  GThread *pusher;

  reset ();
  fakevit.hang = TRUE;
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  pusher = g_thread_new ("pusher", push_one, h);
  wait_for_submits (1);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_start ()));
  fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (pusher)), GST_FLOW_FLUSHING);
  fail_unless (gst_harness_push_event (h, gst_event_new_flush_stop (TRUE)));
  fail_unless_equals_int (gst_harness_buffers_in_queue (h), 0);
  fakevit.hang = FALSE;
  {
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    fail_unless (gst_harness_push_event (h, gst_event_new_segment (&segment)));
  }
  classify (h, caps, FAKE_BLUE, 1, 0, "after the flush");
  fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* The same for going down while the device works. */
GST_START_TEST (test_stop_while_waiting)
{
  GstHarness *h;
  GThread *pusher;

  reset ();
  fakevit.hang = TRUE;
  h = common_harness ("vitclassify", common_caps ("RGB", 16, 16, NULL));
  pusher = g_thread_new ("pusher", push_one, h);
  wait_for_submits (1);
  fail_unless_equals_int (gst_element_set_state (h->element, GST_STATE_NULL), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (pusher)), GST_FLOW_FLUSHING);
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

  reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (caps, corners[FAKE_RED], 0);
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  buffer = gst_harness_push_and_pull (h, buffer);
  fail_unless (label_of (buffer) == NULL);
  gst_buffer_unref (buffer);
  fail_unless_equals_int (fakevit.submits, 0);
  fail_unless_equals_uint64 (stat_of (h, "skipped-gap"), 1);
  fail_unless (gst_harness_push_event (h, gst_event_new_gap (40 * GST_MSECOND, GST_SECOND)));
  classify (h, caps, FAKE_RED, 30, 0, "after the gap");
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_interval_and_carry_over)
{
  GstCaps *caps;
  GstHarness *h;

  reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify interval=3 carry-over=last", gst_caps_ref (caps));
  for (guint n = 0; n < 7; n++) {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, corners[n], n));
    guint ago = 99;

    check_label (out, fakevit_labels[n - n % 3], "carried");
    gst_structure_get_uint (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, CUSTOM_META)),
        "frames_ago", &ago);
    fail_unless_equals_int (ago, n % 3);
    gst_buffer_unref (out);
  }
  fail_unless_equals_int (fakevit.submits, 3);
  fail_unless_equals_uint64 (stat_of (h, "skipped-interval"), 4);
  fail_unless_equals_uint64 (stat_of (h, "carried"), 4);
  gst_harness_set (h, "vitclassify", "carry-over", 0, NULL);
  {
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, corners[1], 7));

    fail_unless (label_of (out) == NULL);
    gst_buffer_unref (out);
  }
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

  reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  classify (h, caps, FAKE_RED, 0, 0, "in time");
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 50 * GST_MSECOND, 0));
  for (guint n = 1; n <= 3; n++) {
    out = gst_harness_push_and_pull (h, common_frame (caps, corners[FAKE_RED], n));
    fail_unless (label_of (out) == NULL, "frame %u", n);
    gst_buffer_unref (out);
  }
  message = common_message (h, GST_MESSAGE_QOS);
  fail_unless (message != NULL);
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  fail_unless_equals_uint64 (processed, 1);
  fail_unless_equals_uint64 (dropped, 1);
  gst_message_unref (message);
  fail_unless_equals_uint64 (stat_of (h, "skipped-qos"), 3);
  classify (h, caps, FAKE_RED, 4, 0, "in time again");

  gst_harness_set (h, "vitclassify", "qos-skip", FALSE, NULL);
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2.0, 10 * GST_SECOND, 0));
  classify (h, caps, FAKE_RED, 5, 0, "skipping is off");
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

  reset ();
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
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, corners[FAKE_RED], n));

    fail_unless ((label_of (out) == NULL) == (n == 1), "frame %u", n);
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

  reset ();
  caps = common_caps ("I420", 16, 16, "1:4:0:0");
  gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, 0, 1, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (caps, corners[FAKE_YELLOW], 0);
  GST_BUFFER_PTS (buffer) = GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  buffer = gst_harness_push_and_pull (h, buffer);
  check_label (buffer, "yellow", "no times");
  fail_unless (!GST_BUFFER_PTS_IS_VALID (buffer));
  gst_buffer_unref (buffer);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_alternate_fields)
{
  GstCaps *caps, *field;
  GstHarness *h;
  GstBuffer *buffer, *out;

  reset ();
  caps = common_caps ("NV12", 16, 16, NULL);
  field = common_caps ("NV12", 16, 8, NULL);
  gst_caps_set_simple (caps, "interlace-mode", G_TYPE_STRING, "alternate", NULL);
  gst_caps_set_features (caps, 0, gst_caps_features_new (GST_CAPS_FEATURE_FORMAT_INTERLACED, NULL));
  h = common_harness ("vitclassify", caps);
  buffer = common_frame (field, corners[FAKE_MAGENTA], 0);
  GST_BUFFER_FLAG_SET (buffer, GST_VIDEO_BUFFER_FLAG_TOP_FIELD);
  out = gst_harness_push_and_pull (h, buffer);
  check_label (out, "magenta", "field");
  fail_unless_equals_int (fakevit.image.height, 8);
  gst_buffer_unref (out);
  gst_caps_unref (field);
  common_teardown (h);
}
GST_END_TEST;

/* Metas in the caps are welcome whatever they are; memory that can't be mapped is not. */
GST_START_TEST (test_caps_features)
{
  static const struct
  {
    const gchar *features;
    gboolean accepted;
  } rows[] = {
    {"memory:SystemMemory", TRUE},
    {"memory:SystemMemory, meta:GstVideoOverlayComposition", TRUE},
    {"memory:SystemMemory, meta:AnythingElse", TRUE},
    {"memory:VAMemory", FALSE},
    {"memory:GLMemory, meta:GstVideoOverlayComposition", FALSE},
  };
  GstHarness *h;

  reset ();
  h = common_harness ("vitclassify", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *text = g_strdup_printf ("video/x-raw(%s), format=NV12, width=16, height=16, framerate=25/1",
        rows[i].features);
    GstCaps *caps = gst_caps_from_string (text), *answer;

    fail_unless (caps != NULL);
    fail_unless_equals_int (gst_pad_peer_query_accept_caps (h->srcpad, caps), rows[i].accepted);
    answer = gst_pad_peer_query_caps (h->srcpad, caps);
    fail_unless (gst_caps_is_empty (answer) != rows[i].accepted, "%s", text);
    gst_caps_unref (answer);
    gst_caps_unref (caps);
    g_free (text);
  }
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_allocation)
{
  GstCaps *caps;
  GstHarness *h;
  GstQuery *query;

  reset ();
  caps = common_caps ("NV12", 16, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  query = gst_query_new_allocation (caps, TRUE);
  fail_unless (gst_pad_peer_query (h->srcpad, query));
  fail_unless (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  fail_unless (gst_query_get_n_allocation_pools (query) > 0);
  fail_unless (gst_query_get_n_allocation_params (query) > 0);
  gst_query_unref (query);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

static Suite *
frames_suite (void)
{
  Suite *suite = suite_create ("frames");
  TCase *tc = tcase_create ("frames");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_formats);
  tcase_add_test (tc, test_colorimetry);
  tcase_add_test (tc, test_crop);
  tcase_add_test (tc, test_lying_buffers);
  tcase_add_test (tc, test_shared_buffer);
  tcase_add_test (tc, test_order_and_eos);
  tcase_add_test (tc, test_flush_while_waiting);
  tcase_add_test (tc, test_stop_while_waiting);
  tcase_add_test (tc, test_gap);
  tcase_add_test (tc, test_interval_and_carry_over);
  tcase_add_test (tc, test_qos_skip);
  tcase_add_test (tc, test_threshold_is_controllable);
  tcase_add_test (tc, test_no_times);
  tcase_add_test (tc, test_alternate_fields);
  tcase_add_test (tc, test_caps_features);
  tcase_add_test (tc, test_allocation);
  return suite;
}

GST_CHECK_MAIN (frames);
