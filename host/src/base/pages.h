/* The pages that memory consists of. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_PAGES_H
#define VIT_BASE_PAGES_H

#include <stddef.h>

/* Has the system put pages behind memory that is about to be written for the first time, all at once: meeting each on
 * its own takes twice as long. A hint: where it can't be followed nothing happens. */
void pages_expect (void *data, size_t bytes);

#endif
