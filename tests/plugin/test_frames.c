/* Tests of what vitclassify takes: formats, strides, crops, lying and shared buffers, caps, allocation. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

/* Every format, odd and even sizes, both matrices and ranges, tight and padded rows, each caps change in mid-stream. */
GST_START_TEST (test_formats)
{
  static const gint sizes[][2] = { {1, 1}, {2, 2}, {7, 5}, {64, 48}, {33, 1} };
  static const gchar *const colorimetries[] = { NULL, "bt601", "bt709", "1:4:0:0", "bt2020" };
  GstHarness *h;
  guint n = 0;

  fakecheck_reset ();
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
          fakecheck_classify (h, caps, k, n++, 0, what);
          fail_unless (fakevit.surprises == 0, "%s", what);
          fakecheck_classify (h, caps, k, n++, 12, what);
          fakevit.surprises = 0;        /* padded rows may hold one pixel more */
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

/* The engine knows what frames look like before the first one comes. If it can't get ready, that frame tells. */
GST_START_TEST (test_prepared_by_caps)
{
  static const enum vit_code codes[] = { VIT_OK, VIT_ERR_MEMORY, VIT_ERR_DEVICE_LOST };

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++) {
    GstCaps *caps = common_caps ("NV12", 22, 14, "bt709");
    GstHarness *h;

    fakecheck_reset ();
    fakevit.fail_prepare = codes[i];
    h = common_harness ("vitclassify", gst_caps_ref (caps));
    fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);
    fakecheck_classify (h, caps, FAKE_RED, 0, 0, "prepared or not");
    fail_unless_equals_int (fakevit.surprises, codes[i] != VIT_OK);
    gst_caps_unref (caps);
    common_teardown (h);
  }
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
    {"2:2:0:0", "mpeg2", VIT_MATRIX_FCC, FALSE, TRUE, FALSE},
  };
  GstHarness *h;

  fakecheck_reset ();
  h = common_harness ("vitclassify", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("I420", 16, 16, rows[i].colorimetry);

    if (rows[i].site)
      gst_caps_set_simple (caps, "chroma-site", G_TYPE_STRING, rows[i].site, NULL);
    gst_harness_set_src_caps (h, gst_caps_ref (caps));
    fakecheck_classify (h, caps, FAKE_GREEN, i, 0, rows[i].colorimetry);
    fail_unless_equals_int (fakevit.image.matrix, rows[i].matrix);
    fail_unless_equals_int (fakevit.image.full_range, rows[i].full);
    fail_unless (fakevit.image.chroma_h_cosited == rows[i].h, "%s", rows[i].colorimetry);
    fail_unless (fakevit.image.chroma_v_cosited == rows[i].v, "%s", rows[i].colorimetry);
    gst_caps_unref (caps);
  }
  fail_unless_equals_int (fakevit.surprises, 0);
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

  fakecheck_reset ();
  caps = common_caps ("NV12", 20, 10, NULL);
  large = common_caps ("NV12", 32, 16, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  buffer = common_frame (large, fakecheck_corners[FAKE_RED], 0);
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

  fakecheck_reset ();
  caps = common_caps ("RGB", 64, 64, NULL);
  for (guint lie = 0; lie < 3; lie++) {
    GstHarness *h = common_harness ("vitclassify inflight=1", gst_caps_ref (caps));
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

  fakecheck_reset ();
  caps = common_caps ("I420", 32, 32, NULL);
  h = common_harness ("vitclassify", gst_caps_ref (caps));
  in = common_frame (caps, fakecheck_corners[FAKE_CYAN], 0);
  out = gst_harness_push_and_pull (h, gst_buffer_ref (in));
  fail_unless (out != in);
  fail_unless (fakecheck_label_of (in) == NULL);
  fakecheck_label (out, "cyan", "shared");
  fail_unless (gst_buffer_peek_memory (in, 0) == gst_buffer_peek_memory (out, 0), "the picture was copied");
  gst_buffer_unref (out);
  gst_buffer_unref (in);

  in = common_frame (caps, fakecheck_corners[FAKE_CYAN], 1);
  out = gst_harness_push_and_pull (h, in);
  fail_unless (out == in, "a buffer of one's own was copied");
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_alternate_fields)
{
  GstCaps *caps, *field;
  GstHarness *h;
  GstBuffer *buffer, *out;

  fakecheck_reset ();
  caps = common_caps ("NV12", 16, 16, NULL);
  field = common_caps ("NV12", 16, 8, NULL);
  gst_caps_set_simple (caps, "interlace-mode", G_TYPE_STRING, "alternate", NULL);
  gst_caps_set_features (caps, 0, gst_caps_features_new (GST_CAPS_FEATURE_FORMAT_INTERLACED, NULL));
  h = common_harness ("vitclassify", caps);
  buffer = common_frame (field, fakecheck_corners[FAKE_MAGENTA], 0);
  GST_BUFFER_FLAG_SET (buffer, GST_VIDEO_BUFFER_FLAG_TOP_FIELD);
  out = gst_harness_push_and_pull (h, buffer);
  fakecheck_label (out, "magenta", "field");
  fail_unless_equals_int (fakevit.image.height, 8);
  fail_unless_equals_int (fakevit.surprises, 0);
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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
  tcase_add_test (tc, test_prepared_by_caps);
  tcase_add_test (tc, test_colorimetry);
  tcase_add_test (tc, test_crop);
  tcase_add_test (tc, test_lying_buffers);
  tcase_add_test (tc, test_shared_buffer);
  tcase_add_test (tc, test_alternate_fields);
  tcase_add_test (tc, test_caps_features);
  tcase_add_test (tc, test_allocation);
  return suite;
}

GST_CHECK_MAIN (frames);
