/* Preprocessing without a device: the libraries' own pixels, every format against its definition, bad input. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "ref/preprocess_ref.h"

#define GOLDEN "tests/golden/preprocess/cases.bin"

/* As preprocess_common.py writes it: Case.header. */
struct header {
  int32_t source_width, source_height, width, height, resize, resize_width, resize_height, rounding, filter, fill[3];
  float mean[3], std[3];
};

static struct vit_preprocess
rules_of (const struct header *h)
{
  struct vit_preprocess rules = { .width = (uint32_t) h->width,
    .height = (uint32_t) h->height,
    .resize = (enum vit_resize) h->resize,
    .resize_width = (uint32_t) h->resize_width,
    .resize_height = (uint32_t) h->resize_height,
    .rounding = (enum vit_rounding) h->rounding,
    .filter = (enum vit_filter) h->filter };
  for (int c = 0; c < 3; c++) {
    rules.fill[c] = (uint8_t) h->fill[c];
    rules.mean[c] = h->mean[c];
    rules.std[c] = h->std[c];
  }
  return rules;
}

static vit_image
rgb_image (const uint8_t *rgb, uint32_t width, uint32_t height)
{
  return (vit_image) { .format = VIT_FORMAT_RGB,
    .width = width,
    .height = height,
    .planes = { rgb },
    .strides = { width * 3 } };
}

/* One patch as large as the input, so that the result is (3, height, width); to be freed. */
static float *
preprocess (const struct vit_preprocess *rules, const vit_image *image)
{
  struct preprocess_plan plan;
  vit_error err = { 0 };
  REQUIRE_OK (preprocess_plan (&plan, rules, rules->width, rules->height, image, &err), err);
  float *out = ref_preprocess (&plan, image);
  REQUIRE (out);
  preprocess_plan_finish (&plan);
  return out;
}

/* ---- the libraries' pixels ---- */

/* Ramps and noise, as preprocess_common.py: picture (). */
static uint8_t *
golden_picture (uint32_t width, uint32_t height)
{
  uint8_t *rgb = check_alloc ((size_t) width * height * 3, 1), *out = rgb;
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++)
      for (uint32_t c = 0; c < 3; c++) {
        uint32_t h = x * 0x9e3779b1u + y * 0x85ebca77u + c * 0xc2b2ae3du;
        h = (h ^ h >> 15) * 0x2c1b3c6du;
        *out++ = (uint8_t) (((x >> 3) + (y >> 3)) & 1 ? h >> 24 : x * 7 + y * 11 + c * 60);
      }
  return rgb;
}

static void
compare_golden (int32_t index, const struct header *h, const uint8_t *want)
{
  const uint32_t w = (uint32_t) h->source_width, height = (uint32_t) h->source_height;
  const struct vit_preprocess rules = rules_of (h);
  uint8_t *rgb = golden_picture (w, height);
  const vit_image image = rgb_image (rgb, w, height);
  float *got = preprocess (&rules, &image);
  int worst = 0;
  for (int32_t i = 0; i < h->width * h->height * 3; i++) {
    double value = (double) got[i] * 255.0;
    REQUIRE_CLOSE (value, rint (value), 0, 1e-4);
    int difference = abs ((int) rint (value) - want[i]);
    worst = difference > worst ? difference : worst;
  }
  if (worst > 0)
    check_failed ("case %d: %ux%u, resize %d to %dx%d, rounding %d, filter %d, input %dx%d: off by %d", index, w,
        height, h->resize, h->resize_width, h->resize_height, h->rounding, h->filter, h->width, h->height, worst);
  free (got);
  free (rgb);
}

