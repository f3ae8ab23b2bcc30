/* A SPIR-V reader that knows the dozen instructions needed to find a kernel's descriptors. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spirv.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of the SPIR-V specification, 3.x */
enum {
  MAGIC = 0x07230203,
  OP_CAPABILITY = 17,
  OP_TYPE_IMAGE = 25,
  OP_TYPE_STRUCT = 30,
  OP_TYPE_POINTER = 32,
  OP_VARIABLE = 59,
  OP_DECORATE = 71
};
enum { DECORATION_BUFFER_BLOCK = 3, DECORATION_BINDING = 33, DECORATION_SET = 34 };
enum { STORAGE_UNIFORM_CONSTANT = 0, STORAGE_UNIFORM = 2, STORAGE_STORAGE_BUFFER = 12 };
enum { CAPABILITY_MATRICES = 6022 };
enum { DIM_BUFFER = 5, HEADER_WORDS = 5 };

/* What is known of one id. Decorations come before types, types before variables. */
struct id {
  bool bound, buffer_block, texels, texels_stored;
  uint32_t binding, set;
  uint32_t pointee, storage; /* of a pointer type */
};

static bool
decorate (struct id *id, const uint32_t *op, uint32_t n)
{
  if (op[2] == DECORATION_BUFFER_BLOCK)
    id->buffer_block = true;
  else if (op[2] == DECORATION_BINDING && n > 3) {
    id->bound = true;
    id->binding = op[3];
  } else if (op[2] == DECORATION_SET && n > 3)
    id->set = op[3];
  return true;
}

static bool
add_variable (const struct id *ids, const struct id *variable, const struct id *type, struct spirv_facts *out,
    const char **why)
{
  const struct id *pointee = &ids[type->pointee];
  if (!variable->bound)
    return true;
  *why = "it binds a descriptor outside set 0, bindings 0 to 15";
  if (variable->set || variable->binding >= SPIRV_MAX_BINDINGS)
    return false;
  enum spirv_kind kind = SPIRV_UNUSED;
  if (type->storage == STORAGE_STORAGE_BUFFER || (type->storage == STORAGE_UNIFORM && pointee->buffer_block))
    kind = SPIRV_STORAGE_BUFFER;
  else if (type->storage == STORAGE_UNIFORM)
    kind = SPIRV_UNIFORM_BUFFER;
  else if (type->storage == STORAGE_UNIFORM_CONSTANT && pointee->texels)
    kind = pointee->texels_stored ? SPIRV_STORAGE_TEXELS : SPIRV_UNIFORM_TEXELS;
  *why = "it binds something other than a buffer or a texel buffer";
  out->bindings[variable->binding] = kind;
  return kind != SPIRV_UNUSED;
}

static bool
read_one (struct id *ids, uint32_t bound, const uint32_t *op, uint32_t n, struct spirv_facts *out, const char **why)
{
  static const uint8_t id_at[] = { [OP_TYPE_IMAGE] = 1, [OP_TYPE_POINTER] = 1, [OP_VARIABLE] = 2, [OP_DECORATE] = 1 };
  static const uint8_t least[] = { [OP_TYPE_IMAGE] = 8, [OP_TYPE_POINTER] = 4, [OP_VARIABLE] = 4, [OP_DECORATE] = 3 };
  uint32_t code = op[0] & 0xffff;
  if (code == OP_CAPABILITY && n > 1 && op[1] == CAPABILITY_MATRICES)
    out->matrices = true;
  if (code >= sizeof id_at || !id_at[code])
    return true;
  *why = "an instruction is cut off or names an id out of bounds";
  if (n < least[code] || op[id_at[code]] >= bound)
    return false;
  struct id *id = &ids[op[id_at[code]]];
  switch (code) {
    case OP_DECORATE:
      return decorate (id, op, n);
    case OP_TYPE_IMAGE:
      id->texels = op[3] == DIM_BUFFER;
      id->texels_stored = op[7] == 2;
      return true;
    case OP_TYPE_POINTER:
      id->storage = op[2];
      id->pointee = op[3];
      return op[3] < bound;
    default: /* OP_VARIABLE */
      return op[1] < bound && add_variable (ids, id, &ids[op[1]], out, why);
  }
}

bool
spirv_read (const uint32_t *code, size_t words, struct spirv_facts *out, const char **why)
{
  memset (out, 0, sizeof *out);
  *why = "it is not a SPIR-V module";
  if (words < HEADER_WORDS || code[0] != MAGIC || code[3] > 1u << 22)
    return false;
  *why = "out of memory";
  struct id *ids = calloc ((size_t) code[3] + 1, sizeof *ids);
  bool ok = ids != NULL;
  for (size_t at = HEADER_WORDS; ok && at < words;) {
    uint32_t n = code[at] >> 16;
    *why = "an instruction runs over the end";
    ok = n && n <= words - at && read_one (ids, code[3], code + at, n, out, why);
    at += n;
  }
  free (ids);
  return ok;
}
