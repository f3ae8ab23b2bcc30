/* Chooses the device's queues, submits to them and waits: by timeline semaphores, or by fences. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/queue.h"

#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"

enum { MAX_FAMILIES = 32 };

/* A family that computes; one that does nothing but compute, if there is one, disturbs drawing least. */
static int
find_compute (const VkQueueFamilyProperties *families, uint32_t n)
{
  int best = -1;
  for (uint32_t i = 0; i < n; i++)
    if ((families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)
        && (best < 0 || !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT)))
      best = (int) i;
  return best;
}

/* A family that does nothing but copy: hardware beside the one that computes. */
static int
find_transfer (const VkQueueFamilyProperties *families, uint32_t n)
{
  const VkQueueFlags busy = VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT;
  for (uint32_t i = 0; i < n; i++)
    if ((families[i].queueFlags & VK_QUEUE_TRANSFER_BIT) && !(families[i].queueFlags & busy))
      return (int) i;
  return -1;
}

bool
queues_choose (vit_device *dev, vit_error *err)
{
  VkQueueFamilyProperties families[MAX_FAMILIES];
  uint32_t n = MAX_FAMILIES;
  dev->instance.GetPhysicalDeviceQueueFamilyProperties (dev->physical, &n, families);
  n = n < MAX_FAMILIES ? n : MAX_FAMILIES;
  int compute = find_compute (families, n), transfer = find_transfer (families, n);
  if (compute < 0)
    return fail (err, VIT_ERR_UNSUPPORTED, "%.100s has no queue that computes; choose another device", dev->info.name);
  dev->compute.family = (uint32_t) compute;
  if (families[compute].timestampValidBits == 0)
    dev->caps.timestamp_ns = 0;
  /* VIT_UPLOAD=copy and VIT_UPLOAD=transfer go the ways of devices whose own memory the CPU can't write, on any */
  const char *upload = getenv ("VIT_UPLOAD");
  bool forced = upload && strcmp (upload, "transfer") == 0;
  dev->staged = forced || (upload && strcmp (upload, "copy") == 0);
  dev->copies.family = transfer >= 0 ? (uint32_t) transfer : dev->compute.family;
  if (dev->caps.timeline && (transfer >= 0 || forced) && !(dev->staged && !forced))
    dev->transfer = transfer >= 0 ? &dev->copies : &dev->compute;
  return true;
}

static bool
create_timeline (vit_device *dev, struct queue *q, vit_error *err)
{
  VkSemaphoreTypeCreateInfo type = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
  };
  VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };
  dev->vk.vkGetDeviceQueue (dev->handle, q->family, 0, &q->handle);
  if (!dev->caps.timeline || VK_TRY (dev, err, CreateSemaphore, dev->handle, &info, NULL, &q->timeline))
    return true;
  q->timeline = VK_NULL_HANDLE;
  return false;
}

bool
queues_open (vit_device *dev, vit_error *err)
{
  return create_timeline (dev, &dev->compute, err)
      && (dev->transfer != &dev->copies || create_timeline (dev, &dev->copies, err));
}

/* Nothing is under way any more; but Mesa 22.3.6's thread that submits still looks at the semaphores that a submit
 * waited for when the submit's end is signalled already. An idle queue's thread has done that. */
static void
close_queue (vit_device *dev, struct queue *q)
{
  if (!q->timeline)
    return;
  dev->vk.vkQueueWaitIdle (q->handle);
  dev->vk.vkDestroySemaphore (dev->handle, q->timeline, NULL);
  q->timeline = VK_NULL_HANDLE;
}

void
queues_close (vit_device *dev)
{
  if (dev->copies.timeline) /* which the compute queue's submits wait for */
    dev->vk.vkQueueWaitIdle (dev->compute.handle);
  close_queue (dev, &dev->copies);
  close_queue (dev, &dev->compute);
}

bool
ticket_init (vit_device *dev, struct ticket *t, vit_error *err)
{
  VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
  *t = (struct ticket) { 0 };
  if (dev->caps.timeline || VK_TRY (dev, err, CreateFence, dev->handle, &info, NULL, &t->fence))
    return true;
  t->fence = VK_NULL_HANDLE;
  return false;
}

void
ticket_finish (vit_device *dev, struct ticket *t)
{
  if (t->fence)
    dev->vk.vkDestroyFence (dev->handle, t->fence, NULL);
  *t = (struct ticket) { 0 };
}

/* With the lock held. */
static bool
submit (vit_device *dev, struct queue *q, const VkCommandBuffer *commands, uint32_t n, const struct ticket *after,
    VkFence fence, vit_error *err)
{
  uint64_t number = q->last + 1;
  VkPipelineStageFlags stage = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
  VkTimelineSemaphoreSubmitInfo timeline = {
    .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
    .waitSemaphoreValueCount = after != NULL,
    .pWaitSemaphoreValues = after ? &after->number : NULL,
    .signalSemaphoreValueCount = 1,
    .pSignalSemaphoreValues = &number,
  };
  VkSubmitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
    .pNext = q->timeline ? &timeline : NULL,
    .waitSemaphoreCount = after != NULL,
    .pWaitSemaphores = after ? &after->queue->timeline : NULL,
    .pWaitDstStageMask = &stage,
    .commandBufferCount = n,
    .pCommandBuffers = commands,
    .signalSemaphoreCount = q->timeline != VK_NULL_HANDLE,
    .pSignalSemaphores = &q->timeline,
  };
  if (!VK_TRY (dev, err, QueueSubmit, q->handle, 1, &info, fence))
    return false;
  q->last = number;
  return true;
}

bool
queue_submit (vit_device *dev, struct queue *q, const VkCommandBuffer *commands, uint32_t n, const struct ticket *after,
    struct ticket *t, vit_error *err)
{
  if (t->fence && !VK_TRY (dev, err, ResetFences, dev->handle, 1, &t->fence))
    return false;
  pthread_mutex_lock (&q->lock);
  bool ok = submit (dev, q, commands, n, after, t->fence, err);
  if (ok) {
    t->queue = q;
    t->number = q->last;
  }
  pthread_mutex_unlock (&q->lock);
  return ok;
}

bool
ticket_wait (vit_device *dev, const struct ticket *t, uint64_t timeout_ns, bool *done, vit_error *err)
{
  struct queue *q = t->queue;
  if (!q) {
    *done = true;
    return true;
  }
  VkSemaphoreWaitInfo info = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
    .semaphoreCount = 1,
    .pSemaphores = &q->timeline,
    .pValues = &t->number,
  };
  VkResult r = q->timeline ? dev->vk.vkWaitSemaphores (dev->handle, &info, timeout_ns)
                           : dev->vk.vkWaitForFences (dev->handle, 1, &t->fence, VK_TRUE, timeout_ns);
  *done = r == VK_SUCCESS;
  if (r == VK_SUCCESS || r == VK_TIMEOUT)
    return true;
  /* A wait that failed says nothing of the work, whose memory the caller is about to give up. */
  pthread_mutex_lock (&q->lock);
  dev->vk.vkQueueWaitIdle (q->handle);
  pthread_mutex_unlock (&q->lock);
  return vk_ok (err, q->timeline ? "vkWaitSemaphores" : "vkWaitForFences", r);
}
