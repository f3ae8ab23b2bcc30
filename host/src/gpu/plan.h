/* What a recording needs, found without Vulkan: its pipelines, and which of its calls special kernels do. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_PLAN_H
#define VIT_GPU_PLAN_H

#include "gpu/linear.h"

/* Ways to do attention and LayerNorm, as struct linear_kernel is one to do a linear. */
struct attention_kernel {
  const char *name;
  bool (*suits) (const vit_device *dev, enum store store, const struct attention_params *p,
      const struct attention_kernel *k);
  bool (*record) (struct recorder *rec, struct span qkv, struct span out, enum store store,
      const struct attention_params *p, const struct attention_kernel *k, vit_error *err);
  uint32_t threads; /* of a workgroup, where the kernel comes in several sizes */
};
struct layernorm_kernel {
  const char *name;
  bool (*suits) (const vit_device *dev, const struct layernorm_params *p); /* x and y float */
  bool (*record) (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
      struct span y, const struct layernorm_params *p, vit_error *err);
};

/* A call that a kernel other than the plain one does. */
enum special_kind { SPECIAL_LINEAR, SPECIAL_ATTENTION, SPECIAL_LAYERNORM };
struct special {
  enum special_kind kind;
  const struct linear_kernel *linear;       /* LINEAR */
  const struct attention_kernel *attention; /* ATTENTION */
  const struct layernorm_kernel *layernorm; /* LAYERNORM */
  struct weight weight;                     /* LINEAR: its facts; the buffers are not to be touched */
  enum store x_store, y_store;              /* LINEAR; ATTENTION has y_store for both */
  bool has_weight;                          /* LAYERNORM */
  union {
    struct linear_params linear; /* completed */
    struct attention_params attention;
    struct layernorm_params layernorm;
  } p;
};

struct planned {
  enum shader shader;
  struct spec spec;
  int special; /* index of the first special call that uses it; -1: none does */
};

struct plan {
  struct planned *pipelines;
  uint32_t num, space;
  struct special *specials;
  uint32_t num_specials, space_specials;
  int current;           /* special call under way; -1: none */
  struct special *calls; /* linears and attention, whatever does them: what there may be a choice for */
  uint32_t num_calls, space_calls;
};

void plan_init (struct plan *plan);
void plan_finish (struct plan *plan);
/* *first: the plan hadn't it yet. */
bool plan_add (struct plan *plan, enum shader shader, const struct spec *spec, bool *first, vit_error *err);
/* The calls after this, up to plan_end_special, are of this special call. */
bool plan_special (struct plan *plan, const struct special *special, vit_error *err);
/* Notes a linear or attention; NULL plan: nothing to do. */
bool plan_call (struct plan *plan, const struct special *call, vit_error *err);
void plan_end_special (struct plan *plan);

/* A recorder that records nothing: every record_... fills the plan, whose lifetime is the caller's. Buffers may be
 * zeroed ones. */
struct recorder *recorder_create_dry (vit_device *dev, struct plan *plan, vit_error *err);
/* From the next recorder_begin on only the first call of each pipeline that the plan hasn't is recorded, and of it one
 * workgroup: what runs then has met all kernels and computed nothing. NULL: all, as ever. */
void recorder_only_new (struct recorder *rec, struct plan *plan);
/* The plan of a dry recorder, else NULL: for the record_... functions to note a special call. */
struct plan *recorder_dry_plan (const struct recorder *rec);

#endif
