/* A stand-in for the engine that answers at once, sees colours, and fails on demand. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakevit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vit_device {
  gint refs;
  void (*log) (void *ctx, enum vit_log_level level, const char *msg);
  void *log_ctx;
};

struct vit_model {
  gint refs;
  vit_device *device;
  enum vit_precision precision;
  char name[128];
};

/* One image's answer, from its submission on. */
struct answer {
  void *user;
  gint64 ready_us;
  gboolean last;                /* of its batch */
  gboolean fails;
  float logits[FAKE_CLASSES];
};

struct vit_session {
  vit_model *model;
  GMutex lock;
  guint max_batch, in_flight, under_way; /* batches */
  vit_image expected;           /* planes and strides have no meaning */
  uint8_t *upload;              /* room for a picture, all of one size */
  GQueue answers;
  gint64 busy_until_us;         /* the device does one batch after the other */
  struct answer collected;
};

struct fakevit fakevit;

const char *const fakevit_labels[FAKE_CLASSES] = { "black", "blue", "green", "cyan", "red", "magenta", "yellow",
  "white" };
static const char *const awkward_labels[FAKE_CLASSES] = { "black, \"dark\"", "blue\\sea", "green\tleaf", "cyan",
  "r\303\251d", "magenta", "yellow", "white" };

void
fakevit_reset (void)
{
  struct fakevit clean = { .devices = fakevit.devices, .models = fakevit.models, .sessions = fakevit.sessions };

  fakevit = clean;
}

static void *
refuse (vit_error *err, enum vit_code code, const char *what)
{
  if (err) {
    err->code = code;
    snprintf (err->msg, sizeof err->msg, "fake: %s failed as the test asked", what);
  }
  return NULL;
}

/* ---- device ---- */

vit_device *
vit_device_create (const struct vit_device_params *params, vit_error *err)
{
  vit_device *device;
  const char *select = params->select ? params->select : "auto";

  if (fakevit.fail_device)
    return refuse (err, fakevit.fail_device, "opening the device");
  if (fakevit.no_devices)
    return refuse (err, VIT_ERR_UNSUPPORTED, "finding a Vulkan driver");
  if (strcmp (select, "auto") != 0 && strcmp (select, "cpu") != 0 && strcmp (select, "0") != 0) {
    err->code = VIT_ERR_UNSUPPORTED;
    snprintf (err->msg, sizeof err->msg, "no Vulkan device matches '%s'; there is 0: Fake GPU", select);
    return NULL;
  }
  device = calloc (1, sizeof *device);
  device->refs = 1;
  device->log = params->log;
  device->log_ctx = params->log_ctx;
  g_atomic_int_inc (&fakevit.devices);
  return device;
}

static void
device_unref (vit_device *device)
{
  if (!g_atomic_int_dec_and_test (&device->refs))
    return;
  g_atomic_int_add (&fakevit.devices, -1);
  free (device);
}

void
vit_device_destroy (vit_device **device)
{
  if (*device)
    device_unref (*device);
  *device = NULL;
}

void
vit_device_get_info (const vit_device *device, struct vit_device_info *out)
{
  (void) device;
  *out = (struct vit_device_info) { .name = "Fake GPU", .driver = "fake 1.0", .type = VIT_DEVICE_CPU,
    .subgroup_size = fakevit.subgroup_size, .storage16 = !fakevit.no_f16 };
  if (fakevit.device_name)
    g_strlcpy (out->name, fakevit.device_name, sizeof out->name);
}

int
vit_device_list (const struct vit_device_params *params, struct vit_device_info *out, uint32_t max, vit_error *err)
{
  (void) params;
  (void) err;
  if (fakevit.no_devices)
    return 0;
  if (max > 0)
    vit_device_get_info (NULL, out);
  return 1;
}

/* ---- model ---- */

const char *
vit_phase_name (enum vit_phase phase)
{
  return phase == VIT_PHASE_LOAD ? "loading" : "something else";
}

