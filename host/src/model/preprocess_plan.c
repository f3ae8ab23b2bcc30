/* One picture layout's way to patch rows: what is uploaded, the tables and the parameters of both passes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/round.h"
#include "model/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a plane's row is made of: units of some bytes, each for one pixel or (halved) two; halved rows likewise. */
struct plane_layout {
  uint8_t unit_bytes;
  bool half_x, half_y;
};

static const struct format_layout {
  const char *name;
  uint32_t kind; /* VIT_FRAME_ */
  uint32_t num_planes;
  struct plane_layout planes[3];
  uint32_t shift[3]; /* bits: of R, G, B or Y, U, V in a pixel, pair or packed word */
  uint32_t u_plane, v_plane;
} formats[] = {
#define PACKED(unit)                                                                                                   \
  1,                                                                                                                   \
  {                                                                                                                    \
    {                                                                                                                  \
      unit, false, false                                                                                               \
    }                                                                                                                  \
  }
#define FULL                                                                                                           \
  {                                                                                                                    \
    1, false, false                                                                                                    \
  }
#define HALF(unit)                                                                                                     \
  {                                                                                                                    \
    unit, true, true                                                                                                   \
  }
  [VIT_FORMAT_RGB] = { "RGB", VIT_FRAME_RGB24, PACKED (3), { 0, 8, 16 }, 0, 0 },
  [VIT_FORMAT_BGR] = { "BGR", VIT_FRAME_RGB24, PACKED (3), { 16, 8, 0 }, 0, 0 },
  [VIT_FORMAT_RGBX] = { "RGBx", VIT_FRAME_RGB32, PACKED (4), { 0, 8, 16 }, 0, 0 },
  [VIT_FORMAT_BGRX] = { "BGRx", VIT_FRAME_RGB32, PACKED (4), { 16, 8, 0 }, 0, 0 },
  [VIT_FORMAT_XRGB] = { "xRGB", VIT_FRAME_RGB32, PACKED (4), { 8, 16, 24 }, 0, 0 },
  [VIT_FORMAT_XBGR] = { "xBGR", VIT_FRAME_RGB32, PACKED (4), { 24, 16, 8 }, 0, 0 },
  [VIT_FORMAT_NV12] = { "NV12", VIT_FRAME_YUV_SEMI, 2, { FULL, HALF (2) }, { 0, 0, 8 }, 1, 1 },
  [VIT_FORMAT_NV21] = { "NV21", VIT_FRAME_YUV_SEMI, 2, { FULL, HALF (2) }, { 0, 8, 0 }, 1, 1 },
  [VIT_FORMAT_I420] = { "I420", VIT_FRAME_YUV_PLANAR, 3, { FULL, HALF (1), HALF (1) }, { 0, 0, 0 }, 1, 2 },
  [VIT_FORMAT_YV12] = { "YV12", VIT_FRAME_YUV_PLANAR, 3, { FULL, HALF (1), HALF (1) }, { 0, 0, 0 }, 2, 1 },
  [VIT_FORMAT_Y444] = { "Y444", VIT_FRAME_YUV444, 3, { FULL, FULL, FULL }, { 0, 0, 0 }, 1, 2 },
  [VIT_FORMAT_YUY2] = { "YUY2", VIT_FRAME_YUV_PACKED, 1, { { 4, true, false } }, { 0, 8, 24 }, 0, 0 },
  [VIT_FORMAT_UYVY] = { "UYVY", VIT_FRAME_YUV_PACKED, 1, { { 4, true, false } }, { 8, 0, 16 }, 0, 0 },
  [VIT_FORMAT_GRAY8] = { "GRAY8", VIT_FRAME_GRAY, 1, { FULL }, { 0, 0, 0 }, 0, 0 },
#undef PACKED
#undef FULL
#undef HALF
};

/* Luma's share of red and blue; green has the rest. */
static const struct {
  double red, blue;
} matrices[] = {
  [VIT_MATRIX_BT601] = { 0.299, 0.114 },
  [VIT_MATRIX_BT709] = { 0.2126, 0.0722 },
  [VIT_MATRIX_BT2020] = { 0.2627, 0.0593 },
  [VIT_MATRIX_FCC] = { 0.30, 0.11 },
  [VIT_MATRIX_SMPTE240M] = { 0.212, 0.087 },
};

