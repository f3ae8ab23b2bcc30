/* JSON files of a checkpoint: typed reads of optional keys, with errors that name file, key, found and expected. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_MODEL_OBJECT_H
#define VIT_MODEL_OBJECT_H

#include <jansson.h>

#include "vit/vit.h"

/* One object of a file. Borrowed parts; json may be NULL: an object without keys. */
struct object {
  const char *file;
  const char *where; /* "" or the way to this object, as "model_args." */
  const json_t *json;
};

/* Parses a file whose root is an object; NULL on failure. To be released with json_decref. */
json_t *object_load (const char *path, vit_error *err);

/*
 * Each reads one key. An absent key or null leaves *value as it is and is no failure; *given (NULL: not wanted) says
 * whether there was one. A value of another type or out of range fails.
 */
bool object_u32 (const struct object *o, const char *key, uint32_t min, uint32_t max, uint32_t *value, bool *given,
    vit_error *err);
bool object_bool (const struct object *o, const char *key, bool *value, bool *given, vit_error *err);
bool object_number (const struct object *o, const char *key, double *value, bool *given, vit_error *err);
bool object_string (const struct object *o, const char *key, const char **value, bool *given, vit_error *err);
/* N or [height, width]. */
bool object_pair (const struct object *o, const char *key, uint32_t max, uint32_t *height, uint32_t *width, bool *given,
    vit_error *err);
/* Three numbers, or one for all three. */
bool object_triple (const struct object *o, const char *key, double value[3], bool *given, vit_error *err);
/* An object inside; child->json is NULL where there is none. where: of its keys, as "model_args.". */
bool object_child (const struct object *o, const char *key, const char *where, struct object *child, vit_error *err);

/* Is there a value other than null? */
bool object_has (const struct object *o, const char *key);
/* ... other than null and false? */
bool object_set (const struct object *o, const char *key);

/* The value as JSON text for a message, cut to fit. */
const char *object_text (char *out, size_t size, const json_t *value);

#endif
