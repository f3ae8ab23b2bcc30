/* Where a submit's time goes: its kernels as a table. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TOOLS_TIMES_H
#define VIT_TOOLS_TIMES_H

#include <jansson.h>

#include "vit/vit.h"

/* Kernels of the same place in all blocks, with the same shader, as one row. */
struct times_row {
  char op[48]; /* "blocks.*.attn.qkv" */
  char kernel[80];
  uint32_t calls;
  double ms, flops; /* of all calls */
};
struct times {
  struct times_row *rows; /* (num) in the order of the network */
  uint32_t num;
  double ms; /* of all rows */
};

/* Runs n images as one submit, `runs` times, each kernel alone. */
bool times_measure (vit_session *session, const vit_image *image, uint32_t n, uint32_t runs, struct times *out,
    vit_error *err);
void times_finish (struct times *t); /* accepts a zeroed one */
/* peak: GFLOP/s to be a share of; 0: none is known. */
void times_print (const struct times *t, double peak);
json_t *times_json (const struct times *t); /* NULL: out of memory */

#endif
