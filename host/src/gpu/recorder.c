/* Records dispatches, copies and barriers into one command buffer with its descriptor sets. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "gpu/device.h"
#include "gpu/plan.h"

enum { SETS_PER_POOL = 64, MAX_POOLS = 64 };

struct recorder {
  vit_device *dev;
  struct queue *queue;
  VkCommandPool command_pool;
  VkCommandBuffer commands;
  VkDescriptorPool pools[MAX_POOLS]; /* the first num_pools exist */
  uint32_t num_pools, num_sets;      /* sets in use */
  struct ticket ticket;
  VkQueryPool clock;       /* 2 timestamps; none where the queue has none */
  struct profile *profile; /* NULL: not asked for */
  VkPipeline bound;        /* last bound pipeline */
  uint32_t dispatches, barriers, descriptor_updates;
  struct plan *plan; /* what was recorded so far; NULL: nobody asks */
  bool dry;          /* the plan alone: there are no commands */
};

static bool
create_commands (struct recorder *rec, vit_error *err)
{
  vit_device *dev = rec->dev;
  VkCommandPoolCreateInfo pool = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
    .queueFamilyIndex = rec->queue->family,
  };
  if (!VK_TRY (dev, err, CreateCommandPool, dev->handle, &pool, NULL, &rec->command_pool)) {
    rec->command_pool = VK_NULL_HANDLE;
    return false;
  }
  VkCommandBufferAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
    .commandPool = rec->command_pool,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1,
  };
  return VK_TRY (dev, err, AllocateCommandBuffers, dev->handle, &info, &rec->commands);
}

static bool
create_clock (struct recorder *rec, vit_error *err)
{
  vit_device *dev = rec->dev;
  VkQueryPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
    .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = 2,
  };
  if (dev->caps.timestamp_ns <= 0.0 || VK_TRY (dev, err, CreateQueryPool, dev->handle, &info, NULL, &rec->clock))
    return true;
  rec->clock = VK_NULL_HANDLE;
  return false;
}

/* clock: where the queue has one */
static struct recorder *
create (vit_device *dev, struct queue *queue, bool clock, vit_error *err)
{
  struct recorder *rec = calloc (1, sizeof *rec);
  if (!rec) {
    fail_memory (err, "a command recorder", sizeof *rec);
    return NULL;
  }
  rec->dev = device_ref (dev);
  rec->queue = queue;
  if (!create_commands (rec, err) || !ticket_init (dev, &rec->ticket, err) || (clock && !create_clock (rec, err)))
    recorder_destroy (&rec);
  return rec;
}

struct recorder *
recorder_create (vit_device *dev, vit_error *err)
{
  return create (dev, &dev->compute, true, err);
}

struct recorder *
recorder_create_transfer (vit_device *dev, vit_error *err)
{
  return create (dev, dev->transfer, false, err);
}

struct recorder *
recorder_create_dry (vit_device *dev, struct plan *plan, vit_error *err)
{
  struct recorder *rec = calloc (1, sizeof *rec);
  if (!rec) {
    fail_memory (err, "a command recorder", sizeof *rec);
    return NULL;
  }
  rec->dev = device_ref (dev);
  rec->plan = plan;
  rec->dry = true;
  return rec;
}

void
recorder_only_new (struct recorder *rec, struct plan *plan)
{
  rec->plan = plan;
}

struct plan *
recorder_dry_plan (const struct recorder *rec)
{
  return rec->dry ? rec->plan : NULL;
}

void
recorder_destroy (struct recorder **recorder)
{
  struct recorder *rec = *recorder;
  if (!rec)
    return;
  vit_device *dev = rec->dev;
  for (uint32_t i = 0; i < rec->num_pools; i++)
    dev->vk.vkDestroyDescriptorPool (dev->handle, rec->pools[i], NULL);
  ticket_finish (dev, &rec->ticket);
  if (rec->clock)
    dev->vk.vkDestroyQueryPool (dev->handle, rec->clock, NULL);
  profile_destroy (dev, &rec->profile);
  if (rec->command_pool)
    dev->vk.vkDestroyCommandPool (dev->handle, rec->command_pool, NULL);
  vit_device_destroy (&dev);
  free (rec);
  *recorder = NULL;
}

bool
recorder_begin (struct recorder *rec, vit_error *err)
{
  vit_device *dev = rec->dev;
  VkCommandBufferBeginInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
  };
  for (uint32_t i = 0; i < rec->num_pools; i++)
    if (!VK_TRY (dev, err, ResetDescriptorPool, dev->handle, rec->pools[i], 0))
      return false;
  rec->num_sets = rec->dispatches = rec->barriers = rec->descriptor_updates = 0;
  rec->bound = VK_NULL_HANDLE;
  if (!VK_TRY (dev, err, ResetCommandBuffer, rec->commands, 0)
      || !VK_TRY (dev, err, BeginCommandBuffer, rec->commands, &info))
    return false;
  profile_begin (dev, rec->profile, rec->commands);
  return true;
}

