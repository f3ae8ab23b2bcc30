/* What the tensors themselves say about the network, and what follows from it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "model/reader.h"
#include "weights/file.h"

enum { WIDTH_MAX = 1 << 20, CLASSES_MAX = 1 << 24, DEPTH_MAX = 4096, ROWS_MAX = 1 << 25 };

void
config_text (char *out, size_t size, const char *text)
{
  size_t n = strlen (text);
  if (n >= size) {
    for (n = size - 1; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80; n--)
      continue;
  }
  memcpy (out, text, n);
  out[n] = 0;
}

/* The tensor of a slot with that many dimensions, or an error that says what it is for. */
static const struct tensor *
need (const struct source *s, enum head head, enum slot slot, enum part part, uint32_t dims, vit_error *err)
{
  char name[SOURCE_NAME_SIZE], shape[160];
  const struct tensor *t = source_find (s, head, slot, part, 0);
  if (!t)
    fail (err, VIT_ERR_FORMAT,
        "%s: has no tensor '%s', which a Vision Transformer classifier needs; supported are "
        "timm's VisionTransformer and transformers' ViT and DeiT for image classification",
        weights_path (s->weights), source_name (name, s, head, slot, part, 0));
  else if (t->num_dims != dims) {
    fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' is %s, expected %u dimensions", t->file, t->name,
        shape_text (shape, sizeof shape, t->shape, t->num_dims), dims);
    return NULL;
  }
  return t;
}

static bool
fit (const struct tensor *t, uint32_t dim, uint32_t max, uint32_t *out, vit_error *err)
{
  char shape[160];
  if (t->shape[dim] < 1 || t->shape[dim] > max)
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' is %s, expected dimension %u to be from 1 to %u", t->file,
        t->name, shape_text (shape, sizeof shape, t->shape, t->num_dims), dim, max);
  *out = (uint32_t) t->shape[dim];
  return true;
}

static bool
read_patch (struct vit_config *c, const struct source *s, vit_error *err)
{
  const struct tensor *t = need (s, HEAD_LINEAR, SLOT_PATCH_W, PART_WHOLE, 4, err);
  uint32_t channels = 0;
  if (!t || !fit (t, 0, WIDTH_MAX, &c->dim, err) || !fit (t, 1, UINT32_MAX, &channels, err)
      || !fit (t, 2, PATCH_MAX, &c->patch_height, err) || !fit (t, 3, PATCH_MAX, &c->patch_width, err))
    return false;
  if (channels != 3)
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' takes pictures of %u channels, expected 3 (RGB)", t->file,
        t->name, channels);
  c->patch_bias = source_find (s, HEAD_LINEAR, SLOT_PATCH_B, PART_WHOLE, 0);
  c->patch_norm = source_find (s, HEAD_LINEAR, SLOT_PATCH_NORM_W, PART_WHOLE, 0);
  c->pre_norm = source_find (s, HEAD_LINEAR, SLOT_PRE_NORM_W, PART_WHOLE, 0);
  return true;
}

static bool
read_tokens (struct vit_config *c, struct source *s, vit_error *err)
{
  const struct tensor *pos = need (s, HEAD_LINEAR, SLOT_POS, PART_WHOLE, 3, err);
  if (!pos || !fit (pos, 1, ROWS_MAX, &s->pos_rows, err))
    return false;
  s->has_class = source_find (s, HEAD_LINEAR, SLOT_PREFIX, PART_CLASS, 0);
  s->has_dist = source_find (s, HEAD_LINEAR, SLOT_PREFIX, PART_DIST, 0);
  if (source_find (s, HEAD_LINEAR, SLOT_PREFIX, PART_REGISTERS, 0)) {
    const struct tensor *t = need (s, HEAD_LINEAR, SLOT_PREFIX, PART_REGISTERS, 3, err);
    if (!t || !fit (t, 1, PREFIX_MAX - 2, &s->registers, err))
      return false;
  }
  c->num_prefix = s->has_class + s->has_dist + s->registers;
  return true;
}

