/* Typed reads of optional JSON keys. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/object.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "weights/file.h"

enum { FILE_LIMIT = 64 << 20 }; /* bytes */

json_t *
object_load (const char *path, vit_error *err)
{
  char *text = NULL;
  size_t size;
  json_error_t json;
  if (!file_read (path, "a JSON file", FILE_LIMIT, &text, &size, err))
    return NULL;
  json_t *root = json_loadb (text, size, JSON_REJECT_DUPLICATES, &json);
  free (text);
  if (!root)
    fail (err, VIT_ERR_FORMAT, "%s: can't be parsed: %s (line %d, column %d), expected JSON", path, json.text,
        json.line, json.column);
  else if (!json_is_object (root)) {
    fail (err, VIT_ERR_FORMAT, "%s: is JSON but not an object, expected {...}", path);
    json_decref (root);
    root = NULL;
  }
  return root;
}

const char *
object_text (char *out, size_t size, const json_t *value)
{
  char *text = json_dumps (value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
  size_t n = text ? strlen (text) : 0;
  if (!text || n >= size)
    n = size - 1;
  if (text)
    memcpy (out, text, n);
  else
    n = 0;
  out[n] = 0;
  free (text);
  return out;
}

static const json_t *
get (const struct object *o, const char *key)
{
  const json_t *value = json_object_get (o->json, key);
  return value && !json_is_null (value) ? value : NULL;
}

bool
object_has (const struct object *o, const char *key)
{
  return get (o, key) != NULL;
}

bool
object_set (const struct object *o, const char *key)
{
  const json_t *value = get (o, key);
  return value && !json_is_false (value);
}

static bool
wrong (const struct object *o, const char *key, const json_t *value, const char *expected, vit_error *err)
{
  char text[80];
  return fail (err, VIT_ERR_FORMAT, "%s: %s%s is %s, expected %s", o->file, o->where, key,
      object_text (text, sizeof text, value), expected);
}

/* Whole numbers may be written 16.0. */
static bool
whole (const json_t *value, uint32_t min, uint32_t max, uint32_t *out)
{
  if (!json_is_number (value))
    return false;
  double d = json_number_value (value);
  if (!(d >= min && d <= max) || d != floor (d))
    return false;
  *out = (uint32_t) d;
  return true;
}

bool
object_u32 (const struct object *o, const char *key, uint32_t min, uint32_t max, uint32_t *value, bool *given,
    vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (!v || whole (v, min, max, value))
    return true;
  char expected[64];
  snprintf (expected, sizeof expected, "a whole number from %u to %u", min, max);
  return wrong (o, key, v, expected, err);
}

bool
object_bool (const struct object *o, const char *key, bool *value, bool *given, vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (v && !json_is_boolean (v))
    return wrong (o, key, v, "true or false", err);
  if (v)
    *value = json_is_true (v);
  return true;
}

bool
object_number (const struct object *o, const char *key, double *value, bool *given, vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (v && !json_is_number (v))
    return wrong (o, key, v, "a number", err);
  if (v)
    *value = json_number_value (v);
  return true;
}

bool
object_string (const struct object *o, const char *key, const char **value, bool *given, vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (v && !json_is_string (v))
    return wrong (o, key, v, "a text", err);
  if (v)
    *value = json_string_value (v);
  return true;
}

bool
object_pair (const struct object *o, const char *key, uint32_t max, uint32_t *height, uint32_t *width, bool *given,
    vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (!v)
    return true;
  if (whole (v, 1, max, height)) {
    *width = *height;
    return true;
  }
  if (json_array_size (v) == 2 && whole (json_array_get (v, 0), 1, max, height)
      && whole (json_array_get (v, 1), 1, max, width))
    return true;
  char expected[80];
  snprintf (expected, sizeof expected, "N or [height, width], each from 1 to %u", max);
  return wrong (o, key, v, expected, err);
}

bool
object_triple (const struct object *o, const char *key, double value[3], bool *given, vit_error *err)
{
  const json_t *v = get (o, key);
  if (given)
    *given = v != NULL;
  if (!v)
    return true;
  size_t n = json_is_array (v) ? json_array_size (v) : 1;
  for (size_t i = 0; i < 3; i++) {
    const json_t *item = json_is_array (v) ? json_array_get (v, n == 1 ? 0 : i) : v;
    if ((n != 1 && n != 3) || !json_is_number (item))
      return wrong (o, key, v, "three numbers, for red, green and blue", err);
    value[i] = json_number_value (item);
  }
  return true;
}

bool
object_child (const struct object *o, const char *key, const char *where, struct object *child, vit_error *err)
{
  *child = (struct object) { o->file, where, get (o, key) };
  if (child->json && !json_is_object (child->json))
    return wrong (o, key, child->json, "an object {...}", err);
  return true;
}
