/* Resizing geometry: which source pixels, with which weights, make each pixel of the network's input. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

static double
filter_box (double x)
{
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double
filter_bilinear (double x)
{
  return fabs (x) < 1.0 ? 1.0 - fabs (x) : 0.0;
}

static double
filter_hamming (double x)
{
  x = fabs (x);
  if (x == 0.0)
    return 1.0;
  if (x >= 1.0)
    return 0.0;
  x *= PI;
  return sin (x) / x * (0.54 + 0.46 * cos (x));
}

static double
filter_bicubic (double x)
{
  const double a = -0.5;
  x = fabs (x);
  if (x < 1.0)
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

static double
sinc (double x)
{
  x *= PI;
  return x == 0.0 ? 1.0 : sin (x) / x;
}

static double
filter_lanczos (double x)
{
  return x >= -3.0 && x < 3.0 ? sinc (x) * sinc (x / 3.0) : 0.0;
}

static const struct filter {
  double (*value) (double x); /* NULL: nearest */
  double support;             /* source pixels to each side at scale 1 */
} filters[] = {
  [VIT_FILTER_NEAREST] = { NULL, 0.5 },
  [VIT_FILTER_BOX] = { filter_box, 0.5 },
  [VIT_FILTER_BILINEAR] = { filter_bilinear, 1.0 },
  [VIT_FILTER_HAMMING] = { filter_hamming, 1.0 },
  [VIT_FILTER_BICUBIC] = { filter_bicubic, 2.0 },
  [VIT_FILTER_LANCZOS] = { filter_lanczos, 3.0 },
};

static uint32_t
at_least_one (double x)
{
  return x < 1.0 ? 1 : (uint32_t) x;
}

/* Keeps the aspect ratio: each side the picture's size over the ratio of the tighter (or looser) side, the double
 * operations in the libraries' order because their results are cut or rounded to whole pixels. */
static void
resize_by_ratio (struct geometry *g, const struct vit_preprocess *rules)
{
  const bool longest = rules->resize == VIT_RESIZE_LONGEST;
  const double w = g->source_width, h = g->source_height;
  if (rules->rounding == VIT_ROUNDING_TIMM) {
    double ratio_w = w / rules->resize_width, ratio_h = h / rules->resize_height;
    double ratio = longest ? fmax (ratio_h, ratio_w) : fmin (ratio_h, ratio_w);
    g->resized_width = at_least_one (rint (w / ratio)); /* rint: halves to even */
    g->resized_height = at_least_one (rint (h / ratio));
  } else {
    double scale_w = rules->resize_width / w, scale_h = rules->resize_height / h;
    double scale = longest ? fmin (scale_h, scale_w) : fmax (scale_h, scale_w);
    g->resized_width = at_least_one (w * scale);
    g->resized_height = at_least_one (h * scale);
  }
}

static void
resize_whole (struct geometry *g, const struct vit_preprocess *rules)
{
  const uint64_t w = g->source_width, h = g->source_height, side = rules->resize_width;
  if (rules->resize == VIT_RESIZE_SQUASH) {
    g->resized_width = rules->resize_width;
    g->resized_height = rules->resize_height;
  } else if (rules->resize == VIT_RESIZE_SHORTEST && rules->resize_width == rules->resize_height) {
    /* one number for the short side: both libraries cut the long one */
    g->resized_width = (uint32_t) (w <= h ? side : side * w / h);
    g->resized_height = (uint32_t) (w <= h ? side * h / w : side);
  } else {
    resize_by_ratio (g, rules);
  }
}

/* Where the visible window of `visible` pixels begins in the resized picture, negative where it is padded. */
static int32_t
window_start (uint32_t resized, uint32_t visible, enum vit_rounding rounding)
{
  int64_t space = (int64_t) resized - visible;
  if (space < 0)
    return (int32_t) (rounding == VIT_ROUNDING_TRANSFORMERS_PIL ? -((1 - space) / 2) : space / 2);
  int64_t half = space / 2;
  if (rounding == VIT_ROUNDING_TIMM && space % 2 && half % 2)
    half++; /* x.5 goes to the even side */
  return (int32_t) half;
}

/* ---- taps ---- */

static uint32_t
taps_bound (const struct filter *filter, uint32_t source, uint32_t resized)
{
  if (!filter->value || source == resized)
    return 1;
  double scale = (double) source / resized;
  double support = filter->support * (scale < 1.0 ? 1.0 : scale);
  double bound = ceil (support) * 2.0 + 1.0;
  return bound > source ? source : (uint32_t) bound;
}