vit_model *
vit_model_load (vit_device *device, const char *path, const struct vit_model_params *params, vit_error *err)
{
  vit_model *model;
  char *base;

  if (fakevit.load_ms)
    g_usleep (fakevit.load_ms * 1000);
  if (fakevit.fail_load)
    return refuse (err, fakevit.fail_load, "loading the model");
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    err->code = VIT_ERR_IO;
    snprintf (err->msg, sizeof err->msg, "%s: no such file or folder", path);
    return NULL;
  }
  for (guint i = 0; params->progress && i <= 40; i++)
    params->progress (params->progress_ctx, VIT_PHASE_LOAD, i, 40);
  model = calloc (1, sizeof *model);
  model->refs = 1;
  model->device = device;
  g_atomic_int_inc (&device->refs);
  model->precision = params->precision == VIT_F16 && !fakevit.no_f16 ? VIT_F16 : VIT_F32;
  if (params->precision == VIT_F16 && fakevit.no_f16)
    device->log (device->log_ctx, VIT_LOG_WARNING, "Fake GPU lacks storageBuffer16BitAccess: using fp32");
  base = g_path_get_basename (path);
  snprintf (model->name, sizeof model->name, "fake %s", base);
  g_free (base);
  g_atomic_int_inc (&fakevit.models);
  g_atomic_int_inc (&fakevit.loads);
  return model;
}

static void
model_unref (vit_model *model)
{
  if (!g_atomic_int_dec_and_test (&model->refs))
    return;
  device_unref (model->device);
  g_atomic_int_add (&fakevit.models, -1);
  free (model);
}

void
vit_model_destroy (vit_model **model)
{
  if (*model)
    model_unref (*model);
  *model = NULL;
}

void
vit_model_get_info (const vit_model *model, struct vit_model_info *out)
{
  *out = (struct vit_model_info) { .family = "bare", .patch_width = 4, .patch_height = 4, .classes = FAKE_CLASSES,
    .preprocess = { .width = 32, .height = 32, .mean = { 0.5f, 0.5f, 0.5f }, .std = { 0.5f, 0.5f, 0.5f } },
    .weight_bytes = 1000, .precision = model->precision };
  memcpy (out->name, model->name, sizeof out->name);
}

const char *
vit_model_label (const vit_model *model, uint32_t class_index)
{
  (void) model;
  if (class_index >= FAKE_CLASSES)
    return NULL;
  return fakevit.multi_class_names ? awkward_labels[class_index] : fakevit_labels[class_index];
}

bool
vit_labels_read (const char *path, uint32_t expected, char ***labels, vit_error *err)
{
  gchar *text = NULL, **lines;
  guint n;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return refuse (err, VIT_ERR_IO, "reading the labels") != NULL;
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  g_free (text);
  n = g_strv_length (lines);
  if (n != expected) {
    err->code = VIT_ERR_FORMAT;
    snprintf (err->msg, sizeof err->msg, "%s: %u labels, but the model has %u classes", path, n, expected);
    g_strfreev (lines);
    return false;
  }
  *labels = lines;
  return true;
}

void
vit_labels_free (char ***labels, uint32_t count)
{
  (void) count;
  g_strfreev (*labels);
  *labels = NULL;
}

/* ---- session ---- */

vit_session *
vit_session_create (vit_model *model, const struct vit_session_params *params, vit_error *err)
{
  vit_session *session;

  if (fakevit.fail_session)
    return refuse (err, fakevit.fail_session, "making a session");
  if (params->progress)
    params->progress (params->progress_ctx, VIT_PHASE_COMPILE, 0, 0);
  session = calloc (1, sizeof *session);
  session->model = model;
  session->max_batch = params->max_batch;
  session->in_flight = params->in_flight;
  g_mutex_init (&session->lock);
  g_atomic_int_inc (&model->refs);
  g_atomic_int_inc (&fakevit.sessions);
  return session;
}

void
vit_session_destroy (vit_session **session)
{
  vit_session *s = *session;

  *session = NULL;
  if (!s)
    return;
  model_unref (s->model);
  g_queue_clear_full (&s->answers, free);
  free (s->upload);
  g_mutex_clear (&s->lock);
  free (s);
  g_atomic_int_add (&fakevit.sessions, -1);
}

static const uint8_t *
at (const vit_image *image, int plane, uint32_t x, uint32_t y, uint32_t step)
{
  return (const uint8_t *) image->planes[plane] + (size_t) y * image->strides[plane] + (size_t) x * step;
}

