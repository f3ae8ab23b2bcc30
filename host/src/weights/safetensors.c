/* Reads one safetensors file: 8 bytes of header length, the header in JSON, then the tensors' bytes. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "weights/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "weights/file.h"

enum {
  HEADER_LIMIT = 100000000, /* bytes: the reference implementation's own limit */
  NAME_LIMIT = 200          /* characters */
};

static const struct {
  const char *name;
  enum dtype dtype;
  uint32_t size; /* bytes */
} dtypes[] = {
  { "F32", DTYPE_F32, 4 },
  { "F16", DTYPE_F16, 2 },
  { "BF16", DTYPE_BF16, 2 },
  { "F64", DTYPE_OTHER, 8 },
  { "I64", DTYPE_OTHER, 8 },
  { "U64", DTYPE_OTHER, 8 },
  { "C64", DTYPE_OTHER, 8 },
  { "I32", DTYPE_OTHER, 4 },
  { "U32", DTYPE_OTHER, 4 },
  { "I16", DTYPE_OTHER, 2 },
  { "U16", DTYPE_OTHER, 2 },
  { "I8", DTYPE_OTHER, 1 },
  { "U8", DTYPE_OTHER, 1 },
  { "BOOL", DTYPE_OTHER, 1 },
  { "F8_E4M3", DTYPE_OTHER, 1 },
  { "F8_E5M2", DTYPE_OTHER, 1 },
};

/* Says what a file is that is surely not safetensors; NULL where nothing is known. */
static const char *
guess_format (const uint8_t *bytes, size_t size)
{
  static const struct {
    const char *start;
    const char *what;
  } known[] = {
    { "PK\x03\x04", "it looks like a zip (a PyTorch or NumPy file): convert it with safetensors.torch.save_file" },
    { "\x80\x02", "it looks like a Python pickle: convert it with safetensors.torch.save_file" },
    { "\x89HDF", "it looks like HDF5: convert it with safetensors.torch.save_file" },
    { "GGUF", "it looks like GGUF: export the model as safetensors" },
    { "<!", "it looks like a web page: download the file itself" },
    { "<html", "it looks like a web page: download the file itself" },
    { "{", "it looks like JSON: name the folder that it lies in" },
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t n = strlen (known[i].start);
    if (size >= n && memcmp (bytes, known[i].start, n) == 0)
      return known[i].what;
  }
  return "download or copy it again";
}

/* Reads the header's JSON, to be freed; NULL on failure. */
static char *
read_header (const struct safetensors *s, size_t *length, vit_error *err)
{
  uint8_t p[16] = { 0 };
  size_t have = s->size < sizeof p ? s->size : sizeof p;
  if (!file_get (s->fd, s->path, 0, p, have, err))
    return NULL;
  uint64_t n = 0;
  for (int i = 7; i >= 0; i--)
    n = n << 8 | p[i];
  if (s->size < 10)
    fail (err, VIT_ERR_FORMAT, "%s: has only %zu bytes, expected a safetensors file; %s", s->path, s->size,
        guess_format (p, have));
  else if (n < 2 || n > HEADER_LIMIT || p[8] != '{')
    fail (err, VIT_ERR_FORMAT,
        "%s: is not a safetensors file (its first 8 bytes give a header of %" PRIu64
        " bytes, expected 2 to %d that start with '{'); %s",
        s->path, n, HEADER_LIMIT, guess_format (p, have));
  else if (n > s->size - 8)
    fail (err, VIT_ERR_FORMAT,
        "%s: is cut short: its header alone has %" PRIu64 " bytes but the file only %zu; "
        "download or copy it again",
        s->path, n, s->size);
  else {
    *length = (size_t) n;
    char *text = malloc (*length);
    if (text && file_get (s->fd, s->path, 8, text, *length, err))
      return text;
    if (!text)
      fail_memory (err, s->path, *length);
    free (text);
  }
  return NULL;
}

