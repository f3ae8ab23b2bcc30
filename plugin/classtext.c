/* A frame's classifications as text: a label to show, a line of JSON to store. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classtext.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

/* digits of a confidence, as many as a float has */
#define DIGITS 9

gchar *
classtext_label (const GPtrArray * results)
{
  GString *text = g_string_new (NULL);

  for (guint r = 0; r < results->len; r++) {
    const ClassResult *result = g_ptr_array_index (results, r);

    for (guint i = 0; i < result->n; i++)
      g_string_append_printf (text, "%s%s %d %%", text->len > 0 ? "\n" : "", result->entries[i].label,
          (gint) lround (CLAMP (result->entries[i].confidence * 100.0, -1e6, 1e6)));
  }
  return g_string_free (text, FALSE);
}

/* Labels come from anyone's metadata; JSON wants UTF-8. */
static json_t *
string_or_null (const gchar * text)
{
  gchar *valid = text ? g_utf8_make_valid (text, -1) : NULL;
  json_t *json = valid ? json_string (valid) : json_null ();

  g_free (valid);
  return json;
}

static json_t *
time_or_null (GstClockTime time)
{
  return GST_CLOCK_TIME_IS_VALID (time) ? json_integer ((json_int_t) time) : json_null ();
}

/* Keys of unknown values are left out: a reader of label_id may rely on its being an index. */
static json_t *
class_object (const ClassEntry * entry)
{
  json_t *object = json_object ();

  json_object_set_new (object, "label", string_or_null (entry->label));
  if (entry->id >= 0)
    json_object_set_new (object, "label_id", json_integer (entry->id));
  json_object_set_new (object, "confidence", isfinite (entry->confidence) ? json_real (entry->confidence)
      : json_null ());
  return object;
}

static json_t *
result_object (const ClassTextFrame * frame, const ClassResult * result)
{
  gboolean whole = result->width == 0;
  json_t *object = json_object ();
  json_t *classification = class_object (&result->entries[0]);

  if (result->model)
    json_object_set_new (classification, "model", json_pack ("{s:o}", "name", string_or_null (result->model)));
  json_object_set_new (object, "x", json_integer (result->x));
  json_object_set_new (object, "y", json_integer (result->y));
  json_object_set_new (object, "w", json_integer (whole ? frame->width : result->width));
  json_object_set_new (object, "h", json_integer (whole ? frame->height : result->height));
  json_object_set_new (object, "classification", classification);
  return object;
}

gchar *
classtext_ndjson (const ClassTextFrame * frame, const GPtrArray * results)
{
  const ClassResult *last = results->len > 0 ? g_ptr_array_index (results, results->len - 1) : NULL;
  json_t *root = json_object (), *objects = json_array (), *classes = json_array ();
  gchar *line = NULL;
  char *text;

  for (guint i = 0; i < results->len; i++)
    json_array_append_new (objects, result_object (frame, g_ptr_array_index (results, i)));
  for (guint i = 0; last && i < last->n; i++)
    json_array_append_new (classes, class_object (&last->entries[i]));
  json_object_set_new (root, "timestamp", time_or_null (frame->timestamp));
  json_object_set_new (root, "running_time", time_or_null (frame->running_time));
  json_object_set_new (root, "frame", json_integer ((json_int_t) frame->number));
  json_object_set_new (root, "resolution", json_pack ("{s:i,s:i}", "width", (int) frame->width, "height",
          (int) frame->height));
  json_object_set_new (root, "objects", objects);
  json_object_set_new (root, "classes", classes);
  json_object_set_new (root, "frames_ago", json_integer (last ? last->frames_ago : 0));
  text = json_dumps (root, JSON_COMPACT | JSON_REAL_PRECISION (DIGITS));
  json_decref (root);
  if (text)
    line = g_strconcat (text, "\n", NULL);
  free (text);
  return line;
}
