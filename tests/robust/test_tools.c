/* vit-info and vit-bench do what they say: facts, tensors, labels, counts that make a frame cheap, no file left. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Usage: test_tools VIT_INFO VIT_BENCH GOLDEN_MODELS */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "scratch.h"

enum { CLASSES = 6, WAIT_SECONDS = 60 };

static struct child c;

/* The child's stdout as JSON; json_decref. */
static json_t *
run_json (const char *const *argv)
{
  child_run (&c, argv);
  if (c.status != 0)
    check_die (__FILE__, __LINE__, "%s: exit status %d: %s", argv[0], c.status, c.err);
  json_error_t err;
  json_t *value = json_loads (c.out, 0, &err);
  if (!value)
    check_die (__FILE__, __LINE__, "%s: %s in %.500s", argv[0], err.text, c.out);
  return value;
}

static double
number (const json_t *object, const char *key)
{
  const json_t *value = json_object_get (object, key);
  if (!json_is_number (value))
    check_die (__FILE__, __LINE__, "no number '%s' in the JSON", key);
  return json_number_value (value);
}

static void
test_devices (const char *info)
{
  json_t *list = run_json ((const char *[]) { info, "--json", NULL });
  REQUIRE (json_array_size (list) >= 1);
  const json_t *first = json_array_get (list, 0);
  REQUIRE (json_string_length (json_object_get (first, "name")) > 0);
  REQUIRE (json_string_length (json_object_get (first, "uuid")) == 32);
  REQUIRE (number (first, "subgroup_size") >= 1);
  json_decref (list);
}

static void
test_facts (const char *info)
{
  json_t *facts = run_json ((const char *[]) { info, "model", "--json", "--labels", NULL });
  static const struct {
    const char *key;
    double value;
  } expected[] = { { "dim", 16 }, { "depth", 2 }, { "heads", 2 }, { "head_dim", 8 }, { "mlp_dim", 32 },
    { "tokens", 17 }, { "classes", CLASSES }, { "patch_width", 8 }, { "parameters", 7958 } };
  for (size_t i = 0; i < COUNT_OF (expected); i++)
    if (number (facts, expected[i].key) != expected[i].value)
      check_failed ("facts: %s is %g, expected %g", expected[i].key, number (facts, expected[i].key),
          expected[i].value);
  /* patch embedding, per block qkv, scores, sum, projection, MLP, and the head: 2 per multiply-add */
  double flops = 2
      * (16.0 * 192 * 16 + 2 * (17.0 * 16 * 48 + 2 * 17.0 * 17 * 16 + 17.0 * 16 * 16 + 2 * 17.0 * 16 * 32)
          + 16 * CLASSES);
  REQUIRE_CLOSE (number (facts, "flops"), flops, 0.01, 0);
  REQUIRE (json_array_size (json_object_get (facts, "labels")) == CLASSES);
  REQUIRE_TEXT (json_string_value (json_array_get (json_object_get (facts, "labels"), 4)), "thing 4");
  json_decref (facts);
  child_run (&c, (const char *[]) { info, "model", "--labels", NULL });
  REQUIRE (c.status == 0);
  REQUIRE_TEXT (c.out, "32 x 32 pixels");
  REQUIRE_TEXT (c.out, "thing 5, of 6");
}

/* The same logits by every way out; probabilities sum to 1 and come best first. */
static void
test_logits (const char *info)
{
  json_t *value = run_json ((const char *[]) { info, "model", "--logits", "p.ppm", "--top-k", "100", NULL });
  const json_t *logits = json_object_get (value, "logits"), *top = json_object_get (value, "top");
  REQUIRE (json_array_size (logits) == CLASSES && json_array_size (top) == CLASSES);
  double sum = 0, last = 1;
  for (size_t i = 0; i < CLASSES; i++) {
    double p = number (json_array_get (top, i), "probability");
    REQUIRE (p <= last);
    sum += last = p;
  }
  REQUIRE_CLOSE (sum, 1.0, 1e-5, 0);
  child_run (&c, (const char *[]) { info, "model", "--tap", "logits", "p.ppm", "--raw", "logits.bin", NULL });
  REQUIRE (c.status == 0);
  REQUIRE_TEXT (c.out, "logits (1, 6)");
  size_t size;
  char *raw = scratch_read ("logits.bin", &size);
  REQUIRE (size == CLASSES * sizeof (float));
  for (size_t i = 0; i < CLASSES; i++) {
    float f;
    memcpy (&f, raw + i * sizeof f, sizeof f);
    REQUIRE_CLOSE ((double) f, json_real_value (json_array_get (logits, i)), 1e-5, 1e-6);
  }
  free (raw);
  json_decref (value);
}

