/* Regular files, read whole or in pieces, with errors fit for a user: the one place that opens a checkpoint's files. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_WEIGHTS_FILE_H
#define VIT_WEIGHTS_FILE_H

#include "vit/vit.h"

/* Opens a safetensors file of *size bytes (never 0), to be closed with close (). An empty file, a directory, a pipe and
 * a Git LFS pointer fail: -1. Files are read and not mapped: touching a mapping of a file that somebody cuts short
 * meanwhile ends the process. */
int file_open (const char *path, size_t *size, vit_error *err);
/* Reads exactly `size` bytes from `offset` on; a file that has grown shorter fails. `path` is for the message. */
bool file_get (int fd, const char *path, uint64_t offset, void *out, size_t size, vit_error *err);

/* Reads a whole file of at most `limit` bytes into memory that the caller frees, with a zero after its end. An empty
 * file is fine. `what` says in a message what the file is to be. */
bool file_read (const char *path, const char *what, size_t limit, char **text, size_t *size, vit_error *err);

/* Is there anything of that name? */
bool file_exists (const char *path);
bool file_is_folder (const char *path);

/* "FOLDER/NAME" (or "NAME" in no folder), to be freed; NULL: out of memory. */
char *file_join (const char *folder, const char *name, vit_error *err);
/* The folder that a path lies in ("." where it names none), to be freed; NULL: out of memory. */
char *file_folder (const char *path, vit_error *err);
/* The last part of a path, borrowed. */
const char *file_name (const char *path);
bool file_ends (const char *path, const char *suffix);

#endif
