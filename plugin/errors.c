/* Turns what the engine reports into the GError that an element posts. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"

/* A missing device and a missing driver are one code to the engine, but need different words from an application:
 * one asks the user for another device, the other for a driver. */
static gboolean
any_device_exists (void)
{
  return vit_device_list (NULL, NULL, 0, NULL) > 0;
}

gboolean
errors_set (GError ** error, ErrorsWhile doing, const vit_error * err)
{
  GQuark domain = GST_LIBRARY_ERROR;
  gint code = GST_LIBRARY_ERROR_FAILED;

  switch (err->code) {
    case VIT_ERR_IO:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_NOT_FOUND;
      break;
    case VIT_ERR_FORMAT:
      domain = GST_STREAM_ERROR;
      code = GST_STREAM_ERROR_FORMAT;
      break;
    case VIT_ERR_MEMORY:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_NO_SPACE_LEFT;
      break;
    case VIT_ERR_DEVICE_LOST:
      domain = GST_RESOURCE_ERROR;
      code = GST_RESOURCE_ERROR_FAILED;
      break;
    case VIT_ERR_UNSUPPORTED:
      if (doing == ERRORS_DEVICE && any_device_exists ()) {
        domain = GST_RESOURCE_ERROR;
        code = GST_RESOURCE_ERROR_NOT_FOUND;
      } else {
        code = GST_LIBRARY_ERROR_INIT;
      }
      break;
    case VIT_OK:
    case VIT_ERR_ARG:
      break;
  }
  g_set_error_literal (error, domain, code, err->msg);
  return FALSE;
}

void
errors_post (GstElement * element, GError ** error)
{
  if (!*error)
    return;
  gst_element_message_full (element, GST_MESSAGE_ERROR, (*error)->domain, (*error)->code,
      g_strdup ((*error)->message), NULL, __FILE__, __func__, __LINE__);
  g_clear_error (error);
}