static void
test_labels_file (const char *info)
{
  scratch_write ("labels.txt",
      "\xef\xbb\xbf"
      "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\n\r\n",
      23);
  json_t *value =
      run_json ((const char *[]) { info, "model", "--logits", "p.ppm", "--labels-file", "labels.txt", NULL });
  const json_t *best = json_array_get (json_object_get (value, "top"), 0);
  char expected[2] = { (char) ('a' + (int) number (best, "class")), 0 };
  REQUIRE (strcmp (json_string_value (json_object_get (best, "label")), expected) == 0);
  json_decref (value);
}

/* Every name that --taps lists can be shown. */
static void
test_taps (const char *info)
{
  child_run (&c, (const char *[]) { info, "model", "--taps", NULL });
  REQUIRE (c.status == 0);
  static char names[CHILD_OUTPUT];
  memcpy (names, c.out, sizeof names);
  char *rest = NULL;
  int n = 0;
  for (char *name = strtok_r (names, "\n", &rest); name; name = strtok_r (NULL, "\n", &rest), n++) {
    child_run (&c, (const char *[]) { info, "model", "--tap", name, "p.ppm", NULL });
    if (c.status != 0 || strncmp (c.out, name, strlen (name)) != 0)
      check_failed ("tap %s: exit status %d: %s", name, c.status, c.err);
    n += strstr (c.out, "nan") != NULL ? 1000 : 0;
  }
  if (n < 10 || n >= 1000)
    check_failed ("%d taps, expected ten or more, all of numbers", n % 1000);
}

/* What makes a frame cheap is counted, not timed: it is the same on every machine. */
static void
test_counts (const char *bench)
{
  static const struct {
    const char *batch, *in_flight;
    double submits;
  } rows[] = { { "1", "1", 1 }, { "4", "1", 0.25 }, { "2", "3", 0.5 } };
  for (size_t i = 0; i < COUNT_OF (rows); i++) {
    json_t *value = run_json ((const char *[]) { bench, "model", "--json", "--runs", "6", "--batch", rows[i].batch,
        "--in-flight", rows[i].in_flight, "--frame", "64x48", "--format", "nv12", NULL });
    if (number (value, "submits_per_image") != rows[i].submits || number (value, "allocations_per_image") != 0
        || number (value, "descriptor_updates_per_image") != 0)
      check_failed ("batch %s, %s in flight: %g submits, %g allocations, %g descriptor updates an image, expected %g, "
                    "0, 0",
          rows[i].batch, rows[i].in_flight, number (value, "submits_per_image"),
          number (value, "allocations_per_image"), number (value, "descriptor_updates_per_image"), rows[i].submits);
    REQUIRE (number (value, "median_ms") > 0 && number (value, "p10_ms") <= number (value, "median_ms"));
    REQUIRE (number (value, "median_ms") <= number (value, "p90_ms") && number (value, "gflop_per_s") > 0);
    REQUIRE (number (value, "dispatches") > 0 && number (value, "pipelines") > 0 && number (value, "device_bytes") > 0);
    REQUIRE (number (json_object_get (value, "start"), "first_result_ms") > 0);
    json_decref (value);
  }
}

