/* A checkpoint's tensors by name, from one safetensors file or from the shards that an index lists. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights/weights.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "weights/file.h"
#include "weights/safetensors.h"

enum {
  INDEX_LIMIT = 64 << 20, /* bytes */
  SHARD_LIMIT = 200       /* each is an open file until all is read */
};

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

struct weights {
  char *path;
  struct safetensors *files; /* (num_files) */
  uint32_t num_files;
  const struct tensor **sorted; /* (count), by name */
  uint32_t count;
};

static int
by_name (const void *a, const void *b)
{
  return strcmp ((*(const struct tensor *const *) a)->name, (*(const struct tensor *const *) b)->name);
}

/* Builds the table that weights_find searches. */
static bool
sort_tensors (struct weights *w, vit_error *err)
{
  size_t total = 0;
  for (uint32_t i = 0; i < w->num_files; i++)
    total += w->files[i].count;
  if (total == 0)
    return fail (err, VIT_ERR_FORMAT, "%s: holds no tensors, expected the weights of a Vision Transformer", w->path);
  if (total > UINT32_MAX)
    return fail (err, VIT_ERR_FORMAT, "%s: holds %zu tensors, expected those of a Vision Transformer", w->path, total);
  w->sorted = malloc (total * sizeof *w->sorted);
  if (!w->sorted)
    return fail_memory (err, w->path, total * sizeof *w->sorted);
  for (uint32_t i = 0; i < w->num_files; i++) {
    for (uint32_t j = 0; j < w->files[i].count; j++)
      w->sorted[w->count++] = &w->files[i].tensors[j];
  }
  qsort (w->sorted, w->count, sizeof *w->sorted, by_name);
  for (uint32_t i = 1; i < w->count; i++) {
    if (strcmp (w->sorted[i - 1]->name, w->sorted[i]->name) == 0)
      return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' is in two shards, '%s' and '%s'; save the model again",
          w->path, w->sorted[i]->name, file_name (w->sorted[i - 1]->file), file_name (w->sorted[i]->file));
  }
  return true;
}

/* A shard lies in the index's own folder and nowhere else. */
static bool
check_shard_name (const char *index, const char *tensor, const json_t *value, vit_error *err)
{
  const char *name = json_string_value (value);
  if (!name)
    return fail (err, VIT_ERR_FORMAT, "%s: weight_map names no file for tensor '%.200s'; is the file damaged?", index,
        tensor);
  if (*name == 0 || *name == '.' || strchr (name, '/') || strchr (name, '\\') || strstr (name, ".."))
    return fail (err, VIT_ERR_FORMAT,
        "%s: shard '%.100s' of tensor '%.200s' is not a plain file name in the same "
        "folder",
        index, name, tensor);
  return true;
}

static struct safetensors *
find_shard (struct weights *w, const char *name)
{
  for (uint32_t i = 0; i < w->num_files; i++) {
    if (strcmp (file_name (w->files[i].path), name) == 0)
      return &w->files[i];
  }
  return NULL;
}

static bool
open_shard (struct weights *w, const char *folder, const char *name, vit_error *err)
{
  if (w->num_files == SHARD_LIMIT)
    return fail (err, VIT_ERR_FORMAT, "%s: lists more than %d shards; is the file damaged?", w->path, SHARD_LIMIT);
  struct safetensors *files = realloc (w->files, (w->num_files + 1) * sizeof *files);
  if (!files)
    return fail_memory (err, w->path, (w->num_files + 1) * sizeof *files);
  w->files = files;
  files[w->num_files] = (struct safetensors) { 0 };
  char *path = file_join (folder, name, err);
  bool ok = path && safetensors_open (&files[w->num_files], path, err);
  free (path);
  w->num_files += ok;
  return ok;
}

/* Every tensor that the index lists must be in the shard it names. */
static bool
check_map (struct weights *w, json_t *map, vit_error *err)
{
  const char *tensor;
  json_t *value;
  json_object_foreach (map, tensor, value) {
    const struct tensor *t = weights_find (w, tensor);
    if (!t || strcmp (file_name (t->file), json_string_value (value)) != 0)
      return fail (err, VIT_ERR_FORMAT,
          "%s: says that tensor '%.200s' is in '%.100s', but that shard doesn't have it; "
          "download the checkpoint again",
          w->path, tensor, json_string_value (value));
  }
  return true;
}

