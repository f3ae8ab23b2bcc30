/* Keeps arrays of floats for the next who needs one. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/scratch.h"

#include <stdlib.h>

#include "base/pages.h"

struct scratch_array {
  size_t room; /* floats */
  float data[];
};

void
scratch_init (struct scratch *s)
{
  *s = (struct scratch) { 0 };
  pthread_mutex_init (&s->lock, NULL);
}

void
scratch_finish (struct scratch *s)
{
  for (int i = 0; i < SCRATCH_KEPT; i++)
    free (s->kept[i]);
  pthread_mutex_destroy (&s->lock);
}

/* Of those kept the smallest that is large enough; NULL: there is none. */
static struct scratch_array *
find (struct scratch *s, size_t count)
{
  int best = -1;
  for (int i = 0; i < SCRATCH_KEPT; i++)
    if (s->kept[i] && s->kept[i]->room >= count && (best < 0 || s->kept[i]->room < s->kept[best]->room))
      best = i;
  struct scratch_array *a = best < 0 ? NULL : s->kept[best];
  if (a)
    s->kept[best] = NULL;
  return a;
}

float *
scratch_take (struct scratch *s, size_t count, const char *name, vit_error *err)
{
  pthread_mutex_lock (&s->lock);
  struct scratch_array *a = find (s, count);
  pthread_mutex_unlock (&s->lock);
  if (!a) {
    size_t bytes = sizeof *a + count * sizeof *a->data;
    if (!(a = malloc (bytes))) {
      fail_memory (err, name, bytes);
      return NULL;
    }
    a->room = count;
    pages_expect (a, bytes);
  }
  return a->data;
}

void
scratch_give (struct scratch *s, float *data)
{
  if (!data)
    return;
  struct scratch_array *a = (struct scratch_array *) ((char *) data - offsetof (struct scratch_array, data));
  pthread_mutex_lock (&s->lock);
  for (int i = 0; a && i < SCRATCH_KEPT; i++)
    if (!s->kept[i] || s->kept[i]->room < a->room) {
      struct scratch_array *smaller = s->kept[i];
      s->kept[i] = a;
      a = smaller;
    }
  pthread_mutex_unlock (&s->lock);
  free (a);
}
