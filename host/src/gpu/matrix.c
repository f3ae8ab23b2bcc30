/* Finds out which products of matrices a device's subgroups can do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/matrix.h"

enum { MAX_SHAPES = 64 };

void
matrix_features_init (struct matrix_features *f, void *next)
{
  *f = (struct matrix_features) {
    .matrix = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = &f->model,
        .cooperativeMatrix = VK_TRUE },
    .model = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
        .pNext = next,
        .vulkanMemoryModel = VK_TRUE },
  };
}

/* Halves times halves summed as floats, by a subgroup; in units that the kernels can load and store. */
static bool
usable (const VkCooperativeMatrixPropertiesKHR *p, const struct caps *caps)
{
  return p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR
      && p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR
      && p->scope == VK_SCOPE_SUBGROUP_KHR && !p->saturatingAccumulation && (p->KSize == 8 || p->KSize == 16)
      && (p->MSize == 8 || p->MSize == 16) && (p->NSize == 8 || p->NSize == 16)
      && p->MSize * p->NSize % (4 * caps->subgroup_size) == 0
      /* lavapipe 26.2.6 offers 8 x 8 x 8 in subgroups of any size, and crashes where a lane is not a column */
      && (!caps->software || p->NSize == caps->subgroup_size);
}

static bool
has_features (const vit_device *dev)
{
  VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES };
  VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup };
  dev->instance.GetPhysicalDeviceProperties2 (dev->physical, &p);
  struct matrix_features f;
  matrix_features_init (&f, NULL);
  f.matrix.cooperativeMatrix = f.model.vulkanMemoryModel = VK_FALSE;
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f.matrix };
  dev->instance.GetPhysicalDeviceFeatures2 (dev->physical, &features);
  return f.matrix.cooperativeMatrix && f.model.vulkanMemoryModel
      && (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
      && (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
}

void
matrix_find (vit_device *dev)
{
  struct caps *caps = &dev->caps;
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR list =
      (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) instance_function (&dev->instance,
          "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  if (caps->plain || !caps->float16 || !caps->storage16 || dev->info.api_version < VK_API_VERSION_1_2 || !list
      || !device_has_extension (dev, "VK_KHR_cooperative_matrix") || !has_features (dev))
    return;
  VkCooperativeMatrixPropertiesKHR shapes[MAX_SHAPES] = { 0 };
  uint32_t n = MAX_SHAPES;
  for (uint32_t i = 0; i < n; i++)
    shapes[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (list (dev->physical, &n, shapes) < 0)
    return;
  for (uint32_t i = 0; i < n && i < MAX_SHAPES; i++) {
    struct matrix_shape s = { shapes[i].MSize, shapes[i].NSize, shapes[i].KSize };
    /* the largest: the most work for what is loaded */
    if (usable (&shapes[i], caps) && s.m * s.n * s.k > caps->matrix.m * caps->matrix.n * caps->matrix.k)
      caps->matrix = s;
  }
}
