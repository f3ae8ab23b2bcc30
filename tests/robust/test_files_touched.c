/* Nothing is read or written outside the paths that the user named, the cache folder and the system's own. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Usage: test_files_touched VIT_INFO GOLDEN_MODELS
 *
 * The kernel is asked, not the program: every open, mkdir, rename, ... that succeeds is seen. Beside the model lies
 * bait that nobody named; reads are allowed there where the row says so, and in the system's folders (loader, drivers);
 * writes only in the cache folder and to devices.
 */
#include "../check.h"
#include "scratch.h"
#include "trace.h"

enum { MAX_ARGS = 8, MAX_PLACES = 4 };

struct row {
  const char *what;
  const char *args[MAX_ARGS];    /* after vit-info */
  const char *reads[MAX_PLACES]; /* relative to the folder: files, or folders with a '/' at the end */
  const char *writes[MAX_PLACES];
  int status;
};

/* What the driver and the validation layer keep by themselves. */
#define DRIVER_CACHE "cache/mesa_shader_cache", "cache/shader_validation_cache"

static const struct row rows[] = {
  { "the list of devices", .args = { "--json" }, .writes = { "cache/" } },
  { "a folder's facts", .args = { "named/model" }, .reads = { "named/model/" }, .writes = { "cache/" } },
  { "a folder, by a path with ..", .args = { "bait/../named/model" }, .reads = { "bait/../named/model/" },
      .writes = { "cache/" } },
  { "a file's facts", .args = { "named/model/model.safetensors" }, .reads = { "named/model/" },
      .writes = { "cache/" } },
  { "a picture classified", .args = { "named/model", "--logits", "named/p.ppm" },
      .reads = { "named/model/", "named/p.ppm" }, .writes = { "cache/" } },
  { "shards", .args = { "named/shards" }, .reads = { "named/shards/" }, .writes = { "cache/" } },
  { "labels from a file", .args = { "named/model", "--labels", "--labels-file", "named/labels.txt" },
      .reads = { "named/model/", "named/labels.txt" }, .writes = { "cache/" } },
  { "a tensor written to a file", .args = { "named/model", "--tap", "logits", "named/p.ppm", "--raw", "out.bin" },
      .reads = { "named/model/", "named/p.ppm" }, .writes = { "cache/", "out.bin" } },
  { "a cache folder by name", .args = { "named/model", "--logits", "named/p.ppm", "--cache-dir", "other" },
      .reads = { "named/model/", "named/p.ppm" }, .writes = { DRIVER_CACHE, "other" } },
  { "no cache", .args = { "named/model", "--logits", "named/p.ppm", "--cache-dir", "" },
      .reads = { "named/model/", "named/p.ppm" }, .writes = { DRIVER_CACHE } },
  { "an index that names a shard elsewhere", .args = { "named/thief" }, .reads = { "named/thief/" },
      .writes = { "cache/" }, .status = 1 },
};

/* What a run is judged by. */
struct judge {
  const struct row *row;
  const char *top, *build;
  bool model_seen; /* or the tracer is blind */
};

static bool
starts_with (const char *text, const char *start)
{
  return strncmp (text, start, strlen (start)) == 0;
}

/* The system: libraries, drivers, devices, and where this build lies. */
static bool
is_system (const struct judge *j, const char *path, bool written)
{
  static const char *const readable[] = { "/usr/", "/lib/", "/lib64/", "/lib32/", "/etc/", "/opt/", "/run/", "/var/" };
  static const char *const any[] = { "/dev/", "/proc/", "/sys/" };
  for (size_t i = 0; i < COUNT_OF (any); i++)
    if (starts_with (path, any[i]))
      return true;
  for (size_t i = 0; i < COUNT_OF (readable) && !written; i++)
    if (starts_with (path, readable[i]))
      return true;
  return !written && starts_with (path, j->build);
}

static bool
is_named (const struct judge *j, const char *path, const char *const places[MAX_PLACES])
{
  size_t n = strlen (j->top);
  if (strncmp (path, j->top, n) != 0 || path[n] != '/')
    return false;
  const char *inside = path + n + 1;
  for (int i = 0; i < MAX_PLACES && places[i]; i++) {
    size_t length = strlen (places[i]);
    bool folder = places[i][length - 1] == '/';
    if (starts_with (inside, places[i])
        || (folder && strncmp (inside, places[i], length - 1) == 0 && !inside[length - 1]))
      return true;
  }
  return false;
}