static void
test_golden (const char *path)
{
  char magic[8];
  int32_t count = 0;
  struct header h;
  FILE *f = fopen (path, "rb");
  if (!f)
    check_die (__FILE__, __LINE__, "%s: can't be opened; run from the project's folder or name the file", path);
  REQUIRE (fread (magic, 8, 1, f) == 1 && memcmp (magic, "VITPRE1\n", 8) == 0);
  REQUIRE (fread (&count, 4, 1, f) == 1 && count > 100);
  for (int32_t i = 0; i < count; i++) {
    REQUIRE (fread (&h, sizeof h, 1, f) == 1);
    size_t size = (size_t) h.width * (size_t) h.height * 3;
    uint8_t *want = check_alloc (size, 1);
    REQUIRE (fread (want, size, 1, f) == 1);
    compare_golden (i, &h, want);
    free (want);
  }
  REQUIRE (fgetc (f) == EOF);
  fclose (f);
}

/* ---- formats ---- */

static const char *const format_names[] = { "RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "NV12", "NV21", "I420",
  "YV12", "Y444", "YUY2", "UYVY", "GRAY8" };

/* Noise in every plane, rows padded by `padding` bytes; free (planes[0]) frees all. */
static vit_image
noise_image (enum vit_format format, uint32_t width, uint32_t height, uint32_t padding, struct rng *rng)
{
  const uint32_t half = (width + 1) / 2, half_rows = (height + 1) / 2;
  vit_image image = { .format = format, .width = width, .height = height };
  uint32_t rows[3] = { height, 0, 0 }, bytes[3] = { width, 0, 0 };
  if (format <= VIT_FORMAT_XBGR)
    bytes[0] = width * (format <= VIT_FORMAT_BGR ? 3 : 4);
  else if (format == VIT_FORMAT_YUY2 || format == VIT_FORMAT_UYVY)
    bytes[0] = half * 4;
  else if (format == VIT_FORMAT_NV12 || format == VIT_FORMAT_NV21)
    rows[1] = half_rows, bytes[1] = half * 2;
  else if (format == VIT_FORMAT_I420 || format == VIT_FORMAT_YV12)
    rows[1] = rows[2] = half_rows, bytes[1] = bytes[2] = half;
  else if (format == VIT_FORMAT_Y444)
    rows[1] = rows[2] = height, bytes[1] = bytes[2] = width;
  for (int i = 0; i < 3 && rows[i]; i++) {
    size_t size = (size_t) (bytes[i] + padding) * (rows[i] - 1) + bytes[i]; /* no byte past the last pixel */
    uint8_t *plane = check_alloc (size, 1);
    for (size_t k = 0; k < size; k++)
      plane[k] = (uint8_t) rng_next (rng);
    image.planes[i] = plane;
    image.strides[i] = bytes[i] + padding;
  }
  return image;
}

static void
free_image (vit_image *image)
{
  for (int i = 0; i < 3; i++)
    free ((void *) image->planes[i]);
}

static struct vit_preprocess
same_size (uint32_t width, uint32_t height)
{
  return (struct vit_preprocess) { .width = width,
    .height = height,
    .resize = VIT_RESIZE_SQUASH,
    .resize_width = width,
    .resize_height = height,
    .filter = VIT_FILTER_BILINEAR,
    .std = { 1, 1, 1 } };
}

/* A resize to the same size shows the colour conversion alone; then the same picture as RGB must resize to the same
 * pixels, which covers taps that begin anywhere. */
