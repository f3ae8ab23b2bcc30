/* Writes a checkpoint with random weights of a published size, and surely removes it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "synth.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

enum { CLASSES = 1000, MLP_RATIO = 4, PATH_MAX_BYTES = 4096, SIDE_MAX = 4096 };

/* Set before the folder exists and read by the signal handler, which may only unlink and rmdir. */
static char folder[PATH_MAX_BYTES], weights_path[PATH_MAX_BYTES + 32], config_path[PATH_MAX_BYTES + 32];
static volatile sig_atomic_t exists;

/* One tensor of the file; std 0 with mean 1 would be a norm that does nothing, so even norms vary a little. */
struct row {
  char name[64];
  uint64_t shape[4];
  uint32_t num_dims;
  float mean, std;
};

bool
synth_parse (const char *text, struct synth_shape *shape, vit_error *err)
{
  static const struct {
    const char *name;
    uint32_t dim, depth, heads;
  } sizes[] = {
    { "Ti", 192, 12, 3 },
    { "S", 384, 12, 6 },
    { "B", 768, 12, 12 },
    { "L", 1024, 24, 16 },
    { "H", 1280, 32, 16 },
  };
  char name[3] = { 0 };
  unsigned patch = 0, size = 224;
  int used = 0, end = 0;
  bool ok = strlen (text) < sizeof shape->name && sscanf (text, "%2[A-Za-z]/%3u%n", name, &patch, &used) == 2;
  if (ok && text[used])
    ok = sscanf (text + used, "@%5u%n", &size, &end) == 1 && !text[used + end];
  for (size_t i = 0; ok && i < sizeof sizes / sizeof *sizes; i++)
    if (strcmp (sizes[i].name, name) == 0) {
      *shape = (struct synth_shape) { .dim = sizes[i].dim,
        .depth = sizes[i].depth,
        .heads = sizes[i].heads,
        .patch = patch,
        .size = size };
      snprintf (shape->name, sizeof shape->name, "%s", text);
      if (patch < 1 || size < patch || size > SIDE_MAX || size % patch)
        return tool_fail (err, VIT_ERR_ARG,
            "--shape %s: a picture of %u pixels is not a whole number of patches of %u"
            " (pictures up to %d)",
            text, size, patch, SIDE_MAX);
      return true;
    }
  return tool_fail (err, VIT_ERR_ARG,
      "--shape is '%s', expected Ti, S, B, L or H, a slash, the patch size, and maybe"
      " @SIDE, as in B/16 or Ti/16@384",
      text);
}

void
synth_remove (void)
{
  if (!exists)
    return;
  unlink (weights_path);
  unlink (config_path);
  rmdir (folder);
  exists = 0;
}

static void
on_signal (int number)
{
  int saved = errno;
  synth_remove ();
  errno = saved;
  raise (number); /* SA_RESETHAND: the second time it ends the program as if unhandled */
}

static bool
make_folder (vit_error *err)
{
  const char *base = getenv ("TMPDIR");
  if (!base || !*base)
    base = "/tmp";
  int n = snprintf (folder, sizeof folder, "%s/vit-bench-XXXXXX", base);
  if (n < 0 || (size_t) n >= sizeof folder)
    return tool_fail (err, VIT_ERR_ARG, "TMPDIR is longer than %d bytes", PATH_MAX_BYTES);
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };
  sigemptyset (&action.sa_mask);
  static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
  sigset_t hold, before;
  sigemptyset (&hold);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    sigaddset (&hold, signals[i]);
  /* a signal between mkdtemp and `exists` would leave the folder behind */
  sigprocmask (SIG_BLOCK, &hold, &before);
  bool made = mkdtemp (folder) != NULL;
  int why = errno;
  if (made) {
    snprintf (weights_path, sizeof weights_path, "%s/model.safetensors", folder);
    snprintf (config_path, sizeof config_path, "%s/config.json", folder);
    exists = 1;
    atexit (synth_remove);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
      sigaction (signals[i], &action, NULL);
  }
  sigprocmask (SIG_SETMASK, &before, NULL);
  if (!made)
    return tool_fail (err, VIT_ERR_IO, "%s: no temporary folder can be made there: %s; set TMPDIR", base,
        strerror (why));
  return true;
}

