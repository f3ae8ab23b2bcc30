/* A ring of slots, for src/session alone. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_SESSION_SESSION_H
#define VIT_SESSION_SESSION_H

#include <pthread.h>

#include "session/slot.h"

struct vit_session {
  pthread_mutex_t lock; /* between the thread that submits and the one that collects: every slot's num, gpu_ms */
  vit_model *model;
  uint32_t max_batch, num_slots;
  struct slot *slots;    /* (num_slots) */
  uint32_t next, oldest; /* slot to submit to; slot to collect from */
  float *logits;         /* (classes) of the last collected image */
  struct counters counters, at_creation;
  uint64_t submits, images;
  double gpu_ms;
};

#endif