static void
yuv_to_rgb (const vit_image *image, const double yuv[3], double rgb[3])
{
  static const double weights[][2] = { { 0.299, 0.114 }, { 0.2126, 0.0722 }, { 0.2627, 0.0593 }, { 0.3, 0.11 },
    { 0.212, 0.087 } };        /* of red and blue, in the order of enum vit_matrix */
  double kr = weights[image->matrix][0], kb = weights[image->matrix][1];
  double y = image->full_range ? yuv[0] / 255 : (yuv[0] - 16) / 219;
  double u = (yuv[1] - 128) / (image->full_range ? 255 : 224), v = (yuv[2] - 128) / (image->full_range ? 255 : 224);

  rgb[0] = y + 2 * (1 - kr) * v;
  rgb[2] = y + 2 * (1 - kb) * u;
  rgb[1] = (y - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
}

static void
pixel (const vit_image *image, uint32_t x, uint32_t y, double rgb[3])
{
  static const int orders[][4] = { { 0, 1, 2, 3 }, { 2, 1, 0, 3 }, { 0, 1, 2, 4 }, { 2, 1, 0, 4 }, { 1, 2, 3, 4 },
    { 3, 2, 1, 4 } };           /* bytes of red, green, blue; bytes a pixel; in the order of enum vit_format */
  double yuv[3] = { 0, 128, 128 };

  if (image->format <= VIT_FORMAT_XBGR) {
    const int *order = orders[image->format];

    for (int c = 0; c < 3; c++)
      rgb[c] = at (image, 0, x, y, (uint32_t) order[3])[order[c]] / 255.0;
    return;
  }
  switch (image->format) {
    case VIT_FORMAT_NV12:
    case VIT_FORMAT_NV21:
      yuv[image->format == VIT_FORMAT_NV12 ? 1 : 2] = at (image, 1, x / 2, y / 2, 2)[0];
      yuv[image->format == VIT_FORMAT_NV12 ? 2 : 1] = at (image, 1, x / 2, y / 2, 2)[1];
      break;
    case VIT_FORMAT_I420:
    case VIT_FORMAT_YV12:
      yuv[image->format == VIT_FORMAT_I420 ? 1 : 2] = *at (image, 1, x / 2, y / 2, 1);
      yuv[image->format == VIT_FORMAT_I420 ? 2 : 1] = *at (image, 2, x / 2, y / 2, 1);
      break;
    case VIT_FORMAT_Y444:
      yuv[1] = *at (image, 1, x, y, 1);
      yuv[2] = *at (image, 2, x, y, 1);
      break;
    case VIT_FORMAT_YUY2:
    case VIT_FORMAT_UYVY:
      yuv[1] = at (image, 0, x / 2, y, 4)[image->format == VIT_FORMAT_YUY2 ? 1 : 0];
      yuv[2] = at (image, 0, x / 2, y, 4)[image->format == VIT_FORMAT_YUY2 ? 3 : 2];
      break;
    default:
      break;
  }
  if (image->format == VIT_FORMAT_YUY2 || image->format == VIT_FORMAT_UYVY)
    yuv[0] = at (image, 0, x, y, 2)[image->format == VIT_FORMAT_YUY2 ? 0 : 1];
  else
    yuv[0] = *at (image, 0, x, y, 1);
  yuv_to_rgb (image, yuv, rgb);
}

static void
look (struct answer *answer, const vit_image *image)
{
  uint32_t w = image->crop.width ? image->crop.width : image->width;
  uint32_t h = image->crop.width ? image->crop.height : image->height;
  double sum[3] = { 0, 0, 0 };

  for (uint32_t y = 0; y < h; y++) {
    for (uint32_t x = 0; x < w; x++) {
      double rgb[3];

      pixel (image, image->crop.x + x, image->crop.y + y, rgb);
      for (int c = 0; c < 3; c++)
        sum[c] += rgb[c];
    }
  }
  for (int c = 0; c < 3; c++)
    fakevit.rgb[c] = (float) (sum[c] / ((double) w * h));
  for (int k = 0; k < FAKE_CLASSES; k++) {
    double distance = 0;

    for (int c = 0; c < 3; c++) {
      double d = (double) fakevit.rgb[c] - ((k >> (2 - c)) & 1);

      distance += d < 0 ? -d : d;
    }
    answer->logits[k] = (float) (-6 * distance);
  }
}

bool
vit_session_prepare (vit_session *session, const vit_image *layout, vit_error *err)
{
  if (fakevit.fail_prepare)
    return refuse (err, fakevit.fail_prepare, "getting ready for pictures") != NULL;
  session->expected = *layout;
  return true;
}

static gboolean
is_expected (const vit_session *session, const vit_image *image)
{
  const vit_image *e = &session->expected;
  return e->format == image->format && e->width == image->width && e->height == image->height
      && e->matrix == image->matrix && e->full_range == image->full_range
      && e->chroma_h_cosited == image->chroma_h_cosited && e->chroma_v_cosited == image->chroma_v_cosited
      && e->crop.width == image->crop.width && e->crop.height == image->crop.height;
}

/* What the engine's upload costs; of NV12. */
static void
copy (vit_session *session, const vit_image *image)
{
  gsize luma = (gsize) image->strides[0] * image->height;

  g_assert (image->format == VIT_FORMAT_NV12);
  if (!session->upload)
    session->upload = malloc (2 * luma);
  memcpy (session->upload, image->planes[0], luma);
  memcpy (session->upload + luma, image->planes[1], luma / 2);
}

static void
submit_images (vit_session *session, const vit_image *images, uint32_t n)
{
  gint64 now = g_get_monotonic_time ();

  session->busy_until_us = MAX (session->busy_until_us, now) + (gint64) fakevit.collect_ms * 1000;
  for (uint32_t i = 0; i < n; i++) {
    struct answer *answer = calloc (1, sizeof *answer);

    if (!is_expected (session, &images[i]))
      g_atomic_int_inc (&fakevit.surprises);
    if (fakevit.copies)
      copy (session, &images[i]);
    else
      look (answer, &images[i]);
    fakevit.image = images[i];
    answer->user = images[i].user;
    answer->ready_us = session->busy_until_us;
    answer->last = i + 1 == n;
    answer->fails = (guint) fakevit.images >= fakevit.fail_after;
    g_atomic_int_inc (&fakevit.images);
    g_queue_push_tail (&session->answers, answer);
  }
  session->under_way++;
  if (g_atomic_int_get (&fakevit.submits) < FAKE_BATCHES)
    fakevit.batches[fakevit.submits] = n;
  fakevit.most_under_way = MAX (fakevit.most_under_way, (gint) session->under_way);
  g_atomic_int_inc (&fakevit.submits);
}

enum vit_submit
vit_session_submit (vit_session *session, const vit_image *images, uint32_t n, vit_error *err)
{
  enum vit_submit ret = VIT_SUBMITTED;

  g_assert (n >= 1 && n <= session->max_batch);
  g_mutex_lock (&session->lock);
  if (session->under_way == session->in_flight) {
    ret = VIT_SUBMIT_FULL;
  } else if (fakevit.fail_submit && (guint) fakevit.images >= fakevit.fail_after) {
    refuse (err, fakevit.fail_submit, "submitting a frame");
    ret = VIT_SUBMIT_FAILED;
  } else {
    submit_images (session, images, n);
  }
  g_mutex_unlock (&session->lock);
  return ret;
}

/* Waits as long as the answer takes, or the time allows; FALSE: not ready. */
static gboolean
wait_for (vit_session *session, const struct answer *answer, gint64 limit_us)
{
  gint64 wait_us = answer->ready_us - g_get_monotonic_time ();
  gboolean ready = !g_atomic_int_get (&fakevit.hang) && wait_us <= limit_us;

  if (!ready)
    wait_us = limit_us;
  g_mutex_unlock (&session->lock);
  if (wait_us > 0)
    g_usleep ((gulong) wait_us);
  g_mutex_lock (&session->lock);
  return ready;
}

enum vit_collect
vit_session_collect (vit_session *session, uint64_t timeout_ns, vit_result *out, vit_error *err)
{
  enum vit_collect ret = VIT_COLLECTED;
  struct answer *answer;

  g_atomic_int_inc (&fakevit.polls);
  g_mutex_lock (&session->lock);
  answer = g_queue_peek_head (&session->answers);
  if (!answer) {
    ret = VIT_EMPTY;
  } else if (!wait_for (session, answer, (gint64) (timeout_ns / 1000))) {
    ret = VIT_NOT_READY;
  } else {
    session->collected = *answer;
    session->under_way -= answer->last;
    free (g_queue_pop_head (&session->answers));
    *out = (vit_result) { .user = session->collected.user, .logits = session->collected.logits,
      .classes = FAKE_CLASSES, .submit_to_ready_ns = 1000000 + (uint64_t) fakevit.collect_ms * 1000000,
      .gpu_ms = 0.5 };
    if (fakevit.fail_collect && session->collected.fails) {
      refuse (err, fakevit.fail_collect, "waiting for a frame");
      out->logits = NULL;
      ret = VIT_COLLECT_FAILED;
    }
  }
  g_mutex_unlock (&session->lock);
  return ret;
}

void
vit_session_get_stats (const vit_session *session, struct vit_session_stats *out)
{
  (void) session;
  *out = (struct vit_session_stats) { .device_bytes = 500, .gpu_ms = 0.5 };
}
