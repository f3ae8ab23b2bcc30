/* Finds the model that comes with the plug-in. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builtin.h"

#define MODEL_NAME "cifar10-vit"
#define ENVIRONMENT "VITCLASSIFY_MODEL_DIR"
/* From PREFIX/lib/TRIPLET/gstreamer-1.0 to PREFIX are three steps, and a build folder is closer than that. */
#define MAX_STEPS_UP 4

static gchar *plugin_folder;

void
builtin_init (GstPlugin * plugin)
{
  const gchar *file = gst_plugin_get_filename (plugin);

  if (file && !plugin_folder)
    plugin_folder = g_path_get_dirname (file);
}

static gchar *
model_if_present (gchar * path)
{
  gchar *config = g_build_filename (path, "config.json", NULL);

  if (!g_file_test (config, G_FILE_TEST_IS_REGULAR))
    g_clear_pointer (&path, g_free);
  g_free (config);
  return path;
}

/* A folder of models has the model as its child; a folder that is the model itself is accepted too. */
static gchar *
model_in (const gchar * folder)
{
  gchar *path = model_if_present (g_build_filename (folder, MODEL_NAME, NULL));

  return path ? path : model_if_present (g_strdup (folder));
}

static gchar *
model_near_plugin (void)
{
  gchar *folder = g_strdup (plugin_folder);
  gchar *found = NULL;

  for (guint step = 0; folder && !found && step <= MAX_STEPS_UP; step++) {
    gchar *up = g_path_get_dirname (folder);

    found = model_if_present (g_build_filename (folder, "share", "gst-vitclassify", "models", MODEL_NAME, NULL));
    if (!found)
      found = model_if_present (g_build_filename (folder, "models", MODEL_NAME, NULL));
    g_free (folder);
    folder = up;
  }
  g_free (folder);
  return found;
}

gchar *
builtin_model_path (GError ** error)
{
  const gchar *chosen = g_getenv (ENVIRONMENT);
  gchar *found = chosen && *chosen ? model_in (chosen) : NULL;

  if (!found)
    found = model_near_plugin ();
  if (!found)
    found = model_in (VITCLASSIFY_MODEL_DIR);
  if (!found)
    g_set_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
        "The built-in model %s is neither in $%s (%s), nor near the plug-in (%s), nor in %s; "
        "install it or set the model property", MODEL_NAME, ENVIRONMENT, chosen ? chosen : "not set",
        plugin_folder ? plugin_folder : "not a file", VITCLASSIFY_MODEL_DIR);
  return found;
}
