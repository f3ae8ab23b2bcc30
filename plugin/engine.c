/* One element's share of the network: loads it, names its classes, runs frames through it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine.h"

#include <string.h>

#include "builtin.h"
#include "errors.h"
#include "modelcache.h"

struct Engine
{
  LoadSettings settings;        /* what it was loaded for */
  CacheEntry *model;
  vit_session *session;
  GQuark *labels;               /* (classes) */
  gchar *path;
  gchar *warning;
  EngineFacts facts;
  gint batches, images;         /* submitted and not collected; atomic */
  gpointer session_bytes;       /* a number; atomic */
  gint lost;                    /* the device is gone; atomic */
};

static gchar **
split_labels (const gchar * text)
{
  /* names of ImageNet's classes hold commas, so a line break anywhere makes lines the separator */
  gchar **labels = g_strsplit (text, strpbrk (text, "\r\n") ? "\n" : ",", -1);
  guint n = g_strv_length (labels);

  for (guint i = 0; i < n; i++)
    g_strstrip (labels[i]);
  if (n > 0 && *labels[n - 1] == '\0')
    g_clear_pointer (&labels[n - 1], g_free);   /* after the last separator */
  return labels;
}

static void
set_label (GQuark * to, const gchar * label)
{
  gchar *valid = g_utf8_make_valid (label, -1); /* structures and JSON refuse anything else */

  *to = g_quark_from_string (valid);
  g_free (valid);
}

static gboolean
labels_from_property (Engine * engine, guint classes, GError ** error)
{
  gchar **labels = split_labels (engine->settings.labels);
  guint n = g_strv_length (labels);

  for (guint i = 0; i < n && n == classes; i++)
    set_label (&engine->labels[i], labels[i]);
  g_strfreev (labels);
  if (n != classes)
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "The labels property has %u labels, but the model %s has %u classes; give one label for each class", n,
        engine->path, classes);
  return n == classes;
}

static gboolean
labels_from_file (Engine * engine, guint classes, GError ** error)
{
  vit_error err = { 0 };
  char **labels = NULL;

  if (!vit_labels_read (engine->settings.labels_file, classes, &labels, &err))
    return errors_set (error, ERRORS_MODEL, &err);
  for (guint i = 0; i < classes; i++)
    set_label (&engine->labels[i], labels[i]);
  vit_labels_free (&labels, classes);
  return TRUE;
}

/* Quarks, made once here: metas, messages and applications may keep a label beyond the model's life. */
static gboolean
name_classes (Engine * engine, GError ** error)
{
  guint classes = engine->facts.model.classes;

  engine->labels = g_new0 (GQuark, classes);
  if (engine->settings.labels && *engine->settings.labels)
    return labels_from_property (engine, classes, error);
  if (engine->settings.labels_file && *engine->settings.labels_file)
    return labels_from_file (engine, classes, error);
  for (guint i = 0; i < classes; i++)
    set_label (&engine->labels[i], vit_model_label (modelcache_model (engine->model), i));
  return TRUE;
}

static gboolean
load_model (Engine * engine, vit_progress progress, gpointer ctx, GError ** error)
{
  const struct vit_model_params params = {
    .precision = engine->settings.precision,
    .progress = progress,
    .progress_ctx = ctx,
  };
  vit_error err = { 0 };
  CacheEntry *device = modelcache_acquire_device (engine->settings.device, engine->settings.cache_dir, &err);

  if (!device)
    return errors_set (error, ERRORS_DEVICE, &err);
  engine->model = modelcache_acquire_model (device, engine->path, &params, &err);
  modelcache_release (&device);
  return engine->model || errors_set (error, ERRORS_MODEL, &err);
}

static gboolean
make_session (Engine * engine, vit_progress progress, gpointer ctx, GError ** error)
{
  const struct vit_session_params params = {
    .max_batch = engine->settings.batch_size,
    .in_flight = engine->settings.inflight,
    .progress = progress,
    .progress_ctx = ctx,
    .tune = engine->settings.tune,
  };
  vit_error err = { 0 };

  engine->session = vit_session_create (modelcache_model (engine->model), &params, &err);
  return engine->session || errors_set (error, ERRORS_RUN, &err);
}

const gchar *
engine_precision_name (enum vit_precision precision)
{
  return precision == VIT_I8 ? "int8" : precision == VIT_F16 ? "fp16" : "fp32";
}

/* Set apart from the cache's warning because that tells of the load, this of what it means here. */
static void
check_precision (Engine * engine)
{
  enum vit_precision wanted = engine->settings.precision;
  const gchar *reason = modelcache_warning (engine->model);

  if (wanted == VIT_AUTO || engine->facts.model.precision == wanted)
    return;
  engine->warning = reason ? g_strdup (reason) :
      g_strdup_printf ("%s computes with %s instead of %s", engine->facts.device.name,
      engine_precision_name (engine->facts.model.precision), engine_precision_name (wanted));
  engine->facts.warning = engine->warning;
}

