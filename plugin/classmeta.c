/* A classification as metadata on a buffer and as a message: writes it, reads it back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "classmeta.h"

#include <gst/video/video.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

/* the name that Intel DL Streamer's readers know for a classification's parameters */
#define ROI_PARAM "classification"
#define LAYER_NAME "logits"

static gboolean
copy_field (GQuark field, const GValue * value, gpointer to)
{
  gst_structure_id_set_value (to, field, value);
  return TRUE;
}

/* The result is about the whole picture: it survives a copy, a conversion and scaling, but not a part of the buffer. */
static gboolean
transform_custom (GstBuffer * to, GstCustomMeta * meta, GstBuffer * from, GQuark type, gpointer data, gpointer unused)
{
  GstCustomMeta *copy;

  (void) from;
  (void) unused;
  if (!GST_META_TRANSFORM_IS_COPY (type) || (data && ((GstMetaTransformCopy *) data)->region))
    return FALSE;
  copy = gst_buffer_add_custom_meta (to, CLASSMETA_NAME);
  if (!copy)
    return FALSE;
  gst_structure_foreach (gst_custom_meta_get_structure (meta), copy_field, gst_custom_meta_get_structure (copy));
  return TRUE;
}

void
classmeta_init (void)
{
  static const gchar *no_tags[] = { NULL };

  if (!gst_meta_get_info (CLASSMETA_NAME))
    gst_meta_register_custom (CLASSMETA_NAME, no_tags, transform_custom, NULL, NULL);
}

/* The custom meta is always among the automatic ones: it alone has a class's index, the model and the result's age. */
ClassMetaFlags
classmeta_resolve (ClassMetaFlags wanted, gboolean * missing)
{
  ClassMetaFlags kinds = wanted & ~(guint) CLASSMETA_AUTO;
#ifdef HAVE_GST_ANALYTICS
  const ClassMetaFlags automatic = CLASSMETA_ANALYTICS | CLASSMETA_CUSTOM;

  *missing = FALSE;
#else
  const ClassMetaFlags automatic = CLASSMETA_ROI | CLASSMETA_CUSTOM;

  *missing = (wanted & CLASSMETA_ANALYTICS) != 0;
  kinds &= ~(guint) CLASSMETA_ANALYTICS;
#endif
  if ((wanted & CLASSMETA_AUTO) || (*missing && kinds == CLASSMETA_NONE))
    kinds |= automatic;
  return kinds;
}

static void
take_array (GstStructure * structure, const gchar * field, GArray * values)
{
  GValue array = G_VALUE_INIT;

  g_value_init (&array, GST_TYPE_ARRAY);
  for (guint i = 0; i < values->len; i++)
    gst_value_array_append_value (&array, &g_array_index (values, GValue, i));
  gst_structure_take_value (structure, field, &array);
  g_array_unref (values);
}

static GArray *
values_new (GType type, guint n)
{
  GArray *values = g_array_sized_new (FALSE, TRUE, sizeof (GValue), n);

  g_array_set_clear_func (values, (GDestroyNotify) g_value_unset);
  g_array_set_size (values, n);
  for (guint i = 0; i < n; i++)
    g_value_init (&g_array_index (values, GValue, i), type);
  return values;
}

/* The three arrays of a structure: (n) labels, class indices, confidences, best first. */
static void
set_arrays (GstStructure * structure, const gchar * ids_field, const ClassResult * result)
{
  GArray *labels = values_new (G_TYPE_STRING, result->n);
  GArray *ids = values_new (G_TYPE_INT, result->n);
  GArray *confidences = values_new (G_TYPE_DOUBLE, result->n);

  for (guint i = 0; i < result->n; i++) {
    g_value_set_string (&g_array_index (labels, GValue, i), result->entries[i].label);
    g_value_set_int (&g_array_index (ids, GValue, i), result->entries[i].id);
    g_value_set_double (&g_array_index (confidences, GValue, i), result->entries[i].confidence);
  }
  take_array (structure, "labels", labels);
  take_array (structure, ids_field, ids);
  take_array (structure, "confidences", confidences);
}

