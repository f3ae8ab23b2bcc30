/* Tests of vitclassify as an element: properties, loading and sharing, states, errors, warnings, metas, messages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"
#include "fakevit.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const gdouble red[3] = { 1, 0.1, 0.2 };  /* red, then magenta, then yellow */
static const gdouble blue[3] = { 0, 0, 1 };

static void
reset (void)
{
  fakevit_reset ();
  common_init ();
}

static GstElement *
make (const gchar * line)
{
  GError *error = NULL;
  GstElement *element = gst_parse_launch (line, &error);

  fail_unless (error == NULL, "%s", error ? error->message : "");
  return element;
}

/* ---- properties ---- */

GST_START_TEST (test_properties_round_trip)
{
  static const gchar *const strings[] = { "model", "labels", "labels-file", "device", "cache-dir" };
  static const struct
  {
    const gchar *name, *text;
  } others[] = {
    {"top-k", "5"}, {"threshold", "0.5"}, {"precision", "fp16"}, {"activation", "sigmoid"}, {"meta", "roi+custom"},
    {"interval", "4"}, {"carry-over", "last"}, {"message-mode", "all"}, {"qos-skip", "false"},
  };
  GstElement *element;

  reset ();
  element = gst_element_factory_make ("vitclassify", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (strings); i++) {
    gchar *value;

    g_object_set (element, strings[i], "h\303\251 llo", NULL);
    g_object_get (element, strings[i], &value, NULL);
    fail_unless_equals_string (value, "h\303\251 llo");
    g_free (value);
    g_object_set (element, strings[i], NULL, NULL);
    g_object_get (element, strings[i], &value, NULL);
    fail_unless (value == NULL);
  }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (element), others[i].name);
    GValue expected = G_VALUE_INIT, got = G_VALUE_INIT;

    g_value_init (&expected, spec->value_type);
    g_value_init (&got, spec->value_type);
    fail_unless (gst_value_deserialize (&expected, others[i].text), "%s", others[i].name);
    fail_if (g_param_value_defaults (spec, &expected), "%s: test another value than the default", others[i].name);
    gst_util_set_object_arg (G_OBJECT (element), others[i].name, others[i].text);
    g_object_get_property (G_OBJECT (element), others[i].name, &got);
    fail_unless (g_param_values_cmp (spec, &expected, &got) == 0, "%s", others[i].name);
    g_value_unset (&expected);
    g_value_unset (&got);
  }
  gst_object_unref (element);
}
GST_END_TEST;

/* Every property of ours has words, a default that it starts with, and says when it may change. */
GST_START_TEST (test_properties_are_described)
{
  static const gchar *const factories[] = { "vitclassify", "vitmetatext" };

  reset ();
  for (guint f = 0; f < G_N_ELEMENTS (factories); f++) {
    GstElement *element = gst_element_factory_make (factories[f], NULL);
    guint n, ours = 0;
    GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);

    for (guint i = 0; i < n; i++) {
      GValue value = G_VALUE_INIT;

      if (specs[i]->owner_type != G_OBJECT_TYPE (element))
        continue;
      ours++;
      fail_unless (*g_param_spec_get_blurb (specs[i]) && *g_param_spec_get_nick (specs[i]), "%s", specs[i]->name);
      if (!(specs[i]->flags & G_PARAM_WRITABLE))
        continue;
      fail_unless (specs[i]->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING), "%s", specs[i]->name);
      g_value_init (&value, specs[i]->value_type);
      g_object_get_property (G_OBJECT (element), specs[i]->name, &value);
      fail_unless (g_param_value_defaults (specs[i], &value), "%s", specs[i]->name);
      g_value_unset (&value);
    }
    fail_unless (ours >= 1);
    g_free (specs);
    gst_object_unref (element);
  }
}
GST_END_TEST;

static void
count_notify (GObject * object, GParamSpec * spec, gpointer count)
{
  (void) object;
  (void) spec;
  ++*(gint *) count;
}

