/* Products of matrices by a whole subgroup: VK_KHR_cooperative_matrix, what it offers and how it is enabled. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_MATRIX_H
#define VIT_GPU_MATRIX_H

#include "gpu/device.h"

/* Headers before 1.3.255 don't have it; the numbers are the registry's. */
#ifndef VK_KHR_cooperative_matrix
#define VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR ((VkStructureType) 1000506000)
#define VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR               ((VkStructureType) 1000506001)
#define VK_COMPONENT_TYPE_FLOAT16_KHR                                     0
#define VK_COMPONENT_TYPE_FLOAT32_KHR                                     1
#define VK_SCOPE_SUBGROUP_KHR                                             3
typedef struct {
  VkStructureType sType;
  void *pNext;
  VkBool32 cooperativeMatrix;
  VkBool32 cooperativeMatrixRobustBufferAccess;
} VkPhysicalDeviceCooperativeMatrixFeaturesKHR;
typedef struct {
  VkStructureType sType;
  void *pNext;
  uint32_t MSize, NSize, KSize;
  uint32_t AType, BType, CType, ResultType;
  VkBool32 saturatingAccumulation;
  uint32_t scope;
} VkCooperativeMatrixPropertiesKHR;
typedef VkResult (VKAPI_PTR *PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR) (VkPhysicalDevice device,
    uint32_t *count, VkCooperativeMatrixPropertiesKHR *properties);
#endif

/* The features that the kernels in shaders/coopmat need, as links of a chain; `first` is where it begins. */
struct matrix_features {
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
  VkPhysicalDeviceVulkanMemoryModelFeatures model;
};
void matrix_features_init (struct matrix_features *f, void *next);

/* Fills in caps.matrix; all zero where the device lacks anything. After the other caps. */
void matrix_find (vit_device *dev);

#endif
