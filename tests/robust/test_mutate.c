/* Thousands of checkpoints with random damage: each is opened or refused in one sentence, none crashes or hangs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Usage: test_mutate GOLDEN_MODELS [ROUNDS [SEED]]
 *
 * The same damage on every machine: a failing round is named and can be run alone by its seed and number. Worth most
 * in a build with -Db_sanitize=address,undefined, where a read outside the file ends the test.
 */
#include <inttypes.h>

#include "../check.h"
#include "model/checkpoint.h"
#include "scratch.h"

enum { MAX_FILES = 8, MAX_EDITS = 4 };

static const char *const models[] = { "hf-vit", "timm-plain", "hf-vit-sharded", "timm-head-mlp", "bare-128" };

struct file {
  char path[512]; /* the copy's */
  char *data;
  size_t size;
};

struct model {
  const char *folder; /* the copy's, and the golden model's name */
  struct file files[MAX_FILES];
  int num_files;
};

/* Bytes under change. */
struct bytes {
  char *data;
  size_t size, room;
};

static const char *const file_names[] = { "config.json", "preprocessor_config.json", "model.safetensors",
  "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" };

static void
load_model (struct model *m, const char *golden, const char *name)
{
  char from[4096];
  snprintf (from, sizeof from, "%s/%s/checkpoint", golden, name);
  m->folder = name;
  scratch_copy_folder (from, m->folder);
  for (size_t i = 0; i < COUNT_OF (file_names); i++) {
    struct file *f = &m->files[m->num_files];
    snprintf (f->path, sizeof f->path, "%s/%s", m->folder, file_names[i]);
    FILE *probe = fopen (f->path, "rb");
    if (!probe)
      continue;
    fclose (probe);
    f->data = scratch_read (f->path, &f->size);
    m->num_files++;
  }
  REQUIRE (m->num_files > 0);
}

/* Replaces `old` bytes at `at` by `n` of `text`. */
static void
splice (struct bytes *b, size_t at, size_t old, const char *text, size_t n)
{
  if (b->size - old + n > b->room)
    return;
  memmove (b->data + at + n, b->data + at + old, b->size - at - old);
  memcpy (b->data + at, text, n);
  b->size = b->size - old + n;
}

/* Where damage matters: the text of JSON, and the header of safetensors ten times as often as the numbers. */
static size_t
choose_place (const struct bytes *b, struct rng *rng)
{
  size_t head = b->size < 6000 || rng_below (rng, 10) == 0 ? b->size : 6000;
  return head ? rng_below (rng, (uint32_t) head) : 0;
}

/* A number or word of JSON becomes one that nobody expects there. */
static void
replace_value (struct bytes *b, struct rng *rng)
{
  static const char *const values[] = { "0", "-1", "1", "3", "7", "16385", "65536", "4294967295", "4294967296",
    "2147483648", "18446744073709551615", "99999999999999999999999", "1e308", "-1e400", "0.5", "null", "true", "\"\"",
    "\"vit\"", "[]", "{}", "[1,2]", "[[[[1]]]]", "\"\\u0000\"" };
  size_t at = choose_place (b, rng), end;
  while (at < b->size && (b->data[at] < '0' || b->data[at] > '9'))
    at++;
  for (end = at; end < b->size && b->data[end] >= '0' && b->data[end] <= '9'; end++)
    ;
  const char *value = values[rng_below (rng, COUNT_OF (values))];
  if (at < end)
    splice (b, at, end - at, value, strlen (value));
}

static void
damage (struct bytes *b, struct rng *rng)
{
  size_t at = choose_place (b, rng), span = 1 + rng_below (rng, 40);
  char noise[48];
  for (size_t i = 0; i < sizeof noise; i++)
    noise[i] = (char) rng_next (rng);
  if (!b->size)
    return;
  if (span > b->size - at)
    span = b->size - at;
  switch (rng_below (rng, 8)) {
    case 0: /* one bit */
      b->data[at] ^= (char) (1u << rng_below (rng, 8));
      break;
    case 1: /* noise over it */
      memcpy (b->data + at, noise, span);
      break;
    case 2: /* noise between */
      splice (b, at, 0, noise, span);
      break;
    case 3: /* a piece missing */
      splice (b, at, span, "", 0);
      break;
    case 4: { /* a piece twice */
      char piece[48];
      memcpy (piece, b->data + at, span);
      splice (b, choose_place (b, rng), 0, piece, span);
      break;
    }
    case 5: /* the end missing */
      b->size = rng_below (rng, 2) ? at : rng_below (rng, (uint32_t) b->size);
      break;
    case 6: /* the length of a safetensors header */
      if (b->size >= 8)
        memcpy (b->data, noise, 1 + rng_below (rng, 8));
      break;
    default:
      replace_value (b, rng);
      break;
  }
}

