/* Compiles, tries and remembers kernels on threads of their own, while others read weights. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "gpu/memo.h"
#include "gpu/trial.h"
#include "gpu/trust.h"

/* Of the CPU: on a busy machine the clock on the wall says nothing of a kernel. An unrolled kernel takes lavapipe
 * 22.3.6 up to 2 s and some of 26.x up to 28 s; one that takes longer than this costs a user more than it ever gives
 * back. VIT_COMPILE_LIMIT_MS overrides it. */
enum {
  LIMIT_MS = 20000,
  PATIENCE = 10, /* times the limit, by the clock on the wall: a driver that hangs uses no CPU */
  MAX_THREADS = 8
};

/* TRYING is the only state that may take too long: then the kernel is given up, LATE, and its thread left behind. */
enum state { WAITING, TRYING, MAKING, DONE, LATE };

struct item {
  enum state state;
  uint64_t since_ms, since_cpu_ms; /* TRYING: clocks when it began */
};

enum { NO_ITEM = UINT32_MAX };

struct worker {
  pthread_t thread;
  struct compile *work;
  uint32_t item; /* that it does or did last, or NO_ITEM */
  bool joined;
};

struct compile {
  vit_device *dev;
  struct plan plan;
  struct item *items; /* one for each pipeline of the plan */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint32_t refs; /* the caller's and each thread's; under the lock, as all that follows */
  uint32_t next, done, given_up;
  uint32_t alive; /* threads that take items */
  bool stop;      /* after a failure nothing new is begun */
  vit_error err;
  uint64_t limit_ms;
  struct worker *workers; /* num_workers of them run or ran */
  uint32_t num_workers, space;
  struct compile *next_late; /* of the device's list of those with threads left behind */
};

static void
unref (struct compile *c)
{
  pthread_mutex_lock (&c->lock);
  bool last = --c->refs == 0;
  pthread_mutex_unlock (&c->lock);
  if (!last)
    return;
  plan_finish (&c->plan);
  pthread_mutex_destroy (&c->lock);
  pthread_cond_destroy (&c->changed);
  free (c->items);
  free (c->workers);
  free (c);
}

/* A device of the thread's own, on the same driver: software drivers compile where work is queued, one kernel at a
 * time and for as long as it takes; the device in use should neither wait for that nor share a queue with it. What they
 * compiled they find again in their cache. */
static vit_device *
open_twin (vit_device *dev, vit_error *err)
{
  char select[5 + 2 * sizeof dev->info.uuid + 1] = "uuid:";
  struct vit_device_params params = dev->params;
  for (size_t i = 0; i < sizeof dev->info.uuid; i++)
    snprintf (select + 5 + 2 * i, 3, "%02x", dev->info.uuid[i]);
  params.select = select;
  params.no_software = false;
  params.cache_dir = "";
  return vit_device_create (&params, err);
}

/* Tries the special kernel of item i; VERDICT_NONE: it could not be tried. */
static enum verdict
try_item (struct compile *c, uint32_t i, vit_device **twin, vit_error *err)
{
  const struct planned *p = &c->plan.pipelines[i];
  vit_device *dev = c->dev;
  bool right = false;
  if (device_caps (dev)->software) {
    if (!*twin && !(*twin = open_twin (dev, err)))
      return VERDICT_NONE;
    dev = *twin;
  }
  if (!trial_run (dev, &c->plan.specials[p->special], &right, err))
    return VERDICT_NONE;
  return right ? VERDICT_RIGHT : VERDICT_WRONG;
}

/* Returns whether the item was given up, or already abandoned. */
static bool
settle (struct compile *c, uint32_t i, enum verdict verdict, bool *ok, vit_error *err)
{
  pthread_mutex_lock (&c->lock);
  bool late = c->items[i].state == LATE;
  if (!late)
    c->items[i].state = MAKING;
  if (!late && verdict == VERDICT_WRONG)
    c->given_up++;
  pthread_mutex_unlock (&c->lock);
  if (!late)
    *ok = trust_remember (c->dev, &c->plan, i, verdict, err);
  return late || verdict != VERDICT_RIGHT;
}

static bool
do_item (struct compile *c, uint32_t i, bool tries, vit_device **twin, vit_error *err)
{
  const struct planned *p = &c->plan.pipelines[i];
  bool ok = true;
  if (tries) {
    enum verdict verdict = try_item (c, i, twin, err);
    if (verdict == VERDICT_NONE)
      return false;
    if (settle (c, i, verdict, &ok, err))
      return ok;
  }
  return ok && pipeline_get (c->dev, p->shader, &p->spec, err) != VK_NULL_HANDLE;
}

