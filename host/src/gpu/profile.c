/* Reads the device's clock behind each dispatch of a recorder. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/recorder.h"

enum { MAX_MARKS = 4096 };

struct profile {
  VkQueryPool clock; /* (MAX_MARKS) timestamps, the first before everything */
  uint32_t num;      /* timestamps written */
  const char *op;    /* what is being recorded */
  double flops;      /* of it, not yet given to a mark */
  struct {
    const char *op;
    enum shader shader; /* NUM_SHADERS: a copy */
    struct spec spec;
    double flops;
  } marks[MAX_MARKS]; /* of timestamp i; 0 is not used */
};

struct profile *
profile_create (vit_device *dev, vit_error *err)
{
  struct profile *p = NULL;
  if (dev->caps.timestamp_ns <= 0.0) {
    fail (err, VIT_ERR_UNSUPPORTED, "%s has no timestamps, so its kernels can't be timed one by one", dev->info.name);
    return NULL;
  }
  p = calloc (1, sizeof *p);
  if (!p) {
    fail_memory (err, "the kernels' times", sizeof *p);
    return NULL;
  }
  VkQueryPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
    .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = MAX_MARKS,
  };
  if (!VK_TRY (dev, err, CreateQueryPool, dev->handle, &info, NULL, &p->clock)) {
    p->clock = VK_NULL_HANDLE;
    profile_destroy (dev, &p);
  }
  return p;
}

void
profile_destroy (vit_device *dev, struct profile **profile)
{
  if (*profile && (*profile)->clock)
    dev->vk.vkDestroyQueryPool (dev->handle, (*profile)->clock, NULL);
  free (*profile);
  *profile = NULL;
}

/* The bottom of the pipe: when everything before it is done. */
static void
write_clock (vit_device *dev, struct profile *p, VkCommandBuffer commands)
{
  dev->vk.vkCmdWriteTimestamp (commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, p->clock, p->num++);
}

void
profile_begin (vit_device *dev, struct profile *p, VkCommandBuffer commands)
{
  if (!p)
    return;
  dev->vk.vkCmdResetQueryPool (commands, p->clock, 0, MAX_MARKS);
  p->num = 0;
  p->op = "";
  p->flops = 0;
  write_clock (dev, p, commands);
}

void
profile_label (struct profile *p, const char *op, double flops)
{
  if (!p)
    return;
  p->op = op;
  p->flops = flops;
}

bool
profile_mark (vit_device *dev, struct profile *p, VkCommandBuffer commands, const struct dispatch *d, vit_error *err)
{
  if (!p)
    return true;
  if (p->num == MAX_MARKS)
    return fail (err, VIT_ERR_UNSUPPORTED, "more than %d dispatches can't be timed one by one; use a smaller batch",
        MAX_MARKS - 1);
  p->marks[p->num].op = p->op;
  p->marks[p->num].shader = d ? d->shader : NUM_SHADERS;
  p->marks[p->num].spec = d ? d->spec : (struct spec) { 0 };
  p->marks[p->num].flops = d ? p->flops : 0;
  if (d)
    p->flops = 0;
  /* the next one starts when this has ended, so that the distance of two timestamps is one kernel's time */
  VkMemoryBarrier b = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT };
  VkPipelineStageFlags all = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  dev->vk.vkCmdPipelineBarrier (commands, all, all, 0, 1, &b, 0, NULL, 0, NULL);
  write_clock (dev, p, commands);
  return true;
}

/* "linear_xf_wf_yf (8)": the kernel and its specialization constants. */
static void
kernel_text (char *out, size_t size, enum shader shader, const struct spec *spec)
{
  int n = snprintf (out, size, "%s", shader == NUM_SHADERS ? "copy" : shader_name (shader));
  for (uint32_t i = 0; i < spec->num && n > 0 && (size_t) n < size; i++)
    n += snprintf (out + n, size - (size_t) n, "%s%u%s", i ? "," : " (", spec->value[i], i + 1 == spec->num ? ")" : "");
}

uint32_t
profile_read (vit_device *dev, const struct profile *p, struct vit_kernel_time *out, uint32_t max)
{
  if (!p || p->num == 0)
    return 0;
  uint64_t before = 0;
  for (uint32_t i = 0; i < p->num && i <= max; i++) {
    uint64_t ticks = before;
    dev->vk.vkGetQueryPoolResults (dev->handle, p->clock, i, 1, sizeof ticks, &ticks, sizeof ticks,
        VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    if (i > 0) {
      struct vit_kernel_time *t = &out[i - 1];
      *t = (struct vit_kernel_time) { .ms = (double) (ticks - before) * dev->caps.timestamp_ns * 1e-6,
        .flops = p->marks[i].flops };
      snprintf (t->op, sizeof t->op, "%s", p->marks[i].op);
      kernel_text (t->kernel, sizeof t->kernel, p->marks[i].shader, &p->marks[i].spec);
    }
    before = ticks;
  }
  return p->num - 1;
}
