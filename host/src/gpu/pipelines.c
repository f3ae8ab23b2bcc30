/* Makes and keeps the compute pipelines of a device. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/pipelines.h"

#include <stdlib.h>
#include <string.h>

#include "gpu/cachefile.h"
#include "gpu/kernels.h"
#include "shader_code.h" /* generated: static const uint32_t spv_NAME[] of every shader */

static const struct {
  const char *name;
  const uint32_t *code;
  size_t size; /* bytes */
} shaders[] = {
#define X(name) { #name, spv_##name, sizeof spv_##name },
  SHADER_LIST (X)
#undef X
};

struct entry {
  enum shader shader;
  struct spec spec;
  VkPipeline pipeline; /* VK_NULL_HANDLE: some thread is making it, or failed to */
  bool making;
};

struct kernels {
  pthread_mutex_t lock; /* of entries */
  pthread_cond_t made;  /* some entry is no longer in the making */
  struct entry *entries;
  uint32_t num, space;
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkPipelineCache cache;
  char *cache_path;  /* NULL: none */
  size_t cache_size; /* bytes on disk as last read or written */
};

const char *
shader_name (enum shader shader)
{
  return shaders[shader].name;
}

uint64_t
shader_hash (enum shader shader)
{
  return cachefile_hash_words (shaders[shader].code, shaders[shader].size);
}

static bool
create_layouts (vit_device *dev, struct kernels *k, vit_error *err)
{
  VkDescriptorSetLayoutBinding bindings[MAX_BINDINGS];
  for (uint32_t i = 0; i < MAX_BINDINGS; i++)
    bindings[i] = (VkDescriptorSetLayoutBinding) {
      .binding = i,
      .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
      .descriptorCount = 1,
      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
    };
  VkDescriptorSetLayoutCreateInfo set = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
    .bindingCount = dev->caps.bindings,
    .pBindings = bindings,
  };
  VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = MAX_PUSH };
  VkPipelineLayoutCreateInfo layout = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    .setLayoutCount = 1,
    .pSetLayouts = &k->set_layout,
    .pushConstantRangeCount = 1,
    .pPushConstantRanges = &push,
  };
  if (!VK_TRY (dev, err, CreateDescriptorSetLayout, dev->handle, &set, NULL, &k->set_layout)) {
    k->set_layout = VK_NULL_HANDLE;
    return false;
  }
  if (!VK_TRY (dev, err, CreatePipelineLayout, dev->handle, &layout, NULL, &k->layout)) {
    k->layout = VK_NULL_HANDLE;
    return false;
  }
  return true;
}

/* A cache that can't be read is an empty one; a driver that rejects the data gets none. */
static bool
create_cache (vit_device *dev, struct kernels *k, vit_error *err)
{
  void *data = k->cache_path ? cachefile_read (k->cache_path, &k->cache_size) : NULL;
  VkPipelineCacheCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
    .initialDataSize = data ? k->cache_size : 0,
    .pInitialData = data,
  };
  VkResult r = dev->vk.vkCreatePipelineCache (dev->handle, &info, NULL, &k->cache);
  if (r != VK_SUCCESS && data) {
    info.initialDataSize = 0;
    r = dev->vk.vkCreatePipelineCache (dev->handle, &info, NULL, &k->cache);
  }
  free (data);
  if (r == VK_SUCCESS)
    return true;
  k->cache = VK_NULL_HANDLE;
  return vk_ok (err, "vkCreatePipelineCache", r);
}

struct kernels *
kernels_create (vit_device *dev, const char *cache_dir, vit_error *err)
{
  struct kernels *k = calloc (1, sizeof *k);
  if (!k) {
    fail_memory (err, "the kernels", sizeof *k);
    return NULL;
  }
  pthread_mutex_init (&k->lock, NULL);
  pthread_cond_init (&k->made, NULL);
  k->cache_path = cachefile_path (cache_dir, "pipelines", &dev->info);
  if (!create_layouts (dev, k, err) || !create_cache (dev, k, err))
    kernels_destroy (dev, &k);
  return k;
}

void
kernels_save (vit_device *dev)
{
  struct kernels *k = dev->kernels;
  size_t size = 0;
  if (!k || !k->cache_path || !k->cache)
    return;
  if (dev->vk.vkGetPipelineCacheData (dev->handle, k->cache, &size, NULL) != VK_SUCCESS || size <= k->cache_size)
    return;
  void *data = malloc (size);
  if (data && dev->vk.vkGetPipelineCacheData (dev->handle, k->cache, &size, data) == VK_SUCCESS) {
    if (cachefile_write (k->cache_path, data, size))
      k->cache_size = size;
    else
      device_log (dev, VIT_LOG_INFO, "the pipeline cache %s can't be written; the next start compiles again",
          k->cache_path);
  }
  free (data);
}

