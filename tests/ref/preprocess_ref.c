/* Plain C twins of the preprocessing kernels, and the colour conversion once more from its definition. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ref/preprocess_ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- first pass ---- */

static int32_t
clamp (int64_t v, int32_t low, int32_t high)
{
  return (int32_t) (v < low ? low : v > high ? high : v);
}

static int64_t
fits (int64_t sum)
{
  if (sum > INT32_MAX || sum < INT32_MIN) {
    fprintf (stderr, "a sum of taps or colours is %lld: over 32 bits\n", (long long) sum);
    abort ();
  }
  return sum;
}

/* c: 1 for U, 2 for V; column and row may lie outside: the nearest sample then. */
static int32_t
chroma_sample (const struct preprocess_h_params *p, const uint8_t *frame, int c, int64_t column, int64_t row)
{
  const uint32_t x = (uint32_t) clamp (column, 0, (int32_t) p->planes.chroma_last_x), kind = p->kind & VIT_FRAME_MASK;
  if (kind == VIT_FRAME_YUV_PACKED)
    return frame[row * p->planes.stride * 4 + x * 4 + p->planes.shift[c] / 8];
  const uint32_t y = (uint32_t) clamp (row, 0, (int32_t) p->planes.chroma_last_y);
  if (kind == VIT_FRAME_YUV_SEMI)
    return frame[((size_t) p->planes.chroma_offset + y * p->planes.chroma_stride) * 4 + x * 2 + p->planes.shift[c] / 8];
  return frame[((size_t) (c == 1 ? p->planes.chroma_offset : p->planes.chroma_offset2) + y * p->planes.chroma_stride)
          * 4
      + x];
}

static int64_t
floor_quarters (int64_t q)
{
  return q >= 0 ? q / 4 : -((3 - q) / 4);
}

/* Chroma at a pixel in sixteenths, by its position in quarters of a chroma sample. */
static int32_t
chroma_at (const struct preprocess_h_params *p, const uint8_t *frame, int c, uint32_t x, uint32_t row)
{
  const uint32_t kind = p->kind & VIT_FRAME_MASK;
  if (kind == VIT_FRAME_YUV444)
    return 16
        * frame[((size_t) (c == 1 ? p->planes.chroma_offset : p->planes.chroma_offset2) + row * p->planes.chroma_stride)
                * 4
            + x];
  int64_t qx = 2 * (int64_t) x - !p->planes.chroma_h_cosited;
  int64_t qy = 2 * ((int64_t) row + p->planes.chroma_y_phase) - !p->planes.chroma_v_cosited
      + 4 * (int64_t) p->planes.chroma_y_first;
  if (kind == VIT_FRAME_YUV_PACKED)
    qy = 4 * (int64_t) row;
  int64_t x0 = floor_quarters (qx), y0 = floor_quarters (qy), wx = qx - 4 * x0, wy = qy - 4 * y0, sum = 0;
  for (int j = 0; j < 2; j++)
    for (int i = 0; i < 2; i++) {
      int64_t weight = (i ? wx : 4 - wx) * (j ? wy : 4 - wy);
      if (weight)
        sum += weight * chroma_sample (p, frame, c, x0 + i, y0 + j);
    }
  return (int32_t) sum;
}

static void
pixel_rgb (const struct preprocess_h_params *p, const uint8_t *frame, uint32_t x, uint32_t row, int32_t rgb[3])
{
  const uint8_t *line = frame + (size_t) row * p->planes.stride * 4;
  const uint32_t kind = p->kind & VIT_FRAME_MASK;
  if (kind == VIT_FRAME_RGB24 || kind == VIT_FRAME_RGB32) {
    for (int c = 0; c < 3; c++)
      rgb[c] = line[x * (kind == VIT_FRAME_RGB24 ? 3 : 4) + p->planes.shift[c] / 8];
    return;
  }
  int64_t y = kind == VIT_FRAME_YUV_PACKED ? line[x * 2 + p->planes.shift[0] / 8] : line[x], u = 0, v = 0;
  if (kind != VIT_FRAME_GRAY) {
    u = chroma_at (p, frame, 1, x, row);
    v = chroma_at (p, frame, 2, x, row);
  }
  y *= p->planes.y_gain;
  rgb[0] = clamp (fits (y + p->planes.bias[0] + p->planes.v_to_r * v) >> 21, 0, 255);
  rgb[1] = clamp (fits (y + p->planes.bias[1] + p->planes.u_to_g * u + p->planes.v_to_g * v) >> 21, 0, 255);
  rgb[2] = clamp (fits (y + p->planes.bias[2] + p->planes.u_to_b * u) >> 21, 0, 255);
}

