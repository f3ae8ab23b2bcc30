/* Files of named tensors: safetensors, one file or sharded. Knows nothing of models. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_WEIGHTS_WEIGHTS_H
#define VIT_WEIGHTS_WEIGHTS_H

#include "vit/vit.h"

enum dtype { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_OTHER };
enum { TENSOR_MAX_DIMS = 8 };

struct tensor {
  const char *name;
  const char *file; /* the path it lives in, for messages */
  enum dtype dtype;
  char dtype_name[8]; /* as the file spells it */
  uint32_t num_dims;
  uint64_t shape[TENSOR_MAX_DIMS];
  uint64_t count; /* elements */
  uint64_t num_bytes;
  int fd;          /* of the file, open until weights_close */
  uint64_t offset; /* bytes: of the first element in the file */
};

struct weights;

/* path: a .safetensors file, or a folder holding model.safetensors or model.safetensors.index.json (and its shards).
 * Every offset is checked here: a tensor handed out lay wholly inside its file. */
struct weights *weights_open (const char *path, vit_error *err);
void weights_close (struct weights **w);
uint32_t weights_count (const struct weights *w);
const struct tensor *weights_at (const struct weights *w, uint32_t index);
const struct tensor *weights_find (const struct weights *w, const char *name); /* NULL: not there */
uint32_t weights_index (const struct weights *w, const char *name);            /* weights_count: not there */
const char *weights_path (const struct weights *w); /* the file that names them all, for messages */

/* Reads all elements as float into out[count]. The dtype must not be DTYPE_OTHER. Fails with IO. */
bool tensor_read (const struct tensor *t, float *out, vit_error *err);
/* n little-endian numbers to float. The bytes may lie in out's own memory, at its end. */
void floats_from (enum dtype dtype, const void *bytes, uint64_t n, float *out);
/* "[3, 4]" of a shape. */
const char *shape_text (char *out, size_t size, const uint64_t *shape, uint32_t num_dims);

#endif
