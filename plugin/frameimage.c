/* Shows a mapped video frame to the engine: formats, planes, strides, colorimetry, crop. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frameimage.h"

#include <string.h>

static const struct
{
  GstVideoFormat caps;
  enum vit_format engine;
} formats[] = {
  {GST_VIDEO_FORMAT_RGB, VIT_FORMAT_RGB},
  {GST_VIDEO_FORMAT_BGR, VIT_FORMAT_BGR},
  {GST_VIDEO_FORMAT_RGBx, VIT_FORMAT_RGBX},
  {GST_VIDEO_FORMAT_RGBA, VIT_FORMAT_RGBX},
  {GST_VIDEO_FORMAT_BGRx, VIT_FORMAT_BGRX},
  {GST_VIDEO_FORMAT_BGRA, VIT_FORMAT_BGRX},
  {GST_VIDEO_FORMAT_xRGB, VIT_FORMAT_XRGB},
  {GST_VIDEO_FORMAT_ARGB, VIT_FORMAT_XRGB},
  {GST_VIDEO_FORMAT_xBGR, VIT_FORMAT_XBGR},
  {GST_VIDEO_FORMAT_ABGR, VIT_FORMAT_XBGR},
  {GST_VIDEO_FORMAT_NV12, VIT_FORMAT_NV12},
  {GST_VIDEO_FORMAT_NV21, VIT_FORMAT_NV21},
  {GST_VIDEO_FORMAT_I420, VIT_FORMAT_I420},
  {GST_VIDEO_FORMAT_YV12, VIT_FORMAT_YV12},
  {GST_VIDEO_FORMAT_Y444, VIT_FORMAT_Y444},
  {GST_VIDEO_FORMAT_YUY2, VIT_FORMAT_YUY2},
  {GST_VIDEO_FORMAT_UYVY, VIT_FORMAT_UYVY},
  {GST_VIDEO_FORMAT_GRAY8, VIT_FORMAT_GRAY8},
};

static gboolean
set_format (vit_image * image, GstVideoFormat format)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    if (formats[i].caps == format) {
      image->format = formats[i].engine;
      return TRUE;
    }
  }
  return FALSE;
}

static enum vit_matrix
matrix_of (const GstVideoInfo * info)
{
  switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
      return VIT_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return VIT_MATRIX_BT2020;
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return VIT_MATRIX_FCC;
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return VIT_MATRIX_SMPTE240M;
    case GST_VIDEO_COLOR_MATRIX_BT601:
      return VIT_MATRIX_BT601;
    default:
      /* unknown, or an RGB matrix on YUV: by size, as GStreamer's own defaults */
      return info->height > 576 ? VIT_MATRIX_BT709 : VIT_MATRIX_BT601;
  }
}

/* Caps without a chroma site are the rule, not the exception. JPEG, the one common source of full range, centres its
 * chroma; MPEG-2, H.264 and their descendants put it on the left luma sample. */
static void
set_colours (vit_image * image, const GstVideoInfo * info)
{
  GstVideoChromaSite site = GST_VIDEO_INFO_CHROMA_SITE (info);

  image->matrix = matrix_of (info);
  image->full_range = info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255;
  if (site == GST_VIDEO_CHROMA_SITE_UNKNOWN)
    site = image->full_range ? GST_VIDEO_CHROMA_SITE_NONE : GST_VIDEO_CHROMA_SITE_H_COSITED;
  image->chroma_h_cosited = (site & GST_VIDEO_CHROMA_SITE_H_COSITED) != 0;
  image->chroma_v_cosited = (site & GST_VIDEO_CHROMA_SITE_V_COSITED) != 0;
}

/* bytes of one row of a plane, and its rows */
static void
plane_extent (const GstVideoFrame * frame, guint plane, guint height, gsize * row_bytes, gsize * rows)
{
  const GstVideoFormatInfo *finfo = frame->info.finfo;
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gint c;

  gst_video_format_info_component (finfo, plane, components);
  c = components[0];
  *rows = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (finfo, c, height);
  *row_bytes = (gsize) GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (finfo, c, frame->info.width)
      * GST_VIDEO_FORMAT_INFO_PSTRIDE (finfo, c);
}

/* A packed 4:2:2 row holds whole pairs of pixels. */
static gsize
whole_pairs (GstVideoFormat format, gsize row_bytes, gint width)
{
  gboolean packed = format == GST_VIDEO_FORMAT_YUY2 || format == GST_VIDEO_FORMAT_UYVY;

  return packed ? (gsize) ((width + 1) / 2) * 4 : row_bytes;
}

