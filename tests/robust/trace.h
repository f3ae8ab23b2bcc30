/* Runs a program and tells every file it opens or changes, as the kernel sees it. Linux only. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_ROBUST_TRACE_H
#define VIT_TESTS_ROBUST_TRACE_H

#include <stdbool.h>

/* A file that was opened, made, renamed, linked or removed, by the absolute path with no symbolic link followed. */
typedef void (*trace_seen) (void *ctx, const char *path, bool written);

/* The exit status, or 128 + signal; -1: this system does not let a process trace its child. Output is discarded. */
int trace_run (const char *const *argv, trace_seen seen, void *ctx);

#endif
