/* The properties of vitclassify that can be set: their types, defaults, storage. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

enum
{
  PROP_MODEL = 1,
  PROP_LABELS,
  PROP_LABELS_FILE,
  PROP_DEVICE,
  PROP_CACHE_DIR,
  PROP_PRECISION,
  PROP_ACTIVATION,
  PROP_META,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_INTERVAL,
  PROP_CARRY_OVER,
  PROP_MESSAGE_MODE,
  PROP_QOS_SKIP,
  N_PROPS
};

G_STATIC_ASSERT (N_PROPS - 1 == SETTINGS_LAST);

#define READY_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static GType
precision_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {VIT_AUTO, "Half precision on a GPU that stores 16 bit, else single", "auto"},
    {VIT_F32, "Single precision", "fp32"},
    {VIT_F16, "Weights in half precision, sums in single", "fp16"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyPrecision", values));
  return type;
}

static GType
activation_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {VIT_SOFTMAX, "Softmax: exactly one class is right", "softmax"},
    {VIT_SIGMOID, "Sigmoid: any number of classes may be right (multi-label models)", "sigmoid"},
    {VIT_IDENTITY, "None: the network's raw outputs, which may lie outside 0 to 1", "none"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyActivation", values));
  return type;
}

static GType
message_mode_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {MESSAGE_MODE_NONE, "No messages", "none"},
    {MESSAGE_MODE_CHANGED, "A message when the best label changes", "changed"},
    {MESSAGE_MODE_ALL, "A message for every frame with a result", "all"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyMessageMode", values));
  return type;
}

static GType
carry_over_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {CARRY_OVER_NONE, "A frame that is not classified carries no result", "none"},
    {CARRY_OVER_LAST, "A frame that is not classified carries the last result with its age", "last"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitClassifyCarryOver", values));
  return type;
}

static GType
meta_get_type (void)
{
  static gsize type;
  static const GFlagsValue values[] = {
    {CLASSMETA_NONE, "Attach nothing", "none"},
    {CLASSMETA_AUTO, "custom, and analytics where GStreamer has it (1.24), else roi", "auto"},
    {CLASSMETA_ANALYTICS, "A classification in GstAnalyticsRelationMeta", "analytics"},
    {CLASSMETA_ROI, "A full-frame GstVideoRegionOfInterestMeta", "roi"},
    {CLASSMETA_CUSTOM, "A custom meta named " CLASSMETA_NAME, "custom"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstVitClassifyMeta", values));
  return type;
}

void
settings_init (Settings * settings)
{
  const FrameSettings defaults = {
    .top_k = 1,.interval = 1,.message_mode = MESSAGE_MODE_CHANGED,.qos_skip = TRUE
  };

  settings->load = (LoadSettings) {
  .device = g_strdup ("auto"),.precision = VIT_AUTO,.activation = VIT_SOFTMAX,.meta = CLASSMETA_AUTO};
  settings->frame = defaults;
}

void
settings_finish (Settings * settings)
{
  settings_load_finish (&settings->load);
}

/**
 * GstVitClassify:model:
 *
 * The checkpoint: a folder as Hugging Face or timm writes it (config.json beside safetensors), or a bare .safetensors
 * file. Not set: the model that comes with the plug-in.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:labels:
 *
 * The classes' names in the network's order, instead of the checkpoint's: one on a line, or, in a text of one line,
 * separated by commas. Blanks around a name don't count. A count other than the model's is an error. Goes before
 * #GstVitClassify:labels-file.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:labels-file:
 *
 * A file with the classes' names in the network's order, one on a line.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:device:
 *
 * The Vulkan device: auto (discrete before integrated before virtual before CPU), an index, a part of its name,
 * uuid:HEX, pci:BB:DD.F or cpu.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:cache-dir:
 *
 * Where compiled pipelines are kept. Not set: gst-vitclassify in the user's cache folder; empty: nowhere.
 *
 * Since: 0.1
 */
