/* Records the cooperative-matrix kernel for a linear layer: how a tile is shared out, and which calls it can do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpu/linear_coopmat.h"

#include "base/round.h"
#include "coopmat/coopmat.h"

_Static_assert(COOPMAT_STEP <= WEIGHT_ALIGN, "the kernel reads whole steps of a weight's rows");

/* Subgroups of a workgroup along rows and columns, and matrices of each. */
struct cut {
  uint32_t invocations, subgroups_m, subgroups_n, tm, tn;
};

/* As square as it goes: fewer loads from shared memory for the same products. */
static bool
cut_tile (const struct caps *caps, const struct coopmat_tile *t, struct cut *c)
{
  const struct matrix_shape *s = &caps->matrix;
  c->invocations = t->rows * t->columns / t->sums;
  uint32_t subgroups = c->invocations / caps->subgroup_size;
  if (s->m == 0 || subgroups == 0 || c->invocations % caps->subgroup_size || c->invocations > caps->max_invocations)
    return false;
  for (c->subgroups_m = 1; 4 * c->subgroups_m * c->subgroups_m <= subgroups;)
    c->subgroups_m *= 2;
  c->subgroups_n = subgroups / c->subgroups_m;
  c->tm = t->rows / (c->subgroups_m * s->m);
  c->tn = t->columns / (c->subgroups_n * s->n);
  /* the loads of a workgroup come out even; and nothing is left over anywhere */
  uint32_t pass = c->invocations / (COOPMAT_STEP / 8);
  return c->tm && c->tn && c->tm * c->subgroups_m * s->m == t->rows && c->tn * c->subgroups_n * s->n == t->columns
      && pass && t->rows % pass == 0 && t->columns % pass == 0;
}

/* The arithmetic of the shader's declarations. */
static uint32_t
shared_bytes (const struct caps *caps, const struct coopmat_tile *t, const struct cut *c, bool norm)
{
  uint32_t pitch = COOPMAT_STEP / 8 + 1, matrix = caps->matrix.m * (caps->matrix.n / 4 + 1);
  return 16 * (pitch * (t->rows + t->columns) + c->subgroups_m * c->subgroups_n * matrix) + (norm ? 8 * t->rows : 8);
}

static bool
by_fours (const struct linear_call *c)
{
  return c->p.out_dim % 4 == 0 && c->p.y_stride % 4 == 0 && c->p.y_first % 4 == 0;
}

/* x is half, or float and normalised: what a LayerNorm would have stored as half becomes half here. Other floats keep
 * more digits than these products have. Bytes are halves in shared memory. */
bool
linear_coopmat_suits (const vit_device *dev, const struct linear_call *c, const struct linear_kernel *k)
{
  const struct caps *caps = device_caps (dev);
  const struct linear_params *p = &c->p;
  struct cut cut;
  return c->weight->layout == LAYOUT_ROWS && c->weight->store != STORE_F32
      && (c->x_store == STORE_F16 ? !p->norm : p->norm) && p->x_first % 8 == 0 && p->x_stride % 8 == 0
      && p->x_stride >= round_up (p->in_dim, 8) && cut_tile (caps, k->shape, &cut)
      && shared_bytes (caps, k->shape, &cut, p->norm) <= caps->max_shared;
}

uint32_t
linear_coopmat_groups (const struct linear_call *c, const struct coopmat_tile *t)
{
  return ceil_div (c->p.rows, t->rows) * ceil_div (c->p.out_dim, t->columns);
}

bool
record_linear_coopmat (struct recorder *rec, const struct linear_call *c, const struct linear_kernel *k, vit_error *err)
{
  const struct caps *caps = device_caps (recorder_device (rec));
  const struct coopmat_tile *t = k->shape;
  const struct linear_params *p = &c->p;
  const struct weight *w = c->weight;
  struct cut cut;
  if (!cut_tile (caps, t, &cut))
    return fail (err, VIT_ERR_UNSUPPORTED, "the kernel %s doesn't fit this device", k->name);
  struct coopmat_linear_params push = {
    .rows = p->rows,
    .in_dim = p->in_dim,
    .out_dim = p->out_dim,
    .x_first = p->x_first / 8,
    .x_stride = p->x_stride / 8,
    .w_stride = p->w_stride / 8,
    .y_first = p->y_first,
    .y_stride = p->y_stride,
    .bias_rows = p->bias_rows,
    .eps = p->eps,
  };
  uint32_t flags = (p->add ? COOPMAT_ADD : 0) | (p->norm ? COOPMAT_NORM : 0)
      | (c->y_store == STORE_F16 ? COOPMAT_Y_HALF : 0) | (by_fours (c) ? COOPMAT_FOURS : 0)
      | (p->in_dim % COOPMAT_STEP ? COOPMAT_TAIL : 0) | (p->bias_rows ? COOPMAT_BIAS : 0)
      | (p->bias_rows > 1 ? COOPMAT_TABLE : 0) | (w->store == STORE_I8 ? COOPMAT_BYTES : 0);
  struct dispatch d = {
    .shader = SHADER_linear_coopmat,
    .spec = { 10,
        { cut.invocations, caps->matrix.m, caps->matrix.n, caps->matrix.k, cut.subgroups_m, cut.subgroups_n, cut.tm,
            cut.tn, p->act, flags } },
    .bind = { c->x, span_all (&w->data), span_all (w->bias_rows || w->store == STORE_I8 ? &w->bias : &w->data), c->y },
    .push = &push,
    .push_size = sizeof push,
    .groups = { ceil_div (p->rows, t->rows), ceil_div (p->out_dim, t->columns), 1 },
  };
  return recorder_dispatch (rec, &d, err);
}