static void
seen (void *ctx, const char *path, bool written)
{
  struct judge *j = ctx;
  if (strstr (path, "safetensors"))
    j->model_seen = true;
  if (is_system (j, path, written) || is_named (j, path, j->row->writes))
    return;
  /* the Vulkan loader looks for layers and drivers of the user's own under HOME */
  if (!written && (is_named (j, path, j->row->reads) || is_named (j, path, (const char *[MAX_PLACES]) { "home/" })))
    return;
  check_failed ("%s: %s %s, which nobody named", j->row->what, written ? "writes" : "reads", path);
}

/* Good files where rows name them, and the same as bait where none does. */
static void
fill_folder (const char *models)
{
  char path[4096];
  static const char *const folders[] = { "named", "bait", "other" };
  for (size_t i = 0; i < COUNT_OF (folders); i++)
    scratch_make_folder (folders[i]);
  snprintf (path, sizeof path, "%s/hf-vit/checkpoint", models);
  scratch_copy_folder (path, "named/model");
  scratch_copy_folder (path, "bait/model");
  scratch_copy_folder (path, "named/thief");
  snprintf (path, sizeof path, "%s/hf-vit-sharded/checkpoint", models);
  scratch_copy_folder (path, "named/shards");
  static const char *const baits[] = { "config.json", "labels.txt", "named/config.json",
    "named/preprocessor_config.json" };
  for (size_t i = 0; i < COUNT_OF (baits); i++)
    scratch_write (baits[i], "{}", 2);
  scratch_write ("named/p.ppm", "P6 1 1 255\nRGB", 14);
  scratch_write ("named/labels.txt", "a\nb\nc\nd\ne\nf\n", 12);
  static const char index[] =
      "{\"metadata\": {}, \"weight_map\": {\"classifier.bias\": \"../../bait/model/model.safetensors\"}}";
  scratch_remove ("named/thief/model.safetensors");
  scratch_write ("named/thief/model.safetensors.index.json", index, sizeof index - 1);
}

static void
run_row (struct judge *j, const char *program)
{
  const char *argv[MAX_ARGS + 2] = { program };
  for (int i = 0; i < MAX_ARGS && j->row->args[i]; i++)
    argv[i + 1] = j->row->args[i];
  j->model_seen = false;
  int status = trace_run (argv, seen, j);
  if (status == -1)
    SKIP ("a process may not trace its child here");
  if (status != j->row->status)
    check_failed ("%s: exit status %d, expected %d", j->row->what, status, j->row->status);
  if (j->row->reads[0] && !j->model_seen)
    check_failed ("%s: no file of the model was seen to be opened", j->row->what);
  printf ("%s: done\n", j->row->what);
}

int
main (int argc, char **argv)
{
  REQUIRE (argc == 3);
  char build[4096], *program = scratch_absolute (argv[1]), *models = scratch_absolute (argv[2]);
  const char *inside = strstr (program, "/host/tools/");
  REQUIRE (inside);
  snprintf (build, sizeof build, "%.*s/", (int) (inside - program), program);
  /* a leak checker stops its own threads as a tracer would, and only one can */
  char options[1024];
  const char *before = getenv ("ASAN_OPTIONS");
  snprintf (options, sizeof options, "%s%sdetect_leaks=0", before ? before : "", before ? ":" : "");
  setenv ("ASAN_OPTIONS", options, 1);
  struct judge j = { .top = scratch_enter (), .build = build };
  fill_folder (models);
  static struct child c;
  child_run (&c, (const char *[]) { program, NULL });
  if (c.status != 0 && strstr (c.err, "no Vulkan"))
    SKIP ("%s", c.err);
  if (c.status != 0)
    check_die (__FILE__, __LINE__, "the list of devices: exit status %d: %s", c.status, c.err);
  for (size_t i = 0; i < COUNT_OF (rows); i++) {
    j.row = &rows[i];
    run_row (&j, program);
  }
  free (program);
  free (models);
  return check_status ();
}
