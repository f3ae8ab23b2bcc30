/* One safetensors file: a JSON header that lists the tensors, then their bytes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_WEIGHTS_SAFETENSORS_H
#define VIT_WEIGHTS_SAFETENSORS_H

#include "weights/weights.h"

struct safetensors {
  char *path;
  int fd;                 /* -1: not open; closed with the path set */
  size_t size;            /* bytes */
  void *header;           /* the parsed header: it owns the tensors' names */
  struct tensor *tensors; /* (count), in the header's order */
  uint32_t count;
};

/* Opens the file and checks every entry: a tensor handed out lies wholly inside the file, no two overlap. */
bool safetensors_open (struct safetensors *s, const char *path, vit_error *err);
void safetensors_close (struct safetensors *s); /* accepts a zeroed one */

#endif