static void
install_strings (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_MODEL,
      g_param_spec_string ("model", "Model", "Folder (config.json and safetensors) or .safetensors file of the "
          "checkpoint; not set: the built-in model", NULL, READY_FLAGS));
  g_object_class_install_property (klass, PROP_LABELS,
      g_param_spec_string ("labels", "Labels", "Names of the classes in the model's order, one on a line or separated "
          "by commas; not set: from labels-file, else the model's own", NULL, READY_FLAGS));
  g_object_class_install_property (klass, PROP_LABELS_FILE,
      g_param_spec_string ("labels-file", "Labels file", "File with the name of a class on each line, in the model's "
          "order; not set: the model's own", NULL, READY_FLAGS));
  g_object_class_install_property (klass, PROP_DEVICE,
      g_param_spec_string ("device", "Device", "Vulkan device: auto, an index, part of the name, uuid:HEX, pci:BB:DD.F "
          "or cpu", "auto", READY_FLAGS));
  g_object_class_install_property (klass, PROP_CACHE_DIR,
      g_param_spec_string ("cache-dir", "Cache directory", "Where compiled pipelines are kept; not set: "
          "gst-vitclassify in the user's cache folder, empty: nowhere", NULL, READY_FLAGS));
}

/**
 * GstVitClassify:precision:
 *
 * How the network computes. One that the device lacks falls back to fp32 with a WARNING that says why.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:activation:
 *
 * What turns the network's outputs into confidences.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:meta:
 *
 * The kinds of metadata to attach. On a GStreamer without analytics (before 1.24), asking for it alone posts a WARNING
 * and attaches what auto means there.
 *
 * Since: 0.1
 */
static void
install_choices (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_PRECISION,
      g_param_spec_enum ("precision", "Precision", "How the network computes; one that the device lacks becomes fp32 "
          "with a warning", precision_get_type (), VIT_AUTO, READY_FLAGS));
  g_object_class_install_property (klass, PROP_ACTIVATION,
      g_param_spec_enum ("activation", "Activation", "What turns the network's outputs into confidences",
          activation_get_type (), VIT_SOFTMAX, READY_FLAGS));
  g_object_class_install_property (klass, PROP_META,
      g_param_spec_flags ("meta", "Metadata", "Kinds of metadata to attach to a frame", meta_get_type (),
          CLASSMETA_AUTO, READY_FLAGS));
}

/**
 * GstVitClassify:top-k:
 *
 * How many classes to report, best first.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:threshold:
 *
 * Classes below this confidence are not reported. Where none is left, nothing is attached.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:interval:
 *
 * Classifies every n-th frame, beginning with the first.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:carry-over:
 *
 * What a frame carries that interval or qos-skip left out.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:message-mode:
 *
 * When to post an element message named vitclassify.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:qos-skip:
 *
 * Passes a frame that is late for the sink on without classifying it, and posts a QOS message. (The property qos of the
 * base class drops such a frame and stays off.)
 *
 * Since: 0.1
 */