static bool
write_config (const struct synth_shape *s, vit_error *err)
{
  json_t *config = json_pack ("{s:s, s:i, s:i, s:s, s:{s:i, s:i, s:i, s:i, s:i, s:i},"
                              " s:{s:[i,i,i], s:b, s:s, s:f, s:s, s:[f,f,f], s:[f,f,f], s:i, s:s, s:s}}",
      "architecture", "vit_random", "num_classes", CLASSES, "num_features", (int) s->dim, "global_pool", "token",
      "model_args", "img_size", (int) s->size, "patch_size", (int) s->patch, "embed_dim", (int) s->dim, "depth",
      (int) s->depth, "num_heads", (int) s->heads, "mlp_ratio", MLP_RATIO, "pretrained_cfg", "input_size", 3,
      (int) s->size, (int) s->size, "fixed_input_size", 1, "interpolation", "bicubic", "crop_pct", 0.9, "crop_mode",
      "center", "mean", 0.5, 0.5, 0.5, "std", 0.5, 0.5, 0.5, "num_classes", CLASSES, "first_conv", "patch_embed.proj",
      "classifier", "head");
  bool ok = config && json_dump_file (config, config_path, JSON_INDENT (1)) == 0;
  json_decref (config);
  return ok
      || tool_fail (err, VIT_ERR_IO, "%s: can't be written; is the disk full? TMPDIR chooses another", config_path);
}

/* The table of tensors: fills `rows` (NULL: only counts) and returns how many there are. Weights have a spread of
 * 1/sqrt(inputs), so that activations keep about unit size from layer to layer, and no tensor is a constant. */
static uint32_t
list_rows (const struct synth_shape *s, struct row *rows)
{
  uint32_t n = 0;
  uint64_t c = s->dim, hidden = c * MLP_RATIO, grid = s->size / s->patch, in = 3ull * s->patch * s->patch;
  float unit = 1.0f / sqrtf ((float) c), wide = 1.0f / sqrtf ((float) hidden);
#define ROW(dims, mean_, std_, d0, d1, d2, d3, ...)                                                                    \
  do {                                                                                                                 \
    if (rows) {                                                                                                        \
      rows[n] = (struct row) { .shape = { d0, d1, d2, d3 }, .num_dims = dims, .mean = mean_, .std = std_ };            \
      snprintf (rows[n].name, sizeof rows[n].name, __VA_ARGS__);                                                       \
    }                                                                                                                  \
    n++;                                                                                                               \
  } while (0)
#define VECTOR(mean_, std_, count, ...) ROW (1, mean_, std_, count, 0, 0, 0, __VA_ARGS__)
#define MATRIX(std_, d0, d1, ...)       ROW (2, 0, std_, d0, d1, 0, 0, __VA_ARGS__)
  ROW (3, 0, 0.5f, 1, 1, c, 0, "cls_token");
  ROW (3, 0, 0.2f, 1, grid * grid + 1, c, 0, "pos_embed");
  ROW (4, 0, 1.0f / sqrtf ((float) in), c, 3, s->patch, s->patch, "patch_embed.proj.weight");
  VECTOR (0, 0.02f, c, "patch_embed.proj.bias");
  for (uint32_t i = 0; i < s->depth; i++) {
    VECTOR (1, 0.1f, c, "blocks.%u.norm1.weight", i);
    VECTOR (0, 0.02f, c, "blocks.%u.norm1.bias", i);
    MATRIX (unit, 3 * c, c, "blocks.%u.attn.qkv.weight", i);
    VECTOR (0, 0.02f, 3 * c, "blocks.%u.attn.qkv.bias", i);
    MATRIX (unit, c, c, "blocks.%u.attn.proj.weight", i);
    VECTOR (0, 0.02f, c, "blocks.%u.attn.proj.bias", i);
    VECTOR (1, 0.1f, c, "blocks.%u.norm2.weight", i);
    VECTOR (0, 0.02f, c, "blocks.%u.norm2.bias", i);
    MATRIX (unit, hidden, c, "blocks.%u.mlp.fc1.weight", i);
    VECTOR (0, 0.02f, hidden, "blocks.%u.mlp.fc1.bias", i);
    MATRIX (wide, c, hidden, "blocks.%u.mlp.fc2.weight", i);
    VECTOR (0, 0.02f, c, "blocks.%u.mlp.fc2.bias", i);
  }
  VECTOR (1, 0.1f, c, "norm.weight");
  VECTOR (0, 0.02f, c, "norm.bias");
  MATRIX (unit, CLASSES, c, "head.weight");
  VECTOR (0, 0.02f, CLASSES, "head.bias");
#undef MATRIX
#undef VECTOR
#undef ROW
  return n;
}

