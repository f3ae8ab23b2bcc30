/* Tests of what vitclassify says when something is wrong: once, in the right domain, with words to act on. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakecheck.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static const gdouble red[3] = { 1, 0, 0 };

static GstElement *
make (const gchar * line)
{
  GError *error = NULL;
  GstElement *element = gst_parse_launch (line, &error);

  fail_unless (error == NULL, "%s", error ? error->message : "");
  return element;
}

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
  fakecheck_reset ();
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
  fakecheck_reset ();
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
  GstHarness *h = common_harness ("vitclassify inflight=1", gst_caps_ref (caps));
  GstMessage *message;
  GError *error;

  fakevit.fail_after = 1;
  fakevit.images = 0;
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

/* A lost device is nobody's any more, though an element that has not noticed still holds it. */
GST_START_TEST (test_lost_device_is_not_shared)
{
  GstCaps *caps;
  GstHarness *h, *fresh;

  fakecheck_reset ();
  caps = common_caps ("RGB", 16, 16, NULL);
  h = common_harness ("vitclassify inflight=1", gst_caps_ref (caps));
  fakevit.fail_submit = VIT_ERR_DEVICE_LOST;
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, red, 0)), GST_FLOW_ERROR);
  fakevit.fail_submit = VIT_OK;
  fresh = common_harness ("vitclassify inflight=1", gst_caps_ref (caps));
  fail_unless_equals_int (fakevit.devices, 2);
  fail_unless_equals_int (fakevit.models, 2);
  fail_unless_equals_int (gst_harness_push (fresh, common_frame (caps, red, 0)), GST_FLOW_OK);
  common_teardown (h);
  common_teardown (fresh);
  gst_caps_unref (caps);
  fail_unless (fakevit.sessions == 0 && fakevit.models == 0 && fakevit.devices == 0);
}
GST_END_TEST;

GST_START_TEST (test_run_errors)
{
  fakecheck_reset ();
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

  fakecheck_reset ();
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

/* The messages' kinds in order: of those in between, which repeat, `between`. */
static void
check_progress (GstHarness * h, const GstProgressType * types, guint n, guint between)
{
  guint seen = 0;

  for (guint i = 0; i < n; i++) {
    GstMessage *message = common_message (h, GST_MESSAGE_PROGRESS);
    GstProgressType type;
    gchar *code, *text;

    fail_unless (message != NULL);
    gst_message_parse_progress (message, &type, &code, &text);
    if (type == GST_PROGRESS_TYPE_CONTINUE) {
      seen++;
      i--;
    } else {
      fail_unless_equals_int (type, types[i]);
    }
    fail_unless_equals_string (code, "load");
    fail_unless (*text);
    g_free (code);
    g_free (text);
    gst_message_unref (message);
  }
  fail_unless_equals_int (seen, between);
  fail_unless (common_message (h, GST_MESSAGE_PROGRESS) == NULL);
}

/* Forty layers in tenths; none for a model that is there already. */
GST_START_TEST (test_progress)
{
  static const GstProgressType good[] = { GST_PROGRESS_TYPE_START, GST_PROGRESS_TYPE_COMPLETE };
  static const GstProgressType bad[] = { GST_PROGRESS_TYPE_START, GST_PROGRESS_TYPE_ERROR };
  GstHarness *h;

  fakecheck_reset ();
  h = common_harness ("vitclassify", common_caps ("RGB", 16, 16, NULL));
  check_progress (h, good, 2, 11);
  gst_element_set_state (h->element, GST_STATE_READY);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  check_progress (h, NULL, 0, 0);
  gst_element_set_state (h->element, GST_STATE_NULL);
  fakevit.fail_load = VIT_ERR_FORMAT;
  fail_unless_equals_int (gst_element_set_state (h->element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  check_progress (h, bad, 2, 0);
  common_teardown (h);
}
GST_END_TEST;

/* Advice goes to those it can help, and once. */
GST_START_TEST (test_advice)
{
  static const struct
  {
    const char *name;
    guint subgroup_size;
    gboolean helps;
  } rows[] = {
    {"Fake GPU", 8, FALSE}, {"llvmpipe (LLVM 15.0.6, 512 bits)", 16, FALSE},
    {"llvmpipe (LLVM 15.0.6, 256 bits)", 8, TRUE}, {"llvmpipe (LLVM 15.0.6, 256 bits)", 8, FALSE},
  };

  fakecheck_reset ();
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gboolean helps = rows[i].helps;
    GstMessage *message;
    GstHarness *h;

#if defined __x86_64__ || defined __i386__
    helps = helps && __builtin_cpu_supports ("avx512f");
#else
    helps = FALSE;
#endif
    fakevit.device_name = rows[i].name;
    fakevit.subgroup_size = rows[i].subgroup_size;
    h = common_harness ("vitclassify", common_caps ("RGB", 16, 16, NULL));
    message = common_message (h, GST_MESSAGE_INFO);
    fail_unless ((message != NULL) == helps, "row %u", i);
    if (message) {
      GError *error;

      gst_message_parse_info (message, &error, NULL);
      fail_unless (strstr (error->message, "LP_NATIVE_VECTOR_WIDTH=512") != NULL);
      g_error_free (error);
      gst_message_unref (message);
    }
    common_teardown (h);
  }
}
GST_END_TEST;

static Suite *
errors_suite (void)
{
  Suite *suite = suite_create ("errors");
  TCase *tc = tcase_create ("errors");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_start_errors);
  tcase_add_test (tc, test_label_counts);
  tcase_add_test (tc, test_lost_device_is_not_shared);
  tcase_add_test (tc, test_run_errors);
  tcase_add_test (tc, test_warnings);
  tcase_add_test (tc, test_progress);
  tcase_add_test (tc, test_advice);
  return suite;
}

GST_CHECK_MAIN (errors);
