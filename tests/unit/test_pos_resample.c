/* The position embedding's resize against torch's own numbers. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"
#include "model/pos_resample.h"

#include "pos_resample_table.h"

/* The generator's grid. */
static float *
make_grid (uint32_t count)
{
  float *grid = malloc (count * sizeof *grid);
  REQUIRE (grid);
  for (uint32_t i = 0; i < count; i++)
    grid[i] = (float) ((i * 37 + 11) % 101) / 64 - 0.75f;
  return grid;
}

static void
test_case (size_t i)
{
  uint32_t n = cases[i].out_height * cases[i].out_width * cases[i].dim;
  float *in = make_grid (cases[i].in_height * cases[i].in_width * cases[i].dim);
  float *out = calloc (n, sizeof *out);
  vit_error err = { 0 };
  REQUIRE (out);
  REQUIRE_OK (pos_resample (cases[i].kind, in, cases[i].in_height, cases[i].in_width, out, cases[i].out_height,
                  cases[i].out_width, cases[i].dim, &err),
      err);
  for (uint32_t k = 0; k < n; k++) {
    float want = resampled[cases[i].first + k];
    if (!check_is_close (out[k], want, 1e-5, 1e-5))
      check_failed ("case %zu, number %u: %.8g, torch has %.8g", i, k, out[k], want);
  }
  free (in);
  free (out);
}

/* The same size must not change a single bit. */
static void
test_identity (enum pos_resample kind)
{
  float *in = make_grid (7 * 5 * 3), out[7 * 5 * 3];
  vit_error err = { 0 };
  REQUIRE_OK (pos_resample (kind, in, 7, 5, out, 7, 5, 3, &err), err);
  REQUIRE (memcmp (in, out, sizeof out) == 0);
  free (in);
}

int
main (void)
{
  for (size_t i = 0; i < COUNT_OF (cases); i++)
    test_case (i);
  test_identity (POS_BICUBIC);
  test_identity (POS_BICUBIC_ANTIALIAS);
  return check_status ();
}