static bool
check_name (const char *path, const char *name, vit_error *err)
{
  size_t n = 0;
  for (; name[n] && n <= NAME_LIMIT; n++) {
    if (name[n] < 0x20 || name[n] > 0x7e)
      return fail (err, VIT_ERR_FORMAT,
          "%s: a tensor's name has a character that is not printable ASCII; is the file "
          "damaged?",
          path);
  }
  if (n == 0 || n > NAME_LIMIT)
    return fail (err, VIT_ERR_FORMAT, "%s: a tensor's name is empty or longer than %d characters; is the file damaged?",
        path, NAME_LIMIT);
  return true;
}

/* A JSON integer that is not negative. */
static bool
get_size (const json_t *value, uint64_t *out)
{
  if (!json_is_integer (value) || json_integer_value (value) < 0)
    return false;
  *out = (uint64_t) json_integer_value (value);
  return true;
}

static bool
read_shape (struct tensor *t, const json_t *shape, vit_error *err)
{
  if (!json_is_array (shape))
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' has no shape; is the file damaged?", t->file, t->name);
  if (json_array_size (shape) > TENSOR_MAX_DIMS)
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' has %zu dimensions, at most %d are supported", t->file, t->name,
        json_array_size (shape), TENSOR_MAX_DIMS);
  t->num_dims = (uint32_t) json_array_size (shape);
  t->count = 1;
  for (uint32_t i = 0; i < t->num_dims; i++) {
    if (!get_size (json_array_get (shape, i), &t->shape[i]))
      return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s': dimension %u of its shape is not a whole number of 0 or more",
          t->file, t->name, i);
    if (__builtin_mul_overflow (t->count, t->shape[i], &t->count))
      return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s': its shape has more elements than 64 bits can count", t->file,
          t->name);
  }
  return true;
}

static bool
read_dtype (struct tensor *t, const json_t *dtype, uint32_t *size, vit_error *err)
{
  const char *name = json_string_value (dtype);
  if (!name)
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' has no dtype; is the file damaged?", t->file, t->name);
  t->dtype = DTYPE_OTHER;
  *size = 0;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    if (strcmp (name, dtypes[i].name) == 0) {
      t->dtype = dtypes[i].dtype;
      *size = dtypes[i].size;
    }
  }
  size_t n = strlen (name);
  n = n < sizeof t->dtype_name ? n : sizeof t->dtype_name - 1;
  for (size_t i = 0; i < n; i++)
    t->dtype_name[i] = name[i] >= 0x20 && name[i] < 0x7f ? name[i] : '?';
  return true;
}

/* One entry of the header; the tensors' data_size bytes begin at `data` of the file. */
static bool
read_entry (struct tensor *t, const json_t *entry, uint64_t data, uint64_t data_size, vit_error *err)
{
  if (!json_is_object (entry))
    return fail (err, VIT_ERR_FORMAT, "%s: tensor '%s' is not described by an object; is the file damaged?", t->file,
        t->name);
  uint32_t size = 0;
  if (!read_dtype (t, json_object_get (entry, "dtype"), &size, err)
      || !read_shape (t, json_object_get (entry, "shape"), err))
    return false;
  const json_t *offsets = json_object_get (entry, "data_offsets");
  uint64_t begin = 0, end = 0;
  if (json_array_size (offsets) != 2 || !get_size (json_array_get (offsets, 0), &begin)
      || !get_size (json_array_get (offsets, 1), &end) || begin > end)
    return fail (err, VIT_ERR_FORMAT,
        "%s: tensor '%s': data_offsets are not two whole numbers in ascending order; is "
        "the file damaged?",
        t->file, t->name);
  if (end > data_size)
    return fail (err, VIT_ERR_FORMAT,
        "%s: is cut short: tensor '%s' ends at byte %" PRIu64 " of the data, but there "
        "are only %" PRIu64 "; download or copy it again",
        t->file, t->name, end, data_size);
  uint64_t bytes = 0;
  char shape[160];
  if (size && (__builtin_mul_overflow (t->count, (uint64_t) size, &bytes) || bytes != end - begin))
    return fail (err, VIT_ERR_FORMAT,
        "%s: tensor '%s' has %" PRIu64 " bytes, which its shape %s of %s doesn't give; "
        "is the file damaged?",
        t->file, t->name, end - begin, shape_text (shape, sizeof shape, t->shape, t->num_dims), t->dtype_name);
  t->offset = data + begin;
  t->num_bytes = end - begin;
  return true;
}