static void
check_image (const vit_image *image, const char *what)
{
  const uint32_t w = image->crop.width ? image->crop.width : image->width;
  const uint32_t h = image->crop.width ? image->crop.height : image->height;
  const size_t pixels = (size_t) w * h;
  struct vit_preprocess rules = same_size (w, h);
  double *want = check_alloc (pixels * 3, sizeof *want), worst = 0;
  uint8_t *rgb = check_alloc (pixels * 3, 1);
  float *got = preprocess (&rules, image);
  ref_picture_rgb (image, want);
  for (size_t i = 0; i < pixels; i++)
    for (size_t c = 0; c < 3; c++) {
      double value = rint ((double) got[c * pixels + i] * 255.0);
      worst = fmax (worst, fabs (value - fmin (fmax (want[i * 3 + c], 0), 255)));
      rgb[i * 3 + c] = (uint8_t) value;
    }
  if (worst > 0.505) /* a rounding, and what 21 bits leave of the matrix */
    check_failed ("%s %s %ux%u crop %u,%u %ux%u matrix %d full %d cosited %d %d: %g from the exact colour",
        format_names[image->format], what, image->width, image->height, image->crop.x, image->crop.y, w, h,
        image->matrix, image->full_range, image->chroma_h_cosited, image->chroma_v_cosited, worst);
  free (got);

  static const struct {
    uint32_t width, height;
    enum vit_resize resize;
    enum vit_filter filter;
  } to[] = {
    { 9, 5, VIT_RESIZE_SQUASH, VIT_FILTER_BICUBIC },
    { 6, 6, VIT_RESIZE_SHORTEST, VIT_FILTER_BILINEAR },
    { 8, 12, VIT_RESIZE_LONGEST, VIT_FILTER_LANCZOS },
    { 5, 2, VIT_RESIZE_SHORTEST, VIT_FILTER_NEAREST },
  };
  const vit_image as_rgb = rgb_image (rgb, w, h);
  for (size_t t = 0; t < COUNT_OF (to); t++) {
    rules = same_size (to[t].width, to[t].height);
    rules.resize = to[t].resize;
    rules.filter = to[t].filter;
    float *a = preprocess (&rules, image), *b = preprocess (&rules, &as_rgb);
    if (memcmp (a, b, rules.width * rules.height * 3 * sizeof *a) != 0)
      check_failed ("%s %s %ux%u crop %u,%u %ux%u: not what the same picture in RGB gives, resize %zu",
          format_names[image->format], what, image->width, image->height, image->crop.x, image->crop.y, w, h, t);
    free (a);
    free (b);
  }
  free (want);
  free (rgb);
}

static void
test_formats (void)
{
  static const uint32_t sizes[][2] = { { 1, 1 }, { 2, 2 }, { 3, 5 }, { 17, 9 }, { 16, 8 }, { 1, 7 }, { 6, 1 },
    { 30, 21 }, { 13, 40 } };
  struct rng rng = { 7 };
  for (enum vit_format format = VIT_FORMAT_RGB; format <= VIT_FORMAT_GRAY8; format++)
    for (size_t s = 0; s < COUNT_OF (sizes); s++)
      for (uint32_t variant = 0; variant < 40; variant++) {
        const uint32_t w = sizes[s][0], h = sizes[s][1];
        vit_image image = noise_image (format, w, h, (variant % 3) * 5, &rng);
        image.matrix = (enum vit_matrix) (variant % 5);
        image.full_range = variant / 5 & 1;
        image.chroma_h_cosited = variant / 10 & 1;
        image.chroma_v_cosited = variant / 20 & 1;
        check_image (&image, "whole");
        image.crop.x = rng_below (&rng, w);
        image.crop.y = rng_below (&rng, h);
        image.crop.width = 1 + rng_below (&rng, w - image.crop.x);
        image.crop.height = 1 + rng_below (&rng, h - image.crop.y);
        check_image (&image, "cropped");
        free_image (&image);
      }
}

/* ---- geometry at the limits ---- */

static void
check_taps (const struct taps *t, uint32_t source, int64_t unit, const char *what)
{
  for (uint32_t i = 0; i < t->count; i++) {
    const int32_t *c = t->coeffs + (size_t) i * t->max_taps;
    int64_t sum = 0, magnitude = 0;
    for (uint32_t k = 0; k < t->num[i]; k++) {
      sum += c[k];
      magnitude += c[k] < 0 ? -c[k] : c[k];
    }
    if (!t->num[i])
      continue;
    /* each weight is rounded by half a unit of the library's fixed point at most; 255 times their magnitudes must fit
     * in 31 bits */
    if (t->num[i] > t->max_taps || t->first[i] + t->num[i] > source || llabs (sum - (1 << 22)) > t->num[i] * unit
        || magnitude * 255 + (1 << 21) > INT32_MAX)
      check_failed ("%s: taps %u: first %u, %u of %u, sum %lld, magnitude %lld", what, i, t->first[i], t->num[i],
          source, (long long) sum, (long long) magnitude);
  }
}

