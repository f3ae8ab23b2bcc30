/* Opens a checkpoint: finds its files, lets each be read by its family's rules, and checks tensors against config. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/parts.h"
#include "model/reader.h"
#include "weights/file.h"

struct checkpoint {
  struct weights *weights;
  struct source source;
  struct vit_config cfg;
  struct vit_preprocess preprocess;
  char **labels; /* (cfg.classes) */
  char *config_path, *rules_path;
};

/* ---- reading ---- */

static bool
open_timm (struct checkpoint *c, struct claims *claims, const struct object *root, vit_error *err)
{
  struct object pretrained;
  return config_timm (&c->cfg, claims, &c->source, root, err) && config_finish (&c->cfg, claims, &c->source, err)
      && object_child (root, "pretrained_cfg", "pretrained_cfg.", &pretrained, err)
      && rules_timm (&c->preprocess, &c->cfg, &pretrained, err) && labels_timm (&c->labels, c->cfg.classes, root, err);
}

/* The network runs at the size that the processor makes. */
static bool
open_transformers (struct checkpoint *c, struct claims *claims, const struct object *root, vit_error *err)
{
  bool ok = false, deit = c->source.has_dist;
  json_t *json = NULL;
  if (!config_transformers (&c->cfg, claims, &c->source, root, err))
    return false;
  if (file_exists (c->rules_path) && !(json = object_load (c->rules_path, err)))
    return false;
  struct object rules = { json ? c->rules_path : c->config_path, "", json };
  if (rules_transformers (&c->preprocess, deit, claims->stored_height, claims->stored_width, &rules, err)) {
    claims->image_height = c->preprocess.height;
    claims->image_width = c->preprocess.width;
    ok =
        config_finish (&c->cfg, claims, &c->source, err) && labels_transformers (&c->labels, c->cfg.classes, root, err);
  }
  json_decref (json);
  return ok;
}

/* No config: heads by width, image by the position embedding, each library's commonest preprocessing. */
static bool
open_bare (struct checkpoint *c, struct claims *claims, vit_error *err)
{
  struct object none = { weights_path (c->weights), "", NULL };
  if (!config_finish (&c->cfg, claims, &c->source, err) || !labels_timm (&c->labels, c->cfg.classes, &none, err))
    return false;
  if (c->source.layout == LAYOUT_TRANSFORMERS)
    return rules_transformers (&c->preprocess, c->source.has_dist, c->cfg.image_height, c->cfg.image_width, &none, err);
  bool ok = false;
  json_t *inception = json_pack ("{s:[f], s:[f], s:f}", "mean", 0.5, "std", 0.5, "crop_pct", 0.9);
  struct object pretrained = { none.file, "", inception };
  if (inception)
    ok = rules_timm (&c->preprocess, &c->cfg, &pretrained, err);
  else
    fail_memory (err, none.file, 0);
  json_decref (inception);
  return ok;
}

static bool
open_with (struct checkpoint *c, const json_t *json, vit_error *err)
{
  struct claims claims = { 0 };
  struct object root = { c->config_path, "", json };
  if (!source_detect (&c->source, c->weights, err) || !config_from_tensors (&c->cfg, &c->source, err))
    return false;
  if (!json)
    return open_bare (c, &claims, err);
  if (object_has (&root, "architecture") || object_has (&root, "pretrained_cfg"))
    return open_timm (c, &claims, &root, err);
  if (object_has (&root, "model_type"))
    return open_transformers (c, &claims, &root, err);
  return fail (err, VIT_ERR_FORMAT,
      "%s: has neither 'architecture' (timm) nor 'model_type' (transformers), so the "
      "kind of network is not known; use the config.json that belongs to the weights",
      c->config_path);
}

/* What the config names before any tensor is looked at: a clear word about a model of another kind. */
static bool
check_kind (const char *path, const json_t *json, vit_error *err)
{
  const char *type = json_string_value (json_object_get (json, "model_type"));
  if (!type || json_object_get (json, "architecture") || strcmp (type, "vit") == 0 || strcmp (type, "deit") == 0)
    return true;
  return fail (err, VIT_ERR_FORMAT,
      "%s: model_type '%.60s' is not supported; supported are 'vit' and 'deit' as "
      "transformers saves them, and timm's VisionTransformer",
      path, type);
}

/* ---- checking ---- */

static bool
check_part (const struct checkpoint *c, const struct parts *parts, uint32_t i, enum slot slot, uint32_t block,
    vit_error *err)
{
  const struct tensor *t = parts->part[i].tensor;
  char name[SOURCE_NAME_SIZE], found[160], expected[160];
  if (!t)
    return fail (err, VIT_ERR_FORMAT,
        "%s: has no tensor '%s', which the network that %s describes needs (%u blocks); "
        "is the file complete and of this model?",
        weights_path (c->weights), source_name (name, &c->source, c->cfg.head, slot, parts->part[i].which, block),
        source_says (&c->source), c->cfg.depth);
  if (t->dtype == DTYPE_OTHER)
    return fail (err, VIT_ERR_FORMAT,
        "%s: tensor '%s' is %s, expected F32, F16 or BF16; save the model in one of "
        "these",
        t->file, t->name, t->dtype_name);
  const struct part_shape *want = &parts->part[i].shape;
  if (t->num_dims == want->num_dims && memcmp (t->shape, want->dims, t->num_dims * sizeof *t->shape) == 0)
    return true;
  return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' is %s, expected %s for the network that %s describes", t->file,
      t->name, shape_text (found, sizeof found, t->shape, t->num_dims),
      shape_text (expected, sizeof expected, want->dims, want->num_dims), file_name (source_says (&c->source)));
}