GST_START_TEST (test_facts)
{
  GstElement *element;
  GstStructure *info, *stats;
  gchar *model, *device;
  gint notified = 0;
  guint classes;

  reset ();
  element = gst_element_factory_make ("vitclassify", NULL);
  g_object_get (element, "num-classes", &classes, "model-name", &model, "model-info", &info, NULL);
  fail_unless (classes == 0 && !model && !info);
  g_signal_connect (element, "notify::num-classes", G_CALLBACK (count_notify), &notified);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (notified, 1);
  g_object_get (element, "num-classes", &classes, "model-name", &model, "device-name", &device, "model-info", &info,
      "stats", &stats, NULL);
  fail_unless_equals_int (classes, FAKE_CLASSES);
  fail_unless (g_str_has_prefix (model, "fake "));
  fail_unless_equals_string (device, "Fake GPU");
  fail_unless_equals_string (gst_structure_get_string (info, "resize"), "squash");
  fail_unless_equals_string (gst_structure_get_string (stats, "precision"), "fp32");
  g_free (model);
  g_free (device);
  gst_structure_free (info);
  gst_structure_free (stats);
  gst_element_set_state (element, GST_STATE_NULL);
  g_object_get (element, "num-classes", &classes, NULL);
  fail_unless_equals_int (classes, 0);
  gst_object_unref (element);
}
GST_END_TEST;

/* ---- loading ---- */

GST_START_TEST (test_model_outlives_ready_not_null)
{
  GstElement *element;

  reset ();
  element = gst_element_factory_make ("vitclassify", NULL);
  fail_unless_equals_int (fakevit.devices, 0);
  gst_element_set_state (element, GST_STATE_READY);
  for (guint i = 0; i < 3; i++) {
    gst_element_set_state (element, GST_STATE_PAUSED);
    gst_element_set_state (element, GST_STATE_READY);
  }
  fail_unless_equals_int (fakevit.loads, 1);
  g_object_set (element, "precision", 1, NULL);
  gst_element_set_state (element, GST_STATE_PAUSED);
  fail_unless_equals_int (fakevit.loads, 2);
  gst_element_set_state (element, GST_STATE_NULL);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
  gst_element_set_state (element, GST_STATE_PAUSED);
  fail_unless_equals_int (fakevit.loads, 3);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
}
GST_END_TEST;

static gpointer
start_element (gpointer element)
{
  return GINT_TO_POINTER (gst_element_set_state (element, GST_STATE_PAUSED));
}

/* Many elements that start at once load one model once; the last to go frees it. */
GST_START_TEST (test_sharing)
{
  GstElement *elements[8];
  GThread *threads[8];

  reset ();
  fakevit.load_ms = 50;
  for (guint i = 0; i < 8; i++) {
    elements[i] = gst_element_factory_make ("vitclassify", NULL);
    threads[i] = g_thread_new ("starter", start_element, elements[i]);
  }
  for (guint i = 0; i < 8; i++)
    fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (threads[i])), GST_STATE_CHANGE_SUCCESS);
  fail_unless_equals_int (fakevit.loads, 1);
  fail_unless_equals_int (fakevit.models, 1);
  fail_unless_equals_int (fakevit.devices, 1);
  fail_unless_equals_int (fakevit.sessions, 8);
  for (guint i = 0; i < 8; i++) {
    fail_unless_equals_int (fakevit.models, 1);
    gst_element_set_state (elements[i], GST_STATE_NULL);
    gst_object_unref (elements[i]);
  }
  fail_unless (fakevit.models == 0 && fakevit.devices == 0);
}
GST_END_TEST;