static bool
taps_alloc (struct taps *t, uint32_t count, uint32_t max_taps, vit_error *err)
{
  size_t coeffs = (size_t) count * max_taps;
  t->count = count;
  t->max_taps = max_taps;
  t->first = calloc (count, sizeof *t->first);
  t->num = calloc (count, sizeof *t->num);
  t->coeffs = calloc (coeffs, sizeof *t->coeffs);
  if (!t->first || !t->num || !t->coeffs)
    return fail_memory (err, "resize taps", coeffs * sizeof *t->coeffs);
  return true;
}

static void
tap_one (struct taps *t, uint32_t source, int64_t i, double position)
{
  const uint32_t pixel = (uint32_t) position;
  t->first[i] = pixel < source ? pixel : source - 1;
  t->num[i] = 1;
  t->coeffs[i * t->max_taps] = 1 << 22;
}

/* PIL steps along the row, so its sums of rounding errors are part of the result. */
static void
taps_nearest_pil (struct taps *t, uint32_t source, uint32_t resized, int32_t start)
{
  double step = (double) source / resized, position = step * 0.5;
  const int64_t end = (int64_t) start + t->count;
  for (int64_t i = 0; i < resized && i < end; i++, position += step)
    if (i >= start)
      tap_one (t, source, i - start, position);
}

/* torchvision's nearest-exact: each position by itself, in single precision. */
static void
taps_nearest_torch (struct taps *t, uint32_t source, uint32_t resized, int32_t start)
{
  const float scale = (float) source / (float) resized;
  for (int64_t i = 0; i < t->count; i++)
    if (start + i >= 0 && start + i < resized)
      tap_one (t, source, i, floorf ((float) (((double) (start + i) + 0.5) * (double) scale)));
}

/* A resize along one direction by a filter. */
struct resampling {
  const struct filter *filter;
  uint32_t source, resized;
};

/* Weights of the pixels under the filter at one output position, their sum 1; returns how many. */
static uint32_t
weights_at (const struct resampling *r, uint32_t position, double *weights, uint32_t *first)
{
  const double scale = (double) r->source / r->resized, stretch = scale < 1.0 ? 1.0 : scale;
  const double support = r->filter->support * stretch, inverse = 1.0 / stretch;
  const double center = (position + 0.5) * scale;
  double low = center - support + 0.5, high = center + support + 0.5, total = 0.0;
  const uint32_t begin = low < 0.0 ? 0 : (uint32_t) low;
  const uint32_t end = high > r->source ? r->source : (uint32_t) high;
  for (uint32_t i = begin; i < end; i++) {
    weights[i - begin] = r->filter->value (((double) i - center + 0.5) * inverse);
    total += weights[i - begin];
  }
  for (uint32_t i = 0; i < end - begin && total != 0.0; i++)
    weights[i] /= total;
  *first = begin;
  return end - begin;
}

/* torchvision keeps weights in 16 bits: as many after the point as the largest of the whole direction leaves. Cut
 * filters exceed 1 a little, never 2, so beyond 1 the search can end; enlargements get there at the first position. */
static int
torch_bits (const struct resampling *r, double *weights)
{
  double largest = 0.0;
  int bits = 0;
  for (uint32_t position = 0; position < r->resized && largest < 1.0; position++) {
    uint32_t first, num = weights_at (r, position, weights, &first);
    for (uint32_t i = 0; i < num; i++)
      largest = weights[i] > largest ? weights[i] : largest;
  }
  while (bits < 22 && (int) (0.5 + largest * (2 << bits)) < 1 << 15)
    bits++;
  return bits;
}

/* Both libraries round halves away from zero. Fewer bits than 22 become 22 with zeros below: sums are the same. */
static void
taps_filter (struct taps *t, const struct resampling *r, int32_t start, int bits, double *weights)
{
  for (uint32_t i = 0; i < t->count; i++) {
    const int64_t position = (int64_t) start + i;
    int32_t *coeffs = &t->coeffs[(size_t) i * t->max_taps];
    if (position < 0 || position >= r->resized)
      continue;
    t->num[i] = weights_at (r, (uint32_t) position, weights, &t->first[i]);
    for (uint32_t k = 0; k < t->num[i]; k++) {
      const double w = weights[k] * (1 << bits);
      coeffs[k] = (int32_t) (w < 0.0 ? w - 0.5 : w + 0.5) * (1 << (22 - bits));
    }
  }
}