static void
fill_structure (GstStructure * structure, const ClassResult * result)
{
  const ClassEntry *best = &result->entries[0];

  gst_structure_set (structure, "label", G_TYPE_STRING, best->label, "label_id", G_TYPE_INT, best->id,
      "confidence", G_TYPE_DOUBLE, best->confidence, "model_name", G_TYPE_STRING, result->model,
      "layer_name", G_TYPE_STRING, LAYER_NAME, "frames_ago", G_TYPE_UINT, result->frames_ago, NULL);
  set_arrays (structure, "label_ids", result);
}

static gboolean
attach_roi (GstBuffer * buffer, guint width, guint height, const ClassResult * result)
{
  GstVideoRegionOfInterestMeta *roi =
      gst_buffer_add_video_region_of_interest_meta (buffer, result->entries[0].label, 0, 0, width, height);
  GstStructure *param = gst_structure_new_empty (ROI_PARAM);

  fill_structure (param, result);
  gst_video_region_of_interest_meta_add_param (roi, param);
  return TRUE;
}

static gboolean
attach_custom (GstBuffer * buffer, const ClassResult * result)
{
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, CLASSMETA_NAME);

  if (meta)
    fill_structure (gst_custom_meta_get_structure (meta), result);
  return meta != NULL;
}

#ifdef HAVE_GST_ANALYTICS
static gboolean
attach_analytics (GstBuffer * buffer, const ClassResult * result)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsClsMtd mtd;
  gfloat *levels = g_new (gfloat, result->n);   /* (n) */
  GQuark *labels = g_new (GQuark, result->n);   /* (n) */
  gboolean added;

  for (guint i = 0; i < result->n; i++) {
    levels[i] = (gfloat) result->entries[i].confidence;
    labels[i] = g_quark_from_string (result->entries[i].label);
  }
  if (!relations) {
    /* room for this one classification; it grows when others add theirs */
    GstAnalyticsRelationMetaInitParams params = {
      .initial_relation_order = 1,
      .initial_buf_size = 64 + result->n * (sizeof (gfloat) + sizeof (GQuark))
    };

    relations = gst_buffer_add_analytics_relation_meta_full (buffer, &params);
  }
  added = relations && gst_analytics_relation_meta_add_cls_mtd (relations, result->n, levels, labels, &mtd);
  g_free (levels);
  g_free (labels);
  return added;
}
#endif

gboolean
classmeta_attach (GstBuffer * buffer, ClassMetaFlags kinds, guint width, guint height, const ClassResult * result)
{
  gboolean attached = FALSE;

#ifdef HAVE_GST_ANALYTICS
  if (kinds & CLASSMETA_ANALYTICS)
    attached |= attach_analytics (buffer, result);
#endif
  if (kinds & CLASSMETA_ROI)
    attached |= attach_roi (buffer, width, height, result);
  if (kinds & CLASSMETA_CUSTOM)
    attached |= attach_custom (buffer, result);
  return attached;
}

static ClassResult *
result_new (guint n)
{
  ClassResult *result = g_malloc0 (sizeof *result + n * sizeof result->entries[0]);

  result->n = n;
  return result;
}

/* Arrays of unequal length or of other types (written by someone else) count as absent. */
static guint
arrays_length (const GValue * labels, const GValue * ids, const GValue * confidences)
{
  guint n;

  if (!labels || !ids || !confidences || !GST_VALUE_HOLDS_ARRAY (labels) || !GST_VALUE_HOLDS_ARRAY (ids)
      || !GST_VALUE_HOLDS_ARRAY (confidences))
    return 0;
  n = gst_value_array_get_size (labels);
  if (gst_value_array_get_size (ids) != n || gst_value_array_get_size (confidences) != n)
    return 0;
  for (guint i = 0; i < n; i++) {
    if (!G_VALUE_HOLDS_STRING (gst_value_array_get_value (labels, i))
        || !g_value_get_string (gst_value_array_get_value (labels, i))
        || !G_VALUE_HOLDS_INT (gst_value_array_get_value (ids, i))
        || !G_VALUE_HOLDS_DOUBLE (gst_value_array_get_value (confidences, i)))
      return 0;
  }
  return n;
}

