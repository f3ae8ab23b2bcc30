/* The element vitclassify: video in, the same video with its classification out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-vitclassify
 * @title: vitclassify
 * @short_description: classifies video with a Vision Transformer on Vulkan
 *
 * Names what each frame shows. The picture passes untouched; the answer travels as metadata on the buffer and as an
 * element message named `vitclassify`. A model comes with the plug-in; #GstVitClassify:model names another one.
 *
 * ## Example pipelines
 * |[
 * gst-launch-1.0 -m filesrc location=clip.webm ! decodebin ! videoconvert ! vitclassify ! fakesink
 * ]| Prints a message for each change of label.
 * |[
 * gst-launch-1.0 -m videotestsrc num-buffers=3 ! vitclassify top-k=3 message-mode=all ! fakesink
 * ]| Prints the three best classes of each frame.
 * |[
 * gst-launch-1.0 filesrc location=clip.webm ! decodebin ! videoconvert ! vitclassify ! tee name=t
 *   t. ! queue ! textoverlay name=o ! videoconvert ! autovideosink
 *   t. ! queue ! vitmetatext ! o.text_sink
 * ]| Shows the picture with its label.
 *
 * ## Metadata
 *
 * A custom meta named `vitclassify` (gst_buffer_get_custom_meta()), and, from GStreamer 1.24 on, a
 * `GstAnalyticsClsMtd`, best class first, in the buffer's relation meta. Before 1.24, or on request
 * (#GstVitClassify:meta), a #GstVideoRegionOfInterestMeta of the whole frame with a parameter structure named
 * `classification`. The structures have the fields `label` (string), `label_id` (int), `confidence` (double),
 * `model_name` and `layer_name` (string), `frames_ago` (uint) and the arrays `labels`, `label_ids`, `confidences`, best
 * first.
 *
 * ## Message
 *
 * An element message `vitclassify` has `timestamp`, `stream-time`, `running-time`, `duration` (uint64, nanoseconds),
 * `label`, `label-id`, `confidence`, the arrays `labels`, `label-ids`, `confidences`, then `model`, `changed` (boolean)
 * and `frames-ago`. Where no class reaches the threshold the label is empty and the arrays too.
 *
 * While a model loads, PROGRESS messages with the code `load` tell how far it is. On a Vulkan device that is a
 * CPU an INFO message says, once in a process, what would make it faster.
 *
 * Since: 0.1
 */
#include "vitclassify.h"

#include "advice.h"
#include "errors.h"
#include "frameimage.h"
#include "streaming.h"

GST_DEBUG_CATEGORY_STATIC (vit_classify_debug);
#define GST_CAT_DEFAULT vit_classify_debug

#define SIDE "[ 1, " G_STRINGIFY (FRAMEIMAGE_MAX_SIDE) " ]"
/* any features, because metas don't matter; other memory is sorted out by transform_caps */
#define CAPS "video/x-raw(ANY), format = (string) " FRAMEIMAGE_FORMATS ", width = (int) " SIDE \
    ", height = (int) " SIDE ", framerate = (fraction) [ 0, max ]"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (CAPS));

