/* The way from picture to input that a checkpoint states: timm's pretrained_cfg, transformers' preprocessor_config. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "model/reader.h"

enum { RESIZE_MAX = 4 * IMAGE_MAX };

/* y = (v / 255 - mean) / std */
static bool
set_normal (struct vit_preprocess *p, const struct object *o, const double mean[3], const double std[3], vit_error *err)
{
  for (int i = 0; i < 3; i++) {
    p->mean[i] = (float) mean[i];
    p->std[i] = (float) std[i];
    if (!isfinite (p->mean[i]) || !isfinite (p->std[i]) || p->std[i] == 0)
      return fail (err, VIT_ERR_FORMAT,
          "%s: channel %d is normalised by mean %g and deviation %g, expected finite "
          "numbers and a deviation other than 0",
          o->file, i, mean[i], std[i]);
  }
  return true;
}

/* ---- timm ---- */

static bool
timm_filter (struct vit_preprocess *p, const struct object *o, vit_error *err)
{
  static const struct {
    const char *name;
    enum vit_filter filter;
  } filters[] = {
    { "nearest", VIT_FILTER_NEAREST }, { "box", VIT_FILTER_BOX }, { "bilinear", VIT_FILTER_BILINEAR },
    { "hamming", VIT_FILTER_HAMMING }, { "bicubic", VIT_FILTER_BICUBIC }, { "lanczos", VIT_FILTER_LANCZOS },
    { "random", VIT_FILTER_BILINEAR }, /* what timm takes for evaluation */
  };
  const char *name = "bicubic";
  if (!object_string (o, "interpolation", &name, NULL, err))
    return false;
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
    if (strcmp (name, filters[i].name) == 0) {
      p->filter = filters[i].filter;
      return true;
    }
  }
  return fail (err, VIT_ERR_FORMAT,
      "%s: %sinterpolation '%.40s' is not known, expected nearest, box, bilinear, "
      "hamming, bicubic or lanczos",
      o->file, o->where, name);
}

static bool
timm_crop (struct vit_preprocess *p, const struct object *o, const double mean[3], vit_error *err)
{
  static const struct {
    const char *name;
    enum vit_resize resize;
  } modes[] = { { "center", VIT_RESIZE_SHORTEST }, { "squash", VIT_RESIZE_SQUASH }, { "border", VIT_RESIZE_LONGEST } };
  const char *mode = "center";
  double pct = 0;
  if (!object_string (o, "crop_mode", &mode, NULL, err) || !object_number (o, "crop_pct", &pct, NULL, err))
    return false;
  if (pct == 0)
    pct = 0.875; /* timm's default */
  double height = floor (p->height / pct), width = floor (p->width / pct);
  if (!(pct > 0) || height < 1 || width < 1 || height > RESIZE_MAX || width > RESIZE_MAX)
    return fail (err, VIT_ERR_FORMAT, "%s: %scrop_pct %g makes no sensible size of %ux%u, expected about 0.5 to 1",
        o->file, o->where, pct, p->width, p->height);
  p->resize_height = (uint32_t) height;
  p->resize_width = (uint32_t) width;
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    if (strcmp (mode, modes[i].name) != 0)
      continue;
    p->resize = modes[i].resize;
    for (int k = 0; k < 3 && p->resize == VIT_RESIZE_LONGEST; k++)
      p->fill[k] = (uint8_t) fmin (fmax (nearbyint (255 * mean[k]), 0), 255);
    return true;
  }
  return fail (err, VIT_ERR_FORMAT, "%s: %scrop_mode '%.40s' is not known, expected center, squash or border", o->file,
      o->where, mode);
}

bool
rules_timm (struct vit_preprocess *p, const struct vit_config *c, const struct object *pretrained, vit_error *err)
{
  double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 }; /* timm's default: ImageNet's */
  *p = (struct vit_preprocess) { .width = c->image_width, .height = c->image_height };
  return object_triple (pretrained, "mean", mean, NULL, err) && object_triple (pretrained, "std", std, NULL, err)
      && timm_filter (p, pretrained, err) && timm_crop (p, pretrained, mean, err)
      && set_normal (p, pretrained, mean, std, err);
}

/* ---- transformers ---- */

