/* Tests of vitclassify as an element: properties, loading and sharing of models, states. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

#include <glib/gstdio.h>
#include <unistd.h>

/* ---- properties ---- */

GST_START_TEST (test_properties_round_trip)
{
  static const gchar *const strings[] = { "model", "labels", "labels-file", "device", "cache-dir" };
  static const struct
  {
    const gchar *name, *text;
  } others[] = {
    {"top-k", "5"}, {"threshold", "0.5"}, {"precision", "int8"}, {"tune", "off"}, {"activation", "sigmoid"},
    {"meta", "roi+custom"},
    {"interval", "4"}, {"carry-over", "last"}, {"message-mode", "all"}, {"qos-skip", "false"},
    {"batch-size", "8"}, {"batch-timeout", "1000"}, {"inflight", "3"},
  };
  GstElement *element;

  fakecheck_reset ();
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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

  fakecheck_reset ();
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
  gssize before = 0, after;

  fakecheck_reset ();
  element = gst_element_factory_make ("vitclassify", NULL);
  for (guint i = 0; i < 1000; i++) {
    fail_unless_equals_int (gst_element_set_state (element, GST_STATE_PAUSED), GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state (element, GST_STATE_NULL);
    if (i == 100)
      before = common_heap_bytes ();
  }
  after = common_heap_bytes ();
  fail_unless (after - before < 256 << 10, "%zd bytes more after 900 cycles", after - before);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
  gst_object_unref (element);
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
  return suite;
}

GST_CHECK_MAIN (element);
