/* The properties of vitclassify that can only be read: what is loaded and how it fares. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "facts.h"

enum
{
  PROP_NUM_CLASSES = SETTINGS_LAST + 1,
  PROP_MODEL_NAME,
  PROP_MODEL_INFO,
  PROP_DEVICE_NAME,
  PROP_LATENCY,
  PROP_STATS,
  PROP_END
};

#define FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

static GParamSpec *specs[PROP_END];

/**
 * GstVitClassify:num-classes:
 *
 * The classes that the loaded model knows; 0 while none is loaded.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:model-name:
 *
 * The architecture of the loaded model as its checkpoint names it.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:model-info:
 *
 * Sizes, preprocessing and origin of the loaded model.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:device-name:
 *
 * The Vulkan device in use.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:latency:
 *
 * The average time in nanoseconds that a classified frame spends in the element, measured. Notified when it moves by
 * more than a fifth. What a LATENCY query is told does not follow it: #GstVitClassify:inflight says how that is
 * counted.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:stats:
 *
 * Counters since the element was last started: frames, inferred, skipped-interval, skipped-qos, skipped-gap, carried,
 * errors, batches, batch-fill (mean number of frames in a batch, double); reported-latency, what a LATENCY query is
 * told to add (ns); times in nanoseconds, last, average and 95th percentile of the last 128: latency-* from a
 * classified frame's coming to its leaving, total-* from submission to result, forward-* of its batch on the device
 * (absent where it has no timestamps); device-memory in bytes, device, precision.
 *
 * Since: 0.1
 */
void
facts_install (GObjectClass * klass)
{
  specs[PROP_NUM_CLASSES] = g_param_spec_uint ("num-classes", "Number of classes",
      "Classes that the loaded model knows", 0, G_MAXUINT, 0, FLAGS);
  specs[PROP_MODEL_NAME] = g_param_spec_string ("model-name", "Model name", "Architecture of the loaded model", NULL,
      FLAGS);
  specs[PROP_MODEL_INFO] = g_param_spec_boxed ("model-info", "Model info", "Sizes, preprocessing and origin of the "
      "loaded model", GST_TYPE_STRUCTURE, FLAGS);
  specs[PROP_DEVICE_NAME] = g_param_spec_string ("device-name", "Device name", "Vulkan device in use", NULL, FLAGS);
  specs[PROP_LATENCY] = g_param_spec_uint64 ("latency", "Latency", "Average time of a classified frame in the element "
      "(ns)", 0, G_MAXUINT64, 0, FLAGS);
  specs[PROP_STATS] = g_param_spec_boxed ("stats", "Statistics", "Counters and times since the element was started",
      GST_TYPE_STRUCTURE, FLAGS);
  for (guint id = PROP_NUM_CLASSES; id < PROP_END; id++)
    g_object_class_install_property (klass, id, specs[id]);
}

gboolean
facts_get (const Facts * facts, const Stats * stats, guint id, GValue * value)
{
  switch (id) {
    case PROP_NUM_CLASSES:
      g_value_set_uint (value, facts->classes);
      return TRUE;
    case PROP_MODEL_NAME:
      g_value_set_string (value, facts->model_name);
      return TRUE;
    case PROP_MODEL_INFO:
      g_value_set_boxed (value, facts->model_info);
      return TRUE;
    case PROP_DEVICE_NAME:
      g_value_set_string (value, facts->device_name);
      return TRUE;
    case PROP_LATENCY:
      g_value_set_uint64 (value, stats_average (&stats->held));
      return TRUE;
    case PROP_STATS:
      g_value_take_boxed (value, stats_structure (stats, facts->device_name, facts->precision));
      return TRUE;
    default:
      return FALSE;
  }
}

static void
set_floats (GstStructure * structure, const gchar * field, const float values[3])
{
  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;

  g_value_init (&array, GST_TYPE_ARRAY);
  g_value_init (&item, G_TYPE_FLOAT);
  for (guint i = 0; i < 3; i++) {
    g_value_set_float (&item, values[i]);
    gst_value_array_append_value (&array, &item);
  }
  gst_structure_take_value (structure, field, &array);
}

static GstStructure *
model_structure (const EngineFacts * engine)
{
  static const gchar *const resizes[] = { "squash", "shortest", "longest" };
  static const gchar *const filters[] = { "nearest", "box", "bilinear", "hamming", "bicubic", "lanczos" };
  const struct vit_model_info *m = &engine->model;
  const struct vit_preprocess *p = &m->preprocess;
  gchar *path = g_utf8_make_valid (engine->path, -1);
  GstStructure *structure = gst_structure_new ("vitclassify-model", "name", G_TYPE_STRING, engine->model_name,
      "family", G_TYPE_STRING, m->family, "path", G_TYPE_STRING, path, "classes", G_TYPE_UINT, m->classes,
      "patch-width", G_TYPE_UINT, m->patch_width, "patch-height", G_TYPE_UINT, m->patch_height,
      "tokens", G_TYPE_UINT, m->tokens, "dim", G_TYPE_UINT, m->dim, "depth", G_TYPE_UINT, m->depth,
      "heads", G_TYPE_UINT, m->heads, "head-dim", G_TYPE_UINT, m->head_dim, "mlp-dim", G_TYPE_UINT, m->mlp_dim,
      "parameters", G_TYPE_UINT64, m->parameters, "weight-bytes", G_TYPE_UINT64, m->weight_bytes,
      "flops", G_TYPE_DOUBLE, m->flops, "precision", G_TYPE_STRING, engine_precision_name (m->precision), NULL);

  g_free (path);
  gst_structure_set (structure, "input-width", G_TYPE_UINT, p->width, "input-height", G_TYPE_UINT, p->height,
      "resize", G_TYPE_STRING, (guint) p->resize < G_N_ELEMENTS (resizes) ? resizes[p->resize] : "unknown",
      "resize-width", G_TYPE_UINT, p->resize_width, "resize-height", G_TYPE_UINT, p->resize_height,
      "interpolation", G_TYPE_STRING, (guint) p->filter < G_N_ELEMENTS (filters) ? filters[p->filter] : "unknown",
      NULL);
  set_floats (structure, "mean", p->mean);
  set_floats (structure, "std", p->std);
  return structure;
}

void
facts_replace (Facts * facts, const EngineFacts * engine)
{
  g_clear_pointer (&facts->model_name, g_free);
  g_clear_pointer (&facts->device_name, g_free);
  gst_clear_structure (&facts->model_info);
  facts->classes = 0;
  facts->precision = NULL;
  if (!engine)
    return;
  facts->classes = engine->model.classes;
  facts->model_name = g_strdup (engine->model_name);
  facts->device_name = g_utf8_make_valid (engine->device.name, -1);
  facts->precision = engine_precision_name (engine->model.precision);
  facts->model_info = model_structure (engine);
}

void
facts_notify (GObject * object)
{
  g_object_notify_by_pspec (object, specs[PROP_NUM_CLASSES]);
  g_object_notify_by_pspec (object, specs[PROP_MODEL_NAME]);
  g_object_notify_by_pspec (object, specs[PROP_MODEL_INFO]);
  g_object_notify_by_pspec (object, specs[PROP_DEVICE_NAME]);
}

void
facts_notify_latency (GObject * object)
{
  g_object_notify_by_pspec (object, specs[PROP_LATENCY]);
}
