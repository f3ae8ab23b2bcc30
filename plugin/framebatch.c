/* Hands frames to the engine as one batch. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "framebatch.h"

#include "frameimage.h"

static gboolean
map_frame (const Frame * frame, const GstVideoInfo * info, GstVideoFrame * map, vit_image * image, GError ** error)
{
  if (!gst_video_frame_map (map, info, frame->buffer, GST_MAP_READ)) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "A buffer of %" G_GSIZE_FORMAT " bytes can't be read as a %dx%d %s frame of %" G_GSIZE_FORMAT " bytes",
        gst_buffer_get_size (frame->buffer), info->width, info->height,
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)), info->size);
    return FALSE;
  }
  if (!frameimage_fill (image, map, info, error)) {
    gst_video_frame_unmap (map);
    return FALSE;
  }
  image->user = (void *) frame->ticket;
  return TRUE;
}

guint
framebatch_submit (Frame ** frames, guint n, const GstVideoInfo * info, Engine * engine, GstVideoFrame * maps,
    vit_image * images, GError ** error)
{
  GError *failure = NULL, *refusal = NULL;
  guint mapped = 0, submitted;

  while (mapped < n && map_frame (frames[mapped], info, &maps[mapped], &images[mapped], &failure))
    mapped++;
  submitted = mapped;
  if (mapped > 0 && engine_submit (engine, images, mapped, &refusal) != ENGINE_OK)
    submitted = 0;
  for (guint i = 0; i < mapped; i++)
    gst_video_frame_unmap (&maps[i]);
  if (refusal)
    g_clear_error (&failure);   /* the frames before it fail already */
  if (refusal || failure)
    g_propagate_error (error, refusal ? refusal : failure);
  return submitted;
}
