/* Device tensors with poison and guards, comparison and timing, for the twin tests of kernels. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GPU_KERNEL_RIG_H
#define VIT_TESTS_GPU_KERNEL_RIG_H

#include "check.h"
#include "gpu/kernels.h"

/* Rounding of one float operation, relative. */
#define FLOAT_EPS 0x1p-24

struct rig {
  vit_device *dev;
  struct recorder *rec;
  bool storage16;
  bool bench, verbose;
  const char *filter; /* runs only the rows whose name holds it; NULL: all */
  char row[160];      /* the row under test, as messages name it */
  uint32_t done, left_out;
  uint32_t seen; /* rows that had several kernels */
};

void rig_init (struct rig *rig, int argc, char **argv); /* skips the test where there is no device */
void rig_finish (struct rig *rig);
/* Names the row; false when it is not to be run here: filtered out, or half storage that the device lacks. */
bool __attribute__ ((format (printf, 3, 4))) rig_row (struct rig *rig, bool needs_storage16, const char *format, ...);
/* Whether a row of several kernels, "... by KERNEL", may have one to run: saves computing what it must give. */
bool rig_wants (const struct rig *rig, const char *row);
/* begin, end and run of the recorder around the caller's record_...; with --bench also repeats and prints the best
 * wall time. `flops` of the row, 0 where it says nothing. */
void rig_begin (struct rig *rig);
void rig_run (struct rig *rig, bool recorded, double flops, const vit_error *err);

enum fill { FILL_NORMAL, FILL_OUTLIERS, FILL_OFFSET, FILL_CONSTANT, NUM_FILLS };
extern const char *const fill_names[NUM_FILLS];
/* Values for (rows, columns): normal; with three channels some hundreds large; around 1000; all the same. */
void fill_values (double *out, size_t rows, size_t columns, enum fill fill, struct rng *rng);

/* A tensor in the middle of a buffer. */
struct guarded {
  struct buffer buffer;
  enum store store;
  size_t count;    /* elements of the tensor */
  uint8_t *before; /* the whole buffer as it was written, then after guarded_fetch ... */
  uint8_t *after;  /* ... as it was found */
  double *values;  /* (count) as stored, before; after guarded_fetch as found */
};

/* With values: rounded to the store. With NULL: NaN throughout. */
void guarded_init (struct guarded *g, struct rig *rig, enum store store, const double *values, size_t count);
void guarded_finish (struct guarded *g, struct rig *rig);
struct span guarded_span (const struct guarded *g);
void guarded_fetch (struct guarded *g, struct rig *rig);
void guarded_require_unchanged (struct guarded *g, struct rig *rig, const char *what);

/* A plain float buffer of exactly these values, for weights; buffer_destroy frees it. */
void rig_upload (struct rig *rig, const double *values, size_t count, struct buffer *out);

/* What must be found in y: rows x columns at y[first + r * stride + c], each within bound * allowance. */
struct expected {
  size_t rows, columns, first, stride;
  size_t may_write_rows, may_write_columns; /* up to here finite garbage is fine: tiles run over the end; else 0 */
  const double *want;                       /* (rows, columns) */
  const double *allowance; /* (rows, columns) an error of 1 in this row's measure, without the store's rounding */
  double bound;
};
/* Fetches y; everything outside of what may be written must be untouched. */
void rig_compare (struct rig *rig, struct guarded *y, const struct expected *e);

/* The rows; one function per kernel. */
void test_linear (struct rig *rig);
void test_layernorm (struct rig *rig);
void test_tokens (struct rig *rig);
void test_pool (struct rig *rig);
void test_attention (struct rig *rig);
void test_class (struct rig *rig);

#endif
