/* A temporary folder with files to spoil, and programs run in it with their output caught. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_ROBUST_SCRATCH_H
#define VIT_TESTS_ROBUST_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Makes the folder, enters it, and points HOME and every XDG folder that a program could write to into it: home/,
 * cache/. It is removed when the program ends without failing. */
const char *scratch_enter (void);

/* The path as it stays true after scratch_enter; free (). */
char *scratch_absolute (const char *path);

/* Files, by paths relative to the folder. Whatever fails ends the test. */
void scratch_write (const char *path, const void *data, size_t size);
char *scratch_read (const char *path, size_t *size);         /* with a zero after its end; free () */
void scratch_copy_folder (const char *from, const char *to); /* plain files only */
void scratch_make_folder (const char *path);
void scratch_remove (const char *path); /* a file or a whole tree; may be absent */

enum { CHILD_OUTPUT = 65536, CHILD_SECONDS = 120 };

struct child {
  int status;                                /* exit status, or 128 + signal */
  char out[CHILD_OUTPUT], err[CHILD_OUTPUT]; /* stdout and stderr, cut to fit */
};

/* Runs argv (NULL-terminated) to its end; kills it after CHILD_SECONDS (status 137). */
void child_run (struct child *c, const char *const *argv);

#endif
