/* Asks the system for pages. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _DEFAULT_SOURCE /* madvise */
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void
pages_expect (void *data, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
  long page = sysconf (_SC_PAGESIZE);
  if (page <= 0)
    return;
  uintptr_t mask = (uintptr_t) page - 1, begin = ((uintptr_t) data + mask) & ~mask, end = (uintptr_t) data + bytes;
  if ((end &= ~mask) > begin)
    (void) madvise ((void *) begin, end - begin, MADV_POPULATE_WRITE);
#else
  (void) data;
  (void) bytes;
#endif
}
