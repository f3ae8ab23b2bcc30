/* Whatever a file, a device name or a command line can have wrong ends in one clear line, never in a crash. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Usage: test_bad_input VIT_INFO GOLDEN_MODELS
 *
 * Every row of the table spoils a copy of a good checkpoint (m/), runs vit-info on it, and wants the exit status and
 * exactly one line on stderr with all the words given: the file, what was found, what was expected, what to do.
 */
#include "../check.h"
#include "scratch.h"

enum { MAX_ARGS = 8, MAX_WORDS = 4 };

/* How a row spoils its file. */
enum spoil {
  KEEP,     /* the file stays as it is */
  REPLACE,  /* `a` takes the place of the whole file */
  TRUNCATE, /* to n bytes */
  RANDOM,   /* n random bytes */
  EDIT,     /* the first `a` becomes `b`, of any length (the header's length in a safetensors file stays) */
  POKE,     /* eight bytes at n become the little-endian `value` */
  REMOVE,
  FOLDER /* a folder takes the file's place */
};

struct row {
  const char *what;
  const char *model; /* of the golden models */
  enum spoil spoil;
  const char *file; /* in m/, or elsewhere in the folder with a leading '/' */
  const char *a, *b;
  size_t n;
  uint64_t value;
  int status;
  const char *args[MAX_ARGS];   /* after vit-info */
  const char *words[MAX_WORDS]; /* all must be in the line */
};

#define WEIGHTS "model.safetensors"
#define HF      "hf-vit"
#define TIMM    "timm-plain"
#define SHARDED "hf-vit-sharded"
#define POINTER                                                                                                        \
  "version https://git-lfs.github.com/spec/v1\n"                                                                       \
  "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 346293852\n"
#define LABELS(...)  .args = { "m", "--labels-file", "labels.txt" }, .file = "/labels.txt", __VA_ARGS__
#define PICTURE(...) .args = { "m", "--logits", "p.ppm" }, .file = "/p.ppm", __VA_ARGS__
#define NAN_BITS     0x7fc000007fc00000u