/* One output pixel of the first pass: position x of table x in row y, or column x of position y of table y. */
static uint32_t
first_pass_pixel (const struct preprocess_h_params *p, const uint8_t *frame, const int32_t *tables, uint32_t x,
    uint32_t y)
{
  const bool vertical = p->kind & VIT_FRAME_VERTICAL;
  const uint32_t count = vertical ? p->num_rows : p->width, at = vertical ? y : x;
  const int32_t *head = tables + ((size_t) p->taps_offset + at) * 4;
  const int32_t *coeffs = tables + ((size_t) p->taps_offset + count + (size_t) at * p->max_groups) * 4;
  int64_t sum[3] = { 1 << 21, 1 << 21, 1 << 21 };
  uint32_t word = 0;
  if (!head[1])
    return p->fill;
  for (uint32_t t = 0; t < (uint32_t) head[1] * 4; t++) {
    int32_t rgb[3];
    if (!coeffs[t])
      continue; /* may lie outside the frame */
    if (vertical)
      pixel_rgb (p, frame, p->first_quad * 4 + x, (uint32_t) head[0] + t, rgb);
    else
      pixel_rgb (p, frame, (uint32_t) head[0] * 4 + t, y, rgb);
    for (int c = 0; c < 3; c++)
      sum[c] = fits (sum[c] + (int64_t) rgb[c] * coeffs[t]);
  }
  for (int c = 0; c < 3; c++)
    word |= (uint32_t) clamp (sum[c] >> 22, 0, 255) << 8 * c;
  return word;
}

void
ref_preprocess_h (const struct preprocess_h_params *p, const uint8_t *frame, const int32_t *tables, uint32_t *rows)
{
  const uint32_t width = p->width * (p->kind & VIT_FRAME_VERTICAL ? 4 : 1);
  for (uint32_t y = 0; y < p->num_rows; y++)
    for (uint32_t x = 0; x < width; x++)
      rows[(size_t) y * p->out_stride + x] = first_pass_pixel (p, frame, tables, x, y);
}

/* ---- second pass ---- */

static void
store_pixel (const struct preprocess_v_params *p, uint32_t x, uint32_t y, uint32_t word, float *patches)
{
  uint32_t patch = y / p->patch_height * (p->width / p->patch_width) + x / p->patch_width;
  for (uint32_t c = 0; c < 3; c++) {
    size_t at = (c * p->patch_height + y % p->patch_height) * p->patch_width + x % p->patch_width;
    volatile float product = (float) (word >> 8 * c & 255) * p->scale[c]; /* rounded before the sum */
    patches[p->out_first + (size_t) patch * p->out_stride + at] = product + p->offset[c];
  }
}

static uint32_t
second_pass_pixel (const struct preprocess_v_params *p, const uint32_t *rows, const int32_t *tables, uint32_t x,
    uint32_t y)
{
  const uint32_t count = p->along_x ? p->width : p->height, at = p->along_x ? x : y;
  const int32_t *head = tables + ((size_t) p->taps_offset + at) * 4;
  const int32_t *coeffs = tables + ((size_t) p->taps_offset + count + (size_t) at * p->max_groups) * 4;
  int64_t sum[3] = { 1 << 21, 1 << 21, 1 << 21 };
  uint32_t word = 0;
  if (!head[1])
    return p->fill;
  for (uint32_t t = 0; t < (uint32_t) head[1] * 4; t++) {
    size_t from = p->along_x ? (size_t) y * p->rows_stride + (uint32_t) head[0] * 4 + t
                             : ((size_t) head[0] + t) * p->rows_stride + x;
    for (int c = 0; coeffs[t] && c < 3; c++)
      sum[c] = fits (sum[c] + (int64_t) (rows[from] >> 8 * c & 255) * coeffs[t]);
  }
  for (int c = 0; c < 3; c++)
    word |= (uint32_t) clamp (sum[c] >> 22, 0, 255) << 8 * c;
  return word;
}

void
ref_preprocess_v (const struct preprocess_v_params *p, const uint32_t *rows, const int32_t *tables, float *patches)
{
  for (uint32_t y = 0; y < p->height; y++)
    for (uint32_t x = 0; x < p->width; x++)
      store_pixel (p, x, y, second_pass_pixel (p, rows, tables, x, y), patches);
}

float *
ref_preprocess (const struct preprocess_plan *plan, const vit_image *image)
{
  const struct preprocess_v_params *v = &plan->v;
  size_t patches = (size_t) (v->width / v->patch_width) * (v->height / v->patch_height);
  uint8_t *frame = calloc (plan->upload_size, 1);
  uint32_t *rows = calloc (plan->rows_size, 1);
  float *out = calloc (patches * v->out_stride, sizeof *out);
  if (frame && rows && out) {
    preprocess_upload (plan, image, frame);
    ref_preprocess_h (&plan->h, frame, plan->tables, rows);
    ref_preprocess_v (v, rows, plan->tables, out);
  } else {
    free (out);
    out = NULL;
  }
  free (frame);
  free (rows);
  return out;
}

/* ---- colour from its definition ---- */

