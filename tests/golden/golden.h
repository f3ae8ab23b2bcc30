/* A golden model's folder: what the real library gave for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GOLDEN_GOLDEN_H
#define VIT_TESTS_GOLDEN_GOLDEN_H

#include <jansson.h>

#include "check.h"
#include "vit/vit.h"

struct golden {
  char folder[1024], pictures[1024]; /* where the model and where the pictures lie */
  json_t *expected;                  /* expected.json */
  unsigned char *taps;               /* taps.bin: little-endian floats */
  size_t taps_size;                  /* bytes */
};

/* Each ends the test when a file is not what it should be. */
void golden_open (struct golden *g, const char *folder, const char *pictures);
void golden_close (struct golden *g);
/* The path to load. */
const char *golden_model_path (const struct golden *g, char *out, size_t size);
/* Reads a binary PPM; free *pixels with free (). */
vit_image golden_picture (const struct golden *g, const char *name, unsigned char **pixels);
/* Value of the kept row `row` of a tap's index entry. */
float golden_tap_value (const struct golden *g, const json_t *tap, uint32_t row, uint32_t column);
/* A number of an object that must have it. */
double golden_number (const json_t *object, const char *key);

/* Compares the session's tensors with the reference's, in the order of computation, and prints the first that
 * differs by more than `tolerance` of its largest value. */
void golden_name_first_wrong (const struct golden *g, vit_session *session, double tolerance);

#endif
