/* What a pipeline reports is what the engine says when it is given the same frames directly. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <math.h>
#include <string.h>
#include <vit/vit.h>

#include "../check.h"

#define FRAMES 6

struct kept
{
  GstBuffer *buffer;
  GstCaps *caps;
};

static void
keep (GstElement * sink, GstBuffer * buffer, GstPad * pad, GPtrArray * kept)
{
  struct kept *entry = g_new0 (struct kept, 1);

  (void) sink;
  entry->buffer = gst_buffer_ref (buffer);
  entry->caps = gst_pad_get_current_caps (pad);
  g_ptr_array_add (kept, entry);
}

static void
kept_free (gpointer data)
{
  struct kept *entry = data;

  gst_buffer_unref (entry->buffer);
  gst_caps_unref (entry->caps);
  g_free (entry);
}

/* The frames of the clip with what the element said of them; one every two seconds. */
static GPtrArray *
run_pipeline (const gchar * caps, const gchar * batches)
{
  GPtrArray *kept = g_ptr_array_new_with_free_func (kept_free);
  gchar *line = g_strdup_printf ("filesrc location=" TEST_DATA "/sample.webm ! decodebin ! videorate ! videoconvert ! "
      "videoscale ! video/x-raw,framerate=1/2,%s ! vitclassify top-k=10 precision=fp32 meta=custom %s ! "
      "fakesink name=sink sync=false signal-handoffs=true", caps, batches);
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;
  GstBus *bus;
  GstMessage *message;

  REQUIRE (pipeline && !error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_signal_connect (sink, "handoff", G_CALLBACK (keep), kept);
  gst_object_unref (sink);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 300 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  REQUIRE (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS);
  gst_message_unref (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
  g_free (line);
  return kept;
}

/* A description of the frame made here, by other code than the element's. */
static vit_image
image_of (const GstVideoFrame * frame)
{
  vit_image image = { .width = (uint32_t) GST_VIDEO_FRAME_WIDTH (frame),
    .height = (uint32_t) GST_VIDEO_FRAME_HEIGHT (frame) };
  GstVideoChromaSite site = frame->info.chroma_site;

  switch (GST_VIDEO_FRAME_FORMAT (frame)) {
    case GST_VIDEO_FORMAT_I420:
      image.format = VIT_FORMAT_I420;
      break;
    case GST_VIDEO_FORMAT_NV12:
      image.format = VIT_FORMAT_NV12;
      break;
    default:
      image.format = VIT_FORMAT_RGB;
  }
  image.matrix = frame->info.colorimetry.matrix == GST_VIDEO_COLOR_MATRIX_BT709 ? VIT_MATRIX_BT709 : VIT_MATRIX_BT601;
  image.full_range = frame->info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  image.chroma_h_cosited = site == GST_VIDEO_CHROMA_SITE_MPEG2 || (!site && !image.full_range);
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (frame); i++) {
    image.planes[i] = GST_VIDEO_FRAME_PLANE_DATA (frame, i);
    image.strides[i] = (uint32_t) GST_VIDEO_FRAME_PLANE_STRIDE (frame, i);
  }
  return image;
}

static void
run_engine (vit_session * session, const struct kept *kept, struct vit_score *scores)
{
  vit_error err = { 0 };
  GstVideoFrame frame;
  GstVideoInfo info;
  vit_result result;
  vit_image image;

  REQUIRE (gst_video_info_from_caps (&info, kept->caps));
  REQUIRE (gst_video_frame_map (&frame, &info, kept->buffer, GST_MAP_READ));
  image = image_of (&frame);
  REQUIRE_OK (vit_session_submit (session, &image, 1, &err) == VIT_SUBMITTED, err);
  gst_video_frame_unmap (&frame);
  REQUIRE_OK (vit_session_collect (session, UINT64_MAX, &result, &err) == VIT_COLLECTED, err);
  REQUIRE (vit_top_k (result.logits, result.classes, VIT_SOFTMAX, 10, scores) == 10);
}

static void
compare (vit_model * model, vit_session * session, const struct kept *kept)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (kept->buffer, "vitclassify");
  const GstStructure *s;
  struct vit_score scores[10];

  REQUIRE (meta);
  s = gst_custom_meta_get_structure (meta);
  run_engine (session, kept, scores);
  for (guint i = 0; i < 10; i++) {
    const GValue *label = gst_value_array_get_value (gst_structure_get_value (s, "labels"), i);
    const GValue *confidence = gst_value_array_get_value (gst_structure_get_value (s, "confidences"), i);

    REQUIRE (g_str_equal (g_value_get_string (label), vit_model_label (model, scores[i].class_index)));
    REQUIRE_CLOSE (g_value_get_double (confidence), (double) scores[i].value, 1e-6, 1e-9);
  }
}

/* A picture's result doesn't depend on the company that it is computed in, to the last bit. */
static void
check_batches (void)
{
  static const gchar *const ways[] = { "batch-size=4 inflight=2", "batch-size=3 inflight=1 batch-timeout=0",
    "inflight=8" };
  GPtrArray *alone = run_pipeline ("format=NV12,width=320,height=180", "inflight=1");

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    GPtrArray *together = run_pipeline ("format=NV12,width=320,height=180", ways[i]);

    REQUIRE (together->len == alone->len);
    for (guint n = 0; n < alone->len; n++) {
      const struct kept *a = g_ptr_array_index (alone, n), *b = g_ptr_array_index (together, n);

      REQUIRE (GST_BUFFER_PTS (a->buffer) == GST_BUFFER_PTS (b->buffer));
      REQUIRE (gst_structure_is_equal (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (a->buffer,
                      "vitclassify")), gst_custom_meta_get_structure (gst_buffer_get_custom_meta (b->buffer,
                      "vitclassify"))));
    }
    g_ptr_array_unref (together);
  }
  g_ptr_array_unref (alone);
}

int
main (int argc, char **argv)
{
  static const gchar *const caps[] = { "format=I420", "format=RGB,width=301,height=173",
    "format=NV12,width=98,height=57",
    "format=I420,colorimetry=bt709,chroma-site=mpeg2" };
  const struct vit_device_params device_params = { .cache_dir = "" };
  const struct vit_model_params model_params = { .precision = VIT_F32 };
  gchar *path = g_build_filename (g_getenv ("VITCLASSIFY_MODEL_DIR"), "cifar10-vit", NULL);
  struct vit_device_info info;
  vit_error err = { 0 };
  vit_session *session;
  vit_device *device;
  vit_model *model;

  gst_init (&argc, &argv);
  device = vit_device_create (&device_params, &err);
  if (!device)
    SKIP ("%s", err.msg);
  model = vit_model_load (device, path, &model_params, &err);
  REQUIRE_OK (model, err);
  session = vit_session_create (model, NULL, &err);
  REQUIRE_OK (session, err);
  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    GPtrArray *kept = run_pipeline (caps[i], "");

    REQUIRE (kept->len >= FRAMES);
    for (guint n = 0; n < kept->len; n++)
      compare (model, session, g_ptr_array_index (kept, n));
    g_ptr_array_unref (kept);
  }
  vit_device_get_info (device, &info);
  if (info.type == VIT_DEVICE_CPU)      /* a GPU may choose other kernels for other numbers of rows */
    check_batches ();
  vit_session_destroy (&session);
  vit_model_destroy (&model);
  vit_device_destroy (&device);
  g_free (path);
  gst_deinit ();
  return check_status ();
}