/* What vit-bench tells on request: its kernels, the share of a measured peak, the width it chose. */
static void
test_extras (const char *bench)
{
  json_t *value =
      run_json ((const char *[]) { bench, "model", "--json", "--runs", "2", "--peak", "--vector-width", "256", NULL });
  const json_t *peak = json_object_get (value, "peak"), *width = json_object_get (value, "vector_width");
  REQUIRE (number (peak, "gflop_per_s") > 0 && number (peak, "share") > 0 && number (peak, "copy_gb_per_s") > 0);
  if (width)
    REQUIRE (strcmp (json_string_value (json_object_get (width, "bits")), "256") == 0);
  json_decref (value);
  child_run (&c, (const char *[]) { bench, "model", "--runs", "2", "--kernels", NULL });
  REQUIRE (c.status == 0 || strstr (c.err, "no timestamps"));
  if (c.status == 0) {
    REQUIRE_TEXT (c.out, "blocks.*.attn.qkv");
    REQUIRE_TEXT (c.out, "preprocess");
  }
  child_run (&c, (const char *[]) { bench, "model", "--vector-width", "100", NULL });
  REQUIRE (c.status == 2);
  REQUIRE_TEXT (c.err, "--vector-width is '100'");
}

static int
files_in (const char *folder)
{
  DIR *d = opendir (folder);
  REQUIRE (d);
  int n = 0;
  for (struct dirent *e; (e = readdir (d));)
    n += e->d_name[0] != '.';
  closedir (d);
  return n;
}

static void
test_random_weights (const char *bench)
{
  json_t *value =
      run_json ((const char *[]) { bench, "--shape", "Ti/16@32", "--json", "--runs", "1", "--warm-up", "0", NULL });
  const json_t *model = json_object_get (value, "model");
  REQUIRE (number (model, "dim") == 192 && number (model, "depth") == 12 && number (model, "tokens") == 5);
  REQUIRE (number (model, "classes") == 1000);
  json_decref (value);
  if (files_in ("temporary"))
    check_failed ("--shape leaves %d files in TMPDIR", files_in ("temporary"));
}

/* Ctrl-C while the weights are being written. */
static void
test_interrupted (const char *bench)
{
  fflush (NULL);
  pid_t pid = fork ();
  REQUIRE (pid >= 0);
  if (pid == 0) {
    int nothing = open ("/dev/null", O_WRONLY);
    if (nothing < 0 || dup2 (nothing, 1) < 0 || dup2 (nothing, 2) < 0)
      _exit (126);
    execl (bench, bench, "--shape", "B/16@32", (char *) NULL);
    _exit (127);
  }
  time_t end = time (NULL) + WAIT_SECONDS;
  while (!files_in ("temporary") && time (NULL) < end)
    nanosleep (&(struct timespec) { .tv_nsec = 1000000 }, NULL);
  bool seen = files_in ("temporary") > 0;
  kill (pid, SIGINT);
  int status;
  while (waitpid (pid, &status, 0) < 0)
    REQUIRE (errno == EINTR);
  REQUIRE (seen);
  REQUIRE (WIFSIGNALED (status) && WTERMSIG (status) == SIGINT);
  if (files_in ("temporary"))
    check_failed ("an interrupted --shape leaves %d files in TMPDIR", files_in ("temporary"));
}

static void
test_help (const char *const programs[2])
{
  for (int i = 0; i < 2; i++) {
    child_run (&c, (const char *[]) { programs[i], "--help", NULL });
    REQUIRE (c.status == 0 && !c.err[0]);
    REQUIRE_TEXT (c.out, "Usage: vit-");
    child_run (&c, (const char *[]) { programs[i], "--version", NULL });
    REQUIRE (c.status == 0);
    REQUIRE_TEXT (c.out, "vit-");
  }
}

int
main (int argc, char **argv)
{
  REQUIRE (argc == 4);
  char *info = scratch_absolute (argv[1]), *bench = scratch_absolute (argv[2]), *models = scratch_absolute (argv[3]);
  scratch_enter ();
  test_help ((const char *const[]) { info, bench });
  child_run (&c, (const char *[]) { info, NULL });
  if (c.status != 0 && strstr (c.err, "no Vulkan"))
    SKIP ("%s", c.err);
  char path[4096];
  snprintf (path, sizeof path, "%s/hf-vit/checkpoint", models);
  scratch_copy_folder (path, "model");
  scratch_write ("p.ppm", "P6 # a comment\n2 1\n255\nabcdef", 29);
  test_devices (info);
  test_facts (info);
  test_logits (info);
  test_labels_file (info);
  test_taps (info);
  test_counts (bench);
  test_extras (bench);
  test_random_weights (bench);
  test_interrupted (bench);
  free (info);
  free (bench);
  free (models);
  return check_status ();
}
