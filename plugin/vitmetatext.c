/* The element vitmetatext: video with classifications in, a text for each frame out. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-vitmetatext
 * @title: vitmetatext
 * @short_description: writes the classification of each frame as text
 *
 * Reads what vitclassify (or another classifier) attached to a frame and puts out one text buffer for it with the
 * frame's timestamps. The picture itself is not looked at.
 *
 * With #GstVitMetaText:format label the text is `cat 97 %`, one line for each reported class, for an overlay. A frame
 * without a result gives an empty text marked as a gap, so that an overlay need not wait and shows nothing.
 *
 * With format ndjson it is one JSON object and a line break:
 * |[
 * {"timestamp":0,"running_time":0,"frame":0,"resolution":{"width":320,"height":240},"objects":[{"x":0,"y":0,"w":320,
 * "h":240,"classification":{"label":"cat","label_id":3,"confidence":0.97,"model":{"name":"vit"}}}],"classes":[{"label":
 * "cat","label_id":3,"confidence":0.97}],"frames_ago":0}
 * ]| `objects` has an entry for each classification on the frame, `classes` the reported classes of the last one, best
 * first, both empty where there is none. Times are nanoseconds, null where unknown; `label_id` and `model` are left out
 * where the metadata doesn't tell them.
 *
 * ## Example pipelines
 * |[
 * gst-launch-1.0 -q filesrc location=clip.webm ! decodebin ! videoconvert ! vitclassify top-k=3 !
 *   vitmetatext format=ndjson ! fdsink
 * ]| Writes a JSON object for each frame to the standard output.
 * |[
 * gst-launch-1.0 filesrc location=clip.webm ! decodebin ! videoconvert ! vitclassify ! tee name=t
 *   t. ! queue ! textoverlay name=o ! videoconvert ! autovideosink
 *   t. ! queue ! vitmetatext ! o.text_sink
 * ]| Shows the picture with its label.
 *
 * Since: 0.1
 */
#include "vitmetatext.h"

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>
#include <string.h>

#include "classmeta.h"
#include "classtext.h"

GST_DEBUG_CATEGORY_STATIC (vit_meta_text_debug);
#define GST_CAT_DEFAULT vit_meta_text_debug

typedef enum
{
  TEXT_LABEL,
  TEXT_NDJSON
} TextFormat;

enum
{
  PROP_FORMAT = 1
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("text/x-raw, format = (string) utf8"));

#define GST_TYPE_VIT_META_TEXT (gst_vit_meta_text_get_type ())
G_DECLARE_FINAL_TYPE (GstVitMetaText, gst_vit_meta_text, GST, VIT_META_TEXT, GstBaseTransform)

struct _GstVitMetaText
{
  GstBaseTransform parent;

  TextFormat format;            /* under the object's lock */

  /* the streaming thread's */
  guint width, height;          /* pixels */
  GstClockTime frame_duration;  /* by the caps; NONE: they don't say */
  guint64 number;               /* frames since the stream began */
};

G_DEFINE_TYPE (GstVitMetaText, gst_vit_meta_text, GST_TYPE_BASE_TRANSFORM);
GST_ELEMENT_REGISTER_DEFINE (vitmetatext, "vitmetatext", GST_RANK_NONE, GST_TYPE_VIT_META_TEXT);

