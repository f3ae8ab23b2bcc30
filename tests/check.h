/* What every test program uses: requirements, skipping, deterministic random numbers, tables. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_CHECK_H
#define VIT_TESTS_CHECK_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * REQUIRE and its kin end the program with status 1: what follows would make no sense. A test over a table prefers
 * check_failed (), which prints, counts and goes on, so that one run shows every row that is wrong; main () then
 * ends with `return check_status ();`.
 */
#define REQUIRE(cond)                  ((cond) ? (void) 0 : check_die (__FILE__, __LINE__, "%s", #cond))
#define REQUIRE_CLOSE(a, b, rel, abs_) check_close (__FILE__, __LINE__, #a, #b, (a), (b), (rel), (abs_))
#define REQUIRE_TEXT(text, part)       check_text (__FILE__, __LINE__, #text, (text), (part))
/* A call that fills a vit_error on failure: prints what it said. */
#define REQUIRE_OK(cond, err) ((cond) ? (void) 0 : check_die (__FILE__, __LINE__, "%s: %s", #cond, (err).msg))
/* Ends with 77, meson's sign for skipped; with VIT_REQUIRE_GPU=1 in the environment a skip is a failure, so that a
 * green run on a machine meant to have a device means that it ran. Takes a printf format. */
#define SKIP(...) check_skip (__FILE__, __LINE__, __VA_ARGS__)

#define COUNT_OF(array) (sizeof (array) / sizeof *(array))

/* One count for all files of a program: rows fail in one, main () is in another. */
int check_failures __attribute__ ((weak));

static inline void __attribute__ ((noreturn, format (printf, 3, 4)))
check_die (const char *file, int line, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  fflush (stdout);
  fprintf (stderr, "%s:%d: failed: ", file, line);
  vfprintf (stderr, format, args);
  fputc ('\n', stderr);
  va_end (args);
  exit (1);
}

static inline void __attribute__ ((noreturn, format (printf, 3, 4)))
check_skip (const char *file, int line, const char *format, ...)
{
  const char *need = getenv ("VIT_REQUIRE_GPU");
  bool required = need && *need && strcmp (need, "0") != 0;
  va_list args;
  va_start (args, format);
  fprintf (stderr, "%s:%d: %s: ", file, line, required ? "failed: VIT_REQUIRE_GPU is set, may not skip" : "skipped");
  vfprintf (stderr, format, args);
  fputc ('\n', stderr);
  va_end (args);
  exit (required ? 1 : 77);
}

/* One row of a table is wrong: prints, counts, goes on. */
static inline void __attribute__ ((format (printf, 1, 2))) check_failed (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  fputs ("failed: ", stdout);
  vprintf (format, args);
  putchar ('\n');
  fflush (stdout);
  va_end (args);
  check_failures++;
}

/* main ()'s value. */
static inline int
check_status (void)
{
  if (check_failures)
    fprintf (stderr, "%d failures\n", check_failures);
  return check_failures ? 1 : 0;
}

/* Not close when either is NaN; equal infinities are close. */
static inline bool
check_is_close (double a, double b, double rel, double abs_)
{
  if (a == b)
    return true;
  double larger = fmax (fabs (a), fabs (b));
  return fabs (a - b) <= abs_ + rel * larger && larger < INFINITY;
}

static inline void
check_close (const char *file, int line, const char *ta, const char *tb, double a, double b, double rel, double abs_)
{
  if (!check_is_close (a, b, rel, abs_))
    check_die (file, line, "%s = %.9g, expected %s = %.9g within %g relative + %g", ta, a, tb, b, rel, abs_);
}

static inline void
check_text (const char *file, int line, const char *what, const char *text, const char *part)
{
  if (!text || !strstr (text, part))
    check_die (file, line, "%s is '%s', expected '%s' in it", what, text ? text : "(null)", part);
}

/* ---- random numbers: the same on every machine ----------------------------------------------------- */

/* splitmix64 (Steele, Lea and Flood 2014): any seed is good, also 0. */
struct rng {
  uint64_t state;
};

static inline uint64_t
rng_next (struct rng *r)
{
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Uniform over 0 .. n - 1; the bias is far below what a test can see. */
static inline uint32_t
rng_below (struct rng *r, uint32_t n)
{
  return (uint32_t) (((rng_next (r) >> 32) * n) >> 32);
}

/* Uniform in [low, high). */
static inline double
rng_uniform (struct rng *r, double low, double high)
{
  return low + (high - low) * ((double) (rng_next (r) >> 11) * 0x1p-53);
}

/* Mean 0, variance 1, near enough to normal (sum of four uniforms), never beyond +-3.5. */
static inline double
rng_normal (struct rng *r)
{
  double sum = 0;
  for (int i = 0; i < 4; i++)
    sum += rng_uniform (r, -0.5, 0.5);
  return sum * 1.7320508075688772;
}

/* malloc that ends the test instead of failing; free with free (). */
static inline void *
check_alloc (size_t count, size_t size)
{
  void *p = calloc (count ? count : 1, size);
  if (!p)
    check_die (__FILE__, __LINE__, "out of memory (%zu x %zu bytes)", count, size);
  return p;
}

#endif