bool
recorder_end (struct recorder *rec, vit_error *err)
{
  return VK_TRY (rec->dev, err, EndCommandBuffer, rec->commands);
}

bool
recorder_run (struct recorder *rec, vit_error *err)
{
  bool done = false;
  return queue_submit (rec->dev, rec->queue, &rec->commands, 1, NULL, &rec->ticket, err)
      && ticket_wait (rec->dev, &rec->ticket, UINT64_MAX, &done, err);
}

static bool
add_pool (struct recorder *rec, vit_error *err)
{
  vit_device *dev = rec->dev;
  if (rec->num_pools == MAX_POOLS)
    return fail (err, VIT_ERR_UNSUPPORTED, "a network of more than %d dispatches can't be recorded",
        MAX_POOLS * SETS_PER_POOL);
  VkDescriptorPoolSize size = {
    .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
    .descriptorCount = MAX_BINDINGS * SETS_PER_POOL,
  };
  VkDescriptorPoolCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
    .maxSets = SETS_PER_POOL,
    .poolSizeCount = 1,
    .pPoolSizes = &size,
  };
  if (!VK_TRY (dev, err, CreateDescriptorPool, dev->handle, &info, NULL, &rec->pools[rec->num_pools]))
    return false;
  rec->num_pools++;
  return true;
}

static VkDescriptorSet
next_set (struct recorder *rec, vit_error *err)
{
  vit_device *dev = rec->dev;
  uint32_t pool = rec->num_sets / SETS_PER_POOL;
  if (pool == rec->num_pools && !add_pool (rec, err))
    return VK_NULL_HANDLE;
  VkDescriptorSetLayout layout = pipeline_set_layout (dev);
  VkDescriptorSetAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
    .descriptorPool = rec->pools[pool],
    .descriptorSetCount = 1,
    .pSetLayouts = &layout,
  };
  VkDescriptorSet set;
  if (!VK_TRY (dev, err, AllocateDescriptorSets, dev->handle, &info, &set))
    return VK_NULL_HANDLE;
  rec->num_sets++;
  return set;
}

static bool
bind_buffers (struct recorder *rec, const struct span *bind, vit_error *err)
{
  vit_device *dev = rec->dev;
  VkDescriptorBufferInfo info[MAX_BINDINGS];
  VkWriteDescriptorSet write[MAX_BINDINGS];
  uint32_t n = 0;
  for (uint32_t i = 0; i < MAX_BINDINGS; i++) {
    if (!bind[i].buffer)
      continue;
    if (bind[i].size > dev->caps.max_storage_range)
      return fail (err, VIT_ERR_UNSUPPORTED,
          "a tensor of %.1f MiB is over this device's limit of %.1f MiB for one binding; use a smaller batch or model",
          (double) bind[i].size / 1048576.0, (double) dev->caps.max_storage_range / 1048576.0);
    info[n] = (VkDescriptorBufferInfo) { bind[i].buffer->handle, bind[i].offset, bind[i].size };
    write[n] = (VkWriteDescriptorSet) {
      .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
      .dstBinding = i,
      .descriptorCount = 1,
      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
      .pBufferInfo = &info[n],
    };
    n++;
  }
  if (n == 0)
    return true; /* the kernel gets addresses in its push constants */
  VkDescriptorSet set = next_set (rec, err);
  if (!set)
    return false;
  for (uint32_t i = 0; i < n; i++)
    write[i].dstSet = set;
  dev->vk.vkUpdateDescriptorSets (dev->handle, n, write, 0, NULL);
  rec->descriptor_updates++;
  dev->vk.vkCmdBindDescriptorSets (rec->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_layout (dev), 0, 1, &set, 0,
      NULL);
  return true;
}