/* What was opened in spite of the damage must be whole: every slot can be read, or says why not. */
static void
read_all (const struct checkpoint *c, uint64_t round)
{
  const struct vit_config *cfg = checkpoint_config (c);
  if (!cfg->dim || !cfg->depth || !cfg->heads || !cfg->classes || !cfg->patch_width || !cfg->patch_height)
    check_failed ("round %" PRIu64 ": opened with a size of 0", round);
  if (!checkpoint_label (c, 0) || checkpoint_label (c, cfg->classes))
    check_failed ("round %" PRIu64 ": labels are not those of %u classes", round, cfg->classes);
  for (int slot = 0; slot < NUM_SLOTS; slot++) {
    if (!slot_present (cfg, (enum slot) slot))
      continue;
    size_t count = slot_count (cfg, (enum slot) slot);
    float *data = count < (64u << 20) ? malloc (count * sizeof *data) : NULL;
    if (!data)
      continue; /* resampled to a huge picture: legal, and more than a test should hold */
    for (uint32_t block = 0; block < (slot_per_block ((enum slot) slot) ? cfg->depth : 1); block++) {
      vit_error err = { .code = VIT_OK };
      if (!checkpoint_read (c, (enum slot) slot, block, data, &err) && !err.msg[0])
        check_failed ("round %" PRIu64 ": a slot fails without a word", round);
    }
    free (data);
  }
}

/* A refusal is one printable sentence that does not blame the caller. */
static void
judge_error (const vit_error *err, uint64_t round)
{
  bool printable = err->msg[0] != 0;
  for (const char *p = err->msg; *p; p++)
    printable &= (unsigned char) *p >= ' ' && *p != 127;
  if (!printable || err->code == VIT_OK || err->code == VIT_ERR_ARG)
    check_failed ("round %" PRIu64 ": code %d, '%s'", round, (int) err->code, err->msg);
}

static bool
run_round (const struct model *m, uint64_t seed, uint64_t round)
{
  struct rng rng = { seed * 1000003 + round };
  const struct file *f = &m->files[rng_below (&rng, (uint32_t) m->num_files)];
  struct bytes b = { .size = f->size, .room = f->size + 4096 };
  b.data = check_alloc (b.room, 1);
  memcpy (b.data, f->data, f->size);
  for (uint32_t edits = 1 + rng_below (&rng, MAX_EDITS); edits > 0; edits--)
    damage (&b, &rng);
  scratch_write (f->path, b.data, b.size);
  free (b.data);
  vit_error err = { .code = VIT_OK };
  struct checkpoint *c = checkpoint_open (m->folder, &err);
  bool opened = c != NULL;
  if (opened)
    read_all (c, round);
  else
    judge_error (&err, round);
  checkpoint_close (&c);
  scratch_write (f->path, f->data, f->size);
  return opened;
}

int
main (int argc, char **argv)
{
  REQUIRE (argc >= 2);
  uint64_t rounds = argc > 2 ? strtoull (argv[2], NULL, 10) : 2000, seed = argc > 3 ? strtoull (argv[3], NULL, 10) : 1;
  static struct model all[COUNT_OF (models)];
  uint64_t opened = 0;
  char *golden = scratch_absolute (argv[1]);
  scratch_enter ();
  for (size_t i = 0; i < COUNT_OF (models); i++) {
    vit_error err;
    load_model (&all[i], golden, models[i]);
    struct checkpoint *c = checkpoint_open (all[i].folder, &err);
    REQUIRE_OK (c, err); /* unspoilt, or every round would fail for the wrong reason */
    checkpoint_close (&c);
  }
  for (uint64_t round = 0; round < rounds; round++)
    opened += run_round (&all[round % COUNT_OF (models)], seed, round);
  printf ("%" PRIu64 " damaged checkpoints: %" PRIu64 " opened, %" PRIu64 " refused\n", rounds, opened,
      rounds - opened);
  REQUIRE (opened < rounds);
  free (golden);
  for (size_t i = 0; i < COUNT_OF (models); i++)
    for (int f = 0; f < all[i].num_files; f++)
      free (all[i].files[f].data);
  return check_status ();
}