/* Where a component's samples lie in the caller's planes. */
struct component {
  uint32_t plane, first, step;
  bool half_x, half_y;
};

static void
components_of (enum vit_format format, struct component c[3])
{
  static const struct {
    uint32_t step, first[3];
  } packed[] = {
    [VIT_FORMAT_RGB] = { 3, { 0, 1, 2 } },
    [VIT_FORMAT_BGR] = { 3, { 2, 1, 0 } },
    [VIT_FORMAT_RGBX] = { 4, { 0, 1, 2 } },
    [VIT_FORMAT_BGRX] = { 4, { 2, 1, 0 } },
    [VIT_FORMAT_XRGB] = { 4, { 1, 2, 3 } },
    [VIT_FORMAT_XBGR] = { 4, { 3, 2, 1 } },
  };
  const bool semi = format == VIT_FORMAT_NV12 || format == VIT_FORMAT_NV21;
  const bool uyvy = format == VIT_FORMAT_UYVY, half = format != VIT_FORMAT_Y444;
  for (uint32_t i = 0; i < 3; i++) {
    c[i] = (struct component) { 0, 0, 1, false, false };
    if (format <= VIT_FORMAT_XBGR)
      c[i] = (struct component) { 0, packed[format].first[i], packed[format].step, false, false };
    else if (format == VIT_FORMAT_YUY2 || uyvy)
      c[i] = i ? (struct component) { 0, 2 * i - 1 - uyvy, 4, true, false }
               : (struct component) { 0, uyvy, 2, false, false };
    else if (semi && i)
      c[i] = (struct component) { 1, (i == 2) != (format == VIT_FORMAT_NV21), 2, true, true };
    else if (i)
      c[i] = (struct component) { format == VIT_FORMAT_YV12 ? 3 - i : i, 0, 1, half, half };
  }
}

static double
sample (const vit_image *image, const struct component *c, double x, double y)
{
  /* samples of the crop alone: what lies around it may be anything */
  const double low_x = image->crop.x >> c->half_x, high_x = (image->crop.x + image->crop.width - 1) >> c->half_x;
  const double low_y = image->crop.y >> c->half_y, high_y = (image->crop.y + image->crop.height - 1) >> c->half_y;
  double sum = 0.0;
  for (int j = 0; j < 2; j++)
    for (int i = 0; i < 2; i++) {
      double weight = fabs (1 - i - (x - floor (x))) * fabs (1 - j - (y - floor (y)));
      size_t column = (size_t) fmin (fmax (floor (x) + i, low_x), high_x);
      size_t row = (size_t) fmin (fmax (floor (y) + j, low_y), high_y);
      const uint8_t *plane = image->planes[c->plane];
      sum += weight * plane[row * image->strides[c->plane] + column * c->step + c->first];
    }
  return sum;
}

static void
yuv_to_rgb (const vit_image *image, const double yuv[3], double *rgb)
{
  static const double red[] = { 0.299, 0.2126, 0.2627, 0.30, 0.212 }, blue[] = { 0.114, 0.0722, 0.0593, 0.11, 0.087 };
  const double kr = red[image->matrix], kb = blue[image->matrix];
  double y = image->full_range ? yuv[0] / 255 : (yuv[0] - 16) / 219;
  double pb = (yuv[1] - 128) / (image->full_range ? 255 : 224), pr = (yuv[2] - 128) / (image->full_range ? 255 : 224);
  double r = y + 2 * (1 - kr) * pr, b = y + 2 * (1 - kb) * pb;
  rgb[0] = 255 * r;
  rgb[1] = 255 * (y - kr * r - kb * b) / (1 - kr - kb);
  rgb[2] = 255 * b;
}

void
ref_picture_rgb (const vit_image *image_, double *rgb)
{
  vit_image image = *image_;
  struct component c[3];
  components_of (image.format, c);
  if (!image.crop.width) {
    image.crop.x = image.crop.y = 0;
    image.crop.width = image.width;
    image.crop.height = image.height;
  }
  for (uint32_t y = 0; y < image.crop.height; y++)
    for (uint32_t x = 0; x < image.crop.width; x++) {
      double v[3], *out = rgb + ((size_t) y * image.crop.width + x) * 3;
      for (int i = 0; i < 3; i++) {
        double sx = image.crop.x + x, sy = image.crop.y + y;
        sx = c[i].half_x ? (image.chroma_h_cosited ? sx / 2 : (sx - 0.5) / 2) : sx;
        sy = c[i].half_y ? (image.chroma_v_cosited ? sy / 2 : (sy - 0.5) / 2) : sy;
        v[i] = image.format == VIT_FORMAT_GRAY8 && i ? 128 : sample (&image, &c[i], sx, sy);
      }
      if (image.format <= VIT_FORMAT_XBGR)
        for (int i = 0; i < 3; i++)
          out[i] = v[i];
      else
        yuv_to_rgb (&image, v, out);
    }
}