bool
recorder_dispatch (struct recorder *rec, const struct dispatch *d, vit_error *err)
{
  vit_device *dev = rec->dev;
  bool first = true;
  if (rec->plan && !plan_add (rec->plan, d->shader, &d->spec, &first, err))
    return false;
  if (rec->dry || !first)
    return true;
  VkPipeline pipeline = pipeline_get (dev, d->shader, &d->spec, err);
  if (!pipeline)
    return false;
  for (uint32_t i = 0; i < 3; i++)
    if (d->groups[i] > dev->caps.max_groups[i])
      return fail (err, VIT_ERR_UNSUPPORTED, "kernel %s needs %u workgroups, over this device's limit of %u",
          shader_name (d->shader), d->groups[i], dev->caps.max_groups[i]);
  if (!bind_buffers (rec, d->bind, err))
    return false;
  if (pipeline != rec->bound)
    dev->vk.vkCmdBindPipeline (rec->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  rec->bound = pipeline;
  dev->vk.vkCmdPushConstants (rec->commands, pipeline_layout (dev), VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_size,
      d->push);
  if (rec->plan)
    dev->vk.vkCmdDispatch (rec->commands, 1, 1, 1);
  else
    dev->vk.vkCmdDispatch (rec->commands, d->groups[0], d->groups[1], d->groups[2]);
  rec->dispatches++;
  return profile_mark (dev, rec->profile, rec->commands, d, err);
}

static void
barrier (struct recorder *rec, VkPipelineStageFlags from, VkAccessFlags wrote, VkPipelineStageFlags to,
    VkAccessFlags reads)
{
  VkMemoryBarrier b = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = wrote, .dstAccessMask = reads };
  rec->dev->vk.vkCmdPipelineBarrier (rec->commands, from, to, 0, 1, &b, 0, NULL, 0, NULL);
}

void
recorder_barrier (struct recorder *rec)
{
  if (rec->dry)
    return;
  rec->barriers++;
  barrier (rec, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
}

void
recorder_copy (struct recorder *rec, const struct buffer *from, VkDeviceSize from_offset, struct buffer *to,
    VkDeviceSize to_offset, VkDeviceSize size)
{
  VkBufferCopy region = { from_offset, to_offset, size };
  VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkAccessFlags all = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT
      | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier (rec, work, VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
      VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
  rec->dev->vk.vkCmdCopyBuffer (rec->commands, from->handle, to->handle, 1, &region);
  barrier (rec, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, work | VK_PIPELINE_STAGE_HOST_BIT,
      all | VK_ACCESS_HOST_READ_BIT);
  /* a copy beyond the list has no time of its own: a dispatch behind it fails */
  profile_mark (rec->dev, rec->profile, rec->commands, NULL, NULL);
}

bool
recorder_profile (struct recorder *rec, vit_error *err)
{
  rec->profile = profile_create (rec->dev, err);
  return rec->profile != NULL;
}

void
recorder_label (struct recorder *rec, const char *op, double flops)
{
  profile_label (rec->profile, op, flops);
}

uint32_t
recorder_profile_read (const struct recorder *rec, struct vit_kernel_time *out, uint32_t max)
{
  return profile_read (rec->dev, rec->profile, out, max);
}

void
recorder_transfer (struct recorder *rec, const struct buffer *from, struct buffer *to, VkDeviceSize size)
{
  VkBufferCopy region = { 0, 0, size };
  rec->dev->vk.vkCmdCopyBuffer (rec->commands, from->handle, to->handle, 1, &region);
}

void
recorder_start_clock (struct recorder *rec)
{
  if (!rec->clock)
    return;
  rec->dev->vk.vkCmdResetQueryPool (rec->commands, rec->clock, 0, 2);
  rec->dev->vk.vkCmdWriteTimestamp (rec->commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, rec->clock, 0);
}

void
recorder_stop_clock (struct recorder *rec)
{
  if (rec->clock)
    rec->dev->vk.vkCmdWriteTimestamp (rec->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, rec->clock, 1);
}

static bool
read_clock (const struct recorder *rec, uint32_t query, uint64_t *ticks)
{
  vit_device *dev = rec->dev;
  return rec->clock
      && dev->vk.vkGetQueryPoolResults (dev->handle, rec->clock, query, 1, sizeof *ticks, ticks, sizeof *ticks,
             VK_QUERY_RESULT_64_BIT)
      == VK_SUCCESS;
}

double
recorder_clock_ms (const struct recorder *from, const struct recorder *to)
{
  uint64_t start, stop;
  if (!read_clock (from, 0, &start) || !read_clock (to, 1, &stop))
    return 0.0;
  return (double) (stop - start) * to->dev->caps.timestamp_ns * 1e-6;
}

VkCommandBuffer
recorder_commands (const struct recorder *rec)
{
  return rec->commands;
}

uint32_t
recorder_dispatches (const struct recorder *rec)
{
  return rec->dispatches;
}

uint32_t
recorder_barriers (const struct recorder *rec)
{
  return rec->barriers;
}

uint32_t
recorder_descriptor_updates (const struct recorder *rec)
{
  return rec->descriptor_updates;
}

vit_device *
recorder_device (const struct recorder *rec)
{
  return rec->dev;
}
