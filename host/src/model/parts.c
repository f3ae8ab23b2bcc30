/* Joins a slot's tensors, resizes the position embedding, and refuses NaN and infinity. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gpu/half.h"
#include "model/pos_resample.h"

#define SHAPE(...) ((struct part_shape) { { __VA_ARGS__ }, sizeof ((uint64_t[]) { __VA_ARGS__ }) / sizeof (uint64_t) })

/* The shape of a slot that is one tensor. */
static struct part_shape
whole_shape (const struct vit_config *c, const struct source *s, enum slot slot)
{
  uint64_t dim = c->dim, attention = (uint64_t) c->heads * c->head_dim;
  uint64_t head_in = c->head == HEAD_LINEAR ? c->dim : c->head_hidden;
  switch (slot) {
    case SLOT_PATCH_W:
      return SHAPE (dim, 3, c->patch_height, c->patch_width);
    case SLOT_POS:
      return SHAPE (1, s->pos_rows, dim);
    case SLOT_QKV_W:
      return SHAPE (3 * attention, dim);
    case SLOT_QKV_B:
      return SHAPE (3 * attention);
    case SLOT_PROJ_W:
      return SHAPE (dim, attention);
    case SLOT_FC1_W:
      return SHAPE (c->mlp_dim, dim);
    case SLOT_FC2_W:
      return SHAPE (dim, c->mlp_dim);
    case SLOT_HEAD_FC1_W:
      return SHAPE (c->head_hidden, dim);
    case SLOT_HEAD_W:
      return SHAPE (c->classes, head_in);
    default:
      return SHAPE (slot_count (c, slot));
  }
}

static void
add (struct parts *p, const struct vit_config *c, const struct source *s, enum slot slot, uint32_t block,
    enum part which, struct part_shape shape)
{
  p->part[p->num].which = which;
  p->part[p->num].tensor = source_find (s, c->head, slot, which, block);
  p->part[p->num].shape = shape;
  p->num++;
}

void
parts_find (struct parts *p, const struct vit_config *c, const struct source *s, enum slot slot, uint32_t block)
{
  uint64_t attention = (uint64_t) c->heads * c->head_dim;
  *p = (struct parts) { 0 };
  if (slot == SLOT_PREFIX) {
    if (s->has_class)
      add (p, c, s, slot, block, PART_CLASS, SHAPE (1, 1, c->dim));
    if (s->has_dist)
      add (p, c, s, slot, block, PART_DIST, SHAPE (1, 1, c->dim));
    if (s->registers)
      add (p, c, s, slot, block, PART_REGISTERS, SHAPE (1, s->registers, c->dim));
  } else if (c->distilled && (slot == SLOT_HEAD_W || slot == SLOT_HEAD_B)) {
    for (enum part which = PART_CLASS; which <= PART_DIST; which++)
      add (p, c, s, slot, block, which, slot == SLOT_HEAD_W ? SHAPE (c->classes, c->dim) : SHAPE (c->classes));
  } else if ((slot == SLOT_QKV_W || slot == SLOT_QKV_B) && !source_find (s, c->head, SLOT_QKV_W, PART_WHOLE, block)) {
    for (enum part which = PART_Q; which <= PART_V; which++)
      add (p, c, s, slot, block, which, slot == SLOT_QKV_W ? SHAPE (attention, c->dim) : SHAPE (attention));
  } else
    add (p, c, s, slot, block, PART_WHOLE, whole_shape (c, s, slot));
}

/* "[2, 0, 5]" of an element. */
static const char *
place_text (char *out, size_t size, const struct tensor *t, uint64_t index)
{
  uint64_t place[TENSOR_MAX_DIMS];
  for (uint32_t i = t->num_dims; i-- > 0;) {
    place[i] = index % t->shape[i];
    index /= t->shape[i];
  }
  return shape_text (out, size, place, t->num_dims);
}

/* Without a branch for each number, so that the compiler looks at several at a time. */
static bool
all_finite (const float *v, uint64_t n)
{
  uint32_t bits, odd = 0;
  for (uint64_t i = 0; i < n; i++) {
    memcpy (&bits, &v[i], sizeof bits);
    odd |= (bits & 0x7f800000) == 0x7f800000;
  }
  return !odd;
}

static bool
read_tensor (const struct tensor *t, float *out, vit_error *err)
{
  char place[160];
  if (!tensor_read (t, out, err))
    return false;
  if (all_finite (out, t->count))
    return true;
  for (uint64_t i = 0; i < t->count; i++) {
    if (!isfinite (out[i]))
      return fail (err, VIT_ERR_FORMAT,
          "%s: tensor '%s' has %s at %s, expected finite numbers; the training that made "
          "it failed or the file is damaged",
          t->file, t->name, isnan (out[i]) ? "NaN" : "infinity", place_text (place, sizeof place, t, i));
  }
  return true;
}

/* stored: (pos_rows, dim), rows for the prefix first. out: (tokens, dim). */
static bool
spread_positions (const struct vit_config *c, const float *stored, float *out, vit_error *err)
{
  uint32_t covered = c->pos_covers_cls_only ? 1 : c->pos_covers_prefix ? c->num_prefix : 0;
  size_t dim = c->dim;
  memset (out, 0, c->num_prefix * dim * sizeof *out);
  memcpy (out, stored, covered * dim * sizeof *out);
  return pos_resample (c->pos_resample, stored + covered * dim, c->pos_grid_height, c->pos_grid_width,
      out + c->num_prefix * dim, c->image_height / c->patch_height, c->image_width / c->patch_width, c->dim, err);
}

/* The nearest number that the type has; ties go to the even one. */
static float
round_to (enum dtype dtype, float v)
{
  uint32_t bits;
  if (dtype == DTYPE_F16)
    return half_to_float (half_from_float (v));
  if (dtype != DTYPE_BF16)
    return v;
  memcpy (&bits, &v, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  memcpy (&v, &bits, sizeof v);
  return v;
}

static bool
read_positions (const struct vit_config *c, const struct tensor *t, float *out, vit_error *err)
{
  float *stored = malloc (t->count * sizeof *stored);
  bool ok = stored || fail_memory (err, t->name, t->count * sizeof *stored);
  ok = ok && read_tensor (t, stored, err) && spread_positions (c, stored, out, err);
  /* timm resizes the file's table, whose type the result gets (timm/layers/pos_embed.py); transformers the model's */
  for (size_t i = 0; ok && c->pos_resample == POS_BICUBIC_ANTIALIAS && i < (size_t) config_tokens (c) * c->dim; i++)
    out[i] = round_to (t->dtype, out[i]);
  free (stored);
  return ok;
}

bool
parts_read (const struct vit_config *c, const struct source *s, enum slot slot, uint32_t block, float *out,
    vit_error *err)
{
  struct parts parts;
  if (!slot_present (c, slot) || (slot_per_block (slot) && block >= c->depth))
    return fail (err, VIT_ERR_ARG, "%s: there is no '%s' %u in this network", source_says (s), slot_name (slot), block);
  parts_find (&parts, c, s, slot, block);
  if (slot == SLOT_POS)
    return read_positions (c, parts.part[0].tensor, out, err);
  for (uint32_t i = 0; i < parts.num; i++) {
    if (!read_tensor (parts.part[i].tensor, out, err))
      return false;
    out += parts.part[i].tensor->count;
  }
  return true;
}