/* Block 0 stands for all: each one is checked against it later. */
static bool
read_blocks (struct vit_config *c, struct source *s, vit_error *err)
{
  while (c->depth < DEPTH_MAX && source_find (s, HEAD_LINEAR, SLOT_NORM1_W, PART_WHOLE, c->depth))
    c->depth++;
  const struct tensor *qkv = source_find (s, HEAD_LINEAR, SLOT_QKV_W, PART_WHOLE, 0);
  const struct tensor *t = need (s, HEAD_LINEAR, SLOT_NORM1_W, PART_WHOLE, 1, err);
  if (!t)
    return false;
  t = qkv && qkv->num_dims == 2 ? qkv : need (s, HEAD_LINEAR, SLOT_QKV_W, qkv ? PART_WHOLE : PART_Q, 2, err);
  if (!t || !fit (t, 0, WIDTH_MAX, &s->attention, err))
    return false;
  if (qkv && s->attention % 3 != 0)
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' has %u rows, expected a multiple of 3 for q, k and v", t->file,
        t->name, s->attention);
  s->attention /= qkv ? 3 : 1;
  if (!(t = need (s, HEAD_LINEAR, SLOT_FC1_W, PART_WHOLE, 2, err)) || !fit (t, 0, WIDTH_MAX, &c->mlp_dim, err))
    return false;
  c->qkv_bias = source_find (s, HEAD_LINEAR, SLOT_QKV_B, qkv ? PART_WHOLE : PART_Q, 0);
  c->proj_bias = source_find (s, HEAD_LINEAR, SLOT_PROJ_B, PART_WHOLE, 0);
  c->mlp_bias = source_find (s, HEAD_LINEAR, SLOT_FC1_B, PART_WHOLE, 0);
  c->layer_scale = source_find (s, HEAD_LINEAR, SLOT_LS1, PART_WHOLE, 0);
  return true;
}

static bool
read_head (struct vit_config *c, const struct source *s, vit_error *err)
{
  bool tanh_fc1 = source_find (s, HEAD_TANH, SLOT_HEAD_FC1_W, PART_WHOLE, 0);
  bool tanh_out = source_find (s, HEAD_TANH, SLOT_HEAD_W, PART_WHOLE, 0);
  if (source_find (s, HEAD_MLP, SLOT_HEAD_W, PART_WHOLE, 0))
    c->head = HEAD_MLP;
  else if (tanh_fc1 && tanh_out)
    c->head = HEAD_TANH;
  c->distilled = c->head == HEAD_LINEAR && source_find (s, HEAD_LINEAR, SLOT_HEAD_W, PART_DIST, 0);
  enum part part = c->distilled ? PART_CLASS : PART_WHOLE;
  const struct tensor *t = need (s, c->head, SLOT_HEAD_W, part, 2, err);
  if (!t || !fit (t, 0, CLASSES_MAX, &c->classes, err))
    return false;
  if (c->head != HEAD_LINEAR
      && (!(t = need (s, c->head, SLOT_HEAD_FC1_W, PART_WHOLE, 2, err))
          || !fit (t, 0, WIDTH_MAX, &c->head_hidden, err)))
    return false;
  c->head_bias = source_find (s, c->head, SLOT_HEAD_B, part, 0);
  c->final_norm = source_find (s, c->head, SLOT_NORM_W, PART_WHOLE, 0);
  c->pool_norm = source_find (s, c->head, SLOT_POOL_NORM_W, PART_WHOLE, 0);
  c->pool = c->pool_norm || !s->has_class ? POOL_MEAN : POOL_TOKEN;
  return true;
}

bool
config_from_tensors (struct vit_config *c, struct source *s, vit_error *err)
{
  bool timm = s->layout == LAYOUT_TIMM;
  config_text (c->name, sizeof c->name, file_name (weights_path (s->weights)));
  config_text (c->family, sizeof c->family, "bare");
  c->eps = timm ? 1e-6f : 1e-12f;
  c->act = ACT_GELU_ERF;
  c->pos_resample = timm ? POS_BICUBIC_ANTIALIAS : POS_BICUBIC;
  return read_patch (c, s, err) && read_tokens (c, s, err) && read_blocks (c, s, err) && read_head (c, s, err);
}