static bool
check_slot (const struct checkpoint *c, enum slot slot, uint32_t block, bool *used, vit_error *err)
{
  struct parts parts;
  parts_find (&parts, &c->cfg, &c->source, slot, block);
  for (uint32_t i = 0; i < parts.num; i++) {
    if (!check_part (c, &parts, i, slot, block, err))
      return false;
    used[weights_index (c->weights, parts.part[i].tensor->name)] = true;
  }
  return true;
}

static bool
check_rest (const struct checkpoint *c, const bool *used, vit_error *err)
{
  char shape[160];
  uint32_t rest = 0;
  const struct tensor *first = NULL;
  for (uint32_t i = 0; i < weights_count (c->weights); i++) {
    const struct tensor *t = weights_at (c->weights, i);
    if (used[i] || source_ignores (&c->source, t->name))
      continue;
    first = first ? first : t;
    rest++;
  }
  if (!first)
    return true;
  return fail (err, VIT_ERR_FORMAT,
      "%s: tensor '%s' %s has no place in the network that %s describes (%u tensors are "
      "left over); only plain Vision Transformers are supported",
      first->file, first->name, shape_text (shape, sizeof shape, first->shape, first->num_dims),
      file_name (source_says (&c->source)), rest);
}

/* Every tensor that the config asks for is there in the right shape and dtype, and no other is. */
static bool
check_tensors (const struct checkpoint *c, vit_error *err)
{
  bool *used = calloc (weights_count (c->weights), sizeof *used);
  if (!used)
    return fail_memory (err, weights_path (c->weights), weights_count (c->weights) * sizeof *used);
  bool ok = true;
  for (enum slot slot = 0; ok && slot < NUM_SLOTS; slot++) {
    uint32_t blocks = slot_per_block (slot) ? c->cfg.depth : 1;
    for (uint32_t i = 0; ok && i < blocks && slot_present (&c->cfg, slot); i++)
      ok = check_slot (c, slot, i, used, err);
  }
  ok = ok && check_rest (c, used, err);
  free (used);
  return ok;
}

/* ---- the public face ---- */

/* config.json and preprocessor_config.json lie in the folder named, or beside the file named. */
static bool
find_files (struct checkpoint *c, const char *path, vit_error *err)
{
  char *folder = file_is_folder (path) ? strdup (path) : file_folder (path, err);
  if (!folder)
    return fail_memory (err, path, strlen (path) + 1);
  c->config_path = file_join (folder, "config.json", err);
  c->rules_path = c->config_path ? file_join (folder, "preprocessor_config.json", err) : NULL;
  free (folder);
  return c->rules_path != NULL;
}

struct checkpoint *
checkpoint_open (const char *path, vit_error *err)
{
  json_t *json = NULL;
  struct checkpoint *c = calloc (1, sizeof *c);
  if (!c) {
    fail_memory (err, path, sizeof *c);
    return NULL;
  }
  if (!file_exists (path)) {
    fail (err, VIT_ERR_IO,
        "%s: no such file or folder, expected a checkpoint (a folder with config.json and "
        "safetensors, or a .safetensors file); check the path",
        path);
    goto error;
  }
  if (!find_files (c, path, err))
    goto error;
  if (file_exists (c->config_path)) {
    c->source.config = c->config_path;
    if (!(json = object_load (c->config_path, err)) || !check_kind (c->config_path, json, err))
      goto error;
  }
  if (!(c->weights = weights_open (path, err)) || !open_with (c, json, err) || !check_tensors (c, err))
    goto error;
  json_decref (json);
  return c;
error:
  json_decref (json);
  checkpoint_close (&c);
  return NULL;
}

void
checkpoint_close (struct checkpoint **c)
{
  if (!c || !*c)
    return;
  vit_labels_free (&(*c)->labels, (*c)->cfg.classes);
  weights_close (&(*c)->weights);
  free ((*c)->config_path);
  free ((*c)->rules_path);
  free (*c);
  *c = NULL;
}

const struct vit_config *
checkpoint_config (const struct checkpoint *c)
{
  return &c->cfg;
}

const struct vit_preprocess *
checkpoint_preprocess (const struct checkpoint *c)
{
  return &c->preprocess;
}

const char *
checkpoint_label (const struct checkpoint *c, uint32_t class_index)
{
  return class_index < c->cfg.classes ? c->labels[class_index] : NULL;
}

bool
checkpoint_read (const struct checkpoint *c, enum slot slot, uint32_t block, float *out, vit_error *err)
{
  return parts_read (&c->cfg, &c->source, slot, block, out, err);
}
