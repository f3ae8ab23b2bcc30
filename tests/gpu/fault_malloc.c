/* malloc, calloc, realloc, strdup and strndup as the linker's --wrap hands them over. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/fault_malloc.h"

#include <stddef.h>

/* Only objects linked into the test program come here: the host library and the test, no driver and no loader. */
void *__real_malloc (size_t size);
void *__real_calloc (size_t count, size_t size);
void *__real_realloc (void *p, size_t size);
char *__real_strdup (const char *text);
char *__real_strndup (const char *text, size_t size);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t count, size_t size);
void *__wrap_realloc (void *p, size_t size);
char *__wrap_strdup (const char *text);
char *__wrap_strndup (const char *text, size_t size);

static _Thread_local int64_t calls, fail_at = -1;

static bool
fails (void)
{
  return calls++ == fail_at;
}

void
fault_malloc_arm (int64_t n)
{
  calls = 0;
  fail_at = n;
}

bool
fault_malloc_fired (void)
{
  return fail_at >= 0 && calls > fail_at;
}

int64_t
fault_malloc_calls (void)
{
  return calls;
}

void *
__wrap_malloc (size_t size)
{
  return fails () ? NULL : __real_malloc (size);
}

void *
__wrap_calloc (size_t count, size_t size)
{
  return fails () ? NULL : __real_calloc (count, size);
}

void *
__wrap_realloc (void *p, size_t size)
{
  return fails () ? NULL : __real_realloc (p, size);
}

char *
__wrap_strdup (const char *text)
{
  return fails () ? NULL : __real_strdup (text);
}

char *
__wrap_strndup (const char *text, size_t size)
{
  return fails () ? NULL : __real_strndup (text, size);
}