bool
config_agree (const struct object *o, const char *key, uint32_t stated, uint32_t seen, const struct source *s,
    vit_error *err)
{
  if (stated == seen)
    return true;
  return fail (err, VIT_ERR_FORMAT,
      "%s: %s%s is %u, but the tensors in %s make it %u; use the config.json that "
      "belongs to these weights",
      o->file, o->where, key, stated, file_name (weights_path (s->weights)), seen);
}

bool
config_agree_part (const struct object *o, const char *key, bool seen, const char *tensor, const struct source *s,
    vit_error *err)
{
  bool stated = seen;
  if (!object_bool (o, key, &stated, NULL, err))
    return false;
  if (stated == seen)
    return true;
  return fail (err, VIT_ERR_FORMAT,
      "%s: %s%s is %s, but %s has %s tensor '%s'; use the config.json that belongs to "
      "these weights",
      o->file, o->where, key, stated ? "true" : "false", file_name (weights_path (s->weights)), seen ? "a" : "no",
      tensor);
}

bool
config_eps (const struct object *o, const char *key, struct vit_config *c, vit_error *err)
{
  double eps = c->eps;
  if (!object_number (o, key, &eps, NULL, err))
    return false;
  if (!(eps >= 0 && eps < 1))
    return fail (err, VIT_ERR_FORMAT, "%s: %s%s is %g, expected a number from 0 to 1", o->file, o->where, key, eps);
  c->eps = (float) eps;
  return true;
}

/* Published widths whose heads aren't 64 wide (So400m, H, g, G): timm gives each 16 heads. */
static uint32_t
guess_heads (uint32_t width)
{
  static const uint32_t sixteen[] = { 1152, 1280, 1408, 1664 };
  for (size_t i = 0; i < sizeof sixteen / sizeof *sixteen; i++) {
    if (width == sixteen[i])
      return 16;
  }
  return width % 64 == 0 ? width / 64 : 0;
}

static bool
place_heads (struct vit_config *c, const struct claims *claims, const struct source *s, vit_error *err)
{
  c->heads = claims->heads ? claims->heads : guess_heads (s->attention);
  if (!c->heads)
    return fail (err, VIT_ERR_FORMAT,
        "%s: doesn't say how many heads its attention of width %u has, and %u is no "
        "multiple of 64; put a config.json beside the weights with \"model_args\": {\"num_heads\": N}",
        source_says (s), s->attention, s->attention);
  if (s->attention % c->heads != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: the attention's width %u is not divisible by %u heads; correct the number "
        "of heads",
        source_says (s), s->attention, c->heads);
  c->head_dim = s->attention / c->heads;
  if (claims->head_dim && claims->head_dim != c->head_dim)
    return fail (err, VIT_ERR_FORMAT,
        "%s: says heads of size %u, but %u heads over the attention's width of %u in %s "
        "make it %u",
        source_says (s), claims->head_dim, c->heads, s->attention, file_name (weights_path (s->weights)), c->head_dim);
  double scale = claims->scale_given ? claims->qk_scale : 1.0 / sqrt (c->head_dim);
  if (!isfinite ((float) scale))
    return fail (err, VIT_ERR_FORMAT, "%s: qk_scale is %g, expected a finite number", source_says (s), scale);
  c->qk_scale = (float) scale;
  return true;
}

static void
set_grid (struct vit_config *c, const struct source *s, uint32_t height, uint32_t width, uint32_t covered)
{
  c->pos_grid_height = height;
  c->pos_grid_width = width;
  c->pos_covers_prefix = covered > 0;
  c->pos_covers_cls_only = s->has_class && covered == 1 && c->num_prefix > 1;
}