#define COUNT(array) (sizeof (array) / sizeof *(array))

static bool
is_rgb (const struct format_layout *f)
{
  return f->kind == VIT_FRAME_RGB24 || f->kind == VIT_FRAME_RGB32;
}

/* Units from the first to the last pixel (or row), both included. */
static uint32_t
units (uint32_t first, uint32_t last, bool half)
{
  return (last >> half) - (first >> half) + 1;
}

uint32_t
preprocess_kind (enum vit_format format)
{
  return (unsigned) format < COUNT (formats) ? formats[format].kind : 0;
}

bool
preprocess_image_check (const vit_image *image, vit_error *err)
{
  if ((unsigned) image->format >= COUNT (formats) || (unsigned) image->matrix >= COUNT (matrices))
    return fail (err, VIT_ERR_ARG, "picture: format %u, matrix %u: expected values of enum vit_format and vit_matrix",
        (unsigned) image->format, (unsigned) image->matrix);
  const struct format_layout *f = &formats[image->format];
  const uint32_t w = image->width, h = image->height;
  if (w < 1 || h < 1 || w > GEOMETRY_MAX_SIDE || h > GEOMETRY_MAX_SIDE)
    return fail (err, VIT_ERR_ARG, "picture: %s of %u x %u pixels, expected sides of 1 to %d; scale it down first",
        f->name, w, h, GEOMETRY_MAX_SIDE);
  for (uint32_t i = 0; i < f->num_planes; i++) {
    uint32_t row_bytes = units (0, w - 1, f->planes[i].half_x) * f->planes[i].unit_bytes;
    if (!image->planes[i])
      return fail (err, VIT_ERR_ARG, "picture: plane %u of %u is NULL, %s needs it", i, f->num_planes, f->name);
    if (image->strides[i] < row_bytes)
      return fail (err, VIT_ERR_ARG, "picture: stride of plane %u is %u bytes, %s of %u pixels a row needs at least %u",
          i, image->strides[i], f->name, w, row_bytes);
  }
  if (image->crop.width
      && (!image->crop.height || image->crop.x >= w || image->crop.y >= h || image->crop.width > w - image->crop.x
          || image->crop.height > h - image->crop.y))
    return fail (err, VIT_ERR_ARG, "picture: crop of %u x %u pixels at (%u, %u) isn't inside the %u x %u picture",
        image->crop.width, image->crop.height, image->crop.x, image->crop.y, w, h);
  return true;
}

/* The parts of an image that make a layout, in one form: what doesn't matter for the format is zero. */
static vit_image
image_layout (const vit_image *image)
{
  const struct format_layout *f = &formats[image->format];
  vit_image l = { .format = image->format, .width = image->width, .height = image->height, .crop = image->crop };
  if (!l.crop.width) {
    l.crop.x = l.crop.y = 0;
    l.crop.width = image->width;
    l.crop.height = image->height;
  }
  if (!is_rgb (f))
    l.full_range = image->full_range;
  if (!is_rgb (f) && f->kind != VIT_FRAME_GRAY) {
    l.matrix = image->matrix;
    l.chroma_h_cosited = image->chroma_h_cosited;
    l.chroma_v_cosited = image->chroma_v_cosited;
  }
  return l;
}

bool
preprocess_same_layout (const struct preprocess_plan *plan, const vit_image *image)
{
  const vit_image a = plan->image, b = image_layout (image);
  return plan->tables && a.format == b.format && a.width == b.width && a.height == b.height && a.matrix == b.matrix
      && a.full_range == b.full_range && a.chroma_h_cosited == b.chroma_h_cosited
      && a.chroma_v_cosited == b.chroma_v_cosited && a.crop.x == b.crop.x && a.crop.y == b.crop.y
      && a.crop.width == b.crop.width && a.crop.height == b.crop.height;
}

/* ---- upload and the frame's layout in words ---- */

/* Rows of one plane that the vertical pass needs; halved planes also one more to each side for interpolation, where
 * the crop has it. */