static void
test_geometry (void)
{
  static const uint32_t sides[] = { 1, 2, 3, 223, 224, 225, 1000, 4097, 8192, 16384 };
  vit_error err = { 0 };
  for (size_t i = 0; i < COUNT_OF (sides) * COUNT_OF (sides); i++)
    for (uint32_t mode = 0; mode < 3 * 3 * 6; mode++) {
      const uint32_t w = sides[i % COUNT_OF (sides)], h = sides[i / COUNT_OF (sides)];
      struct geometry g;
      char what[96];
      struct vit_preprocess rules = { .width = 224,
        .height = 196,
        .resize = (enum vit_resize) (mode % 3),
        .resize_width = 256,
        .resize_height = mode & 1 ? 256 : 224,
        .rounding = (enum vit_rounding) (mode / 3 % 3),
        .filter = (enum vit_filter) (mode / 9) };
      snprintf (what, sizeof what, "%ux%u mode %u", w, h, mode);
      REQUIRE_OK (geometry_init (&g, &rules, w, h, &err), err);
      REQUIRE (g.x.count == 224 && g.y.count == 196 && g.num_rows > 0 && g.first_row + g.num_rows <= h);
      const int64_t unit = rules.rounding == VIT_ROUNDING_TRANSFORMERS ? 1 << 8 : 1;
      check_taps (&g.x, w, unit, what);
      check_taps (&g.y, h, unit, what);
      geometry_finish (&g);
    }
}

/* ---- refusals and reuse ---- */

static void
require_refused (const struct vit_preprocess *rules, const vit_image *image, uint32_t patch, const char *part)
{
  struct preprocess_plan plan;
  vit_error err = { 0 };
  REQUIRE (!preprocess_plan (&plan, rules, patch, patch, image, &err));
  REQUIRE (err.code == VIT_ERR_ARG && !plan.tables);
  REQUIRE_TEXT (err.msg, part);
}

static void
test_refusals (void)
{
  struct rng rng = { 1 };
  const struct vit_preprocess good = same_size (32, 32);
  struct vit_preprocess rules = good;
  vit_image image = noise_image (VIT_FORMAT_NV12, 33, 17, 0, &rng), bad = image;
  bad.planes[1] = NULL;
  require_refused (&good, &bad, 16, "plane 1 of 2 is NULL");
  bad = image, bad.strides[1] = 33;
  require_refused (&good, &bad, 16, "stride of plane 1 is 33 bytes, NV12 of 33 pixels a row needs at least 34");
  bad = image, bad.width = 0;
  require_refused (&good, &bad, 16, "0 x 17");
  bad = image, bad.height = 16385;
  require_refused (&good, &bad, 16, "33 x 16385");
  bad = image, bad.format = (enum vit_format) 14;
  require_refused (&good, &bad, 16, "format 14");
  bad = image, bad.crop.x = 1, bad.crop.width = 33, bad.crop.height = 1;
  require_refused (&good, &bad, 16, "crop of 33 x 1");
  bad.crop.x = 0xffffffffu, bad.crop.width = 2;
  require_refused (&good, &bad, 16, "isn't inside");
  bad.crop.x = 0, bad.crop.height = 0;
  require_refused (&good, &bad, 16, "crop of 2 x 0");
  require_refused (&good, &image, 15, "patches of 15 x 15");
  require_refused (&good, &image, 0, "patches of 0 x 0");
  rules.std[1] = 0;
  require_refused (&rules, &image, 16, "channel 1");
  rules = good, rules.filter = (enum vit_filter) 6;
  require_refused (&rules, &image, 16, "filter 6");
  rules = good, rules.rounding = (enum vit_rounding) 3;
  require_refused (&rules, &image, 16, "rounding 3");
  rules = good, rules.resize_height = 0;
  require_refused (&rules, &image, 16, "resize to 32 x 0");
  free_image (&image);
}