static const struct row rows[] = {
  /* files of weights */
  { "a missing path", HF, KEEP, .args = { "absent" }, .status = 1,
      .words = { "absent", "no such file", "expected", "check the path" } },
  { "a missing file", HF, KEEP, .args = { "m/absent.safetensors" }, .status = 1,
      .words = { "m/absent.safetensors", "no such file" } },
  { "an empty file", HF, TRUNCATE, WEIGHTS, .status = 1, .words = { WEIGHTS, "empty", "expected" } },
  { "four bytes", HF, TRUNCATE, WEIGHTS, .n = 4, .status = 1, .words = { WEIGHTS, "4 bytes", "expected" } },
  { "half a header", HF, TRUNCATE, WEIGHTS, .n = 400, .status = 1, .words = { WEIGHTS, "cut short" } },
  { "half the data", HF, TRUNCATE, WEIGHTS, .n = 20000, .status = 1, .words = { WEIGHTS, "cut short", "tensor" } },
  { "the last byte missing", HF, TRUNCATE, WEIGHTS, .n = 36023, .status = 1, .words = { WEIGHTS, "cut short" } },
  { "random bytes", HF, RANDOM, WEIGHTS, .n = 5000, .status = 1, .words = { WEIGHTS, "not a safetensors file" } },
  { "a header of 2^40 bytes", HF, POKE, WEIGHTS, .value = 1ull << 40, .status = 1,
      .words = { WEIGHTS, "1099511627776" } },
  { "a header of 2^64 - 1 bytes", HF, POKE, WEIGHTS, .value = UINT64_MAX, .status = 1,
      .words = { WEIGHTS, "18446744073709551615" } },
  { "a header longer than the file", HF, POKE, WEIGHTS, .value = 40000, .status = 1, .words = { WEIGHTS, "40000" } },
  { "a header of no bytes", HF, POKE, WEIGHTS, .value = 0, .status = 1, .words = { WEIGHTS } },
  { "a Git LFS pointer", HF, REPLACE, WEIGHTS, POINTER, .status = 1, .words = { WEIGHTS, "Git LFS", "git lfs pull" } },
  { "a Git LFS pointer, named itself", HF, REPLACE, WEIGHTS, POINTER, .args = { "m/" WEIGHTS }, .status = 1,
      .words = { "m/" WEIGHTS, "Git LFS" } },
  { "text", HF, REPLACE, WEIGHTS, "<!DOCTYPE html><html><body>404 not found</body></html>", .status = 1,
      .words = { WEIGHTS, "not a safetensors file" } },
  { "a header that is not JSON", HF, EDIT, WEIGHTS, "{\"__metadata__\"", "{\"__metadata__!", .status = 1,
      .words = { WEIGHTS, "JSON" } },
  { "a dtype that no network has", HF, EDIT, WEIGHTS, "\"F32\",\"shape\":[6,16]", "\"I32\",\"shape\":[6,16]",
      .status = 1, .words = { WEIGHTS, "classifier.weight", "I32" } },
  { "a shape that is another", HF, EDIT, WEIGHTS,
      "layer.1.intermediate.dense.weight\":{\"dtype\":\"F32\",\"shape\":[32,16]",
      "layer.1.intermediate.dense.weight\":{\"dtype\":\"F32\",\"shape\":[16,32]", .status = 1,
      .words = { WEIGHTS, "layer.1.intermediate.dense.weight", "[16, 32]", "[32, 16]" } },
  { "more classes than labels", HF, EDIT, WEIGHTS, "[6,16]", "[8,12]", .status = 1,
      .words = { "config.json", "6 labels", "8 classes" } },
  { "a shape larger than its data", HF, EDIT, WEIGHTS, "[6,16]", "[9,99]", .status = 1,
      .words = { WEIGHTS, "classifier.weight" } },
  { "a tensor by another name", HF, EDIT, WEIGHTS, "classifier.weight", "classifier.wait!!", .status = 1,
      .words = { WEIGHTS, "classifier.weight" } },
  { "offsets that overlap", HF, EDIT, WEIGHTS, "[24,408]", "[16,400]", .status = 1,
      .words = { WEIGHTS, "classifier.weight", "overlap" } },
  { "NaN among the weights", HF, POKE, WEIGHTS, .n = 36016, .value = NAN_BITS, .status = 1,
      .words = { WEIGHTS, "vit.layernorm.weight", "NaN", "expected" } },
  { "a folder in the file's place", HF, FOLDER, WEIGHTS, .status = 1, .words = { WEIGHTS, "folder" } },
  { "no weights in the folder", HF, REMOVE, WEIGHTS, .status = 1, .words = { "m", "no weights", "expected" } },
  { "an empty folder", NULL, KEEP, .status = 1, .words = { "m", "expected" } },
  /* shards */
  { "a missing shard", SHARDED, REMOVE, "model-00002-of-00002.safetensors", .status = 1,
      .words = { "model-00002-of-00002.safetensors", "No such file" } },
  { "a shard in another folder", SHARDED, EDIT, "model.safetensors.index.json", "model-00001-of-00002.safetensors",
      "../elsewhere/stolen.safetensors", .status = 1, .words = { "index.json", "../elsewhere/stolen", "same folder" } },
  { "an index that is not JSON", SHARDED, TRUNCATE, "model.safetensors.index.json", .n = 500, .status = 1,
      .words = { "index.json", "parsed" } },
  /* configurations */
  { "a config that is not JSON", HF, TRUNCATE, "config.json", .n = 100, .status = 1,
      .words = { "config.json", "parsed", "line" } },
  { "an empty config", HF, TRUNCATE, "config.json", .status = 1, .words = { "config.json" } },
  { "another network", HF, EDIT, "config.json", "\"model_type\": \"vit\"", "\"model_type\": \"bert\"", .status = 1,
      .words = { "config.json", "bert", "supported" } },
  { "heads that do not divide the width", HF, EDIT, "config.json", "\"num_attention_heads\": 2",
      "\"num_attention_heads\": 3", .status = 1, .words = { "config.json", "16", "3 heads" } },
  { "no heads", HF, EDIT, "config.json", "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", .status = 1,
      .words = { "config.json", "num_attention_heads" } },
  { "an image that patches do not fill", TIMM, EDIT, "config.json", "      48,\n      48\n    ],\n    \"patch_size\"",
      "      50,\n      50\n    ],\n    \"patch_size\"", .status = 1, .words = { "config.json", "50" } },
  { "another width than the weights'", HF, EDIT, "config.json", "\"hidden_size\": 16", "\"hidden_size\": 24",
      .status = 1, .words = { "config.json", "24", "16" } },
  { "more blocks than the weights have", HF, EDIT, "config.json", "\"num_hidden_layers\": 2",
      "\"num_hidden_layers\": 3", .status = 1, .words = { "num_hidden_layers", "3", "2" } },
  { "text where a number belongs", HF, EDIT, "config.json", "\"patch_size\": 8", "\"patch_size\": \"eight\"",
      .status = 1, .words = { "config.json", "patch_size", "eight" } },
  { "a number too large", HF, EDIT, "config.json", "\"image_size\": 32", "\"image_size\": 99999999999", .status = 1,
      .words = { "config.json", "image_size" } },
  /* labels */
  { "too few labels", HF, REPLACE, LABELS ("a\nb\nc\n", .status = 1, .words = { "labels.txt", "3", "6" }) },
  { "too many labels", HF, REPLACE,
      LABELS ("a\nb\nc\nd\ne\nf\ng\n", .status = 1, .words = { "labels.txt", "7", "6" }) },
  { "no labels", HF, REPLACE, LABELS ("", .status = 1, .words = { "labels.txt", "6" }) },
  { "a missing labels file", HF, REMOVE, LABELS (NULL, .status = 1, .words = { "labels.txt", "No such file" }) },
  { "a folder of labels", HF, FOLDER, LABELS (NULL, .status = 1, .words = { "labels.txt", "folder" }) },
  /* pictures */
  { "a missing picture", HF, REMOVE, PICTURE (NULL, .status = 1, .words = { "p.ppm", "No such file" }) },
  { "an empty picture", HF, TRUNCATE, PICTURE (NULL, .status = 1, .words = { "p.ppm", "empty", "expected" }) },
  { "a picture in another format", HF, REPLACE,
      PICTURE ("\x89PNG\r\n\x1a\n", .status = 1, .words = { "p.ppm", "P6" }) },
  { "half a picture", HF, REPLACE, PICTURE ("P6 2 2 255\n123456", .status = 1, .words = { "p.ppm", "6 bytes", "12" }) },
  { "a picture of 16-bit values", HF, REPLACE,
      PICTURE ("P6 1 1 65535\n123456", .status = 1, .words = { "p.ppm", "65535", "expected 255" }) },
  { "a picture of no pixels", HF, REPLACE, PICTURE ("P6 0 5 255\n", .status = 1, .words = { "p.ppm", "0 x 5" }) },
  { "a picture too large", HF, REPLACE,
      PICTURE ("P6 20000 5 255\n", .status = 1, .words = { "p.ppm", "20000 x 5", "16384" }) },
  { "a picture that promises gigabytes", HF, REPLACE,
      PICTURE ("P6 16384 16384 255\nx", .status = 1, .words = { "p.ppm", "805306368" }) },
  { "a header cut off", HF, REPLACE, PICTURE ("P6 16 # no end", .status = 1, .words = { "p.ppm", "header" }) },
  /* devices */
  { "an unknown device", HF, KEEP, .args = { "m", "--device", "voodoo" }, .status = 1,
      .words = { "voodoo", "llvmpipe" } },
  { "a device number too high", HF, KEEP, .args = { "m", "--device", "99" }, .status = 1, .words = { "99" } },
  { "an unknown uuid", HF, KEEP, .args = { "m", "--device", "uuid:00000000000000000000000000000000" }, .status = 1,
      .words = { "uuid:0000" } },
  { "a broken uuid", HF, KEEP, .args = { "m", "--device", "uuid:xyz" }, .status = 1, .words = { "uuid:xyz" } },
  { "an unknown pci address", HF, KEEP, .args = { "m", "--device", "pci:ff:1f.7" }, .status = 1,
      .words = { "pci:ff:1f.7" } },
  /* command lines */
  { "an unknown option", HF, KEEP, .args = { "m", "--frobnicate" }, .status = 2,
      .words = { "--frobnicate", "--help" } },
  { "an option without its value", HF, KEEP, .args = { "m", "--device" }, .status = 2,
      .words = { "--device", "value" } },
  { "an unknown precision", HF, KEEP, .args = { "m", "--precision", "f8" }, .status = 2, .words = { "f8", "f16" } },
  { "a tap without a picture", HF, KEEP, .args = { "m", "--tap", "logits" }, .status = 2, .words = { "picture" } },
  { "two wishes at once", HF, KEEP, .args = { "m", "--tap", "logits", "--logits", "p.ppm" }, .status = 2,
      .words = { "--logits", "--tap" } },
  { "top 0", HF, KEEP, .args = { "m", "--top-k", "0" }, .status = 2, .words = { "--top-k", "'0'" } },
  { "three files", HF, KEEP, .args = { "m", "p.ppm", "q.ppm" }, .status = 2, .words = { "q.ppm" } },
  { "an unknown tensor", HF, REPLACE, "/p.ppm", "P6 1 1 255\nRGB", .args = { "m", "--tap", "blocks.9.norm1", "p.ppm" },
      .status = 2, .words = { "blocks.9.norm1" } },
};