/* What a processor does where its file is silent. */
struct processor {
  const char *name; /* of the class, up to what it may end with: Fast, Pil, FeatureExtractor */
  bool square;      /* "size": N means both sides, else the shortest */
  bool crop;
  uint32_t size, crop_size;
  uint32_t resample; /* PIL's number */
  double mean[3], std[3];
};

#define CLIP_MEAN                                                                                                      \
  {                                                                                                                    \
    0.48145466, 0.4578275, 0.40821073                                                                                  \
  }
#define CLIP_STD                                                                                                       \
  {                                                                                                                    \
    0.26862954, 0.26130258, 0.27577711                                                                                 \
  }

static const struct processor processors[] = {
  { "ViT", true, false, 224, 0, 2, { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 } },
  { "DeiT", true, true, 256, 224, 3, { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 } },
  { "CLIP", false, true, 224, 224, 3, CLIP_MEAN, CLIP_STD },
  { "Bit", false, true, 224, 224, 3, CLIP_MEAN, CLIP_STD },
};

/* Steps that no rule here can express. */
static const char *const other_steps[] = { "do_pad", "do_flip_channel_order", "do_thumbnail", "do_align_long_axis",
  "do_align_axis", "do_grayscale", "rescale_offset", "crop_pct", "do_crop_margin", "include_top" };

static bool
find_processor (const struct processor **out, const struct object *root, vit_error *err)
{
  static const char *const endings[] = { "ImageProcessor", "ImageProcessorFast", "ImageProcessorPil",
    "FeatureExtractor" };
  const char *name = NULL;
  if (!object_string (root, "feature_extractor_type", &name, NULL, err)
      || !object_string (root, "image_processor_type", &name, NULL, err))
    return false;
  for (size_t i = 0; name && i < sizeof processors / sizeof *processors; i++) {
    size_t n = strlen (processors[i].name);
    for (size_t j = 0; strncmp (name, processors[i].name, n) == 0 && j < sizeof endings / sizeof *endings; j++) {
      if (strcmp (name + n, endings[j]) == 0) {
        *out = &processors[i];
        return true;
      }
    }
  }
  if (name)
    return fail (err, VIT_ERR_FORMAT,
        "%s: image_processor_type '%.60s' is not supported; supported are the processors "
        "of ViT, DeiT, CLIP and Bit",
        root->file, name);
  return true;
}

/* N, {"height", "width"} or {"shortest_edge"}; *shortest says which. */
static bool
read_size (const struct object *root, const char *key, bool square, uint32_t *height, uint32_t *width, bool *shortest,
    vit_error *err)
{
  const json_t *value = json_object_get (root->json, key);
  char where[32], text[80];
  snprintf (where, sizeof where, "%s.", key);
  if (!json_is_object (value)) {
    bool given;
    if (!object_pair (root, key, RESIZE_MAX, height, width, &given, err))
      return false;
    if (given)
      *shortest = !square && json_is_number (value);
    return true;
  }
  struct object o = { root->file, where, value };
  uint32_t edge;
  bool h, w, s;
  if (!object_u32 (&o, "height", 1, RESIZE_MAX, height, &h, err)
      || !object_u32 (&o, "width", 1, RESIZE_MAX, width, &w, err)
      || !object_u32 (&o, "shortest_edge", 1, RESIZE_MAX, &edge, &s, err))
    return false;
  if (h != w || h == s || object_has (&o, "longest_edge") || object_has (&o, "max_height")
      || object_has (&o, "max_width"))
    return fail (err, VIT_ERR_FORMAT, "%s: %s is %s, expected {\"height\", \"width\"} or {\"shortest_edge\"}",
        root->file, key, object_text (text, sizeof text, value));
  if (s)
    *height = *width = edge;
  *shortest = s;
  return true;
}

