/* The kept table of what AMD's compiler made of each kernel: comparing with it, writing it anew. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_AMD_TABLE_H
#define VIT_TESTS_AMD_TABLE_H

#include <stdint.h>

/* The columns that are kept. */
struct figures {
  uint64_t vgprs, spills, lds, waves, latency, inverse, share; /* share: percent of inverse that multiplies, or 0 */
};

struct table;

/* Reads the rows of every driver; those of this driver and chip are compared, or replaced if `update`. */
struct table *table_open (const char *path, const char *driver, const char *chip, int update);
/* One kernel's row, called "kernel id=value ..."; returns how many figures are worse than the table allows. */
int table_row (struct table *t, const char *kernel, const struct figures *found);
/* Tells what there is to tell, writes the file if it is to be updated. */
void table_close (struct table *t);

#endif