static void
edit (const char *path, const struct row *r)
{
  size_t size, la = strlen (r->a), lb = strlen (r->b), at = 0;
  char *data = scratch_read (path, &size);
  while (at + la <= size && memcmp (data + at, r->a, la) != 0)
    at++;
  if (at + la > size)
    check_die (__FILE__, __LINE__, "%s: no '%s' in %s to spoil", r->what, r->a, path);
  char *spoilt = check_alloc (size - la + lb, 1);
  memcpy (spoilt, data, at);
  memcpy (spoilt + at, r->b, lb);
  memcpy (spoilt + at + lb, data + at + la, size - at - la);
  scratch_write (path, spoilt, size - la + lb);
  free (spoilt);
  free (data);
}

static void
change_bytes (const char *path, const struct row *r)
{
  size_t size;
  char *data = scratch_read (path, &size);
  REQUIRE (r->n + 8 <= size);
  for (int i = 0; i < 8; i++)
    data[r->n + (size_t) i] = (char) (r->value >> (8 * i));
  scratch_write (path, data, size);
  free (data);
}

static void
write_random (const char *path, size_t n)
{
  struct rng rng = { 3 };
  unsigned char *data = check_alloc (n, 1);
  for (size_t i = 0; i < n; i++)
    data[i] = (unsigned char) rng_next (&rng);
  scratch_write (path, data, n);
  free (data);
}