static void
gather_facts (Engine * engine)
{
  gchar *name;

  vit_model_get_info (modelcache_model (engine->model), &engine->facts.model);
  vit_device_get_info (modelcache_device (engine->model), &engine->facts.device);
  name = g_utf8_make_valid (engine->facts.model.name, -1);
  engine->facts.model_name = g_intern_string (name);
  engine->facts.path = engine->path;
  g_free (name);
  check_precision (engine);
}

Engine *
engine_new (const LoadSettings * settings, vit_progress progress, gpointer ctx, GError ** error)
{
  Engine *engine = g_new0 (Engine, 1);

  settings_load_copy (&engine->settings, settings);
  engine->path = settings->model && *settings->model ? g_strdup (settings->model) : builtin_model_path (error);
  if (!engine->path || !load_model (engine, progress, ctx, error))
    goto error;
  gather_facts (engine);
  if (!name_classes (engine, error) || !make_session (engine, progress, ctx, error))
    goto error;
  return engine;

error:
  engine_free (&engine);
  return NULL;
}

void
engine_free (Engine ** engine)
{
  Engine *mine = *engine;

  *engine = NULL;
  if (!mine)
    return;
  vit_session_destroy (&mine->session);
  modelcache_release (&mine->model);
  settings_load_finish (&mine->settings);
  g_free (mine->labels);
  g_free (mine->path);
  g_free (mine->warning);
  g_free (mine);
}

gboolean
engine_serves (const Engine * engine, const LoadSettings * settings)
{
  return !g_atomic_int_get (&engine->lost) && settings_load_equal (&engine->settings, settings);
}

const EngineFacts *
engine_facts (const Engine * engine)
{
  return &engine->facts;
}

const gchar *
engine_label (const Engine * engine, guint class_index)
{
  return g_quark_to_string (engine->labels[class_index]);
}

static EngineStatus
run_failed (Engine * engine, const vit_error * err, GError ** error)
{
  if (err->code == VIT_ERR_DEVICE_LOST) {
    g_atomic_int_set (&engine->lost, TRUE);
    modelcache_retire (engine->model);
  }
  errors_set (error, ERRORS_RUN, err);
  return ENGINE_FAILED;
}

/* A session grows with the first frame of a size. */
static void
measure_session (Engine * engine)
{
  struct vit_session_stats stats;

  vit_session_get_stats (engine->session, &stats);
  g_atomic_pointer_set (&engine->session_bytes, GSIZE_TO_POINTER ((gsize) stats.device_bytes));
}

EngineStatus
engine_prepare (Engine * engine, const vit_image * layout, GError ** error)
{
  vit_error err = { 0 };

  if (!vit_session_prepare (engine->session, layout, &err))
    return run_failed (engine, &err, error);
  measure_session (engine);
  return ENGINE_OK;
}

gboolean
engine_has_room (const Engine * engine)
{
  return (guint) g_atomic_int_get (&engine->batches) < engine->settings.inflight;
}

gboolean
engine_is_busy (const Engine * engine)
{
  return g_atomic_int_get (&engine->images) > 0;
}

EngineStatus
engine_submit (Engine * engine, vit_image * images, guint n, GError ** error)
{
  vit_error err = { 0 };

  /* the lowest bit marks the last of a batch: with its result there is room for another */
  for (guint i = 0; i < n; i++)
    images[i].user = (void *) (((guintptr) images[i].user << 1) | (i + 1 == n));
  g_atomic_int_inc (&engine->batches);
  switch (vit_session_submit (engine->session, images, n, &err)) {
    case VIT_SUBMITTED:
      /* only now, because who collects may not find the session empty */
      g_atomic_int_add (&engine->images, (gint) n);
      measure_session (engine);
      return ENGINE_OK;
    case VIT_SUBMIT_FULL:
      g_set_error_literal (error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED,
          "The engine takes no more frames although it has given all results back");
      break;
    case VIT_SUBMIT_FAILED:
      run_failed (engine, &err, error);
      break;
  }
  g_atomic_int_add (&engine->batches, -1);
  return ENGINE_FAILED;
}

EngineStatus
engine_collect (Engine * engine, GstClockTime timeout, guintptr * ticket, vit_result * result, GError ** error)
{
  vit_error err = { 0 };
  enum vit_collect collected = vit_session_collect (engine->session, timeout, result, &err);

  if (collected == VIT_NOT_READY)
    return ENGINE_NOT_READY;
  if (collected == VIT_EMPTY)
    return ENGINE_EMPTY;
  *ticket = (guintptr) result->user >> 1;
  g_atomic_int_add (&engine->images, -1);
  if ((guintptr) result->user & 1)
    g_atomic_int_add (&engine->batches, -1);
  return collected == VIT_COLLECTED ? ENGINE_OK : run_failed (engine, &err, error);
}

gsize
engine_device_bytes (Engine * engine)
{
  return (gsize) g_atomic_pointer_get (&engine->session_bytes) + (gsize) engine->facts.model.weight_bytes;
}
