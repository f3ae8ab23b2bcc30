/* Pipelines by need: one per shader and specialization, made once per device; their cache on disk. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_PIPELINES_H
#define VIT_GPU_PIPELINES_H

#include "gpu/device.h"
#include "shader_list.h" /* generated: SHADER_LIST (X) */

enum shader {
#define X(name) SHADER_##name,
  SHADER_LIST (X)
#undef X
      NUM_SHADERS
};

/* Every device has 4 storage buffers in a kernel; caps.bindings says whether it has MAX_BINDINGS. */
enum { MIN_BINDINGS = 4, MAX_BINDINGS = 6, MAX_SPEC = 12, MAX_PUSH = 128 };

/* Specialization constants 0 .. num - 1. */
struct spec {
  uint32_t num;
  uint32_t value[MAX_SPEC];
};

struct kernels *kernels_create (vit_device *dev, const char *cache_dir, vit_error *err);
void kernels_destroy (vit_device *dev, struct kernels **k);
/* Writes the pipeline cache if it grew since it was read; a failure is logged, nothing more. */
void kernels_save (vit_device *dev);

/* Any thread. VK_NULL_HANDLE on failure. */
VkPipeline pipeline_get (vit_device *dev, enum shader shader, const struct spec *spec, vit_error *err);
VkPipelineLayout pipeline_layout (const vit_device *dev); /* caps.bindings storage buffers, MAX_PUSH bytes */
VkDescriptorSetLayout pipeline_set_layout (const vit_device *dev);
const char *shader_name (enum shader shader);
uint64_t shader_hash (enum shader shader); /* of its code */
bool spec_same (const struct spec *a, const struct spec *b);

#endif