/* Takes items until there are none, or until its item was given up: what took so long keeps nobody else waiting. */
static void
work (struct compile *c, uint32_t *current)
{
  vit_device *twin = NULL;
  bool late = false;
  pthread_mutex_lock (&c->lock);
  while (!late && !c->stop && c->next < c->plan.num) {
    uint32_t i = *current = c->next++;
    bool tries = c->plan.pipelines[i].special >= 0 && trust_recall (c->dev, &c->plan.pipelines[i]) == VERDICT_NONE;
    vit_error err = { 0 };
    c->items[i] = (struct item) { tries ? TRYING : MAKING, now_ms (), clock_ms (CLOCK_PROCESS_CPUTIME_ID) };
    pthread_mutex_unlock (&c->lock);
    bool ok = do_item (c, i, tries, &twin, &err);
    pthread_mutex_lock (&c->lock);
    late = c->items[i].state == LATE;
    if (!late) {
      c->items[i].state = DONE;
      c->done++;
    }
    if (!ok && !late && !c->stop) {
      c->stop = true;
      c->err = err;
    }
    pthread_cond_broadcast (&c->changed);
  }
  pthread_mutex_unlock (&c->lock);
  vit_device_destroy (&twin);
}

/* The lock is held. */
static bool
is_late (const struct compile *c, const struct worker *w)
{
  return w->item != NO_ITEM && c->items[w->item].state == LATE;
}

static void *
run_worker (void *ctx)
{
  struct worker *w = ctx;
  struct compile *c = w->work;
  work (c, &w->item);
  pthread_mutex_lock (&c->lock);
  if (!is_late (c, w))
    c->alive--;
  pthread_cond_broadcast (&c->changed);
  pthread_mutex_unlock (&c->lock);
  unref (c);
  return NULL;
}

/* False where the system has no thread to give: then the one who waits does the work. */
static bool
start_worker (struct compile *c)
{
  if (c->num_workers == c->space)
    return false;
  struct worker *w = &c->workers[c->num_workers];
  *w = (struct worker) { .work = c, .item = NO_ITEM };
  pthread_mutex_lock (&c->lock);
  c->refs++;
  c->alive++;
  pthread_mutex_unlock (&c->lock);
  if (pthread_create (&w->thread, NULL, run_worker, w) == 0) {
    c->num_workers++;
    return true;
  }
  pthread_mutex_lock (&c->lock);
  c->refs--;
  c->alive--;
  pthread_mutex_unlock (&c->lock);
  return false;
}

/* How long a pipeline takes among others: on a driver of today attention is by far the longest. */
static int
length (const struct plan *plan, const struct planned *p)
{
  static const int of_kind[] = { [SPECIAL_ATTENTION] = 3, [SPECIAL_LINEAR] = 2, [SPECIAL_LAYERNORM] = 1 };
  return p->special >= 0 ? of_kind[plan->specials[p->special].kind] : 0;
}

/* The longest first: begun last it would keep one thread busy while the others have nothing left. Equals keep their
 * order. */
static void
sort_longest_first (struct plan *plan)
{
  for (uint32_t i = 1; i < plan->num; i++) {
    struct planned p = plan->pipelines[i];
    uint32_t at = i;
    for (; at > 0 && length (plan, &plan->pipelines[at - 1]) < length (plan, &p); at--)
      plan->pipelines[at] = plan->pipelines[at - 1];
    plan->pipelines[at] = p;
  }
}

static uint64_t
limit_ms (void)
{
  const char *text = getenv ("VIT_COMPILE_LIMIT_MS");
  long ms = text ? strtol (text, NULL, 10) : 0;
  return ms > 0 ? (uint64_t) ms : LIMIT_MS;
}