static void
test_same_layout (void)
{
  struct rng rng = { 2 };
  vit_error err = { 0 };
  struct preprocess_plan plan;
  const struct vit_preprocess rules = same_size (32, 32);
  vit_image image = noise_image (VIT_FORMAT_I420, 40, 30, 0, &rng), other = image;
  REQUIRE_OK (preprocess_plan (&plan, &rules, 8, 8, &image, &err), err);
  other.strides[0] += 7;
  other.crop.width = 40, other.crop.height = 30; /* all of it, said in words */
  REQUIRE (preprocess_same_layout (&plan, &other));
  other.crop.height = 29;
  REQUIRE (!preprocess_same_layout (&plan, &other));
  other = image, other.matrix = VIT_MATRIX_BT709;
  REQUIRE (!preprocess_same_layout (&plan, &other));
  other = image, other.chroma_h_cosited = true;
  REQUIRE (!preprocess_same_layout (&plan, &other));
  other = image, other.full_range = true;
  REQUIRE (!preprocess_same_layout (&plan, &other));
  other = image, other.format = VIT_FORMAT_YV12;
  REQUIRE (!preprocess_same_layout (&plan, &other));
  preprocess_plan_finish (&plan);
  REQUIRE (!preprocess_same_layout (&plan, &image));
  preprocess_plan_finish (&plan);
  free_image (&image);
}

/* Element (patch, channel, y, x) is the pixel's value * 1 / (255 std) - mean / std. */
static void
test_patch_rows (void)
{
  struct vit_preprocess rules = same_size (12, 8);
  const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
  memcpy (rules.mean, mean, sizeof mean);
  memcpy (rules.std, std, sizeof std);
  uint8_t *rgb = golden_picture (12, 8);
  const vit_image image = rgb_image (rgb, 12, 8);
  struct preprocess_plan plan;
  vit_error err = { 0 };
  REQUIRE_OK (preprocess_plan (&plan, &rules, 3, 4, &image, &err), err);
  float *got = ref_preprocess (&plan, &image);
  REQUIRE (got && plan.v.out_stride == 36);
  for (uint32_t y = 0; y < 8; y++)
    for (uint32_t x = 0; x < 12; x++)
      for (uint32_t c = 0; c < 3; c++) {
        double want = (rgb[(y * 12 + x) * 3 + c] / 255.0 - mean[c]) / std[c];
        REQUIRE_CLOSE (got[(y / 4 * 4 + x / 3) * 36 + c * 12 + y % 4 * 3 + x % 3], want, 1e-6, 1e-6);
      }
  preprocess_plan_finish (&plan);
  free (got);
  free (rgb);
}

/* For preprocess_compare.py: struct header and RGB pixels on stdin, (3, height, width) floats on stdout; until EOF. */
static int
filter_stdin (void)
{
  struct header h;
  while (fread (&h, sizeof h, 1, stdin) == 1) {
    const struct vit_preprocess rules = rules_of (&h);
    size_t size = (size_t) h.source_width * (size_t) h.source_height * 3;
    uint8_t *rgb = check_alloc (size, 1);
    REQUIRE (fread (rgb, size, 1, stdin) == 1);
    const vit_image image = rgb_image (rgb, (uint32_t) h.source_width, (uint32_t) h.source_height);
    float *out = preprocess (&rules, &image);
    REQUIRE (fwrite (out, sizeof *out, (size_t) (h.width * h.height * 3), stdout) > 0);
    fflush (stdout);
    free (out);
    free (rgb);
  }
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc > 1 && strcmp (argv[1], "--stdin") == 0)
    return filter_stdin ();
  test_golden (argc > 1 ? argv[1] : GOLDEN);
  test_formats ();
  test_geometry ();
  test_refusals ();
  test_same_layout ();
  test_patch_rows ();
  return check_status ();
}
