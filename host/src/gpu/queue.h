/* Queues, what is submitted to them, and waiting for it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_QUEUE_H
#define VIT_GPU_QUEUE_H

#include <pthread.h>

#include "gpu/vk.h"

struct queue {
  VkQueue handle;
  uint32_t family;
  pthread_mutex_t lock; /* vkQueueSubmit, `last` */
  VkSemaphore timeline; /* submit n of this queue raises it to n; none where the device has no timeline semaphores */
  uint64_t last;        /* submits so far */
};

/* How a submit is known to be done: its number on the queue's timeline, or a fence. */
struct ticket {
  struct queue *queue; /* of the last submit with this ticket; NULL: there was none */
  uint64_t number;
  VkFence fence; /* only without timeline semaphores */
};
bool ticket_init (vit_device *dev, struct ticket *t, vit_error *err);
void ticket_finish (vit_device *dev, struct ticket *t); /* accepts a zeroed one; nothing may be under way */

/* Families and how many queues of each the device is to be created with, then the queues themselves. */
bool queues_choose (vit_device *dev, vit_error *err);
bool queues_open (vit_device *dev, vit_error *err);
void queues_close (vit_device *dev); /* accepts those that were never opened */

/* Command buffers handed over as one submit, in order. Their kernels begin when `after` is done (NULL: at once), which
 * needs timeline semaphores. Takes the queue's lock. On failure nothing was submitted. */
bool queue_submit (vit_device *dev, struct queue *q, const VkCommandBuffer *commands, uint32_t n,
    const struct ticket *after, struct ticket *t, vit_error *err);
/* Waits asleep; *done tells whether the last submit was finished within the time. After a failure nothing is under way
 * on its queue any more. */
bool ticket_wait (vit_device *dev, const struct ticket *t, uint64_t timeout_ns, bool *done, vit_error *err);

#endif
