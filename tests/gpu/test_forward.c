/* Whole networks of every kind against the twin, tensor by tensor: the first wrong one is named. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "gpu/test_device.h"
#include "make_model.h"
#include "ref/vit_ref.h"

static const struct row {
  const char *name;
  struct model_options options;
} rows[] = {
  { "plain", { 0 } },
  { "patch norm", { .patch_norm = true } },
  { "pre-norm, quick GELU", { .pre_norm = true, .act = "quick_gelu" } },
  { "no class token, mean", { .no_class_token = true, .average = true } },
  { "class token kept out of the mean, norm before it", { .average = true, .fc_norm = -1 } },
  { "token, norm after pooling", { .fc_norm = 1 } },
  { "registers", { .registers = 3 } },
  { "registers, mean, position of patches only", { .registers = 2, .average = true, .no_embed_class = true } },
  { "position of patches only, layer scale", { .no_embed_class = true, .layer_scale = true } },
  { "no biases, no final norm", { .no_qkv_bias = true, .no_proj_bias = true, .no_final_norm = true } },
  { "mean, no final norm", { .average = true, .no_final_norm = true } },
  { "qk scale 0.8, tanh GELU", { .qk_scale = 0.8f, .act = "gelu_tanh" } },
  { "ReLU", { .act = "relu" } },
  { "head of linear, tanh, linear", { .head = MODEL_HEAD_TANH, .hidden = 21 } },
  { "head of norm, linear, GELU, linear", { .head = MODEL_HEAD_MLP, .average = true, .fc_norm = -1 } },
  { "head of norm, linear, GELU, linear over the token", { .head = MODEL_HEAD_MLP, .patch_norm = true } },
  { "patch 16 of 48 x 80", { .image_width = 80, .image_height = 48, .patch_width = 16, .patch_height = 16 } },
  { "patch 4 wide, 16 high", { .patch_width = 4, .patch_height = 16 } },
  { "patch 14", { .image_width = 42, .image_height = 28, .patch_width = 14, .patch_height = 14 } },
  { "patch 32", { .image_width = 64, .image_height = 96, .patch_width = 32, .patch_height = 32 } },
  { "position embedding enlarged", { .stored_width = 24, .stored_height = 24, .image_width = 40 } },
  { "position embedding reduced", { .stored_width = 64, .stored_height = 64, .registers = 1 } },
  { "five heads of 9, odd MLP", { .dim = 45, .heads = 5, .mlp_dim = 77, .patch_width = 4, .patch_height = 4 } },
  { "one head of 64, narrow MLP", { .dim = 64, .heads = 1, .mlp_dim = 24 } },
  { "one head of 72", { .dim = 72, .heads = 1 } },
  { "two heads of 80", { .dim = 160, .heads = 2 } },
  { "rows of 2 KiB", { .dim = 512, .heads = 8, .mlp_dim = 1024 } },
  { "197 tokens",
      { .dim = 96,
          .heads = 3,
          .image_width = 56,
          .image_height = 56,
          .patch_width = 4,
          .patch_height = 4,
          .depth = 3 } },
  { "one class", { .classes = 1 } },
  { "21843 classes, half weights", { .classes = 21843, .depth = 1, .dtype = MODEL_F16 } },
  { "a stream that grows", { .gain = 2, .depth = 4 } },
};

/* Errors relative to the tensor's largest value: of logits as promised, of the tensors inside with room for those
 * that later layers shrink again. */
static double
tolerance (enum vit_precision precision)
{
  return precision == VIT_I8 ? 5e-2 : precision == VIT_F16 ? 2e-2 : 1e-4;
}

struct comparison {
  vit_session *session;
  const vit_image *image;
  const char *row;
  double tolerance;
  uint32_t compared;
  bool wrong; /* a tensor was: the rest follows from it */
};

static bool
has_tap (const vit_session *session, const char *name)
{
  const char *tap;
  for (uint32_t i = 0; (tap = vit_session_tap_name (session, i)) != NULL; i++)
    if (strcmp (tap, name) == 0)
      return true;
  return false;
}

/* found against want; names the tensor and its worst element. */
static bool
tensor_is_close (const char *row, const char *name, const float *found, const double *want, uint32_t rows_,
    uint32_t columns, double allowed)
{
  double largest = 0, worst = -1;
  size_t at = 0, count = (size_t) rows_ * columns;
  for (size_t i = 0; i < count; i++) {
    double error = fabs (found[i] - want[i]);
    largest = fmax (largest, fabs (want[i]));
    if (!(error <= worst)) {
      worst = error;
      at = i;
    }
    if (isnan (error))
      break;
  }
  if (worst <= allowed * largest)
    return true;
  check_failed ("%s: the first wrong tensor is %s (%u, %u): [%zu][%zu] is %.9g, expected %.9g within %.3g", row, name,
      rows_, columns, at / columns, at % columns, found[at], want[at], allowed * largest);
  return false;
}