G_DEFINE_TYPE (GstVitClassify, gst_vit_classify, GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (vitclassify, "vitclassify", GST_RANK_NONE, GST_TYPE_VIT_CLASSIFY);

static void
set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (object);
  FrameLineCounts counts = frameline_counts (&self->line);
  gboolean known;

  GST_OBJECT_LOCK (self);
  self->stats.batches = counts.batches;
  self->stats.batched = counts.images;
  known = settings_get (&self->settings, id, value) || facts_get (&self->facts, &self->stats, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
publish (GstVitClassify * self)
{
  GST_OBJECT_LOCK (self);
  facts_replace (&self->facts, self->engine ? engine_facts (self->engine) : NULL);
  GST_OBJECT_UNLOCK (self);
  facts_notify (G_OBJECT (self));
}

/* Applications show these while a large model loads or a driver compiles. */
static void
post_progress (GstVitClassify * self, GstProgressType type, const gchar * text)
{
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_progress (GST_OBJECT (self), type, "load", text));
}

/* In tenths: a bus is not for every kernel. */
static void
continue_progress (gpointer element, enum vit_phase phase, guint32 done, guint32 total)
{
  gchar *text;

  if (total == 0 || (done > 0 && done < total && done * 10 / total == (done - 1) * 10 / total))
    return;
  text = g_strdup_printf ("%s, %u of %u", vit_phase_name (phase), done, total);
  post_progress (element, GST_PROGRESS_TYPE_CONTINUE, text);
  g_free (text);
}

static gboolean
load (GstVitClassify * self, const LoadSettings * wanted)
{
  GError *error = NULL;
  const gchar *warning, *advice;

  if (self->engine && engine_serves (self->engine, wanted))
    return TRUE;
  engine_free (&self->engine);
  post_progress (self, GST_PROGRESS_TYPE_START, "Loading the model");
  self->engine = engine_new (wanted, continue_progress, self, &error);
  publish (self);
  if (!self->engine) {
    post_progress (self, GST_PROGRESS_TYPE_ERROR, error->message);
    errors_post (GST_ELEMENT (self), &error);
    return FALSE;
  }
  warning = engine_facts (self->engine)->warning;
  if (warning)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS, ("%s", warning), (NULL));
  post_progress (self, GST_PROGRESS_TYPE_COMPLETE, "The model is ready");
  advice = advice_once (&engine_facts (self->engine)->device);
  if (advice)
    GST_ELEMENT_INFO (self, LIBRARY, SETTINGS, ("%s", advice), (NULL));
  return TRUE;
}

static gboolean
start (GstBaseTransform * trans)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  LoadSettings wanted;
  gboolean loaded, no_analytics;

  GST_OBJECT_LOCK (self);
  settings_load_copy (&wanted, &self->settings.load);
  self->stats = (Stats) { 0 };
  GST_OBJECT_UNLOCK (self);
  self->frame_duration = GST_CLOCK_TIME_NONE;
  loaded = load (self, &wanted);
  self->activation = wanted.activation;
  self->meta = classmeta_resolve (wanted.meta, &no_analytics);
  if (loaded)
    streaming_start (self, &wanted);
  settings_load_finish (&wanted);
  if (loaded && no_analytics)
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS, ("This build has no analytics metadata, which starts with GStreamer "
            "1.24; the other kinds are attached"), (NULL));
  return loaded;
}

static gboolean
stop (GstBaseTransform * trans)
{
  streaming_stop (GST_VIT_CLASSIFY (trans));
  return TRUE;
}

/* The model outlives PAUSED -> READY, so that an application may stop and play again without loading. */
static GstStateChangeReturn
change_state (GstElement * element, GstStateChange transition)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (element);
  GstStateChangeReturn ret = GST_ELEMENT_CLASS (gst_vit_classify_parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_READY_TO_NULL && self->engine) {
    engine_free (&self->engine);
    publish (self);
  }
  return ret;
}

static GstCaps *
transform_caps (GstBaseTransform * trans, GstPadDirection direction, GstCaps * caps, GstCaps * filter)
{
  (void) trans;
  (void) direction;
  return frameimage_mappable_caps (filter ? gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST)
      : gst_caps_ref (caps));
}

/* A driver may compile for a new kind of frame: now, while nothing is due. If it can't, the first frame will say so. */
static void
prepare (GstVitClassify * self)
{
  GError *error = NULL;
  vit_image layout;

  if (!frameimage_expect (&layout, &self->info) || engine_prepare (self->engine, &layout, &error) != ENGINE_FAILED)
    return;
  GST_INFO_OBJECT (self, "not ready for the first frame: %s", error->message);
  g_error_free (error);
}