struct compile *
compile_start (vit_device *dev, struct plan *plan, vit_error *err)
{
  struct compile *c = calloc (1, sizeof *c);
  uint32_t threads = MAX_THREADS;
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  if (!c) {
    plan_finish (plan);
    fail_memory (err, "compiling kernels", sizeof *c);
    return NULL;
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init (&c->lock, NULL);
  pthread_cond_init (&c->changed, &monotonic);
  pthread_condattr_destroy (&monotonic);
  c->dev = dev;
  c->refs = 1;
  c->plan = *plan;
  plan_init (plan);
  sort_longest_first (&c->plan);
  c->limit_ms = limit_ms ();
  if (cpus > 0 && cpus < (long) threads)
    threads = (uint32_t) cpus;
  if (threads > c->plan.num)
    threads = c->plan.num;
  c->space = threads + c->plan.num_specials; /* any special kernel may cost a thread */
  c->items = calloc (c->plan.num + 1, sizeof *c->items);
  c->workers = calloc (c->space + 1, sizeof *c->workers);
  if (!c->items || !c->workers) {
    fail_memory (err, "compiling kernels", c->plan.num * sizeof *c->items);
    unref (c);
    return NULL;
  }
  while (c->num_workers < threads && start_worker (c))
    ;
  return c;
}

uint32_t
compile_total (const struct compile *c)
{
  return c->plan.num;
}

uint32_t
compile_done (struct compile *c)
{
  pthread_mutex_lock (&c->lock);
  uint32_t done = c->done;
  pthread_mutex_unlock (&c->lock);
  return done;
}

/* The lock is held. */
static void
give_up (struct compile *c, uint32_t i)
{
  vit_error err = { 0 };
  c->items[i].state = LATE;
  c->alive--;
  c->done++;
  c->given_up++;
  if (!trust_remember (c->dev, &c->plan, i, VERDICT_SLOW, &err) && !c->stop) {
    c->stop = true;
    c->err = err;
  }
}

/* Gives up what takes too long; returns how many items are under way. What the process used of the CPU was used by all
 * of them. */
static uint32_t
check_items (struct compile *c)
{
  uint32_t busy = 0, left = 0;
  uint64_t now = now_ms (), cpu = clock_ms (CLOCK_PROCESS_CPUTIME_ID);
  for (uint32_t i = 0; i < c->next; i++)
    busy += c->items[i].state == TRYING || c->items[i].state == MAKING;
  for (uint32_t i = 0; i < c->next; i++) {
    const struct item *item = &c->items[i];
    uint64_t passed = now - item->since_ms, used = (cpu - item->since_cpu_ms) / (busy ? busy : 1);
    if (item->state == TRYING && ((passed >= c->limit_ms && used >= c->limit_ms) || passed >= PATIENCE * c->limit_ms))
      give_up (c, i);
    left += item->state == TRYING || item->state == MAKING;
  }
  return left;
}

static void
wait_a_while (struct compile *c)
{
  uint64_t due_ms = now_ms () + 100;
  struct timespec due = { .tv_sec = (time_t) (due_ms / 1000), .tv_nsec = (long) (due_ms % 1000) * 1000000 };
  pthread_cond_timedwait (&c->changed, &c->lock, &due);
}

/* Waits until nothing is under way but what was given up. */
static void
wait_for_items (struct compile *c, struct progress *progress)
{
  pthread_mutex_lock (&c->lock);
  for (;;) {
    uint32_t busy = check_items (c), done = c->done, alive = c->alive;
    bool rest = !c->stop && c->next < c->plan.num;
    if (busy == 0 && !rest)
      break;
    pthread_mutex_unlock (&c->lock);
    progress_set (progress, done);
    uint32_t ignored;
    if (rest && alive == 0 && !start_worker (c)) /* every thread was left behind, or there never was one */
      work (c, &ignored);
    pthread_mutex_lock (&c->lock);
    if (done == c->done && c->alive > 0)
      wait_a_while (c);
  }
  uint32_t done = c->done;
  pthread_mutex_unlock (&c->lock);
  progress_set (progress, done);
}

/* Joins the threads; those left behind are left to the device's end. */
static void
dismiss_workers (struct compile *c)
{
  bool any = false;
  for (uint32_t i = 0; i < c->num_workers; i++) {
    pthread_mutex_lock (&c->lock);
    bool late = is_late (c, &c->workers[i]);
    any |= late;
    pthread_mutex_unlock (&c->lock);
    if (!late)
      pthread_join (c->workers[i].thread, NULL);
    c->workers[i].joined = !late;
  }
  if (!any)
    return;
  pthread_mutex_lock (&c->lock);
  c->refs++; /* the list's */
  pthread_mutex_unlock (&c->lock);
  pthread_mutex_lock (&c->dev->late_lock);
  c->next_late = c->dev->late;
  c->dev->late = c;
  pthread_mutex_unlock (&c->dev->late_lock);
}

void
compile_stop (struct compile *c)
{
  pthread_mutex_lock (&c->lock);
  c->stop = true;
  pthread_mutex_unlock (&c->lock);
}

bool
compile_finish (struct compile **compile, struct progress *progress, uint32_t *given_up, vit_error *err)
{
  struct compile *c = *compile;
  *given_up = 0;
  if (!c)
    return true;
  wait_for_items (c, progress);
  dismiss_workers (c);
  pthread_mutex_lock (&c->lock);
  bool ok = !c->stop;
  *given_up = c->given_up;
  if (!ok)
    fail (err, c->err.code, "%s", c->err.msg);
  pthread_mutex_unlock (&c->lock);
  memo_save (c->dev);
  unref (c);
  *compile = NULL;
  return ok;
}

void
compile_join_late (vit_device *dev)
{
  while (dev->late) {
    struct compile *c = dev->late;
    dev->late = c->next_late;
    for (uint32_t i = 0; i < c->num_workers; i++)
      if (!c->workers[i].joined)
        pthread_join (c->workers[i].thread, NULL);
    unref (c);
  }
}
