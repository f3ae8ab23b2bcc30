/* Groups the times of single kernels, prints them as a table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum { MAX_KERNELS = 4096 };

/* "blocks.11.attn.qkv" -> "blocks.*.attn.qkv" */
static void
place_of (char *out, size_t size, const char *op)
{
  static const char blocks[] = "blocks.";
  if (strncmp (op, blocks, sizeof blocks - 1) != 0)
    snprintf (out, size, "%s", op);
  else
    snprintf (out, size, "%s*%s", blocks, op + sizeof blocks - 1 + strspn (op + sizeof blocks - 1, "0123456789"));
}

static void
add (struct times *t, const struct vit_kernel_time *k)
{
  char place[sizeof t->rows->op];
  uint32_t i = 0;
  place_of (place, sizeof place, k->op);
  while (i < t->num && (strcmp (t->rows[i].op, place) != 0 || strcmp (t->rows[i].kernel, k->kernel) != 0))
    i++;
  struct times_row *row = &t->rows[i];
  if (i == t->num) {
    memcpy (row->op, place, sizeof place);
    memcpy (row->kernel, k->kernel, sizeof row->kernel);
    t->num++;
  }
  row->calls++;
  row->ms += k->ms;
  row->flops += k->flops;
  t->ms += k->ms;
}

bool
times_measure (vit_session *session, const vit_image *image, uint32_t n, uint32_t runs, struct times *out,
    vit_error *err)
{
  struct vit_kernel_time *kernels = calloc (MAX_KERNELS, sizeof *kernels);
  *out = (struct times) { .rows = calloc (MAX_KERNELS, sizeof *out->rows) };
  int count = -1;
  if (!kernels || !out->rows)
    tool_fail (err, VIT_ERR_MEMORY, "the table of kernels: out of memory");
  else
    count = vit_session_profile (session, image, n, runs, kernels, MAX_KERNELS, err);
  for (int i = 0; i < count && i < MAX_KERNELS; i++)
    add (out, &kernels[i]);
  free (kernels);
  return count >= 0;
}

void
times_finish (struct times *t)
{
  free (t->rows);
  memset (t, 0, sizeof *t);
}

static double
gflop_per_s (const struct times_row *row)
{
  return row->ms > 0 ? row->flops * 1e-6 / row->ms : 0;
}

void
times_print (const struct times *t, double peak)
{
  printf ("\n%-28s %-44s %5s %10s %7s %9s%s\n", "op", "kernel", "calls", "ms", "share", "GFLOP/s",
      peak > 0 ? "  of peak" : "");
  for (uint32_t i = 0; i < t->num; i++) {
    const struct times_row *row = &t->rows[i];
    printf ("%-28s %-44s %5u %10.3f %6.1f%%", row->op, row->kernel, row->calls, row->ms,
        t->ms > 0 ? 100 * row->ms / t->ms : 0);
    if (row->flops > 0)
      printf (" %9.1f", gflop_per_s (row));
    if (row->flops > 0 && peak > 0)
      printf ("  %6.1f%%", 100 * gflop_per_s (row) / peak);
    putchar ('\n');
  }
  printf ("%-28s %-44s %5s %10.3f %6.1f%%\n", "all, one after the other", "", "", t->ms, 100.0);
}

json_t *
times_json (const struct times *t)
{
  json_t *list = json_array ();
  for (uint32_t i = 0; i < t->num; i++) {
    const struct times_row *row = &t->rows[i];
    json_t *value = json_pack ("{s:s, s:s, s:i, s:f, s:f, s:f}", "op", row->op, "kernel", row->kernel, "calls",
        (int) row->calls, "ms", row->ms, "share", t->ms > 0 ? row->ms / t->ms : 0.0, "gflop_per_s", gflop_per_s (row));
    if (json_array_append_new (list, value) != 0) {
      json_decref (list);
      return NULL;
    }
  }
  return list;
}