/* Finds the grid of the stored position embedding: the image's, the stored size's, or a square. Ways to cover the
 * prefix: all its tokens, none (timm's no_embed_class), the class token alone. */
static bool
place_positions (struct vit_config *c, const struct claims *claims, const struct source *s, vit_error *err)
{
  uint32_t ways[3] = { c->num_prefix, 0, 1 }, num_ways = s->layout == LAYOUT_TRANSFORMERS ? 1 : s->has_class ? 3 : 2;
  if (claims->covers_given) {
    ways[0] = claims->covers ? c->num_prefix : 0;
    num_ways = 1;
  }
  /* transformers' config.json states the stored size; timm's states it only by the way, where it resized nothing */
  uint32_t first = s->layout == LAYOUT_TRANSFORMERS;
  const uint32_t heights[] = { claims->image_height, claims->stored_height };
  const uint32_t widths[] = { claims->image_width, claims->stored_width };
  for (uint32_t i = 0; i < 2 * num_ways; i++) {
    uint32_t from = first ^ (i / num_ways);
    uint64_t h = heights[from] / c->patch_height, w = widths[from] / c->patch_width;
    if (h && w && h * w + ways[i % num_ways] == s->pos_rows) {
      set_grid (c, s, (uint32_t) h, (uint32_t) w, ways[i % num_ways]);
      return true;
    }
  }
  for (uint32_t i = 0; i < num_ways; i++) {
    uint32_t cells = s->pos_rows > ways[i] ? s->pos_rows - ways[i] : 0;
    uint32_t side = (uint32_t) sqrt (cells);
    if (side && side * side == cells) {
      set_grid (c, s, side, side, ways[i]);
      return true;
    }
  }
  return fail (err, VIT_ERR_FORMAT,
      "%s: the position embedding has %u rows, which is neither the grid of a %ux%u "
      "image in patches of %ux%u nor a square one, with or without %u prefix tokens; state the image size in "
      "config.json",
      weights_path (s->weights), s->pos_rows, claims->image_width, claims->image_height, c->patch_width,
      c->patch_height, c->num_prefix);
}

static bool
place_image (struct vit_config *c, const struct claims *claims, const struct source *s, vit_error *err)
{
  uint64_t height = claims->image_height ? claims->image_height : (uint64_t) c->pos_grid_height * c->patch_height;
  uint64_t width = claims->image_width ? claims->image_width : (uint64_t) c->pos_grid_width * c->patch_width;
  if (height > IMAGE_MAX || width > IMAGE_MAX)
    return fail (err, VIT_ERR_FORMAT, "%s: the network's image is %llux%llu pixels, at most %dx%d are supported",
        source_says (s), (unsigned long long) width, (unsigned long long) height, IMAGE_MAX, IMAGE_MAX);
  if (height % c->patch_height != 0 || width % c->patch_width != 0)
    return fail (err, VIT_ERR_FORMAT,
        "%s: the image of %llux%llu pixels is not divisible into patches of %ux%u; "
        "choose an image size that is",
        source_says (s), (unsigned long long) width, (unsigned long long) height, c->patch_width, c->patch_height);
  c->image_height = (uint32_t) height;
  c->image_width = (uint32_t) width;
  return true;
}

bool
config_finish (struct vit_config *c, const struct claims *claims, const struct source *s, vit_error *err)
{
  if (c->pool == POOL_TOKEN && !s->has_class)
    return fail (err, VIT_ERR_FORMAT, "%s: pooling by the class token is asked for, but %s has no class token",
        source_says (s), file_name (weights_path (s->weights)));
  if (c->distilled && (c->pool != POOL_TOKEN || !s->has_dist))
    return fail (err, VIT_ERR_FORMAT,
        "%s: has a head for a distillation token, but %s; is the file complete and of this model?",
        weights_path (s->weights), s->has_dist ? "takes the mean of the tokens" : "no such token");
  return place_heads (c, claims, s, err) && place_positions (c, claims, s, err) && place_image (c, claims, s, err);
}
