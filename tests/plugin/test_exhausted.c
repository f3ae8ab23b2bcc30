/* Memory of the device that runs out while an element loads or runs: one error that says how much is needed. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <glib/gstdio.h>
#include <string.h>
#include <vit/vit.h>

#include "../gpu/fault_vulkan.h"

#define MOST_ALLOCATIONS 60

void gst_plugin_vitclassify_register (void);
vit_device *__real_vit_device_create (const struct vit_device_params *params, vit_error * err);
vit_device *__wrap_vit_device_create (const struct vit_device_params *params, vit_error * err);

/* The element itself on a driver that fails on demand. */
vit_device *
__wrap_vit_device_create (const struct vit_device_params *params, vit_error *err)
{
  struct vit_device_params mine = *params;

  mine.get_instance_proc_addr = fault_get_instance_proc_addr;
  return __real_vit_device_create (&mine, err);
}

/* The bus has one error, of no more room, with these words. */
static void
check_error (GstElement * element, const gchar * first, const gchar * second)
{
  GstBus *bus = gst_element_get_bus (element);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_ERROR);
  GError *error;

  fail_unless (message != NULL);
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT), "%s", error->message);
  fail_unless (strstr (error->message, " MB") != NULL && strstr (error->message, first) != NULL
      && strstr (error->message, second) != NULL && !strchr (error->message, '%'), "%s", error->message);
  GST_INFO ("%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) == NULL);
  gst_object_unref (bus);
}

/* Each allocation of the load in turn; FALSE: there is no such one, the element started. */
static gboolean
start_fails (gint64 allocation, const gchar * cache_dir)
{
  gchar *line = g_strdup_printf ("vitclassify cache-dir=%s batch-size=4 precision=fp32", cache_dir);
  GstElement *element = gst_parse_launch (line, NULL);
  GstBus *bus = gst_bus_new ();
  GstStateChangeReturn ret;
  gboolean fired;

  gst_element_set_bus (element, bus);
  fault_arm_name ("AllocateMemory", allocation, FAULT_DEVICE_MEMORY);
  ret = gst_element_set_state (element, GST_STATE_PAUSED);
  fired = fault_fired () != NULL;
  fault_arm (-1, FAULT_DEVICE_MEMORY);
  fail_unless_equals_int (ret, fired ? GST_STATE_CHANGE_FAILURE : GST_STATE_CHANGE_SUCCESS);
  if (fired)
    check_error (element, "MB of memory left", "needs ");
  gst_element_set_bus (element, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  g_free (line);
  return fired;
}

static gchar *
make_cache (void)
{
  gchar *folder = g_dir_make_tmp ("vitclassify-cache-XXXXXX", NULL);

  fail_unless (folder != NULL);
  return folder;
}

static void
remove_cache (gchar * folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir))) {
    gchar *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
    g_free (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
  g_free (folder);
}

GST_START_TEST (test_while_loading)
{
  gchar *cache = make_cache ();
  gint64 n = 0;

  start_fails (G_MAXINT64, cache);      /* tries the kernels; the others know */
  while (n < MOST_ALLOCATIONS && start_fails (n, cache))
    n++;
  fail_unless (n >= 2 && n < MOST_ALLOCATIONS, "%d allocations", (gint) n);
  remove_cache (cache);
}
GST_END_TEST;

/* A picture larger than its caps say comes unannounced, and there is no room for it. */
GST_START_TEST (test_while_running)
{
  static const gdouble red[3] = { 1, 0, 0 };
  gchar *cache = make_cache (), *line = g_strdup_printf ("vitclassify cache-dir=%s inflight=1", cache);
  GstCaps *caps = common_caps ("NV12", 64, 48, NULL), *large = common_caps ("NV12", 1280, 720, NULL);
  GstHarness *h = common_harness (line, gst_caps_ref (caps));
  GstBuffer *frame = common_frame (large, red, 1), *padded = common_padded (frame, large, 4);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (padded);

  crop->width = 1280;
  crop->height = 720;
  fail_unless_equals_int (gst_harness_push (h, common_frame (caps, red, 0)), GST_FLOW_OK);
  fault_arm_name ("AllocateMemory", 0, FAULT_DEVICE_MEMORY);
  fail_unless_equals_int (gst_harness_push (h, gst_buffer_ref (padded)), GST_FLOW_ERROR);
  fault_arm (-1, FAULT_DEVICE_MEMORY);
  check_error (h->element, "this picture of 1280x720 needs", "a smaller one");
  /* with room it goes on after a restart */
  gst_element_set_state (h->element, GST_STATE_READY);
  gst_element_set_state (h->element, GST_STATE_PLAYING);
  gst_harness_push_event (h, gst_event_new_stream_start ("again"));
  gst_harness_push_event (h, gst_event_new_caps (caps));
  {
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (h, gst_event_new_segment (&segment));
  }
  fail_unless_equals_int (gst_harness_push (h, padded), GST_FLOW_OK);
  gst_buffer_unref (frame);
  gst_caps_unref (caps);
  gst_caps_unref (large);
  common_teardown (h);
  remove_cache (cache);
  g_free (line);
}
GST_END_TEST;

int
main (int argc, char **argv)
{
  Suite *suite = suite_create ("exhausted");
  TCase *tc = tcase_create ("exhausted");
  const gchar *required = g_getenv ("VIT_REQUIRE_GPU");

  gst_check_init (&argc, &argv);
  if (!fault_open () || vit_device_list (NULL, NULL, 0, NULL) <= 0)
    return required && *required && !g_str_equal (required, "0") ? 1 : 77;
  gst_plugin_vitclassify_register ();
  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_test (tc, test_while_loading);
  tcase_add_test (tc, test_while_running);
  return gst_check_run_suite (suite, "exhausted", __FILE__);
}
