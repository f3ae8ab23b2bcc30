/* A machine without a Vulkan driver: one clear error, and everything else about the elements still works. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>

#include "../check.h"

int
main (int argc, char **argv)
{
  GstElement *element;
  GstBus *bus = NULL;
  GstMessage *message;
  GError *error = NULL;

  /* no driver description at these places, for old loaders and new */
  g_setenv ("VK_ICD_FILENAMES", "/nonexistent/icd.json", TRUE);
  g_setenv ("VK_DRIVER_FILES", "/nonexistent/icd.json", TRUE);
  gst_init (&argc, &argv);
  element = gst_element_factory_make ("vitclassify", NULL);
  REQUIRE (element);
  bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  REQUIRE (gst_element_set_state (element, GST_STATE_READY) == GST_STATE_CHANGE_SUCCESS);
  REQUIRE (gst_element_set_state (element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  REQUIRE (message);
  gst_message_parse_error (message, &error, NULL);
  g_print ("%s\n", error->message);
  REQUIRE (g_error_matches (error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT));
  REQUIRE (strstr (error->message, "Vulkan"));
  REQUIRE (!gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR));
  g_error_free (error);
  gst_message_unref (message);
  gst_element_set_bus (element, NULL);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
  return check_status ();
}
