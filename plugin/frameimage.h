/* Shows a mapped video frame to the engine: formats, planes, strides, colorimetry, crop. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef PLUGIN_FRAMEIMAGE_H
#define PLUGIN_FRAMEIMAGE_H

#include <gst/video/video.h>
#include <vit/vit.h>

/* The caps formats the engine reads, for a pad template. */
#define FRAMEIMAGE_FORMATS "{ RGB, BGR, RGBx, BGRx, xRGB, xBGR, RGBA, BGRA, ARGB, ABGR, NV12, NV21, I420, YV12, " \
    "Y444, YUY2, UYVY, GRAY8 }"
/* pixels on a side, the engine's limit */
#define FRAMEIMAGE_MAX_SIDE 16384

/* Fills image with the planes of a frame mapped for reading; the planes are borrowed from it. info is the caps', whose
 * size counts where the buffer is padded. Fails where the buffer is smaller than its caps and metas say. */
gboolean frameimage_fill (vit_image * image, const GstVideoFrame * frame, const GstVideoInfo * info, GError ** error);

/* What the frames of these caps look like, planes and strides left out: those of buffers that say nothing else. */
gboolean frameimage_expect (vit_image * image, const GstVideoInfo * info);

/* The caps of `caps` whose frames lie in system memory, whatever metas they carry; takes caps. */
GstCaps *frameimage_mappable_caps (GstCaps * caps);

#endif