/* NULL: not a classification */
static ClassResult *
read_structure (const GstStructure * structure)
{
  const GValue *labels = gst_structure_get_value (structure, "labels");
  const GValue *ids = gst_structure_get_value (structure, "label_ids");
  const GValue *confidences = gst_structure_get_value (structure, "confidences");
  const gchar *label = gst_structure_get_string (structure, "label");
  guint n = arrays_length (labels, ids, confidences);
  ClassResult *result;

  if (n == 0 && !label)
    return NULL;
  result = result_new (MAX (n, 1));
  for (guint i = 0; i < n; i++) {
    result->entries[i].label = g_value_get_string (gst_value_array_get_value (labels, i));
    result->entries[i].id = g_value_get_int (gst_value_array_get_value (ids, i));
    result->entries[i].confidence = g_value_get_double (gst_value_array_get_value (confidences, i));
  }
  if (n == 0) {
    result->entries[0].label = label;
    result->entries[0].id = -1;
    gst_structure_get_int (structure, "label_id", &result->entries[0].id);
    gst_structure_get_double (structure, "confidence", &result->entries[0].confidence);
  }
  result->model = gst_structure_get_string (structure, "model_name");
  gst_structure_get_uint (structure, "frames_ago", &result->frames_ago);
  return result;
}

static void
read_custom (GstBuffer * buffer, GPtrArray * results)
{
  const GstMetaInfo *info = gst_meta_get_info (CLASSMETA_NAME);
  gpointer state = NULL;
  GstMeta *meta;

  while (info && (meta = gst_buffer_iterate_meta_filtered (buffer, &state, info->api))) {
    ClassResult *result = read_structure (gst_custom_meta_get_structure ((GstCustomMeta *) meta));

    if (result)
      g_ptr_array_add (results, result);
  }
}

static void
read_rois (GstBuffer * buffer, GPtrArray * results)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    const GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *) meta;

    for (GList * param = roi->params; param; param = param->next) {
      ClassResult *result = read_structure (param->data);

      if (!result)
        continue;
      result->x = roi->x;
      result->y = roi->y;
      result->width = roi->w;
      result->height = roi->h;
      g_ptr_array_add (results, result);
    }
  }
}

#ifdef HAVE_GST_ANALYTICS
static void
read_analytics (GstBuffer * buffer, GPtrArray * results)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsMtd mtd;

  while (relations && gst_analytics_relation_meta_iterate (relations, &state, gst_analytics_cls_mtd_get_mtd_type (),
          &mtd)) {
    gsize n = gst_analytics_cls_mtd_get_length (&mtd);
    ClassResult *result = n > 0 ? result_new ((guint) n) : NULL;

    for (gsize i = 0; i < n; i++) {
      const gchar *label = g_quark_to_string (gst_analytics_cls_mtd_get_quark (&mtd, i));

      result->entries[i].id = -1;
      result->entries[i].label = label ? label : "";
      result->entries[i].confidence = (gdouble) gst_analytics_cls_mtd_get_level (&mtd, i);
    }
    if (result)
      g_ptr_array_add (results, result);
  }
}
#endif

GPtrArray *
classmeta_read (GstBuffer * buffer)
{
  GPtrArray *results = g_ptr_array_new_with_free_func (g_free);

  read_custom (buffer, results);
  if (results->len == 0)
    read_rois (buffer, results);
#ifdef HAVE_GST_ANALYTICS
  if (results->len == 0)
    read_analytics (buffer, results);
#endif
  return results;
}

GstMessage *
classmeta_message (GstObject * source, const ClassTimes * times, const ClassResult * result, gboolean changed)
{
  static const ClassEntry nothing = {.id = -1,.label = "" };
  const ClassEntry *best = result->n > 0 ? &result->entries[0] : &nothing;
  GstStructure *structure = gst_structure_new (CLASSMETA_NAME, "timestamp", G_TYPE_UINT64, times->timestamp,
      "stream-time", G_TYPE_UINT64, times->stream_time, "running-time", G_TYPE_UINT64, times->running_time,
      "duration", G_TYPE_UINT64, times->duration, "label", G_TYPE_STRING, best->label, "label-id", G_TYPE_INT, best->id,
      "confidence", G_TYPE_DOUBLE, best->confidence, NULL);

  set_arrays (structure, "label-ids", result);
  gst_structure_set (structure, "model", G_TYPE_STRING, result->model, "changed", G_TYPE_BOOLEAN, changed,
      "frames-ago", G_TYPE_UINT, result->frames_ago, NULL);
  return gst_message_new_element (source, structure);
}