static gboolean
set_caps (GstBaseTransform * trans, GstCaps * incaps, GstCaps * outcaps)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (trans);
  GstClockTime duration = GST_CLOCK_TIME_NONE;

  (void) outcaps;
  if (!gst_video_info_from_caps (&self->info, incaps))
    return FALSE;
  if (self->info.fps_n > 0 && self->info.fps_d > 0)
    duration = gst_util_uint64_scale_int (GST_SECOND, self->info.fps_d, self->info.fps_n);
  GST_OBJECT_LOCK (self);
  self->frame_duration = duration;
  GST_OBJECT_UNLOCK (self);
  streaming_set_format (self);
  prepare (self);
  return TRUE;
}

/* 64 bytes suit the engine's copy and every device's import of host memory */
static const GstAllocationParams aligned = {.align = 63 };

static void
offer_pool (GstQuery * query)
{
  GstBufferPool *pool;
  GstStructure *config;
  GstVideoInfo info;
  gboolean wanted;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, &wanted);
  if (!wanted || !caps || !gst_video_info_from_caps (&info, caps))
    return;
  pool = gst_video_buffer_pool_new ();
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, caps, (guint) info.size, 0, 0);
  gst_buffer_pool_config_set_allocator (config, NULL, &aligned);
  if (gst_buffer_pool_set_config (pool, config))
    gst_query_add_allocation_pool (query, pool, (guint) info.size, 0, 0);
  gst_object_unref (pool);
}

/* Buffers that the line holds are missing upstream. */
static void
ask_for_more (GstQuery * query, guint buffers)
{
  for (guint i = 0; i < gst_query_get_n_allocation_pools (query); i++) {
    GstBufferPool *pool;
    guint size, min, max;

    gst_query_parse_nth_allocation_pool (query, i, &pool, &size, &min, &max);
    gst_query_set_nth_allocation_pool (query, i, pool, size, min + buffers, max > 0 ? max + buffers : 0);
    gst_clear_object (&pool);
  }
}

/* Buffers pass through, so downstream's answer counts. What it leaves open is filled in. */
static gboolean
propose_allocation (GstBaseTransform * trans, GstQuery * decide, GstQuery * query)
{
  if (!GST_BASE_TRANSFORM_CLASS (gst_vit_classify_parent_class)->propose_allocation (trans, decide, query))
    GST_DEBUG_OBJECT (trans, "downstream has no wishes for allocation");
  if (!gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  if (gst_query_get_n_allocation_params (query) == 0)
    gst_query_add_allocation_param (query, NULL, &aligned);
  if (gst_query_get_n_allocation_pools (query) == 0)
    offer_pool (query);
  ask_for_more (query, streaming_buffers_held (GST_VIT_CLASSIFY (trans)));
  return TRUE;
}

static void
gst_vit_classify_init (GstVitClassify * self)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);

  settings_init (&self->settings);
  lateness_reset (&self->lateness);
  self->frame_duration = GST_CLOCK_TIME_NONE;
  streaming_init (self);
  /* The base class allocates no buffers for a passthrough element; metas are added as a frame leaves. Its own QoS would
   * drop late frames. */
  gst_base_transform_set_passthrough (trans, TRUE);
  gst_base_transform_set_qos_enabled (trans, FALSE);
}

static void
finalize (GObject * object)
{
  GstVitClassify *self = GST_VIT_CLASSIFY (object);

  frameline_finish (&self->line);
  g_free (self->last);
  engine_free (&self->engine);
  facts_replace (&self->facts, NULL);
  settings_finish (&self->settings);
  G_OBJECT_CLASS (gst_vit_classify_parent_class)->finalize (object);
}

static void
gst_vit_classify_class_init (GstVitClassifyClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (vit_classify_debug, "vitclassify", 0, "classifies video with a Vision Transformer");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  settings_install (object_class);
  facts_install (object_class);

  gst_element_class_set_static_metadata (element_class, "Vision Transformer classifier",
      "Filter/Analyzer/Video/Hardware", "Names what each frame shows, with a Vision Transformer on Vulkan",
      "The gst-vitclassify developers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  element_class->change_state = change_state;

  transform_class->start = start;
  transform_class->stop = stop;
  transform_class->transform_caps = transform_caps;
  transform_class->set_caps = set_caps;
  transform_class->propose_allocation = propose_allocation;
  streaming_install (transform_class);
}