static bool
open_shards (struct weights *w, const char *folder, json_t *map, vit_error *err)
{
  const char *tensor;
  json_t *value;
  json_object_foreach (map, tensor, value) {
    if (!check_shard_name (w->path, tensor, value, err))
      return false;
    const char *name = json_string_value (value);
    if (!find_shard (w, name) && !open_shard (w, folder, name, err))
      return false;
  }
  return sort_tensors (w, err) && check_map (w, map, err);
}

static bool
open_index (struct weights *w, vit_error *err)
{
  char *text = NULL, *folder = NULL;
  size_t size;
  json_error_t json;
  if (!file_read (w->path, "an index of safetensors shards", INDEX_LIMIT, &text, &size, err))
    return false;
  bool ok = false;
  json_t *root = json_loadb (text, size, JSON_REJECT_DUPLICATES, &json);
  json_t *map = json_object_get (root, "weight_map");
  if (!root)
    fail (err, VIT_ERR_FORMAT, "%s: can't be parsed: %s (line %d, column %d), expected an index of safetensors shards",
        w->path, json.text, json.line, json.column);
  else if (!json_is_object (map) || json_object_size (map) == 0)
    fail (err, VIT_ERR_FORMAT, "%s: has no 'weight_map' object, expected an index of safetensors shards", w->path);
  else if ((folder = file_folder (w->path, err)))
    ok = open_shards (w, folder, map, err);
  json_decref (root);
  free (folder);
  free (text);
  return ok;
}

static bool
open_single (struct weights *w, vit_error *err)
{
  w->files = calloc (1, sizeof *w->files);
  if (!w->files)
    return fail_memory (err, w->path, sizeof *w->files);
  w->num_files = 1;
  return safetensors_open (&w->files[0], w->path, err) && sort_tensors (w, err);
}

/* The folder's file that names all tensors; NULL fails. */
static char *
choose_file (const char *folder, vit_error *err)
{
  static const char *const names[] = { single_name, index_name };
  static const char *const pickles[] = { "pytorch_model.bin", "pytorch_model.bin.index.json" };
  for (int i = 0; i < 2; i++) {
    char *path = file_join (folder, names[i], err);
    if (!path || file_exists (path))
      return path;
    free (path);
  }
  for (int i = 0; i < 2; i++) {
    char *path = file_join (folder, pickles[i], err);
    if (!path)
      return NULL;
    bool found = file_exists (path);
    free (path);
    if (found) {
      fail (err, VIT_ERR_FORMAT,
          "%s: has its weights as %s (Python pickle), expected %s; convert it once in Python: "
          "load the model and call save_pretrained (folder), or safetensors.torch.save_file (model.state_dict (), "
          "'%s')",
          folder, pickles[i], single_name, single_name);
      return NULL;
    }
  }
  fail (err, VIT_ERR_IO, "%s: this folder has no weights, expected %s or %s in it", folder, single_name, index_name);
  return NULL;
}

struct weights *
weights_open (const char *path, vit_error *err)
{
  struct weights *w = calloc (1, sizeof *w);
  if (!w) {
    fail_memory (err, path, sizeof *w);
    return NULL;
  }
  if (file_is_folder (path))
    w->path = choose_file (path, err);
  else if (!(w->path = strdup (path)))
    fail_memory (err, path, strlen (path) + 1);
  if (w->path && (file_ends (w->path, ".index.json") ? open_index (w, err) : open_single (w, err)))
    return w;
  weights_close (&w);
  return NULL;
}

void
weights_close (struct weights **w)
{
  if (!w || !*w)
    return;
  for (uint32_t i = 0; i < (*w)->num_files; i++)
    safetensors_close (&(*w)->files[i]);
  free ((*w)->files);
  free ((*w)->sorted);
  free ((*w)->path);
  free (*w);
  *w = NULL;
}

uint32_t
weights_count (const struct weights *w)
{
  return w->count;
}

const struct tensor *
weights_at (const struct weights *w, uint32_t index)
{
  return index < w->count ? w->sorted[index] : NULL;
}

uint32_t
weights_index (const struct weights *w, const char *name)
{
  uint32_t low = 0, high = w->count;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    int order = strcmp (name, w->sorted[mid]->name);
    if (order == 0)
      return mid;
    if (order < 0)
      high = mid;
    else
      low = mid + 1;
  }
  return w->count;
}

const struct tensor *
weights_find (const struct weights *w, const char *name)
{
  return weights_at (w, weights_index (w, name));
}

const char *
weights_path (const struct weights *w)
{
  return w->path;
}