static void
plan_rows (struct preprocess_plane *p, const struct plane_layout *layout, const vit_image *image,
    const struct geometry *g)
{
  const uint32_t crop_last = image->crop.y + image->crop.height - 1;
  uint32_t first = image->crop.y + g->first_row, last = first + g->num_rows - 1;
  if (layout->half_y) {
    uint32_t lowest = image->crop.y >> 1, highest = crop_last >> 1;
    first = first >> 1 > lowest ? (first >> 1) - 1 : lowest;
    last = last >> 1 < highest ? (last >> 1) + 1 : highest;
  }
  p->first_row = first;
  p->rows = last - first + 1;
}

static void
plan_upload (struct preprocess_plan *plan, const struct format_layout *f, const struct geometry *g)
{
  const vit_image *image = &plan->image;
  const uint32_t first = image->crop.x, last = first + image->crop.width - 1;
  const bool halved = f->planes[f->u_plane].half_x;
  uint32_t size = 0; /* 2^30 at most: 4 bytes a pixel and GEOMETRY_MAX_SIDE squared */
  plan->num_planes = f->num_planes;
  for (uint32_t i = 0; i < f->num_planes; i++) {
    const struct plane_layout *layout = &f->planes[i];
    struct preprocess_plane *p = &plan->planes[i];
    plan_rows (p, layout, image, g);
    const uint32_t begin = halved ? first & ~1u : first; /* luma begins with its chroma sample */
    p->first_byte = (begin >> layout->half_x) * layout->unit_bytes;
    p->row_bytes = units (begin, last, layout->half_x) * layout->unit_bytes;
    p->stride = (p->row_bytes + 3u) & ~3u;
    p->offset = size;
    size += p->stride * p->rows;
  }
  plan->upload_size = size + 16u; /* the last quad of pixels may be loaded past the last row's end */
}

static int32_t
fixed (double x)
{
  return (int32_t) lrint (x * (1 << 21));
}

/* value = gain * (luma - black), chroma centred at 128 and counted in sixteenths */
static void
plan_colour (struct preprocess_plan *plan, const struct format_layout *f)
{
  struct preprocess_h_params *h = &plan->h;
  const double red = matrices[plan->image.matrix].red, blue = matrices[plan->image.matrix].blue;
  const double green = 1.0 - red - blue, black = plan->image.full_range ? 0.0 : 16.0;
  const double luma = plan->image.full_range ? 1.0 : 255.0 / 219.0;
  const double chroma = (f->kind == VIT_FRAME_GRAY ? 0.0 : plan->image.full_range ? 1.0 : 255.0 / 224.0);
  const double v_to_r = 2.0 * (1.0 - red) * chroma, u_to_b = 2.0 * (1.0 - blue) * chroma;
  const double u_to_g = -u_to_b * blue / green, v_to_g = -v_to_r * red / green;
  h->planes.y_gain = fixed (luma);
  h->planes.v_to_r = fixed (v_to_r / 16.0);
  h->planes.u_to_g = fixed (u_to_g / 16.0);
  h->planes.v_to_g = fixed (v_to_g / 16.0);
  h->planes.u_to_b = fixed (u_to_b / 16.0);
  h->planes.bias[0] = fixed (0.5 - luma * black - 128.0 * v_to_r);
  h->planes.bias[1] = fixed (0.5 - luma * black - 128.0 * (u_to_g + v_to_g));
  h->planes.bias[2] = fixed (0.5 - luma * black - 128.0 * u_to_b);
}

static void
plan_frame (struct preprocess_plan *plan, const struct format_layout *f, const struct geometry *g)
{
  struct preprocess_h_params *h = &plan->h;
  const vit_image *image = &plan->image;
  const struct preprocess_plane *u = &plan->planes[f->u_plane], *v = &plan->planes[f->v_plane];
  const uint32_t first_y = image->crop.y + g->first_row;
  h->kind = f->kind;
  h->planes.stride = plan->planes[0].stride / 4;
  h->planes.chroma_offset = u->offset / 4;
  h->planes.chroma_offset2 = v->offset / 4;
  h->planes.chroma_stride = u->stride / 4;
  h->planes.chroma_last_x = units (image->crop.x, image->crop.x + image->crop.width - 1, true) - 1;
  h->planes.chroma_last_y = u->rows - 1;
  h->planes.chroma_y_phase = first_y & 1;
  h->planes.chroma_y_first = (first_y >> 1) - (f->planes[f->u_plane].half_y ? u->first_row : first_y >> 1);
  h->planes.chroma_h_cosited = image->chroma_h_cosited;
  h->planes.chroma_v_cosited = image->chroma_v_cosited;
  memcpy (h->planes.shift, f->shift, sizeof h->planes.shift);
  plan_colour (plan, f);
}