static bool
read_resize (struct vit_preprocess *p, const struct processor *base, const struct object *root, vit_error *err)
{
  bool resize = true, crop = base->crop, shortest = !base->square, crop_shortest = false;
  if (!object_bool (root, "do_resize", &resize, NULL, err) || !object_bool (root, "do_center_crop", &crop, NULL, err)
      || !read_size (root, "size", base->square, &p->resize_height, &p->resize_width, &shortest, err))
    return false;
  if (!resize)
    return fail (err, VIT_ERR_FORMAT,
        "%s: do_resize is false, but frames of any size must reach the network's; set it "
        "to true with a size",
        root->file);
  p->resize = shortest ? VIT_RESIZE_SHORTEST : VIT_RESIZE_SQUASH;
  p->height = p->resize_height;
  p->width = p->resize_width;
  if (crop && base->crop_size) /* else what isn't said is the size */
    p->height = p->width = base->crop_size;
  if (crop && !read_size (root, "crop_size", true, &p->height, &p->width, &crop_shortest, err))
    return false;
  if (crop_shortest)
    return fail (err, VIT_ERR_FORMAT, "%s: crop_size has only a shortest_edge, expected {\"height\", \"width\"}",
        root->file);
  if (shortest && !crop)
    return fail (err, VIT_ERR_FORMAT,
        "%s: size keeps the picture's shape (shortest_edge) and do_center_crop is off, "
        "so the network's input would have no fixed size; set do_center_crop with a crop_size",
        root->file);
  if (p->height > IMAGE_MAX || p->width > IMAGE_MAX)
    return fail (err, VIT_ERR_FORMAT, "%s: makes pictures of %ux%u, at most %dx%d are supported", root->file, p->width,
        p->height, IMAGE_MAX, IMAGE_MAX);
  return true;
}

static bool
read_filter (struct vit_preprocess *p, const struct processor *base, const struct object *root, vit_error *err)
{
  static const enum vit_filter filters[] = { VIT_FILTER_NEAREST, VIT_FILTER_LANCZOS, VIT_FILTER_BILINEAR,
    VIT_FILTER_BICUBIC, VIT_FILTER_BOX, VIT_FILTER_HAMMING }; /* by PIL's number */
  uint32_t number = base->resample;
  if (!object_u32 (root, "resample", 0, 5, &number, NULL, err))
    return false;
  p->filter = filters[number];
  return true;
}

/* y = (v * factor - mean) / std, written as (v / 255 - mean') / std' */
static bool
read_normal (struct vit_preprocess *p, const struct processor *base, const struct object *root, vit_error *err)
{
  bool rescale = true, normalize = true;
  double factor = 1.0 / 255, mean[3], std[3];
  memcpy (mean, base->mean, sizeof mean);
  memcpy (std, base->std, sizeof std);
  if (!object_bool (root, "do_rescale", &rescale, NULL, err)
      || !object_bool (root, "do_normalize", &normalize, NULL, err)
      || !object_number (root, "rescale_factor", &factor, NULL, err)
      || !object_triple (root, "image_mean", mean, NULL, err) || !object_triple (root, "image_std", std, NULL, err))
    return false;
  double unit = rescale ? factor * 255 : 255; /* of v / 255 */
  if (fabs (unit - 1) < 1e-6)
    unit = 1; /* 1/255 as files spell it */
  for (int i = 0; i < 3; i++) {
    mean[i] = normalize ? mean[i] / unit : 0;
    std[i] = (normalize ? std[i] : 1) / unit;
  }
  return set_normal (p, root, mean, std, err);
}

bool
rules_transformers (struct vit_preprocess *p, bool deit, uint32_t height, uint32_t width, const struct object *root,
    vit_error *err)
{
  const struct processor *base = &processors[deit ? 1 : 0];
  *p = (struct vit_preprocess) { .rounding = VIT_ROUNDING_TRANSFORMERS };
  if (!find_processor (&base, root, err))
    return false;
  for (size_t i = 0; i < sizeof other_steps / sizeof *other_steps; i++) {
    if (object_set (root, other_steps[i]))
      return fail (err, VIT_ERR_FORMAT, "%s: asks for %s, which is not supported", root->file, other_steps[i]);
  }
  p->resize_height = p->resize_width = base->size;
  if (!root->json) { /* no file at all: the same steps at the model's own size */
    p->resize_height = height * base->size / (base->crop ? base->crop_size : base->size);
    p->resize_width = width * base->size / (base->crop ? base->crop_size : base->size);
  }
  if (!read_resize (p, base, root, err) || !read_filter (p, base, root, err) || !read_normal (p, base, root, err))
    return false;
  if (!root->json) {
    p->height = height;
    p->width = width;
  }
  return true;
}