static gboolean
set_planes (vit_image * image, const GstVideoFrame * frame, GError ** error)
{
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (frame); i++) {
    const GstMapInfo *map = &frame->map[frame->meta ? i : 0];
    const guint8 *data = frame->data[i];
    gint stride = frame->info.stride[i];
    gsize row_bytes, rows, before, need;

    plane_extent (frame, i, image->height, &row_bytes, &rows);
    row_bytes = whole_pairs (GST_VIDEO_FRAME_FORMAT (frame), row_bytes, frame->info.width);
    before = (gsize) (data - map->data);
    need = stride > 0 ? (rows - 1) * (gsize) stride + row_bytes : 0;
    if (stride <= 0 || (gsize) stride < row_bytes || before > map->size || need > map->size - before) {
      g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "Plane %u of a %ux%u %s buffer has %" G_GSIZE_FORMAT " bytes and a stride of %d, expected %" G_GSIZE_FORMAT
          " rows of %" G_GSIZE_FORMAT " bytes; the element upstream describes its buffers wrongly", i,
          image->width, image->height, gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)),
          before > map->size ? 0 : map->size - before, stride, rows, row_bytes);
      return FALSE;
    }
    image->planes[i] = data;
    image->strides[i] = (uint32_t) stride;
  }
  return TRUE;
}

/* A crop meta counts first, then the caps' size where the buffer is larger; what lies outside the buffer is cut off. */
static void
set_crop (vit_image * image, GstBuffer * buffer, guint width, guint height)
{
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta (buffer);

  if (crop && crop->width > 0 && crop->height > 0 && crop->x < image->width && crop->y < image->height) {
    image->crop.x = crop->x;
    image->crop.y = crop->y;
    image->crop.width = MIN (crop->width, image->width - crop->x);
    image->crop.height = MIN (crop->height, image->height - crop->y);
  } else if (width < image->width || height < image->height) {
    image->crop.width = MIN (width, image->width);
    image->crop.height = MIN (height, image->height);
  }
}

gboolean
frameimage_fill (vit_image * image, const GstVideoFrame * frame, const GstVideoInfo * info, GError ** error)
{
  /* each buffer of an alternating stream is one field */
  gboolean field = GST_VIDEO_INFO_INTERLACE_MODE (info) == GST_VIDEO_INTERLACE_MODE_ALTERNATE;
  guint height = (guint) frame->info.height;

  memset (image, 0, sizeof *image);
  if (!set_format (image, GST_VIDEO_FRAME_FORMAT (frame))) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "A buffer is in format %s, expected %s",
        gst_video_format_to_string (GST_VIDEO_FRAME_FORMAT (frame)),
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)));
    return FALSE;
  }
  image->width = (uint32_t) frame->info.width;
  image->height = field ? (height + 1) / 2 : height;
  if (!set_planes (image, frame, error))
    return FALSE;
  set_colours (image, info);
  set_crop (image, frame->buffer, (guint) info->width, (guint) GST_VIDEO_INFO_FIELD_HEIGHT (info));
  return TRUE;
}

gboolean
frameimage_expect (vit_image * image, const GstVideoInfo * info)
{
  memset (image, 0, sizeof *image);
  image->width = (uint32_t) info->width;
  image->height = (uint32_t) GST_VIDEO_INFO_FIELD_HEIGHT (info);
  set_colours (image, info);
  return set_format (image, GST_VIDEO_INFO_FORMAT (info));
}

static gboolean
feature_is_mappable (const gchar * feature)
{
  return g_str_has_prefix (feature, "meta:") || g_str_equal (feature, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY)
      || g_str_equal (feature, GST_CAPS_FEATURE_FORMAT_INTERLACED);
}

static gboolean
keep_mappable (GstCapsFeatures * features, GstStructure * structure, gpointer unused)
{
  (void) structure;
  (void) unused;
  for (guint i = 0; !gst_caps_features_is_any (features) && i < gst_caps_features_get_size (features); i++) {
    if (!feature_is_mappable (gst_caps_features_get_nth (features, i)))
      return FALSE;
  }
  return TRUE;
}

GstCaps *
frameimage_mappable_caps (GstCaps * caps)
{
  if (gst_caps_is_any (caps))
    return caps;
  caps = gst_caps_make_writable (caps);
  gst_caps_filter_and_map_in_place (caps, keep_mappable, NULL);
  return caps;
}
