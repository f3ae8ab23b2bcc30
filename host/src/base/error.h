/* Filling a vit_error: every failure of the host layer starts here. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_BASE_ERROR_H
#define VIT_BASE_ERROR_H

#include "vit/vit.h"

/* Fills err (NULL is fine) and returns false, so that `return fail (err, ...)` ends a function that failed.
 * The message is cut to fit. */
bool fail (vit_error *err, enum vit_code code, const char *format, ...) __attribute__ ((format (printf, 3, 4)));

/* The same for out of host memory: "WHAT: out of memory (SIZE bytes asked for)". */
bool fail_memory (vit_error *err, const char *what, size_t size);

/* Adds what only a caller knows to a message of VIT_ERR_MEMORY: how much is needed in all, what would need less.
 * Leaves other errors as they are. */
void fail_memory_add (vit_error *err, const char *format, ...) __attribute__ ((format (printf, 2, 3)));

#endif
