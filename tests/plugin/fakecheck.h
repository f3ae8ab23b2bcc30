/* What the tests with the stand-in for the engine share: frames of its colours and the labels that come back. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_FAKECHECK_H
#define TESTS_FAKECHECK_H

#include "common.h"
#include "fakevit.h"

/* The colour of each class, 0 to 1. */
extern const gdouble fakecheck_corners[FAKE_CLASSES][3];

/* Begins a test: the stand-in behaves, the elements are known. */
void fakecheck_reset (void);

/* The best label of a frame by its custom meta; NULL: it has none. */
const gchar *fakecheck_label_of (GstBuffer * buffer);
void fakecheck_label (GstBuffer * buffer, const gchar * expected, const gchar * what);

/* Pushes the n-th frame, of a corner's colour, its rows padded by pad bytes, and checks that its name and its time come
 * back. */
void fakecheck_classify (GstHarness * h, GstCaps * caps, enum fake_class corner, guint n, gsize pad,
    const gchar * what);

/* Until the engine was given n batches. */
void fakecheck_wait_for_submits (gint n);

/* Pushes n frames, the corners' colours in turn, in a thread of its own until one is refused; join gives the flow. */
GThread *fakecheck_push_in_thread (GstHarness * h, guint n);
GstFlowReturn fakecheck_join (GThread * pusher);

#endif
