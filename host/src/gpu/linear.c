/* Linear layers: packs weights for the kernel family that will stream them, and records it. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/half.h"
#include "gpu/linear_cpu.h"

/* struct weight: layout. */
enum { LAYOUT_ROWS, LAYOUT_PANELS };

/* Shader by the stores of x, w and y; NUM_SHADERS: never asked for. */
static enum shader
tiled_shader (enum store x, enum store w, enum store y)
{
  static const enum shader table[2][2][2] = {
    [STORE_F32] = { [STORE_F32] = { SHADER_linear_xf_wf_yf, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_xf_wh_yf, SHADER_linear_xf_wh_yh } },
    [STORE_F16] = { [STORE_F32] = { NUM_SHADERS, NUM_SHADERS },
        [STORE_F16] = { SHADER_linear_xh_wh_yf, SHADER_linear_xh_wh_yh } },
  };
  return table[x][w][y];
}

static void *
pack_rows (enum store store, const float *w, size_t count, size_t *bytes)
{
  *bytes = count * store_size (store);
  void *out = malloc (*bytes);
  if (!out)
    return NULL;
  if (store == STORE_F16)
    half_from_floats (out, w, count);
  else
    memcpy (out, w, *bytes);
  return out;
}

bool
weight_create (vit_device *dev, enum store store, enum store activations, const float *w, const float *bias,
    uint32_t in_dim, uint32_t out_dim, const char *name, struct weight *out, vit_error *err)
{
  memset (out, 0, sizeof *out);
  out->in_dim = in_dim;
  out->out_dim = out_dim;
  out->store = store;
  out->has_bias = bias != NULL;
  out->layout = activations == STORE_F32 && linear_cpu_suits (dev, in_dim, out_dim) ? LAYOUT_PANELS : LAYOUT_ROWS;
  size_t bytes;
  void *packed = out->layout == LAYOUT_PANELS ? linear_cpu_pack (dev, store, w, bias, in_dim, out_dim, &bytes)
                                              : pack_rows (store, w, (size_t) in_dim * out_dim, &bytes);
  if (!packed)
    return fail_memory (err, name, bytes);
  bool ok = buffer_create (dev, MEMORY_LOCAL, bytes, name, &out->data, err)
      && buffer_write (dev, &out->data, 0, packed, bytes, err);
  if (ok && bias && out->layout == LAYOUT_ROWS)
    ok = buffer_create (dev, MEMORY_LOCAL, out_dim * sizeof *bias, name, &out->bias, err)
        && buffer_write (dev, &out->bias, 0, bias, out_dim * sizeof *bias, err);
  free (packed);
  if (!ok)
    weight_destroy (dev, out);
  return ok;
}

void
weight_destroy (vit_device *dev, struct weight *w)
{
  buffer_destroy (dev, &w->data);
  buffer_destroy (dev, &w->bias);
}

uint64_t
weight_bytes (const struct weight *w)
{
  return w->data.size + w->bias.size;
}

bool
record_linear (struct recorder *rec, const struct linear_call *call, vit_error *err)
{
  const struct weight *w = call->weight;
  struct linear_call c = *call;
  c.p.in_dim = w->in_dim;
  c.p.out_dim = w->out_dim;
  c.p.has_bias = w->has_bias;
  if (w->layout == LAYOUT_PANELS)
    return record_linear_cpu (rec, &c, err);
  uint32_t rows = c.p.rows <= 8 ? 1 : 8; /* of one invocation: a head's few rows shouldn't cost a whole tile */
  struct dispatch d = {
    .shader = tiled_shader (c.x_store, w->store, c.y_store),
    .spec = { 1, { rows } },
    .bind = { c.x, span_all (&w->data), span_all (w->has_bias ? &w->bias : &w->data), c.y },
    .push = &c.p,
    .push_size = sizeof c.p,
    .groups = { (c.p.rows + 8 * rows - 1) / (8 * rows), (c.p.out_dim + 63) / 64, 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
