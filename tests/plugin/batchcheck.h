/* What the tests of batches share: numbered frames in and out, the sizes of the batches between. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_BATCHCHECK_H
#define TESTS_BATCHCHECK_H

#include "fakecheck.h"

#define BATCHCHECK_FRAME (40 * GST_MSECOND)     /* of the caps */

/* A harness as described, for frames of the caps. */
GstHarness *batchcheck_harness (const gchar * line, GstCaps ** caps);
/* Takes the harness down; nothing may be left. */
void batchcheck_finish (GstHarness * h, GstCaps * caps);

/* The n-th frame in; the n-th frame out, with its own label and times. */
void batchcheck_push (GstHarness * h, GstCaps * caps, guint n);
void batchcheck_pull (GstHarness * h, guint n);
void batchcheck_push_segment (GstHarness * h);

/* There were n batches, of these sizes. */
void batchcheck_sizes (const guint * sizes, guint n);

#endif
