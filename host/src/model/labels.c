/* The classes' labels: from a text file with one a line, from transformers' id2label, from timm's label_names. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/reader.h"
#include "weights/file.h"

enum { FILE_LIMIT = 64 << 20 }; /* bytes */

void
vit_labels_free (char ***labels, uint32_t count)
{
  if (!labels || !*labels)
    return;
  for (uint32_t i = 0; i < count; i++)
    free ((*labels)[i]);
  free (*labels);
  *labels = NULL;
}

static bool
put (char **labels, uint32_t index, const char *text, vit_error *err)
{
  free (labels[index]);
  labels[index] = strdup (text);
  return labels[index] || fail_memory (err, "a label", strlen (text) + 1);
}

/* ---- a text file ---- */

/* Length of the UTF-8 sequence at p, 0 where it is none. */
static size_t
utf8_length (const unsigned char *p)
{
  if (p[0] < 0x80)
    return 1;
  size_t n = p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : 0;
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) /* the zero at the end of the text stops this too */
      return 0;
  }
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90)
      || (p[0] == 0xf4 && p[1] > 0x8f))
    return 0; /* overlong, a surrogate, past the last character */
  return n;
}

static bool
check_text (const char *path, const char *text, size_t size, vit_error *err)
{
  uint32_t line = 1;
  for (size_t i = 0; i < size;) {
    size_t n = utf8_length ((const unsigned char *) text + i);
    if (n == 0 || text[i] == 0)
      return fail (err, VIT_ERR_FORMAT,
          "%s: line %u is not UTF-8 text, expected one label a line; save the file as "
          "UTF-8",
          path, line);
    line += text[i] == '\n';
    i += n;
  }
  return true;
}

/* The next line of [*at, end) without its end; false past the last. */
static bool
next_line (const char **at, const char *end, const char **line, size_t *length)
{
  if (*at >= end)
    return false;
  const char *stop = memchr (*at, '\n', (size_t) (end - *at));
  *line = *at;
  *length = (size_t) ((stop ? stop : end) - *at);
  *at = stop ? stop + 1 : end;
  if (*length && (*line)[*length - 1] == '\r')
    --*length;
  return true;
}

/* Counts the lines, one blank last line aside. */
static uint32_t
count_lines (const char *at, const char *end)
{
  const char *line;
  size_t length = 1;
  uint32_t count = 0;
  while (next_line (&at, end, &line, &length))
    count++;
  return count && length == 0 ? count - 1 : count;
}

static bool
copy_lines (char **labels, uint32_t count, const char *at, const char *end, vit_error *err)
{
  const char *line;
  size_t length;
  for (uint32_t i = 0; i < count && next_line (&at, end, &line, &length); i++) {
    if (!(labels[i] = strndup (line, length)))
      return fail_memory (err, "a label", length + 1);
  }
  return true;
}

static bool
alloc_labels (char ***labels, uint32_t count, vit_error *err)
{
  *labels = calloc (count, sizeof **labels);
  return *labels || fail_memory (err, "the labels", count * sizeof **labels);
}

bool
vit_labels_read (const char *path, uint32_t expected, char ***labels, vit_error *err)
{
  if (!path || !labels || expected == 0)
    return fail (err, VIT_ERR_ARG, "vit_labels_read: path and labels must not be NULL, nor expected 0");
  char *text = NULL;
  size_t size;
  if (!file_read (path, "a text file with one label a line", FILE_LIMIT, &text, &size, err))
    return false;
  size_t mark = size >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  char **out = NULL;
  bool ok = check_text (path, text, size, err);
  uint32_t count = ok ? count_lines (text + mark, text + size) : 0;
  if (ok && count != expected)
    ok = fail (err, VIT_ERR_FORMAT,
        "%s: has %u labels, but the model has %u classes; expected one label a line, in "
        "the order of the classes",
        path, count, expected);
  ok = ok && alloc_labels (&out, expected, err) && copy_lines (out, expected, text + mark, text + size, err);
  free (text);
  if (ok)
    *labels = out;
  else
    vit_labels_free (&out, expected);
  return ok;
}

/* ---- a config ---- */

/* "class N" for every class that has no label. */
static bool
fill_rest (char **labels, uint32_t classes, vit_error *err)
{
  char text[32];
  for (uint32_t i = 0; i < classes; i++) {
    snprintf (text, sizeof text, "class %u", i);
    if (!labels[i] && !put (labels, i, text, err))
      return false;
  }
  return true;
}