/* Waiting for another's load that fails is a failure too, with its own message. */
GST_START_TEST (test_sharing_a_failure)
{
  GstElement *elements[4];
  GThread *threads[4];

  reset ();
  fakevit.load_ms = 50;
  fakevit.fail_load = VIT_ERR_FORMAT;
  for (guint i = 0; i < 4; i++) {
    elements[i] = gst_element_factory_make ("vitclassify", NULL);
    threads[i] = g_thread_new ("starter", start_element, elements[i]);
  }
  for (guint i = 0; i < 4; i++)
    fail_unless_equals_int (GPOINTER_TO_INT (g_thread_join (threads[i])), GST_STATE_CHANGE_FAILURE);
  fakevit.fail_load = VIT_OK;
  for (guint i = 0; i < 4; i++) {
    fail_unless_equals_int (gst_element_set_state (elements[i], GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (elements[i], GST_STATE_NULL);
    gst_object_unref (elements[i]);
  }
  fail_unless (fakevit.models == 0 && fakevit.devices == 0);
}
GST_END_TEST;

/* A file that was replaced since is another model. */
GST_START_TEST (test_replaced_file)
{
  gchar *path = g_build_filename (g_get_tmp_dir (), "vitclassify-test-XXXXXX", NULL);
  GstElement *one, *two;
  gint fd;

  reset ();
  fd = g_mkstemp (path);
  fail_unless (fd >= 0);
  close (fd);
  one = gst_element_factory_make ("vitclassify", NULL);
  two = gst_element_factory_make ("vitclassify", NULL);
  g_object_set (one, "model", path, NULL);
  g_object_set (two, "model", path, NULL);
  gst_element_set_state (one, GST_STATE_PAUSED);
  fail_unless (g_file_set_contents (path, "other", -1, NULL));
  gst_element_set_state (two, GST_STATE_PAUSED);
  fail_unless_equals_int (fakevit.models, 2);
  gst_element_set_state (one, GST_STATE_NULL);
  gst_element_set_state (two, GST_STATE_NULL);
  gst_object_unref (one);
  gst_object_unref (two);
  g_unlink (path);
  g_free (path);
}
GST_END_TEST;

GST_START_TEST (test_thousand_cycles)
{
  GstElement *element;
  glong before = 0, after;

  reset ();
  element = gst_element_factory_make ("vitclassify", NULL);
  for (guint i = 0; i < 1000; i++) {
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (element, GST_STATE_NULL);
    if (i == 100)
      before = common_resident_pages ();
  }
  after = common_resident_pages ();
  fail_unless (after - before < 64, "%ld pages more after 900 cycles", after - before);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
  gst_object_unref (element);
}
GST_END_TEST;

/* ---- errors ---- */

/* Starts an element that must fail; checks that it says so once, in the right domain, with these words. */
static void
check_start_fails (const gchar * line, GQuark domain, gint code, const gchar * words)
{
  GstElement *element = make (line);
  GstBus *bus = gst_bus_new ();
  GstMessage *message;
  GError *error;

  gst_element_set_bus (element, bus);
  fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  fail_unless (message != NULL, "%s", line);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, domain, code), "%s: %s %d", line, g_quark_to_string (error->domain),
      error->code);
  fail_unless (strstr (error->message, words) != NULL, "%s: %s", line, error->message);
  g_error_free (error);
  gst_message_unref (message);
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) == NULL, "%s: two errors", line);
  gst_element_set_bus (element, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0, "%s", line);
}

GST_START_TEST (test_start_errors)
{
  reset ();
  check_start_fails ("vitclassify model=/nonexistent", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "/nonexistent");
  check_start_fails ("vitclassify device=Voodoo", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "Voodoo");
  fakevit.no_devices = TRUE;
  check_start_fails ("vitclassify", GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, "driver");
  fakevit.no_devices = FALSE;
  fakevit.fail_load = VIT_ERR_FORMAT;
  check_start_fails ("vitclassify", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "loading");
  fakevit.fail_load = VIT_ERR_MEMORY;
  check_start_fails ("vitclassify", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT, "loading");
  fakevit.fail_load = VIT_OK;
  fakevit.fail_session = VIT_ERR_DEVICE_LOST;
  check_start_fails ("vitclassify", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED, "session");
}
GST_END_TEST;

static gchar *
file_of_labels (guint n)
{
  gchar *path = g_build_filename (g_get_tmp_dir (), "vitclassify-labels-XXXXXX", NULL);
  GString *text = g_string_new (NULL);
  gint fd = g_mkstemp (path);

  fail_unless (fd >= 0);
  close (fd);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "label %u\n", i);
  fail_unless (g_file_set_contents (path, text->str, -1, NULL));
  g_string_free (text, TRUE);
  return path;
}

GST_START_TEST (test_label_counts)
{
  reset ();
  check_start_fails ("vitclassify labels=\"a,b,c,d,e,f,g\"", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "has 7 labels");
  check_start_fails ("vitclassify labels=\"a,b,c,d,e,f,g,h,i\"", GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
      "has 8 classes");
  check_start_fails ("vitclassify labels-file=/nonexistent", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "labels");
  for (guint n = FAKE_CLASSES - 1; n <= FAKE_CLASSES + 1; n += 2) {
    gchar *path = file_of_labels (n);
    gchar *line = g_strdup_printf ("vitclassify labels-file=%s", path);
    gchar *words = g_strdup_printf ("%u labels", n);

    check_start_fails (line, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, words);
    g_unlink (path);
    g_free (words);
    g_free (line);
    g_free (path);
  }
}
GST_END_TEST;

