/* Large arrays of floats that are needed again and again for a moment. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_SCRATCH_H
#define VIT_MODEL_SCRATCH_H

#include <pthread.h>
#include <stddef.h>

#include "base/error.h"

/* From malloc each would come in new pages every time, which the system clears and maps one by one: while a model is
 * loaded, in as much time as everything else done with its numbers. */
enum { SCRATCH_KEPT = 4 };

struct scratch_array;

/* Several threads may use it. */
struct scratch {
  pthread_mutex_t lock;
  struct scratch_array *kept[SCRATCH_KEPT]; /* not in use, the largest of those given back; or NULL */
};

void scratch_init (struct scratch *s);
void scratch_finish (struct scratch *s);
/* (count) floats, uninitialised. NULL: no memory for `name`. */
float *scratch_take (struct scratch *s, size_t count, const char *name, vit_error *err);
/* Gives back what was taken; NULL is nothing. */
void scratch_give (struct scratch *s, float *data);

#endif
