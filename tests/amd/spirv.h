/* Reads from a SPIR-V module which descriptors it binds and what its push constants and capabilities are. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_TESTS_AMD_SPIRV_H
#define VIT_TESTS_AMD_SPIRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPIRV_MAX_BINDINGS = 16 };

enum spirv_kind {
  SPIRV_UNUSED,
  SPIRV_STORAGE_BUFFER,
  SPIRV_UNIFORM_BUFFER,
  SPIRV_UNIFORM_TEXELS,
  SPIRV_STORAGE_TEXELS
};

struct spirv_facts {
  enum spirv_kind bindings[SPIRV_MAX_BINDINGS]; /* of descriptor set 0 */
  bool matrices;                                /* needs VK_KHR_cooperative_matrix */
};

/* False: not a module, or it binds something that a kernel of this project never does; *why says which. */
bool spirv_read (const uint32_t *code, size_t words, struct spirv_facts *out, const char **why);

#endif