/* A frame that fails: one error, then silence until the element is started again. */
static void
check_run_fails (enum vit_code code, gint expected, gboolean in_submit)
{
  GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
  GstHarness *h = common_harness ("vitclassify", gst_caps_ref (caps));
  GstMessage *message;
  GError *error;

  fakevit.fail_after = 1;
  fakevit.submits = 0;
  fakevit.fail_submit = in_submit ? code : VIT_OK;
  fakevit.fail_collect = in_submit ? VIT_OK : code;
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, red, 0)), GST_FLOW_OK);
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, red, 1)), GST_FLOW_ERROR);
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, red, 2)), GST_FLOW_ERROR);
  message = common_message (h, GST_MESSAGE_ERROR);
  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, expected), "%s %d", g_quark_to_string (error->domain),
      error->code);
  g_error_free (error);
  gst_message_unref (message);
  fail_unless (common_message (h, GST_MESSAGE_ERROR) == NULL);

  fakevit.fail_submit = fakevit.fail_collect = VIT_OK;
  gst_element_set_state (h->element, GST_STATE_READY);
  fakevit.loads = 0;
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  fail_unless_equals_int (fakevit.loads, code == VIT_ERR_DEVICE_LOST ? 1 : 0);
  gst_caps_unref (caps);
  common_teardown (h);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
}

GST_START_TEST (test_run_errors)
{
  reset ();
  check_run_fails (VIT_ERR_DEVICE_LOST, GST_RESOURCE_ERROR_FAILED, TRUE);
  check_run_fails (VIT_ERR_DEVICE_LOST, GST_RESOURCE_ERROR_FAILED, FALSE);
  check_run_fails (VIT_ERR_MEMORY, GST_RESOURCE_ERROR_NO_SPACE_LEFT, TRUE);
}
GST_END_TEST;

static void
check_warning (GstHarness * h, const gchar * words)
{
  GstMessage *message = common_message (h, GST_MESSAGE_WARNING);
  GError *error;

  if (!words) {
    fail_unless (message == NULL);
    return;
  }
  fail_unless (message != NULL);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, words) != NULL, "%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
}

/* Every element that asked hears of it, also the one that got the model from another. */
GST_START_TEST (test_warnings)
{
  GstHarness *h, *other;

  reset ();
  fakevit.no_f16 = TRUE;
  h = common_harness ("vitclassify precision=fp16", common_caps ("RGB", 16, 16, NULL));
  other = common_harness ("vitclassify precision=fp16", common_caps ("RGB", 16, 16, NULL));
  check_warning (h, "storageBuffer16BitAccess");
  check_warning (other, "storageBuffer16BitAccess");
  fail_unless_equals_int (fakevit.loads, 1);
  common_teardown (h);
  common_teardown (other);
  h = common_harness ("vitclassify precision=auto", common_caps ("RGB", 16, 16, NULL));
  check_warning (h, NULL);
  common_teardown (h);
#ifndef HAVE_GST_ANALYTICS
  h = common_harness ("vitclassify meta=analytics", common_caps ("RGB", 16, 16, NULL));
  check_warning (h, "1.24");
  common_teardown (h);
#endif
}
GST_END_TEST;

/* ---- metas ---- */

static const gchar *
nth_string (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_string (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static gint
nth_int (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_int (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static gdouble
nth_double (const GstStructure * s, const gchar * field, guint i)
{
  return g_value_get_double (gst_value_array_get_value (gst_structure_get_value (s, field), i));
}

static void
check_structure (const GstStructure * s)
{
  gdouble confidence;
  gint id;

  fail_unless (s != NULL);
  fail_unless_equals_string (gst_structure_get_string (s, "label"), "red");
  fail_unless (gst_structure_get_int (s, "label_id", &id) && id == FAKE_RED);
  fail_unless (gst_structure_get_double (s, "confidence", &confidence) && confidence > 0.5 && confidence < 1);
  fail_unless (g_str_has_prefix (gst_structure_get_string (s, "model_name"), "fake "));
  fail_unless (gst_structure_has_field (s, "layer_name"));
  fail_unless_equals_int (gst_value_array_get_size (gst_structure_get_value (s, "labels")), 3);
  fail_unless_equals_string (nth_string (s, "labels", 1), "magenta");
  fail_unless_equals_int (nth_int (s, "label_ids", 2), FAKE_YELLOW);
  fail_unless (nth_double (s, "confidences", 0) == confidence);
  fail_unless (nth_double (s, "confidences", 1) > nth_double (s, "confidences", 2));
}

GST_START_TEST (test_metas)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out, *copy, *part;
  GstVideoRegionOfInterestMeta *roi;

  reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitclassify top-k=3 meta=roi+custom", gst_caps_ref (caps));
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
  roi = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  fail_unless (roi != NULL);
  fail_unless_equals_string (g_quark_to_string (roi->roi_type), "red");
  fail_unless (roi->x == 0 && roi->y == 0 && roi->w == 40 && roi->h == 20);
  check_structure (gst_video_region_of_interest_meta_get_param (roi, "classification"));
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "vitclassify")));

  copy = gst_buffer_copy (out);
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (copy, "vitclassify")));
  part = gst_buffer_copy_region (out, GST_BUFFER_COPY_META | GST_BUFFER_COPY_MEMORY, 0, 10);
  fail_unless (gst_buffer_get_custom_meta (part, "vitclassify") == NULL);
  gst_buffer_unref (part);
  gst_buffer_unref (copy);
  gst_buffer_unref (out);

  gst_harness_set (h, "vitclassify", "threshold", 0.999, NULL);
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 1));
  fail_unless (gst_buffer_get_custom_meta (out, "vitclassify") == NULL);
  fail_unless (gst_buffer_get_meta (out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) == NULL);
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