/* ---- tables ---- */

/* Taps in groups of 4: heads {first, groups, 0, 0}, then coefficients with zeros before the first and after the last.
 * Along x groups begin on multiples of 4 of the frame's pixels, of which `shift` lie before the crop. */
static uint32_t
groups_needed (const struct taps *t, uint32_t shift, bool along_x)
{
  uint32_t most = 1;
  for (uint32_t i = 0; i < t->count; i++) {
    const uint32_t lead = along_x ? (t->first[i] + shift) % 4 : 0, groups = ceil_div (lead + t->num[i], 4);
    most = groups > most ? groups : most;
  }
  return most;
}

/* origin: what heads count from, in pixels; a multiple of 4 along x. */
static void
fill_table (int32_t *table, uint32_t max_groups, const struct taps *t, uint32_t shift, uint32_t origin, bool along_x)
{
  for (uint32_t i = 0; i < t->count; i++) {
    if (!t->num[i])
      continue;
    const uint32_t first = t->first[i] + shift - origin, lead = along_x ? first % 4 : 0;
    int32_t *head = table + (size_t) i * 4;
    int32_t *coeffs = table + ((size_t) t->count + (size_t) i * max_groups) * 4 + lead;
    head[0] = (int32_t) (along_x ? first / 4 : first);
    head[1] = (int32_t) ceil_div (lead + t->num[i], 4);
    memcpy (coeffs, t->coeffs + (size_t) i * t->max_taps, t->num[i] * sizeof *coeffs);
  }
}

/* The rows between the first and the last tap of each tile; taps come by fours. */
static uint32_t
tile_rows (const struct geometry *g)
{
  uint32_t most = 0;
  for (uint32_t y = 0; y < g->y.count; y += VIT_TILE_SIDE) {
    uint32_t first = UINT32_MAX, end = 0;
    for (uint32_t i = y; i < y + VIT_TILE_SIDE && i < g->y.count; i++) {
      uint32_t last = g->y.first[i] + (g->y.num[i] + 3u) / 4u * 4u;
      first = g->y.num[i] && g->y.first[i] < first ? g->y.first[i] : first;
      end = g->y.num[i] && last > end ? last : end;
    }
    most = end > first && end - first > most ? end - first : most;
  }
  return g->vertical_first ? 0 : most;
}

/* x_shift: pixels of the frame before the crop's first. */
static bool
plan_tables (struct preprocess_plan *plan, const struct geometry *g, uint32_t x_shift, vit_error *err)
{
  const uint32_t x_groups = groups_needed (&g->x, x_shift, true), y_groups = groups_needed (&g->y, 0, false);
  const uint32_t y_offset = g->x.count * (1 + x_groups);
  const size_t quads = y_offset + (size_t) g->y.count * (1 + y_groups);
  plan->h.taps_offset = g->vertical_first ? y_offset : 0;
  plan->v.taps_offset = g->vertical_first ? 0 : y_offset;
  plan->h.max_groups = g->vertical_first ? y_groups : x_groups;
  plan->v.max_groups = g->vertical_first ? x_groups : y_groups;
  plan->tables_size = quads * 4 * sizeof *plan->tables;
  plan->tables = calloc (quads, 4 * sizeof *plan->tables);
  if (!plan->tables)
    return fail_memory (err, "preprocessing tables", plan->tables_size);
  fill_table (plan->tables, x_groups, &g->x, x_shift, plan->h.first_quad * 4, true);
  fill_table (plan->tables + (size_t) y_offset * 4, y_groups, &g->y, 0, g->first_row, false);
  return true;
}