static int
by_place (const void *a, const void *b)
{
  const struct tensor *x = *(const struct tensor *const *) a, *y = *(const struct tensor *const *) b;
  uint64_t p = x->offset, q = y->offset;
  return p != q ? (p < q ? -1 : 1) : (x->num_bytes > y->num_bytes) - (x->num_bytes < y->num_bytes);
}

static bool
check_overlap (const struct safetensors *s, vit_error *err)
{
  const struct tensor **order = malloc ((s->count + 1) * sizeof *order);
  if (!order)
    return fail_memory (err, s->path, (s->count + 1) * sizeof *order);
  for (uint32_t i = 0; i < s->count; i++)
    order[i] = &s->tensors[i];
  qsort (order, s->count, sizeof *order, by_place);
  bool ok = true;
  for (uint32_t i = 1; ok && i < s->count; i++) {
    if (order[i - 1]->offset + order[i - 1]->num_bytes > order[i]->offset)
      ok = fail (err, VIT_ERR_FORMAT, "%s: tensors '%s' and '%s' overlap; is the file damaged?", s->path,
          order[i - 1]->name, order[i]->name);
  }
  free (order);
  return ok;
}

static bool
read_entries (struct safetensors *s, size_t header_size, vit_error *err)
{
  s->tensors = calloc (json_object_size (s->header) + 1, sizeof *s->tensors);
  if (!s->tensors)
    return fail_memory (err, s->path, (json_object_size (s->header) + 1) * sizeof *s->tensors);
  const char *name;
  json_t *entry;
  json_object_foreach ((json_t *) s->header, name, entry) {
    if (strcmp (name, "__metadata__") == 0)
      continue;
    struct tensor *t = &s->tensors[s->count];
    t->name = name;
    t->file = s->path;
    t->fd = s->fd;
    if (!check_name (s->path, name, err) || !read_entry (t, entry, 8 + header_size, s->size - 8 - header_size, err))
      return false;
    s->count++;
  }
  return check_overlap (s, err);
}

bool
safetensors_open (struct safetensors *s, const char *path, vit_error *err)
{
  json_error_t json;
  size_t length = 0;
  char *text = NULL;
  s->path = strdup (path);
  if (!s->path) {
    fail_memory (err, path, strlen (path) + 1);
    goto error;
  }
  s->fd = file_open (path, &s->size, err);
  if (s->fd < 0 || !(text = read_header (s, &length, err)))
    goto error;
  s->header = json_loadb (text, length, JSON_REJECT_DUPLICATES, &json);
  free (text);
  if (!json_is_object ((json_t *) s->header)) {
    fail (err, VIT_ERR_FORMAT,
        "%s: its safetensors header can't be parsed (%s, byte %d), expected JSON; is the file "
        "damaged?",
        path, s->header ? "not an object" : json.text, 8 + (s->header ? 0 : json.position));
    goto error;
  }
  if (read_entries (s, length, err))
    return true;
error:
  safetensors_close (s);
  return false;
}

void
safetensors_close (struct safetensors *s)
{
  free (s->tensors);
  json_decref (s->header);
  if (s->path && s->fd >= 0)
    close (s->fd);
  free (s->path);
  *s = (struct safetensors) { 0 };
}