static void
install_frame (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_TOP_K,
      g_param_spec_uint ("top-k", "Top k", "Number of classes to report, best first", 1, 65536, 1, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_float ("threshold", "Threshold", "Classes of a lower confidence are not reported; none left: nothing "
          "is attached", 0.0f, 1.0f, 0.0f, PLAYING_FLAGS | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint ("interval", "Interval", "Classify every n-th frame", 1, G_MAXINT, 1, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_CARRY_OVER,
      g_param_spec_enum ("carry-over", "Carry over", "What a frame carries that was not classified because of interval "
          "or qos-skip", carry_over_get_type (), CARRY_OVER_NONE, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_MESSAGE_MODE,
      g_param_spec_enum ("message-mode", "Message mode", "When to post an element message named " CLASSMETA_NAME,
          message_mode_get_type (), MESSAGE_MODE_CHANGED, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_QOS_SKIP,
      g_param_spec_boolean ("qos-skip", "QoS skip", "Pass late frames on without classifying them", TRUE,
          PLAYING_FLAGS));
}

void
settings_install (GObjectClass * klass)
{
  install_strings (klass);
  install_choices (klass);
  install_frame (klass);
  gst_type_mark_as_plugin_api (precision_get_type (), 0);
  gst_type_mark_as_plugin_api (activation_get_type (), 0);
  gst_type_mark_as_plugin_api (message_mode_get_type (), 0);
  gst_type_mark_as_plugin_api (carry_over_get_type (), 0);
  gst_type_mark_as_plugin_api (meta_get_type (), 0);
}

static gchar **
string_of (LoadSettings * load, guint id)
{
  switch (id) {
    case PROP_MODEL:
      return &load->model;
    case PROP_LABELS:
      return &load->labels;
    case PROP_LABELS_FILE:
      return &load->labels_file;
    case PROP_DEVICE:
      return &load->device;
    case PROP_CACHE_DIR:
      return &load->cache_dir;
    default:
      return NULL;
  }
}

gboolean
settings_set (Settings * settings, guint id, const GValue * value)
{
  gchar **string = string_of (&settings->load, id);

  if (string) {
    g_free (*string);
    *string = g_value_dup_string (value);
    return TRUE;
  }
  switch (id) {
    case PROP_PRECISION:
      settings->load.precision = g_value_get_enum (value);
      return TRUE;
    case PROP_ACTIVATION:
      settings->load.activation = g_value_get_enum (value);
      return TRUE;
    case PROP_META:
      settings->load.meta = g_value_get_flags (value);
      return TRUE;
    case PROP_TOP_K:
      settings->frame.top_k = g_value_get_uint (value);
      return TRUE;
    case PROP_THRESHOLD:
      settings->frame.threshold = g_value_get_float (value);
      return TRUE;
    case PROP_INTERVAL:
      settings->frame.interval = g_value_get_uint (value);
      return TRUE;
    case PROP_CARRY_OVER:
      settings->frame.carry_over = g_value_get_enum (value);
      return TRUE;
    case PROP_MESSAGE_MODE:
      settings->frame.message_mode = g_value_get_enum (value);
      return TRUE;
    case PROP_QOS_SKIP:
      settings->frame.qos_skip = g_value_get_boolean (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
settings_get (const Settings * settings, guint id, GValue * value)
{
  gchar **string = string_of ((LoadSettings *) & settings->load, id);

  if (string) {
    g_value_set_string (value, *string);
    return TRUE;
  }
  switch (id) {
    case PROP_PRECISION:
      g_value_set_enum (value, settings->load.precision);
      return TRUE;
    case PROP_ACTIVATION:
      g_value_set_enum (value, settings->load.activation);
      return TRUE;
    case PROP_META:
      g_value_set_flags (value, settings->load.meta);
      return TRUE;
    case PROP_TOP_K:
      g_value_set_uint (value, settings->frame.top_k);
      return TRUE;
    case PROP_THRESHOLD:
      g_value_set_float (value, settings->frame.threshold);
      return TRUE;
    case PROP_INTERVAL:
      g_value_set_uint (value, settings->frame.interval);
      return TRUE;
    case PROP_CARRY_OVER:
      g_value_set_enum (value, settings->frame.carry_over);
      return TRUE;
    case PROP_MESSAGE_MODE:
      g_value_set_enum (value, settings->frame.message_mode);
      return TRUE;
    case PROP_QOS_SKIP:
      g_value_set_boolean (value, settings->frame.qos_skip);
      return TRUE;
    default:
      return FALSE;
  }
}

void
settings_load_copy (LoadSettings * to, const LoadSettings * from)
{
  *to = *from;
  to->model = g_strdup (from->model);
  to->labels = g_strdup (from->labels);
  to->labels_file = g_strdup (from->labels_file);
  to->device = g_strdup (from->device);
  to->cache_dir = g_strdup (from->cache_dir);
}

void
settings_load_finish (LoadSettings * load)
{
  g_clear_pointer (&load->model, g_free);
  g_clear_pointer (&load->labels, g_free);
  g_clear_pointer (&load->labels_file, g_free);
  g_clear_pointer (&load->device, g_free);
  g_clear_pointer (&load->cache_dir, g_free);
}

/* activation and meta need no loading */
gboolean
settings_load_equal (const LoadSettings * a, const LoadSettings * b)
{
  return a->precision == b->precision && g_strcmp0 (a->model, b->model) == 0 && g_strcmp0 (a->labels, b->labels) == 0
      && g_strcmp0 (a->labels_file, b->labels_file) == 0 && g_strcmp0 (a->device, b->device) == 0
      && g_strcmp0 (a->cache_dir, b->cache_dir) == 0;
}
