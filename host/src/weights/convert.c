/* Tensor elements to float: single, half and bfloat16, little endian on any machine. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "weights/file.h"
#include "weights/weights.h"

static uint32_t
load16 (const uint8_t *p)
{
  return (uint32_t) p[0] | (uint32_t) p[1] << 8;
}

static uint32_t
load32 (const uint8_t *p)
{
  return load16 (p) | load16 (p + 2) << 16;
}

static float
from_bits (uint32_t bits)
{
  float f;
  memcpy (&f, &bits, sizeof f);
  return f;
}

static float
from_half (uint32_t h)
{
  uint32_t sign = (h & 0x8000) << 16, exponent = (h >> 10) & 0x1f, mantissa = h & 0x3ff;
  if (exponent == 0) { /* zero and subnormal: mantissa * 2^-24, exact in float */
    float f = (float) mantissa * 0x1p-24f;
    return sign ? -f : f;
  }
  if (exponent == 31)
    return from_bits (sign | 0x7f800000 | mantissa << 13);
  return from_bits (sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Are floats in memory what they are in a file? */
static bool
is_little_endian (void)
{
  const uint32_t one = 1;
  uint8_t first;
  memcpy (&first, &one, sizeof first);
  return first == 1;
}

void
floats_from (enum dtype dtype, const void *bytes, uint64_t n, float *out)
{
  const uint8_t *p = bytes;
  if (dtype == DTYPE_F32 && bytes == out && is_little_endian ())
    return;
  switch (dtype) {
    case DTYPE_F32:
      for (uint64_t i = 0; i < n; i++)
        out[i] = from_bits (load32 (p + 4 * i));
      break;
    case DTYPE_F16:
      for (uint64_t i = 0; i < n; i++)
        out[i] = from_half (load16 (p + 2 * i));
      break;
    case DTYPE_BF16:
      for (uint64_t i = 0; i < n; i++)
        out[i] = from_bits (load16 (p + 2 * i) << 16);
      break;
    case DTYPE_OTHER:
      memset (out, 0, n * sizeof *out);
      break;
  }
}

bool
tensor_read (const struct tensor *t, float *out, vit_error *err)
{
  /* into the end of out, where no float is written before the shorter number in its place was read */
  uint8_t *bytes = (uint8_t *) (out + t->count) - t->num_bytes;
  if (!file_get (t->fd, t->file, t->offset, bytes, t->num_bytes, err))
    return false;
  floats_from (t->dtype, bytes, t->count, out);
  return true;
}

const char *
shape_text (char *out, size_t size, const uint64_t *shape, uint32_t num_dims)
{
  size_t used = (size_t) snprintf (out, size, "[");
  for (uint32_t i = 0; i < num_dims && used < size; i++)
    used += (size_t) snprintf (out + used, size - used, i ? ", %" PRIu64 : "%" PRIu64, shape[i]);
  if (used < size)
    snprintf (out + used, size - used, "]");
  return out;
}