static GType
format_get_type (void)
{
  static gsize type;
  static const GEnumValue values[] = {
    {TEXT_LABEL, "Labels with their confidence, a line for each class", "label"},
    {TEXT_NDJSON, "A JSON object on a line", "ndjson"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstVitMetaTextFormat", values));
  return type;
}

static void
set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstVitMetaText *self = GST_VIT_META_TEXT (object);

  if (id != PROP_FORMAT) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  self->format = g_value_get_enum (value);
  GST_OBJECT_UNLOCK (self);
}

static void
get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstVitMetaText *self = GST_VIT_META_TEXT (object);

  if (id != PROP_FORMAT) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK (self);
  g_value_set_enum (value, self->format);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
start (GstBaseTransform * trans)
{
  GST_VIT_META_TEXT (trans)->number = 0;
  return TRUE;
}

static GstCaps *
transform_caps (GstBaseTransform * trans, GstPadDirection direction, GstCaps * caps, GstCaps * filter)
{
  GstPad *other = direction == GST_PAD_SINK ? GST_BASE_TRANSFORM_SRC_PAD (trans) : GST_BASE_TRANSFORM_SINK_PAD (trans);
  GstCaps *others = gst_pad_get_pad_template_caps (other), *filtered;

  (void) caps;
  if (!filter)
    return others;
  filtered = gst_caps_intersect_full (filter, others, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (others);
  return filtered;
}

/* Memory that no GstVideoInfo describes is welcome too, so the caps' fields are read one by one. */
static gboolean
set_caps (GstBaseTransform * trans, GstCaps * incaps, GstCaps * outcaps)
{
  GstVitMetaText *self = GST_VIT_META_TEXT (trans);
  const GstStructure *video = gst_caps_get_structure (incaps, 0);
  gint width = 0, height = 0, rate = 0, per = 1;

  (void) outcaps;
  gst_structure_get_int (video, "width", &width);
  gst_structure_get_int (video, "height", &height);
  gst_structure_get_fraction (video, "framerate", &rate, &per);
  self->width = (guint) MAX (width, 0);
  self->height = (guint) MAX (height, 0);
  self->frame_duration = rate > 0 && per > 0 ? gst_util_uint64_scale_int (GST_SECOND, per, rate) : GST_CLOCK_TIME_NONE;
  return TRUE;
}

static gboolean
sink_event (GstBaseTransform * trans, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    GST_VIT_META_TEXT (trans)->number = 0;
  return GST_BASE_TRANSFORM_CLASS (gst_vit_meta_text_parent_class)->sink_event (trans, event);
}

/* The picture is not looked at, so whatever describes it is fine: in a tee this keeps the other branch free. */
static gboolean
propose_allocation (GstBaseTransform * trans, GstQuery * decide, GstQuery * query)
{
  (void) trans;
  (void) decide;
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  return TRUE;
}

/* Texts are of any length, so no pool is of use. */
static gboolean
decide_allocation (GstBaseTransform * trans, GstQuery * query)
{
  (void) trans;
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);
  return TRUE;
}

static gchar *
text_of (GstVitMetaText * self, GstBuffer * video, gboolean * empty)
{
  GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  const ClassTextFrame frame = {
    .timestamp = GST_BUFFER_PTS (video),
    .running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (video)),
    .number = self->number,
    .width = self->width,
    .height = self->height
  };
  GPtrArray *results = classmeta_read (video);
  TextFormat format;
  gchar *text;

  GST_OBJECT_LOCK (self);
  format = self->format;
  GST_OBJECT_UNLOCK (self);
  text = format == TEXT_NDJSON ? classtext_ndjson (&frame, results) : classtext_label (results);
  g_ptr_array_unref (results);
  *empty = text && *text == '\0';
  return text;
}

static GstFlowReturn
prepare_output_buffer (GstBaseTransform * trans, GstBuffer * video, GstBuffer ** output)
{
  GstVitMetaText *self = GST_VIT_META_TEXT (trans);
  gboolean empty;
  gchar *text = text_of (self, video, &empty);

  if (!text) {
    GST_ELEMENT_ERROR (self, RESOURCE, NO_SPACE_LEFT, ("Out of memory for the text of a frame"), (NULL));
    return GST_FLOW_ERROR;
  }
  *output = gst_buffer_new_wrapped (text, strlen (text));
  gst_buffer_copy_into (*output, video, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
  if (GST_BUFFER_FLAG_IS_SET (video, GST_BUFFER_FLAG_DISCONT))
    GST_BUFFER_FLAG_SET (*output, GST_BUFFER_FLAG_DISCONT);
  if (empty)
    GST_BUFFER_FLAG_SET (*output, GST_BUFFER_FLAG_GAP);
  /* an overlay shows a text for as long as it lasts */
  if (!GST_BUFFER_DURATION_IS_VALID (*output))
    GST_BUFFER_DURATION (*output) = self->frame_duration;
  self->number++;
  return GST_FLOW_OK;
}

/* prepare_output_buffer has done it all */
static GstFlowReturn
transform (GstBaseTransform * trans, GstBuffer * video, GstBuffer * text)
{
  (void) trans;
  (void) video;
  (void) text;
  return GST_FLOW_OK;
}

static void
gst_vit_meta_text_init (GstVitMetaText * self)
{
  self->frame_duration = GST_CLOCK_TIME_NONE;
}

static void
gst_vit_meta_text_class_init (GstVitMetaTextClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (vit_meta_text_debug, "vitmetatext", 0, "writes classifications as text");

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  /**
   * GstVitMetaText:format:
   *
   * Whether the text is to be shown or to be stored.
   *
   * Since: 0.1
   */
  g_object_class_install_property (object_class, PROP_FORMAT,
      g_param_spec_enum ("format", "Format", "What the text of a frame looks like", format_get_type (), TEXT_LABEL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  gst_type_mark_as_plugin_api (format_get_type (), 0);

  gst_element_class_set_static_metadata (element_class, "Classification to text", "Converter/Video/Text",
      "Writes the classification of each frame as a label or a line of JSON", "The gst-vitclassify developers");
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);

  transform_class->start = start;
  transform_class->transform_caps = transform_caps;
  transform_class->set_caps = set_caps;
  transform_class->sink_event = sink_event;
  transform_class->propose_allocation = propose_allocation;
  transform_class->decide_allocation = decide_allocation;
  transform_class->prepare_output_buffer = prepare_output_buffer;
  transform_class->transform = transform;
}