static void
compare_tap (void *ctx, const char *name, const double *want, uint32_t rows_, uint32_t columns)
{
  struct comparison *c = ctx;
  uint32_t shape[2];
  vit_error err = { 0 };
  if (c->wrong || !has_tap (c->session, name)) /* named otherwise where something is folded into it */
    return;
  float *found = vit_session_tap (c->session, c->image, name, shape, &err);
  REQUIRE_OK (found, err);
  c->compared++;
  if (shape[0] != rows_ || shape[1] != columns) {
    check_failed ("%s: %s is (%u, %u), expected (%u, %u)", c->row, name, shape[0], shape[1], rows_, columns);
    c->wrong = true;
  } else
    c->wrong = !tensor_is_close (c->row, name, found, want, rows_, columns, c->tolerance);
  free (found);
}

static void
compare_logits (struct comparison *c, uint32_t classes, const double *want)
{
  vit_error err = { 0 };
  vit_result result = { 0 };
  enum vit_submit submit = vit_session_submit (c->session, c->image, 1, &err);
  REQUIRE_OK (submit == VIT_SUBMITTED, err);
  enum vit_collect collect = vit_session_collect (c->session, UINT64_MAX, &result, &err);
  REQUIRE_OK (collect == VIT_COLLECTED, err);
  REQUIRE (result.user == c->image->user && result.classes == classes);
  tensor_is_close (c->row, "logits of a submit", result.logits, want, 1, classes, c->tolerance);
}

/* Every tensor the session shows must be one the twin makes, or say that it isn't. */
static void
count_taps (const struct comparison *c, bool folded)
{
  uint32_t n = 0;
  const char *name;
  for (uint32_t i = 0; (name = vit_session_tap_name (c->session, i)) != NULL; i++)
    n += !folded || !strstr (name, ".folded");
  if (!c->wrong && c->compared != n)
    check_failed ("%s: %u tensors compared, expected all %u that the session names", c->row, c->compared, n);
}

/* Folded or not; *patches is the network's input without folding, made by the run that doesn't. */
static void
run_row (vit_device *device, const struct row *row, enum vit_precision precision, const char *folder,
    const vit_image *image, bool folded, float **patches)
{
  vit_error err = { 0 };
  struct vit_model_params params = { .precision = precision };
  struct vit_model_info info;
  char name[128];
  snprintf (name, sizeof name, "%s, %s%s", row->name,
      precision == VIT_I8        ? "i8"
          : precision == VIT_F16 ? "f16"
                                 : "f32",
      folded ? ", folded" : "");
  if (folded)
    unsetenv ("VIT_FOLD");
  else
    setenv ("VIT_FOLD", "none", 1);
  vit_model *model = vit_model_load (device, folder, &params, &err);
  if (!model) {
    check_failed ("%s: loading failed: %s", name, err.msg);
    return;
  }
  vit_model_get_info (model, &info);
  REQUIRE (info.precision == precision);
  struct comparison c = { .image = image, .row = name, .tolerance = tolerance (precision) };
  c.session = vit_session_create (model, NULL, &err);
  REQUIRE_OK (c.session, err);

  uint32_t shape[2];
  double *logits = check_alloc (info.classes, sizeof *logits);
  if (!folded)
    *patches = vit_session_tap (c.session, image, "patches", shape, &err);
  REQUIRE_OK (*patches, err);
  struct checkpoint *checkpoint = checkpoint_open (folder, &err);
  REQUIRE_OK (checkpoint, err);
  bool ok = ref_forward (checkpoint, *patches, compare_tap, &c, logits, &err);
  REQUIRE_OK (ok, err);
  if (!c.wrong)
    compare_logits (&c, info.classes, logits);
  count_taps (&c, folded);
  printf ("%-60s %u tensors\n", name, c.compared);

  checkpoint_close (&checkpoint);
  vit_session_destroy (&c.session);
  vit_model_destroy (&model);
  free (logits);
}

int
main (int argc, char **argv)
{
  enum { WIDTH = 61, HEIGHT = 47 };
  uint8_t *pixels = check_alloc (WIDTH * HEIGHT, 3);
  struct rng rng = { 3 };
  for (size_t i = 0; i < WIDTH * HEIGHT * 3; i++)
    pixels[i] = (uint8_t) rng_below (&rng, 256);
  vit_image image = { .format = VIT_FORMAT_RGB,
    .width = WIDTH,
    .height = HEIGHT,
    .planes = { pixels },
    .strides = { WIDTH * 3 },
    .user = &image };
  struct vit_device_info info;
  vit_device *device = test_device_open ();
  vit_device_get_info (device, &info);
  for (size_t i = 0; i < COUNT_OF (rows); i++) {
    if (argc > 1 && !strstr (rows[i].name, argv[1]))
      continue;
    char *folder = make_folder ();
    make_model (folder, &rows[i].options, i);
    for (enum vit_precision precision = VIT_F32; precision <= VIT_I8; precision++) {
      float *patches = NULL;
      if (precision == VIT_F16 && !info.storage16)
        continue;
      run_row (device, &rows[i], precision, folder, &image, false, &patches);
      run_row (device, &rows[i], precision, folder, &image, true, &patches);
      free (patches);
    }
    remove_folder (&folder);
  }
  test_device_close (&device);
  free (pixels);
  return check_status ();
}