/* An object's key that is a class: digits alone. */
static bool
parse_class (const char *key, uint32_t classes, uint32_t *out)
{
  uint64_t n = 0;
  for (const char *p = key; *p; p++) {
    if (*p < '0' || *p > '9' || (n = n * 10 + (uint64_t) (*p - '0')) >= classes)
      return false;
  }
  *out = (uint32_t) n;
  return *key != 0;
}

static bool
put_label (char **labels, uint32_t index, const json_t *label, const struct object *texts, const struct object *root,
    const char *key, vit_error *err)
{
  const char *text = json_string_value (label);
  if (!text)
    return fail (err, VIT_ERR_FORMAT, "%s: %s: the label of class %u is not a text", root->file, key, index);
  const char *description = json_string_value (json_object_get (texts->json, text));
  return put (labels, index, description ? description : text, err);
}

/* {"0": "cat", ...}; all: every class must be there. */
static bool
put_object (char **labels, uint32_t classes, const json_t *map, bool all, const struct object *texts,
    const struct object *root, const char *key, vit_error *err)
{
  const char *name;
  json_t *value;
  if (all ? json_object_size (map) != classes : json_object_size (map) > classes)
    return fail (err, VIT_ERR_FORMAT, "%s: %s has %zu labels, but the model has %u classes; correct the labels",
        root->file, key, json_object_size (map), classes);
  json_object_foreach ((json_t *) map, name, value) {
    uint32_t index;
    if (!parse_class (name, classes, &index))
      return fail (err, VIT_ERR_FORMAT, "%s: %s has a label for '%.40s', expected a class from 0 to %u", root->file,
          key, name, classes - 1);
    if (labels[index])
      return fail (err, VIT_ERR_FORMAT, "%s: %s has two labels for class %u", root->file, key, index);
    if (!put_label (labels, index, value, texts, root, key, err))
      return false;
  }
  return true;
}

static bool
put_array (char **labels, uint32_t classes, const json_t *array, const struct object *texts, const struct object *root,
    const char *key, vit_error *err)
{
  if (json_array_size (array) != classes)
    return fail (err, VIT_ERR_FORMAT, "%s: %s has %zu labels, but the model has %u classes; correct the labels",
        root->file, key, json_array_size (array), classes);
  for (uint32_t i = 0; i < classes; i++) {
    if (!put_label (labels, i, json_array_get (array, i), texts, root, key, err))
      return false;
  }
  return true;
}

static bool
labels_from (char ***labels, uint32_t classes, const json_t *names, bool all, const struct object *texts,
    const struct object *root, const char *key, vit_error *err)
{
  char **out = NULL;
  bool ok = alloc_labels (&out, classes, err);
  if (ok && json_is_array (names))
    ok = put_array (out, classes, names, texts, root, key, err);
  else if (ok && json_is_object (names))
    ok = put_object (out, classes, names, all, texts, root, key, err);
  else if (ok && names && !json_is_null (names))
    ok = fail (err, VIT_ERR_FORMAT, "%s: %s is neither a list nor an object of labels", root->file, key);
  if (ok && fill_rest (out, classes, err)) {
    *labels = out;
    return true;
  }
  vit_labels_free (&out, classes);
  return false;
}

bool
labels_transformers (char ***labels, uint32_t classes, const struct object *root, vit_error *err)
{
  struct object none = { root->file, "", NULL };
  return labels_from (labels, classes, json_object_get (root->json, "id2label"), true, &none, root, "id2label", err);
}

/* Names at the root or in pretrained_cfg, as a list or by class; a name with a description is shown by that: the names
 * of ImageNet's classes are WordNet's numbers. */
bool
labels_timm (char ***labels, uint32_t classes, const struct object *root, vit_error *err)
{
  struct object pretrained, texts;
  if (!object_child (root, "pretrained_cfg", "pretrained_cfg.", &pretrained, err))
    return false;
  const struct object *names = object_has (root, "label_names") ? root : &pretrained;
  const struct object *described = object_has (root, "label_descriptions") ? root : &pretrained;
  if (!object_child (described, "label_descriptions", "label_descriptions.", &texts, err))
    return false;
  return labels_from (labels, classes, json_object_get (names->json, "label_names"), false, &texts, root, "label_names",
      err);
}