/* What is asked for is attached, and nothing else. */
GST_START_TEST (test_meta_choice)
{
  static const struct
  {
    const gchar *meta;
    gboolean roi, custom;
  } rows[] = {
    {"none", FALSE, FALSE}, {"roi", TRUE, FALSE}, {"custom", FALSE, TRUE},
#ifdef HAVE_GST_ANALYTICS
    {"auto", FALSE, FALSE},
#else
    {"auto", TRUE, TRUE}, {"analytics", TRUE, TRUE},
#endif
  };

  reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gchar *line = g_strdup_printf ("vitclassify meta=%s", rows[i].meta);
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (line, gst_caps_ref (caps));
    GstBuffer *out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));

    fail_unless ((gst_buffer_get_meta (out, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE) != NULL) == rows[i].roi,
        "%s", line);
    fail_unless ((gst_buffer_get_custom_meta (out, "vitclassify") != NULL) == rows[i].custom, "%s", line);
    gst_buffer_unref (out);
    gst_caps_unref (caps);
    g_free (line);
    common_teardown (h);
  }
}
GST_END_TEST;

GST_START_TEST (test_metas_survive_conversion)
{
  GstCaps *caps;
  GstHarness *h;
  GstBuffer *out;
  GstVideoRegionOfInterestMeta *roi;

  reset ();
  caps = common_caps ("RGB", 40, 20, NULL);
  h = common_harness ("vitclassify top-k=3 meta=roi+custom ! videoconvert ! videoscale ! "
      "video/x-raw,format=I420,width=80,height=40", gst_caps_ref (caps));
  out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
  fail_unless (gst_buffer_get_custom_meta (out, "vitclassify") != NULL);
  check_structure (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out, "vitclassify")));
  roi = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  fail_unless (roi != NULL);    /* its size is GStreamer's affair, which 1.22.0 forgets to scale */
  check_structure (gst_video_region_of_interest_meta_get_param (roi, "classification"));
  gst_buffer_unref (out);
  gst_caps_unref (caps);
  common_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_labels_property)
{
  static const struct
  {
    const gchar *labels, *expected;
  } rows[] = {
    {"a, b,c ,d,rouge,f,g,h", "rouge"},
    {"a\nb\nc\nd\nred, deep\nf\ng\nh\n", "red, deep"},
    {"a\r\nb\r\nc\r\nd\r\nr\377d\r\nf\r\ng\r\nh", "r\357\277\275d"},
  };

  reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstElement *element = gst_element_factory_make ("vitclassify", NULL);
    GstHarness *h;
    GstBuffer *out;

    g_object_set (element, "labels", rows[i].labels, "meta", 8, NULL);
    h = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps (h, gst_caps_ref (caps));
    out = gst_harness_push_and_pull (h, common_frame (caps, red, 0));
    fail_unless_equals_string (gst_structure_get_string (gst_custom_meta_get_structure (gst_buffer_get_custom_meta (out,
                    "vitclassify")), "label"), rows[i].expected);
    gst_buffer_unref (out);
    gst_caps_unref (caps);
    gst_harness_teardown (h);
    gst_object_unref (element);
  }
}
GST_END_TEST;

/* ---- messages ---- */

