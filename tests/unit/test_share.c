/* share_out: each item once, told before, and what a failure stops. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdatomic.h>

#include "base/share.h"
#include "check.h"

enum { ITEMS = 100, NEVER = 1000 };

struct seen {
  atomic_uint done[ITEMS], all;
  uint32_t told, last, bad; /* bad: the item that fails */
};

static bool
do_item (void *ctx, uint32_t index, vit_error *err)
{
  struct seen *s = ctx;
  s->done[index]++;
  s->all++;
  return index != s->bad || fail (err, VIT_ERR_FORMAT, "item %u", index);
}

static void
before (void *ctx, uint32_t index)
{
  struct seen *s = ctx;
  REQUIRE (s->told == 0 || index > s->last);
  s->last = index;
  s->told++;
}

static bool
run (struct seen *s, uint32_t num, uint32_t threads, uint32_t bad, vit_error *err)
{
  *s = (struct seen) { .bad = bad };
  return share_out (&(struct share) { num, threads, s, do_item, before }, err);
}

int
main (void)
{
  static const uint32_t threads[] = { 1, 2, 3, SHARE_MAX_THREADS, 40 };
  static struct seen s;
  for (size_t t = 0; t < COUNT_OF (threads); t++) {
    vit_error err = { 0 };
    REQUIRE (run (&s, ITEMS, threads[t], NEVER, &err) && s.all == ITEMS && err.code == VIT_OK);
    for (uint32_t i = 0; i < ITEMS; i++)
      REQUIRE (s.done[i] == 1);
    REQUIRE (threads[t] > 1 || s.told == ITEMS);
    REQUIRE (!run (&s, ITEMS, threads[t], 5, &err) && err.code == VIT_ERR_FORMAT);
    REQUIRE_TEXT (err.msg, "item 5");
    REQUIRE (s.all >= 6);
    REQUIRE (threads[t] > 1 || s.all == 6);
    REQUIRE (!run (&s, ITEMS, threads[t], 0, NULL));
    REQUIRE (run (&s, 0, threads[t], 0, &err) && s.all == 0);
  }
  return check_status ();
}