static void
truncate_file (const char *path, size_t n)
{
  FILE *f = fopen (path, "rb");
  size_t size = 0;
  char *data = f ? (fclose (f), scratch_read (path, &size)) : check_alloc (1, 1);
  REQUIRE (n <= size);
  scratch_write (path, data, n);
  free (data);
}

static void
spoil (const struct row *r)
{
  char path[256];
  snprintf (path, sizeof path, "%s%s", r->file && r->file[0] == '/' ? "." : "m/", r->file ? r->file : "");
  switch (r->spoil) {
    case KEEP:
      return;
    case REPLACE:
      scratch_write (path, r->a, strlen (r->a));
      return;
    case TRUNCATE:
      truncate_file (path, r->n);
      return;
    case RANDOM:
      write_random (path, r->n);
      return;
    case EDIT:
      edit (path, r);
      return;
    case POKE:
      change_bytes (path, r);
      return;
    case FOLDER:
      scratch_remove (path);
      scratch_make_folder (path);
      return;
    case REMOVE:
      scratch_remove (path);
      return;
  }
}

/* One line, from vit-info itself, with every word; nothing on stdout that could pass for a result. */
static void
judge (const struct row *r, const struct child *c)
{
  const char *newline = strchr (c->err, '\n');
  bool one_line = newline && !newline[1];
  if (c->status != r->status || !one_line || strncmp (c->err, "vit-info: ", 10) != 0 || c->out[0])
    check_failed ("%s: exit status %d, expected %d and one line of vit-info's; stdout '%.200s', stderr:\n%.3000s",
        r->what, c->status, r->status, c->out, c->err);
  else
    for (int i = 0; i < MAX_WORDS && r->words[i]; i++)
      if (!strstr (c->err, r->words[i]))
        check_failed ("%s: expected '%s' in: %s", r->what, r->words[i], c->err);
}

