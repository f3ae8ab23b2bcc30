/* Shares work out among threads. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/share.h"

#include <pthread.h>
#include <stddef.h>

struct crew {
  const struct share *work;
  pthread_mutex_t lock; /* of all that follows */
  uint32_t next;
  bool failed;
  vit_error err;
};

static bool
take (struct crew *c, uint32_t *index)
{
  pthread_mutex_lock (&c->lock);
  bool any = !c->failed && c->next < c->work->num;
  if (any)
    *index = c->next++;
  pthread_mutex_unlock (&c->lock);
  return any;
}

static void
do_item (struct crew *c, uint32_t index)
{
  vit_error err = { 0 };
  if (c->work->item (c->work->ctx, index, &err))
    return;
  pthread_mutex_lock (&c->lock);
  if (!c->failed)
    c->err = err;
  c->failed = true;
  pthread_mutex_unlock (&c->lock);
}

static void *
help (void *ctx)
{
  struct crew *c = ctx;
  for (uint32_t i; take (c, &i);)
    do_item (c, i);
  return NULL;
}

bool
share_out (const struct share *work, vit_error *err)
{
  struct crew c = { .work = work };
  pthread_t helpers[SHARE_MAX_THREADS];
  uint32_t num = 0, wanted = work->threads < work->num ? work->threads : work->num;
  pthread_mutex_init (&c.lock, NULL);
  while (num + 1 < wanted && num < SHARE_MAX_THREADS && pthread_create (&helpers[num], NULL, help, &c) == 0)
    num++;
  for (uint32_t i; take (&c, &i);) {
    if (work->before)
      work->before (work->ctx, i);
    do_item (&c, i);
  }
  for (uint32_t i = 0; i < num; i++)
    pthread_join (helpers[i], NULL);
  pthread_mutex_destroy (&c.lock);
  if (c.failed && err)
    *err = c.err;
  return !c.failed;
}