static void
check_message (GstHarness * h, const gchar * label, gboolean changed, GstClockTime timestamp)
{
  GstMessage *message = common_message (h, GST_MESSAGE_ELEMENT);
  const GstStructure *s;
  gboolean value;
  guint64 time;

  if (!label) {
    fail_unless (message == NULL);
    return;
  }
  fail_unless (message != NULL, "no message for %s", label);
  s = gst_message_get_structure (message);
  fail_unless (gst_structure_has_name (s, "vitclassify"));
  fail_unless_equals_string (gst_structure_get_string (s, "label"), label);
  fail_unless (gst_structure_get_boolean (s, "changed", &value) && value == changed);
  fail_unless (gst_structure_get_uint64 (s, "timestamp", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "running-time", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "stream-time", &time) && time == timestamp);
  fail_unless (gst_structure_get_uint64 (s, "duration", &time) && time == 40 * GST_MSECOND);
  fail_unless (gst_structure_has_field (s, "frames-ago") && gst_structure_has_field (s, "model"));
  fail_unless_equals_int (gst_value_array_get_size (gst_structure_get_value (s, "label-ids")), *label ? 1 : 0);
  gst_message_unref (message);
}

GST_START_TEST (test_messages)
{
  static const gchar *const modes[] = { "none", "changed", "all" };
  static const gdouble gray[3] = { 0.5, 0.5, 0.5 };     /* every class alike, none above the threshold */
  const gdouble *const colours[] = { red, red, blue, gray, gray, red };
  static const gchar *const labels[] = { "red", "red", "blue", "", "", "red" };

  reset ();
  for (guint mode = 0; mode < G_N_ELEMENTS (modes); mode++) {
    gchar *line = g_strdup_printf ("vitclassify threshold=0.3 message-mode=%s", modes[mode]);
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (line, gst_caps_ref (caps));

    for (guint n = 0; n < G_N_ELEMENTS (colours); n++) {
      gboolean changed = n == 0 || !g_str_equal (labels[n], labels[n - 1]);

      gst_buffer_unref (gst_harness_push_and_pull (h, common_frame (caps, colours[n], n)));
      check_message (h, mode == 2 || (mode == 1 && changed) ? labels[n] : NULL, changed, n * 40 * GST_MSECOND);
    }
    gst_caps_unref (caps);
    g_free (line);
    common_teardown (h);
  }
}
GST_END_TEST;

/* Raw outputs are below 0 here; a threshold of 0 keeps them. */
GST_START_TEST (test_activations)
{
  static const struct
  {
    const gchar *line;
    gdouble low, high;
  } rows[] = {
    {"vitclassify", 0.5, 0.99},
    {"vitclassify activation=sigmoid", 0.1, 0.3},
    {"vitclassify activation=none", -2.1, -1.7},
  };

  reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GstCaps *caps = common_caps ("RGB", 16, 16, NULL);
    GstHarness *h = common_harness (rows[i].line, gst_caps_ref (caps));
    GstMessage *message;
    gdouble confidence = 99;

    gst_buffer_unref (gst_harness_push_and_pull (h, common_frame (caps, red, 0)));
    message = common_message (h, GST_MESSAGE_ELEMENT);
    fail_unless (message != NULL);
    gst_structure_get_double (gst_message_get_structure (message), "confidence", &confidence);
    fail_unless (confidence > rows[i].low && confidence < rows[i].high, "%s: %g", rows[i].line, confidence);
    gst_message_unref (message);
    gst_caps_unref (caps);
    common_teardown (h);
  }
}
GST_END_TEST;

static Suite *
element_suite (void)
{
  Suite *suite = suite_create ("element");
  TCase *tc = tcase_create ("element");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_properties_round_trip);
  tcase_add_test (tc, test_properties_are_described);
  tcase_add_test (tc, test_facts);
  tcase_add_test (tc, test_model_outlives_ready_not_null);
  tcase_add_test (tc, test_sharing);
  tcase_add_test (tc, test_sharing_a_failure);
  tcase_add_test (tc, test_replaced_file);
  tcase_add_test (tc, test_thousand_cycles);
  tcase_add_test (tc, test_start_errors);
  tcase_add_test (tc, test_label_counts);
  tcase_add_test (tc, test_run_errors);
  tcase_add_test (tc, test_warnings);
  tcase_add_test (tc, test_metas);
  tcase_add_test (tc, test_meta_choice);
  tcase_add_test (tc, test_metas_survive_conversion);
  tcase_add_test (tc, test_labels_property);
  tcase_add_test (tc, test_messages);
  tcase_add_test (tc, test_activations);
  return suite;
}

GST_CHECK_MAIN (element);
