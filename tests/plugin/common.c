/* What the tests of the elements share: frames of one colour in any format, harnesses, bus messages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

const gchar *const common_formats[] = { "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR",
  "NV12", "NV21", "I420", "YV12", "Y444", "YUY2", "UYVY", "GRAY8" };
const guint common_n_formats = G_N_ELEMENTS (common_formats);

#ifdef __SANITIZE_ADDRESS__
/* GLib is built without frame pointers: the fast way to a stack stops in it, and what it lost for us looks like its
 * own. The slow way takes minutes where a software driver compiles shaders, so only the tests with the stand-in look
 * for leaks. What GLib allocates while being loaded, and what text drawing keeps, lives to the end. */
#ifdef FAKE_ENGINE
const char *__asan_default_options (void);
const char *__lsan_default_suppressions (void);

const char *
__asan_default_options (void)
{
  return "fast_unwind_on_malloc=0:malloc_context_size=20";
}

const char *
__lsan_default_suppressions (void)
{
  return "leak:_dl_init\nleak:libfontconfig\nleak:libpango\n";
}
#else
int __lsan_is_turned_off (void);

int
__lsan_is_turned_off (void)
{
  return 1;
}
#endif
#endif

#ifdef FAKE_ENGINE
void gst_plugin_vitclassify_register (void);
#endif

void
common_init (void)
{
#ifdef FAKE_ENGINE
  static gboolean done;

  if (!done)
    gst_plugin_vitclassify_register ();
  done = TRUE;
#endif
}

GstCaps *
common_caps (const gchar * format, gint width, gint height, const gchar * colorimetry)
{
  GstCaps *caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT, width,
      "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 25, 1, NULL);

  if (colorimetry)
    gst_caps_set_simple (caps, "colorimetry", G_TYPE_STRING, colorimetry, NULL);
  return caps;
}

static GstBuffer *
painted (const GstVideoInfo * info, const gdouble rgb[3])
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  GstVideoFrame frame;

  fail_unless (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  for (gint y = 0; y < info->height; y++) {
    guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (&frame, 0);

    row += y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0);
    for (gint x = 0; x < info->width; x++)
      for (gint c = 0; c < 3; c++)
        row[4 * x + c] = (guint8) (rgb[c] * 255 + 0.5);
  }
  gst_video_frame_unmap (&frame);
  return buffer;
}

GstBuffer *
common_frame (GstCaps * caps, const gdouble rgb[3], guint n)
{
  GstVideoInfo to, from;
  GstVideoFrame source, target;
  GstVideoConverter *converter;
  GstBuffer *picture, *buffer;

  fail_unless (gst_video_info_from_caps (&to, caps));
  fail_unless (gst_video_info_set_format (&from, GST_VIDEO_FORMAT_RGBx, (guint) to.width, (guint) to.height));
  from.fps_n = to.fps_n;
  from.fps_d = to.fps_d;
  picture = painted (&from, rgb);
  buffer = gst_buffer_new_allocate (NULL, to.size, NULL);
  gst_buffer_memset (buffer, 0, 0, to.size);
  converter = gst_video_converter_new (&from, &to, NULL);
  fail_unless (gst_video_frame_map (&source, &from, picture, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&target, &to, buffer, GST_MAP_WRITE));
  gst_video_converter_frame (converter, &source, &target);
  gst_video_frame_unmap (&source);
  gst_video_frame_unmap (&target);
  gst_video_converter_free (converter);
  gst_buffer_unref (picture);
  GST_BUFFER_PTS (buffer) = n * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

GstBuffer *
common_padded (GstBuffer * tight, GstCaps * caps, gsize pad)
{
  GstVideoInfo from, to;
  GstVideoFrame source, target;
  GstBuffer *buffer;
  gsize offset = 0;

  fail_unless (gst_video_info_from_caps (&from, caps));
  /* the chroma of an odd last pixel of packed 4:2:2 lies in the place of a pixel that the copy would leave out */
  if (GST_VIDEO_INFO_FORMAT (&from) == GST_VIDEO_FORMAT_YUY2 || GST_VIDEO_INFO_FORMAT (&from) == GST_VIDEO_FORMAT_UYVY)
    from.width += from.width % 2;
  to = from;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&from); i++) {
    gint height = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (from.finfo, i, from.height);

    offset += pad;
    to.offset[i] = offset;
    to.stride[i] = from.stride[i] + (gint) pad;
    offset += (gsize) to.stride[i] * (gsize) height;
  }
  to.size = offset;
  buffer = gst_buffer_new_allocate (NULL, offset, NULL);
  gst_buffer_memset (buffer, 0, 0xa5, offset);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (&to), (guint) to.width,
      (guint) to.height, GST_VIDEO_INFO_N_PLANES (&to), to.offset, to.stride);
  fail_unless (gst_video_frame_map (&source, &from, tight, GST_MAP_READ));
  fail_unless (gst_video_frame_map (&target, &to, buffer, GST_MAP_WRITE));
  fail_unless (gst_video_frame_copy (&target, &source));
  gst_video_frame_unmap (&source);
  gst_video_frame_unmap (&target);
  gst_buffer_copy_into (buffer, tight, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  return buffer;
}

static GstStaticPadTemplate any_src = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS_ANY);
static GstStaticPadTemplate any_sink = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS_ANY);

GstHarness *
common_harness (const gchar * line, GstCaps * caps)
{
  GstHarness *harness = gst_harness_new_empty ();
  GError *error = NULL;
  GstElement *bin = gst_parse_bin_from_description_full (line, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  GstBus *bus = gst_bus_new ();

  fail_unless (bin != NULL, "%s: %s", line, error ? error->message : "");
  gst_object_ref_sink (bin);
  gst_element_set_bus (bin, bus);       /* before the harness starts it */
  gst_object_unref (bus);
  gst_harness_add_element_full (harness, bin, &any_src, "sink", &any_sink, "src");
  gst_object_unref (bin);
  if (caps)
    gst_harness_set_src_caps (harness, caps);
  return harness;
}

void
common_teardown (GstHarness * harness)
{
  gst_element_set_bus (harness->element, NULL);
  gst_harness_teardown (harness);
}

gssize
common_heap_bytes (void)
{
#if defined __SANITIZE_ADDRESS__ || !defined __GLIBC__
  return 0;
#else
  struct mallinfo2 info = mallinfo2 ();

  return (gssize) (info.uordblks + info.hblkhd);
#endif
}

GstMessage *
common_message (GstHarness * harness, GstMessageType types)
{
  GstBus *bus = gst_element_get_bus (harness->element);
  GstMessage *message = gst_bus_pop_filtered (bus, types);

  gst_object_unref (bus);
  return message;
}