static uint64_t
row_count (const struct row *row)
{
  uint64_t count = 1;
  for (uint32_t i = 0; i < row->num_dims; i++)
    count *= row->shape[i];
  return count;
}

/* safetensors: eight bytes of header length, the JSON header padded to eight, the data in its order. */
static json_t *
header_json (const struct row *rows, uint32_t n)
{
  json_t *header = json_object ();
  json_int_t at = 0;
  for (uint32_t i = 0; header && i < n; i++) {
    json_int_t end = at + (json_int_t) (row_count (&rows[i]) * sizeof (float));
    json_t *shape = json_array ();
    for (uint32_t d = 0; d < rows[i].num_dims; d++)
      json_array_append_new (shape, json_integer ((json_int_t) rows[i].shape[d]));
    json_t *value = json_pack ("{s:s, s:o, s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets", at, end);
    if (json_object_set_new (header, rows[i].name, value) != 0) {
      json_decref (header);
      return NULL;
    }
    at = end;
  }
  return header;
}

static bool
write_header (FILE *f, const struct row *rows, uint32_t n)
{
  json_t *header = header_json (rows, n);
  char *text = header ? json_dumps (header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  json_decref (header);
  if (!text)
    return false;
  size_t length = strlen (text), padded = (length + 7) / 8 * 8;
  unsigned char size[8];
  for (int i = 0; i < 8; i++)
    size[i] = (unsigned char) ((uint64_t) padded >> (8 * i));
  bool ok = fwrite (size, 1, sizeof size, f) == sizeof size && fwrite (text, 1, length, f) == length;
  for (; ok && length < padded; length++)
    ok = putc (' ', f) != EOF;
  free (text);
  return ok;
}

/* xorshift64*, uniform with the given mean and spread: the same file on every machine. */
static bool
write_numbers (FILE *f, const struct row *row, uint64_t *state)
{
  enum { CHUNK = 16384 };
  static float chunk[CHUNK];
  float scale = row->std * 1.7320508f * 0x1p-31f; /* a uniform -1..1 has a spread of 1/sqrt(3) */
  for (uint64_t left = row_count (row); left;) {
    size_t n = left < CHUNK ? (size_t) left : CHUNK;
    for (size_t i = 0; i < n; i++) {
      *state ^= *state >> 12;
      *state ^= *state << 25;
      *state ^= *state >> 27;
      chunk[i] = row->mean + scale * (float) (int32_t) ((*state * 0x2545f4914f6cdd1du) >> 32);
    }
    if (fwrite (chunk, sizeof *chunk, n, f) != n)
      return false;
    left -= n;
  }
  return true;
}

static bool
write_weights (const struct synth_shape *s, vit_error *err)
{
  uint32_t n = list_rows (s, NULL);
  struct row *rows = calloc (n, sizeof *rows);
  FILE *f = rows ? fopen (weights_path, "wb") : NULL;
  bool ok = f != NULL;
  if (ok) {
    list_rows (s, rows);
    ok = write_header (f, rows, n);
  }
  uint64_t state = 0x9e3779b97f4a7c15u;
  for (uint32_t i = 0; ok && i < n; i++)
    ok = write_numbers (f, &rows[i], &state);
  int why = errno;
  if (f && fclose (f) != 0)
    ok = false;
  free (rows);
  return ok
      || tool_fail (err, VIT_ERR_IO, "%s: can't be written: %s; TMPDIR chooses another place", weights_path,
          strerror (why));
}

const char *
synth_create (const struct synth_shape *shape, vit_error *err)
{
  if (!make_folder (err))
    return NULL;
  if (write_config (shape, err) && write_weights (shape, err))
    return folder;
  synth_remove ();
  return NULL;
}
