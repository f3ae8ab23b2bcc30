/* The properties of vitclassify that can be set: their types, defaults, storage. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include "choices.h"

enum
{
  PROP_MODEL = 1,
  PROP_LABELS,
  PROP_LABELS_FILE,
  PROP_DEVICE,
  PROP_CACHE_DIR,
  PROP_PRECISION,
  PROP_TUNE,
  PROP_ACTIVATION,
  PROP_META,
  PROP_TOP_K,
  PROP_THRESHOLD,
  PROP_INTERVAL,
  PROP_CARRY_OVER,
  PROP_MESSAGE_MODE,
  PROP_QOS_SKIP,
  PROP_BATCH_SIZE,
  PROP_BATCH_TIMEOUT,
  PROP_INFLIGHT,
  N_PROPS
};

G_STATIC_ASSERT (N_PROPS - 1 == SETTINGS_LAST);

/* While the device works on one batch the next is uploaded; more helps a device that is far away only. */
#define DEFAULT_INFLIGHT 2
#define MAX_BATCH 256           /* the engine's limits */
#define MAX_INFLIGHT 8

#define READY_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

void
settings_init (Settings * settings)
{
  const FrameSettings defaults = {
    .top_k = 1,.interval = 1,.message_mode = MESSAGE_MODE_CHANGED,.qos_skip = TRUE
  };

  settings->load = (LoadSettings) {
  .device = g_strdup ("auto"),.precision = VIT_AUTO,.activation = VIT_SOFTMAX,.meta = CLASSMETA_AUTO,
  .batch_size = 1,.batch_timeout = GST_CLOCK_TIME_NONE,.inflight = DEFAULT_INFLIGHT};
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
 * GstVitClassify:tune:
 *
 * Whether the device's kernels are timed against each other while the model loads. The result is kept in cache-dir,
 * once for each device, driver and shape.
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
          "with a warning", choices_precision (), VIT_AUTO, READY_FLAGS));
  g_object_class_install_property (klass, PROP_TUNE,
      g_param_spec_enum ("tune", "Tune", "Whether kernels are timed against each other while the model loads",
          choices_tune (), VIT_TUNE_AUTO, READY_FLAGS));
  g_object_class_install_property (klass, PROP_ACTIVATION,
      g_param_spec_enum ("activation", "Activation", "What turns the network's outputs into confidences",
          choices_activation (), VIT_SOFTMAX, READY_FLAGS));
  g_object_class_install_property (klass, PROP_META,
      g_param_spec_flags ("meta", "Metadata", "Kinds of metadata to attach to a frame", choices_meta (),
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
      g_param_spec_float ("threshold", "Threshold", "Classes of a lower confidence are not reported; none left: "
          "nothing is attached", 0.0f, 1.0f, 0.0f, PLAYING_FLAGS | GST_PARAM_CONTROLLABLE));
  g_object_class_install_property (klass, PROP_INTERVAL,
      g_param_spec_uint ("interval", "Interval", "Classify every n-th frame", 1, G_MAXINT, 1, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_CARRY_OVER,
      g_param_spec_enum ("carry-over", "Carry over", "What a frame carries that was not classified because of interval "
          "or qos-skip", choices_carry_over (), CARRY_OVER_NONE, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_MESSAGE_MODE,
      g_param_spec_enum ("message-mode", "Message mode", "When to post an element message named " CLASSMETA_NAME,
          choices_message_mode (), MESSAGE_MODE_CHANGED, PLAYING_FLAGS));
  g_object_class_install_property (klass, PROP_QOS_SKIP,
      g_param_spec_boolean ("qos-skip", "QoS skip", "Pass late frames on without classifying them", TRUE,
          PLAYING_FLAGS));
}

/**
 * GstVitClassify:batch-size:
 *
 * How many frames the device gets at once. The frames of a batch leave together, in order, each with its own result. A
 * batch goes out before it is full when #GstVitClassify:batch-timeout is over, when the element holds batch-size x
 * inflight frames (some of which #GstVitClassify:interval left out, say), and before any event or query that must keep
 * its place among the frames, such as EOS, new caps, or a gap.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:batch-timeout:
 *
 * How long in nanoseconds the first frame of a batch waits for the others at most. 0: not at all, frames gather only
 * while the device has batches under way. The default, GST_CLOCK_TIME_NONE: in a live pipeline as long as batch-size
 * frames take (0.1 seconds where the caps have no frame rate), elsewhere one second.
 *
 * Since: 0.1
 */
/**
 * GstVitClassify:inflight:
 *
 * How many batches are under way at once: while the device works on one, the next is uploaded. With 1 and a batch-size
 * of 1 a frame leaves before the element takes the next one; otherwise the element holds up to batch-size x inflight
 * frames and pushes them from a thread of its own. It then adds batch-size x inflight - 1 frame durations to the answer
 * to a LATENCY query (less where batch-timeout is shorter than a batch), and posts a LATENCY message when that changes.
 *
 * Since: 0.1
 */
static void
install_batches (GObjectClass * klass)
{
  g_object_class_install_property (klass, PROP_BATCH_SIZE,
      g_param_spec_uint ("batch-size", "Batch size", "Number of frames that the device gets at once", 1, MAX_BATCH, 1,
          READY_FLAGS));
  g_object_class_install_property (klass, PROP_BATCH_TIMEOUT,
      g_param_spec_uint64 ("batch-timeout", "Batch timeout", "How long the first frame of a batch waits for the others "
          "(ns); default: batch-size frame durations in a live pipeline, a second in others", 0, G_MAXUINT64,
          GST_CLOCK_TIME_NONE, READY_FLAGS));
  g_object_class_install_property (klass, PROP_INFLIGHT,
      g_param_spec_uint ("inflight", "In flight", "Number of batches under way at once", 1, MAX_INFLIGHT,
          DEFAULT_INFLIGHT, READY_FLAGS));
}

void
settings_install (GObjectClass * klass)
{
  install_strings (klass);
  install_choices (klass);
  install_frame (klass);
  install_batches (klass);
  gst_type_mark_as_plugin_api (choices_precision (), 0);
  gst_type_mark_as_plugin_api (choices_activation (), 0);
  gst_type_mark_as_plugin_api (choices_tune (), 0);
  gst_type_mark_as_plugin_api (choices_message_mode (), 0);
  gst_type_mark_as_plugin_api (choices_carry_over (), 0);
  gst_type_mark_as_plugin_api (choices_meta (), 0);
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
    case PROP_TUNE:
      settings->load.tune = g_value_get_enum (value);
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
    case PROP_BATCH_SIZE:
      settings->load.batch_size = g_value_get_uint (value);
      return TRUE;
    case PROP_BATCH_TIMEOUT:
      settings->load.batch_timeout = g_value_get_uint64 (value);
      return TRUE;
    case PROP_INFLIGHT:
      settings->load.inflight = g_value_get_uint (value);
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
    case PROP_TUNE:
      g_value_set_enum (value, settings->load.tune);
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
    case PROP_BATCH_SIZE:
      g_value_set_uint (value, settings->load.batch_size);
      return TRUE;
    case PROP_BATCH_TIMEOUT:
      g_value_set_uint64 (value, settings->load.batch_timeout);
      return TRUE;
    case PROP_INFLIGHT:
      g_value_set_uint (value, settings->load.inflight);
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

/* activation, meta and batch_timeout need no loading */
gboolean
settings_load_equal (const LoadSettings * a, const LoadSettings * b)
{
  return a->precision == b->precision && a->tune == b->tune && a->batch_size == b->batch_size
      && a->inflight == b->inflight
      && g_strcmp0 (a->model, b->model) == 0 && g_strcmp0 (a->labels, b->labels) == 0
      && g_strcmp0 (a->labels_file, b->labels_file) == 0 && g_strcmp0 (a->device, b->device) == 0
      && g_strcmp0 (a->cache_dir, b->cache_dir) == 0;
}