void
kernels_destroy (vit_device *dev, struct kernels **kernels)
{
  struct kernels *k = *kernels;
  if (!k)
    return;
  kernels_save (dev);
  for (uint32_t i = 0; i < k->num; i++)
    if (k->entries[i].pipeline)
      dev->vk.vkDestroyPipeline (dev->handle, k->entries[i].pipeline, NULL);
  if (k->cache)
    dev->vk.vkDestroyPipelineCache (dev->handle, k->cache, NULL);
  if (k->layout)
    dev->vk.vkDestroyPipelineLayout (dev->handle, k->layout, NULL);
  if (k->set_layout)
    dev->vk.vkDestroyDescriptorSetLayout (dev->handle, k->set_layout, NULL);
  pthread_mutex_destroy (&k->lock);
  pthread_cond_destroy (&k->made);
  free (k->cache_path);
  free (k->entries);
  free (k);
  *kernels = NULL;
}

bool
spec_same (const struct spec *a, const struct spec *b)
{
  return a->num == b->num && memcmp (a->value, b->value, a->num * sizeof *a->value) == 0;
}

static VkPipeline
create_pipeline (vit_device *dev, enum shader shader, const struct spec *spec, vit_error *err)
{
  VkShaderModuleCreateInfo code = {
    .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
    .codeSize = shaders[shader].size,
    .pCode = shaders[shader].code,
  };
  VkShaderModule module;
  VkPipeline pipeline = VK_NULL_HANDLE;
  if (!VK_TRY (dev, err, CreateShaderModule, dev->handle, &code, NULL, &module))
    return VK_NULL_HANDLE;
  VkSpecializationMapEntry map[MAX_SPEC];
  for (uint32_t i = 0; i < spec->num; i++)
    map[i] = (VkSpecializationMapEntry) { .constantID = i, .offset = 4 * i, .size = 4 };
  VkSpecializationInfo special = {
    .mapEntryCount = spec->num,
    .pMapEntries = map,
    .dataSize = spec->num * sizeof *spec->value,
    .pData = spec->value,
  };
  VkComputePipelineCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
    .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
        .stage = VK_SHADER_STAGE_COMPUTE_BIT,
        .module = module,
        .pName = "main",
        .pSpecializationInfo = &special },
    .layout = dev->kernels->layout,
  };
  VkResult r = dev->vk.vkCreateComputePipelines (dev->handle, dev->kernels->cache, 1, &info, NULL, &pipeline);
  dev->vk.vkDestroyShaderModule (dev->handle, module, NULL);
  if (r == VK_SUCCESS)
    return pipeline;
  if (err) {
    vk_ok (err, "vkCreateComputePipelines", r);
    fail (err, err->code, "compiling kernel %s: vkCreateComputePipelines failed: %s", shaders[shader].name,
        vk_result_text (r));
  }
  return VK_NULL_HANDLE;
}

/* The entry's index; a new one where there is none. UINT32_MAX: no memory. The lock is held. */
static uint32_t
find_or_add (struct kernels *k, enum shader shader, const struct spec *spec, vit_error *err)
{
  for (uint32_t i = 0; i < k->num; i++)
    if (k->entries[i].shader == shader && spec_same (&k->entries[i].spec, spec))
      return i;
  if (k->num == k->space) {
    uint32_t space = k->space ? 2 * k->space : 16;
    struct entry *grown = realloc (k->entries, space * sizeof *grown);
    if (!grown) {
      fail_memory (err, "the list of pipelines", space * sizeof *grown);
      return UINT32_MAX;
    }
    k->entries = grown;
    k->space = space;
  }
  k->entries[k->num] = (struct entry) { .shader = shader, .spec = *spec };
  return k->num++;
}

/* Threads compile side by side, for some drivers take long, but never the same pipeline twice: the second waits for
 * the first, and tries itself where that one failed. */
VkPipeline
pipeline_get (vit_device *dev, enum shader shader, const struct spec *spec, vit_error *err)
{
  static const struct spec none;
  struct kernels *k = dev->kernels;
  VkPipeline pipeline = VK_NULL_HANDLE;
  pthread_mutex_lock (&k->lock);
  uint32_t i = find_or_add (k, shader, spec ? spec : &none, err);
  while (i != UINT32_MAX && k->entries[i].making)
    pthread_cond_wait (&k->made, &k->lock);
  if (i != UINT32_MAX && !(pipeline = k->entries[i].pipeline)) {
    k->entries[i].making = true;
    pthread_mutex_unlock (&k->lock);
    pipeline = create_pipeline (dev, shader, spec ? spec : &none, err);
    pthread_mutex_lock (&k->lock);
    k->entries[i].pipeline = pipeline;
    k->entries[i].making = false;
    pthread_cond_broadcast (&k->made);
  }
  pthread_mutex_unlock (&k->lock);
  return pipeline;
}

VkPipelineLayout
pipeline_layout (const vit_device *dev)
{
  return dev->kernels->layout;
}

VkDescriptorSetLayout
pipeline_set_layout (const vit_device *dev)
{
  return dev->kernels->set_layout;
}

uint32_t
kernels_pipelines (vit_device *dev)
{
  pthread_mutex_lock (&dev->kernels->lock);
  uint32_t n = 0;
  for (uint32_t i = 0; i < dev->kernels->num; i++)
    n += dev->kernels->entries[i].pipeline != VK_NULL_HANDLE;
  pthread_mutex_unlock (&dev->kernels->lock);
  return n;
}