static void
run_row (const struct row *r, const char *program, const char *models, struct child *c)
{
  scratch_remove ("m");
  scratch_remove ("p.ppm");
  scratch_remove ("labels.txt");
  scratch_make_folder ("m");
  if (r->model) {
    char from[4096];
    snprintf (from, sizeof from, "%s/%s/checkpoint", models, r->model);
    scratch_copy_folder (from, "m");
  }
  spoil (r);
  const char *argv[MAX_ARGS + 2] = { program, "m" };
  for (int i = 0; i < MAX_ARGS && r->args[i]; i++)
    argv[i + 1] = r->args[i];
  child_run (c, argv);
  judge (r, c);
  printf ("%-36s %s", r->what, c->err[0] ? c->err : "\n");
}

/* Without any driver there is still one line, and it says what to install. */
static void
run_without_driver (const char *program, struct child *c)
{
  static const struct row row = { "no Vulkan driver", .status = 1, .words = { "Vulkan" } };
  char *before = getenv ("VK_DRIVER_FILES"), *older = getenv ("VK_ICD_FILENAMES");
  char *kept = before ? strdup (before) : NULL, *kept_older = older ? strdup (older) : NULL;
  setenv ("VK_DRIVER_FILES", "/nonexistent.json", 1);
  setenv ("VK_ICD_FILENAMES", "/nonexistent.json", 1);
  child_run (c, (const char *[]) { program, NULL });
  judge (&row, c);
  printf ("%-36s %s", row.what, c->err);
  unsetenv ("VK_DRIVER_FILES");
  unsetenv ("VK_ICD_FILENAMES");
  if (kept)
    setenv ("VK_DRIVER_FILES", kept, 1);
  if (kept_older)
    setenv ("VK_ICD_FILENAMES", kept_older, 1);
  free (kept);
  free (kept_older);
}

/* The unspoilt checkpoint works, or every row above would fail for the wrong reason. */
static void
require_good (const char *program, const char *models, struct child *c)
{
  char path[4096];
  snprintf (path, sizeof path, "%s/%s/checkpoint", models, HF);
  child_run (c, (const char *[]) { program, NULL });
  if (c->status != 0 && strstr (c->err, "no Vulkan"))
    SKIP ("%s", c->err);
  if (c->status != 0)
    check_die (__FILE__, __LINE__, "the list of devices: exit status %d: %s", c->status, c->err);
  scratch_write ("p.ppm", "P6 1 1 255\nRGB", 14);
  child_run (c, (const char *[]) { program, path, "--logits", "p.ppm", NULL });
  if (c->status != 0)
    check_die (__FILE__, __LINE__, "the good model fails: %s", c->err);
  REQUIRE_TEXT (c->out, "\"logits\"");
  REQUIRE_TEXT (c->out, "thing ");
}

int
main (int argc, char **argv)
{
  REQUIRE (argc == 3);
  static struct child c;
  char *program = scratch_absolute (argv[1]), *models = scratch_absolute (argv[2]);
  scratch_enter ();
  require_good (program, models, &c);
  for (size_t i = 0; i < COUNT_OF (rows); i++)
    run_row (&rows[i], program, models, &c);
  run_without_driver (program, &c);
  free (program);
  free (models);
  return check_status ();
}
