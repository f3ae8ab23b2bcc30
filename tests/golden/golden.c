/* Reads a golden model's folder and finds the first tensor that differs from the reference's. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "golden/golden.h"

static unsigned char *
read_file (const char *path, size_t *size)
{
  FILE *f = fopen (path, "rb");
  if (!f || fseek (f, 0, SEEK_END) != 0)
    check_die (__FILE__, __LINE__, "%s: can't be read", path);
  long length = ftell (f);
  REQUIRE (length >= 0);
  rewind (f);
  unsigned char *data = check_alloc ((size_t) length + 1, 1);
  REQUIRE (fread (data, 1, (size_t) length, f) == (size_t) length);
  fclose (f);
  *size = (size_t) length;
  return data;
}

static void
join (char *out, size_t size, const char *folder, const char *name)
{
  REQUIRE ((size_t) snprintf (out, size, "%s/%s", folder, name) < size);
}

void
golden_open (struct golden *g, const char *folder, const char *pictures)
{
  char path[1200];
  json_error_t error;
  memset (g, 0, sizeof *g);
  REQUIRE (strlen (folder) < sizeof g->folder && strlen (pictures) < sizeof g->pictures);
  strcpy (g->folder, folder);
  strcpy (g->pictures, pictures);
  join (path, sizeof path, folder, "expected.json");
  g->expected = json_load_file (path, 0, &error);
  if (!g->expected)
    check_die (__FILE__, __LINE__, "%s:%d: %s", path, error.line, error.text);
  join (path, sizeof path, folder, "taps.bin");
  g->taps = read_file (path, &g->taps_size);
}

void
golden_close (struct golden *g)
{
  json_decref (g->expected);
  free (g->taps);
}

const char *
golden_model_path (const struct golden *g, char *out, size_t size)
{
  const char *model = json_string_value (json_object_get (g->expected, "model"));
  REQUIRE (model);
  join (out, size, g->folder, model);
  return out;
}

vit_image
golden_picture (const struct golden *g, const char *name, unsigned char **pixels)
{
  char path[1200];
  size_t size;
  unsigned width, height;
  int header = 0;
  join (path, sizeof path, g->pictures, name);
  *pixels = read_file (path, &size);
  REQUIRE (sscanf ((const char *) *pixels, "P6 %u %u 255%n", &width, &height, &header) == 2 && header > 0);
  size_t start = (size_t) header + 1;
  REQUIRE (size == start + (size_t) width * height * 3);
  return (vit_image) { .format = VIT_FORMAT_RGB,
    .width = width,
    .height = height,
    .planes = { *pixels + start },
    .strides = { width * 3 },
    .full_range = true };
}

double
golden_number (const json_t *object, const char *key)
{
  const json_t *value = json_object_get (object, key);
  if (!json_is_number (value))
    check_die (__FILE__, __LINE__, "expected.json: no number called '%s'", key);
  return json_number_value (value);
}

float
golden_tap_value (const struct golden *g, const json_t *tap, uint32_t row, uint32_t column)
{
  uint32_t columns = (uint32_t) json_integer_value (json_array_get (json_object_get (tap, "shape"), 1));
  size_t at = (size_t) golden_number (tap, "offset") + ((size_t) row * columns + column) * 4;
  REQUIRE (column < columns && at + 4 <= g->taps_size);
  const unsigned char *p = g->taps + at;
  uint32_t bits = p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static const json_t *
find_tap (const struct golden *g, const char *name)
{
  size_t i;
  json_t *tap;
  json_array_foreach (json_object_get (json_object_get (g->expected, "taps"), "tensors"), i, tap)
    if (strcmp (json_string_value (json_object_get (tap, "name")), name) == 0)
      return tap;
  return NULL;
}

/* Is the tensor (shape[0], shape[1]) the reference's? Prints where it differs most. */
static bool
same_tensor (const struct golden *g, const json_t *tap, const float *found, const uint32_t shape[2], double tolerance)
{
  const json_t *expected = json_object_get (tap, "shape"), *rows = json_object_get (tap, "rows");
  const char *name = json_string_value (json_object_get (tap, "name"));
  uint32_t height = (uint32_t) json_integer_value (json_array_get (expected, 0));
  uint32_t width = (uint32_t) json_integer_value (json_array_get (expected, 1));
  if (shape[0] != height || shape[1] != width) {
    printf ("  first wrong tensor: %s is (%u, %u), the reference's (%u, %u)\n", name, shape[0], shape[1], height,
        width);
    return false;
  }
  double worst = 0, largest = 1, a = 0, b = 0;
  uint32_t at_row = 0, at_column = 0;
  for (uint32_t i = 0; i < json_array_size (rows); i++) {
    uint32_t row = (uint32_t) json_integer_value (json_array_get (rows, i));
    for (uint32_t c = 0; c < width; c++) {
      double want = golden_tap_value (g, tap, i, c), have = found[(size_t) row * width + c];
      double difference = isfinite (have) ? fabs (want - have) : INFINITY;
      largest = fmax (largest, fabs (want));
      if (difference > worst)
        worst = difference, at_row = row, at_column = c, a = have, b = want;
    }
  }
  if (worst <= tolerance * largest)
    return true;
  printf ("  first wrong tensor: %s (%u, %u) at row %u, column %u: %.9g, the reference has %.9g\n", name, height, width,
      at_row, at_column, a, b);
  return false;
}

void
golden_name_first_wrong (const struct golden *g, vit_session *session, double tolerance)
{
  unsigned char *pixels;
  const char *picture = json_string_value (json_object_get (json_object_get (g->expected, "taps"), "picture"));
  vit_image image = golden_picture (g, picture, &pixels);
  const char *name;
  uint32_t compared = 0, shape[2];
  bool same = true;
  for (uint32_t i = 0; same && (name = vit_session_tap_name (session, i)) != NULL; i++) {
    const json_t *tap = find_tap (g, name);
    vit_error err = { 0 };
    float *found = tap ? vit_session_tap (session, &image, name, shape, &err) : NULL;
    if (tap && !found)
      printf ("  tensor %s can't be read: %s\n", name, err.msg);
    same = !found || same_tensor (g, tap, found, shape, tolerance);
    compared += found != NULL;
    free (found);
  }
  if (same)
    printf ("  %u tensors of %s are right up to the head\n", compared, picture);
  free (pixels);
}
