/* A text table, a row for each: "driver chip vgprs spills lds waves latency inverse share | kernel". */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "table.h"

#include <inttypes.h>

#include "../check.h"

enum { MAX_ROWS = 4096, ROW_BYTES = 640 };
static const char *const head =
    "# driver chip VGPRs spills LDS waves latency inverse-throughput share-% | kernel id=value ...\n"
    "# Written by radv_stats with VIT_AMD_UPDATE=1; docs/performance.md says what it means.\n"
    "# SPDX-License-Identifier: LGPL-2.1-or-later\n";

struct table {
  const char *path, *driver, *chip;
  int update;
  char (*rows)[ROW_BYTES];
  int num, known, better; /* rows; of this driver and chip; of them better than kept */
};

/* The row's kernel if it is of this driver and chip, else NULL. */
static const char *
own_kernel (const struct table *t, const char *row, struct figures *kept)
{
  char driver[64], chip[64];
  int at = 0;
  if (sscanf (row, "%63s %63s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " | %n",
          driver, chip, &kept->vgprs, &kept->spills, &kept->lds, &kept->waves, &kept->latency, &kept->inverse,
          &kept->share, &at)
          < 9
      || at == 0)
    check_die (__FILE__, __LINE__, "%s: '%s' is no row of the table", t->path, row);
  return strcmp (driver, t->driver) == 0 && strcmp (chip, t->chip) == 0 ? row + at : NULL;
}

struct table *
table_open (const char *path, const char *driver, const char *chip, int update)
{
  struct table *t = check_alloc (1, sizeof *t);
  *t = (struct table) { .path = path, .driver = driver, .chip = chip, .update = update };
  t->rows = check_alloc (MAX_ROWS, sizeof *t->rows);
  FILE *f = fopen (path, "r");
  char row[ROW_BYTES];
  struct figures kept;
  while (f && fgets (row, sizeof row, f)) {
    row[strcspn (row, "\n")] = 0;
    if (row[0] == '#' || !row[0])
      continue;
    REQUIRE (t->num < MAX_ROWS);
    bool own = own_kernel (t, row, &kept) != NULL;
    t->known += own;
    if (!own || !update)
      strcpy (t->rows[t->num++], row);
  }
  if (f)
    fclose (f);
  return t;
}

static int
worse (const char *kernel, const char *what, uint64_t found, uint64_t kept, bool is_worse)
{
  if (is_worse)
    fprintf (stderr, "%s: %s %" PRIu64 ", the table has %" PRIu64 "\n", kernel, what, found, kept);
  return is_worse;
}

int
table_row (struct table *t, const char *kernel, const struct figures *f)
{
  if (t->update) {
    REQUIRE (t->num < MAX_ROWS);
    snprintf (t->rows[t->num++], ROW_BYTES,
        "%s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " | %s", t->driver,
        t->chip, f->vgprs, f->spills, f->lds, f->waves, f->latency, f->inverse, f->share, kernel);
    return 0;
  }
  if (!t->known)
    return 0; /* a driver that nobody has measured */
  struct figures kept;
  const char *own = NULL;
  for (int i = 0; i < t->num && !own; i++)
    if ((own = own_kernel (t, t->rows[i], &kept)) != NULL && strcmp (own, kernel) != 0)
      own = NULL;
  if (!own) {
    fprintf (stderr, "%s: the table has no row for it\n", kernel);
    return 1;
  }
  t->better += f->inverse * 10 < kept.inverse * 9;
  return worse (kernel, "inverse throughput", f->inverse, kept.inverse, f->inverse * 10 > kept.inverse * 11)
      + worse (kernel, "waves", f->waves, kept.waves, f->waves < kept.waves && f->waves < 16)
      + worse (kernel, "bytes of LDS", f->lds, kept.lds, f->lds * 10 > kept.lds * 11);
}

void
table_close (struct table *t)
{
  if (t->update) {
    FILE *f = fopen (t->path, "w");
    if (!f)
      check_die (__FILE__, __LINE__, "%s: can't be written", t->path);
    fputs (head, f);
    for (int i = 0; i < t->num; i++)
      fprintf (f, "%s\n", t->rows[i]);
    REQUIRE (fclose (f) == 0);
  } else if (!t->known)
    printf ("\n%s has no rows of %s for %s: only spills were looked at\n", t->path, t->driver, t->chip);
  else if (t->better || check_failures)
    printf ("\n%d kernels are better than the table by a tenth. To keep what there is now, run this again with "
            "VIT_AMD_UPDATE=1 and commit the table.\n",
        t->better);
  free (t->rows);
  free (t);
}
