/* scratch: what is given back is used again, the largest are kept; pages_expect takes any memory. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "check.h"
#include "model/scratch.h"

static void
fill (float *data, size_t count, float value)
{
  for (size_t i = 0; i < count; i++)
    data[i] = value;
}

static void
check_again (void)
{
  struct scratch s;
  vit_error err = { 0 };
  scratch_init (&s);
  float *large = scratch_take (&s, 5000, "large", &err), *small = scratch_take (&s, 50, "small", &err);
  REQUIRE (large && small && large != small);
  fill (large, 5000, 1);
  fill (small, 50, 2);
  REQUIRE (large[4999] == 1 && small[0] == 2);
  scratch_give (&s, large);
  scratch_give (&s, small);
  scratch_give (&s, NULL);
  REQUIRE (scratch_take (&s, 40, "the smallest that holds it", &err) == small);
  REQUIRE (scratch_take (&s, 51, "the other", &err) == large);
  scratch_give (&s, large);
  scratch_give (&s, small);
  scratch_finish (&s);
}

static void
check_kept (void)
{
  enum { NUM = SCRATCH_KEPT + 1 };
  struct scratch s;
  vit_error err = { 0 };
  float *arrays[NUM];
  scratch_init (&s);
  for (size_t i = 0; i < NUM; i++)
    REQUIRE ((arrays[i] = scratch_take (&s, 100 * (i + 1), "array", &err)) != NULL);
  for (size_t i = NUM; i-- > 0;)
    scratch_give (&s, arrays[i]); /* the last, of 100, is one too many */
  for (size_t i = 1; i < NUM; i++)
    REQUIRE (scratch_take (&s, 100 * (i + 1), "array", &err) == arrays[i]);
  for (size_t i = 1; i < NUM; i++)
    scratch_give (&s, arrays[i]);
  scratch_finish (&s);
}

static void
check_pages (void)
{
  enum { BYTES = 100000 };
  char *data = malloc (BYTES);
  REQUIRE (data);
  memset (data, 7, BYTES);
  for (size_t from = 0; from < 5000; from += 999)
    pages_expect (data + from, BYTES - from);
  pages_expect (data, 0);
  pages_expect (data + 10, 1);
  for (size_t i = 0; i < BYTES; i++)
    REQUIRE (data[i] == 7);
  free (data);
}

int
main (void)
{
  check_again ();
  check_kept ();
  check_pages ();
  return check_status ();
}