static bool
taps_init (struct taps *t, const struct vit_preprocess *rules, uint32_t source, uint32_t resized, int32_t start,
    uint32_t count, vit_error *err)
{
  const struct resampling r = { &filters[rules->filter], source, resized };
  const bool torch = rules->rounding == VIT_ROUNDING_TRANSFORMERS;
  const uint32_t max_taps = taps_bound (r.filter, source, resized);
  if (!taps_alloc (t, count, max_taps, err))
    return false;
  if (source == resized || (!r.filter->value && !torch)) { /* a side that keeps its size isn't filtered at all */
    taps_nearest_pil (t, source, resized, start);
    return true;
  }
  if (!r.filter->value) {
    taps_nearest_torch (t, source, resized, start);
    return true;
  }
  double *weights = malloc (max_taps * sizeof *weights);
  if (!weights)
    return fail_memory (err, "resize weights", max_taps * sizeof *weights);
  taps_filter (t, &r, start, torch ? torch_bits (&r, weights) : 22, weights);
  free (weights);
  return true;
}

static void
taps_finish (struct taps *t)
{
  free (t->first);
  free (t->num);
  free (t->coeffs);
  memset (t, 0, sizeof *t);
}

/* ---- geometry ---- */

/* The source pixels between the lowest and the highest tap. Some output is always inside the picture. */
static void
taps_range (const struct taps *t, uint32_t *first, uint32_t *num)
{
  uint32_t begin = UINT32_MAX, end = 0;
  for (uint32_t i = 0; i < t->count; i++) {
    if (!t->num[i])
      continue;
    if (t->first[i] < begin)
      begin = t->first[i];
    if (t->first[i] + t->num[i] > end)
      end = t->first[i] + t->num[i];
  }
  *first = begin;
  *num = end - begin;
}

/* Pillow 13 resizes vertically first where that removes more than twice as many pixels as the other way; earlier
 * Pillow and torchvision's own resize never do. The passes round, so the order shows. */
static bool
vertical_first (const struct geometry *g, const struct vit_preprocess *rules)
{
  const int64_t columns = (int64_t) g->source_width - g->resized_width;
  const int64_t rows = (int64_t) g->source_height - g->resized_height;
  return rules->rounding != VIT_ROUNDING_TRANSFORMERS && rules->filter != VIT_FILTER_NEAREST && columns != 0 && rows > 0
      && rows > 2 * columns;
}

static bool
side_ok (uint32_t pixels)
{
  return pixels >= 1 && pixels <= GEOMETRY_MAX_SIDE;
}

static bool
rules_check (const struct vit_preprocess *rules, vit_error *err)
{
  if (!side_ok (rules->width) || !side_ok (rules->height))
    return fail (err, VIT_ERR_ARG, "preprocessing: the network's input is %u x %u pixels, expected sides of 1 to %d",
        rules->width, rules->height, GEOMETRY_MAX_SIDE);
  if (!side_ok (rules->resize_width) || !side_ok (rules->resize_height))
    return fail (err, VIT_ERR_ARG, "preprocessing: resize to %u x %u pixels, expected sides of 1 to %d",
        rules->resize_width, rules->resize_height, GEOMETRY_MAX_SIDE);
  if ((unsigned) rules->filter >= sizeof filters / sizeof *filters)
    return fail (err, VIT_ERR_ARG, "preprocessing: unknown filter %u, expected one of enum vit_filter",
        (unsigned) rules->filter);
  if ((unsigned) rules->resize > VIT_RESIZE_LONGEST || (unsigned) rules->rounding > VIT_ROUNDING_TRANSFORMERS_PIL)
    return fail (err, VIT_ERR_ARG,
        "preprocessing: unknown resize mode %u or rounding %u, expected one of enum "
        "vit_resize and vit_rounding",
        (unsigned) rules->resize, (unsigned) rules->rounding);
  return true;
}

bool
geometry_init (struct geometry *g, const struct vit_preprocess *rules, uint32_t width, uint32_t height, vit_error *err)
{
  memset (g, 0, sizeof *g);
  if (!rules_check (rules, err))
    return false;
  if (!side_ok (width) || !side_ok (height))
    return fail (err, VIT_ERR_ARG, "picture: %u x %u pixels, expected sides of 1 to %d", width, height,
        GEOMETRY_MAX_SIDE);
  g->source_width = width;
  g->source_height = height;
  resize_whole (g, rules);
  g->left = window_start (g->resized_width, rules->width, rules->rounding);
  g->top = window_start (g->resized_height, rules->height, rules->rounding);
  if (!taps_init (&g->x, rules, width, g->resized_width, g->left, rules->width, err)
      || !taps_init (&g->y, rules, height, g->resized_height, g->top, rules->height, err))
    goto error;
  taps_range (&g->x, &g->first_column, &g->num_columns);
  taps_range (&g->y, &g->first_row, &g->num_rows);
  g->vertical_first = vertical_first (g, rules);
  return true;

error:
  geometry_finish (g);
  return false;
}

void
geometry_finish (struct geometry *g)
{
  taps_finish (&g->x);
  taps_finish (&g->y);
  memset (g, 0, sizeof *g);
}