/* The shape of what lies between the passes, and the order of the passes. */
static void
plan_passes (struct preprocess_plan *plan, const struct vit_preprocess *rules, const struct geometry *g,
    uint32_t x_shift)
{
  struct preprocess_h_params *h = &plan->h;
  struct preprocess_v_params *v = &plan->v;
  if (g->vertical_first) {
    h->kind |= VIT_FRAME_VERTICAL;
    h->first_quad = (g->first_column + x_shift) / 4;
    h->width = (g->first_column + g->num_columns - 1 + x_shift) / 4 - h->first_quad + 1;
    h->num_rows = rules->height;
    h->out_stride = h->width * 4;
  } else {
    h->width = rules->width;
    h->num_rows = g->num_rows;
    h->out_stride = (rules->width + 3u) & ~3u;
  }
  h->last_row = g->num_rows - 1;
  v->along_x = g->vertical_first;
  v->rows_stride = h->out_stride;
  v->last_row = h->num_rows - 1;
  plan->rows_size = (size_t) h->num_rows * h->out_stride * 4;
  plan->tile_rows = tile_rows (g);
}

static void
plan_output (struct preprocess_plan *plan, const struct vit_preprocess *rules, uint32_t patch_w, uint32_t patch_h)
{
  struct preprocess_v_params *v = &plan->v;
  v->width = rules->width;
  v->height = rules->height;
  v->patch_width = patch_w;
  v->patch_height = patch_h;
  v->out_stride = 3 * patch_w * patch_h;
  v->fill = rules->fill[0] | (uint32_t) rules->fill[1] << 8 | (uint32_t) rules->fill[2] << 16;
  plan->h.fill = v->fill;
  for (int c = 0; c < 3; c++) {
    v->scale[c] = (float) (1.0 / (255.0 * rules->std[c]));
    v->offset[c] = (float) (-(double) rules->mean[c] / rules->std[c]);
  }
}

static bool
normalisation_check (const struct vit_preprocess *rules, uint32_t patch_w, uint32_t patch_h, vit_error *err)
{
  if (!patch_w || !patch_h || rules->width % patch_w || rules->height % patch_h)
    return fail (err, VIT_ERR_ARG, "preprocessing: an input of %u x %u pixels can't be cut into patches of %u x %u",
        rules->width, rules->height, patch_w, patch_h);
  for (int c = 0; c < 3; c++)
    if (!(rules->std[c] > 0.0f) || !isfinite (rules->std[c]) || !isfinite (rules->mean[c]))
      return fail (err, VIT_ERR_ARG,
          "preprocessing: mean %g and std %g of channel %d, expected finite numbers and a "
          "std above 0",
          (double) rules->mean[c], (double) rules->std[c], c);
  return true;
}

bool
preprocess_plan (struct preprocess_plan *plan, const struct vit_preprocess *rules, uint32_t patch_w, uint32_t patch_h,
    const vit_image *image, vit_error *err)
{
  struct geometry g;
  memset (plan, 0, sizeof *plan);
  if (!preprocess_image_check (image, err) || !normalisation_check (rules, patch_w, patch_h, err))
    return false;
  const struct format_layout *f = &formats[image->format];
  plan->image = image_layout (image);
  if (!geometry_init (&g, rules, plan->image.crop.width, plan->image.crop.height, err))
    goto error;
  plan_upload (plan, f, &g);
  plan_frame (plan, f, &g);
  plan_output (plan, rules, patch_w, patch_h);
  const uint32_t x_shift = f->planes[f->u_plane].half_x ? plan->image.crop.x & 1 : 0;
  plan_passes (plan, rules, &g, x_shift);
  bool ok = plan_tables (plan, &g, x_shift, err);
  geometry_finish (&g);
  if (ok)
    return true;

error:
  preprocess_plan_finish (plan);
  return false;
}

void
preprocess_plan_finish (struct preprocess_plan *plan)
{
  free (plan->tables);
  memset (plan, 0, sizeof *plan);
}

void
preprocess_upload (const struct preprocess_plan *plan, const vit_image *image, void *staging)
{
  for (uint32_t i = 0; i < plan->num_planes; i++) {
    const struct preprocess_plane *p = &plan->planes[i];
    const size_t stride = image->strides[i];
    const uint8_t *from = (const uint8_t *) image->planes[i] + p->first_row * stride + p->first_byte;
    uint8_t *to = (uint8_t *) staging + p->offset;
    if (stride == p->stride) {
      memcpy (to, from, stride * (p->rows - 1) + p->row_bytes);
      continue;
    }
    for (uint32_t row = 0; row < p->rows; row++)
      memcpy (to + (size_t) row * p->stride, from + row * stride, p->row_bytes);
  }
}
