/* Host allocations of the code under test, of which the n-th fails. Links with --wrap for each of them. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_GPU_FAULT_MALLOC_H
#define VIT_TESTS_GPU_FAULT_MALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* From now on allocation n (from 0) of this thread gives NULL; n < 0: none. Counts begin anew. */
void fault_malloc_arm (int64_t n);
bool fault_malloc_fired (void);
int64_t fault_malloc_calls (void);

#endif
