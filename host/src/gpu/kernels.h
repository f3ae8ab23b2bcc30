/* Records kernels: one typed function per kernel, whatever variant of it this device runs. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_GPU_KERNELS_H
#define VIT_GPU_KERNELS_H

#include "gpu/memory.h"
#include "params.h"

/* How activations and weights are stored; sums are float always. STORE_I8 is for weights alone: whole numbers from -127
 * to 127, which one scale an output multiplies. */
enum store { STORE_F32, STORE_F16, STORE_I8 };
static inline uint32_t
store_size (enum store s)
{
  return s == STORE_I8 ? 1 : s == STORE_F16 ? 2 : 4;
}

/* How a weight lies: rows of in_dim, w_stride apart with zeros behind (every kernel for GPUs), or panels of columns
 * (the unrolled ones for CPUs). */
enum weight_layout { LAYOUT_ROWS, LAYOUT_PANELS, LAYOUT_LOOP };

/* A linear's weight in the order its kernels stream it. */
struct weight {
  struct buffer data; /* (out_dim, in_dim), packed as `layout` says */
  /* float: STORE_I8's scales (out_dim), but for LAYOUT_PANELS, and bias (bias_rows, out_dim), where data doesn't hold
   * it */
  struct buffer bias;
  uint32_t bias_rows; /* as in linear_params */
  uint32_t in_dim, out_dim;
  enum store store;
  enum weight_layout layout;
  uint32_t stride; /* LAYOUT_ROWS: elements from one row to the next, a multiple of WEIGHT_ALIGN */
};

/* rows of every tensor that a linear reads or writes are allocated up to a multiple of this, so that tiles may run
 * over the end: contents past `rows` are finite garbage */
enum { ROW_PAD = 16, COLUMN_PAD = 16 };

/* Elements. Rows of what linears and attention read lie a multiple of ROW_ALIGN apart, those of weights a multiple of
 * WEIGHT_ALIGN: so kernels may read 16 bytes at a time, and steps of a weight's row need no check of its end. */
enum { ROW_ALIGN = 8, WEIGHT_ALIGN = 32 };

/* Packs and uploads; w is (out_dim, in_dim) float, bias (bias_rows, out_dim) or NULL with 0. STORE_F32 activations: x
 * and y of its calls are float; some devices have faster kernels for those. */
bool weight_create (vit_device *dev, enum store store, enum store activations, const float *w, const float *bias,
    uint32_t bias_rows, uint32_t in_dim, uint32_t out_dim, const char *name, struct weight *out, vit_error *err);
/* The same in two steps: everything about the weight but its numbers; then those. */
void weight_plan (vit_device *dev, enum store store, enum store activations, uint32_t bias_rows, uint32_t in_dim,
    uint32_t out_dim, struct weight *out);
bool weight_fill (vit_device *dev, const float *w, const float *bias, const char *name, struct weight *out,
    vit_error *err);
void weight_destroy (vit_device *dev, struct weight *w); /* accepts a zeroed one */
uint64_t weight_bytes (const struct weight *w);          /* of device memory */

/* Pipelines made so far on this device, by need; safe from any thread. */
uint32_t kernels_pipelines (vit_device *dev);

/* A command buffer under construction with the descriptor sets it uses. */
struct recorder;
struct recorder *recorder_create (vit_device *dev, vit_error *err);
void recorder_destroy (struct recorder **rec);
bool recorder_begin (struct recorder *rec, vit_error *err); /* forgets everything recorded before */
bool recorder_end (struct recorder *rec, vit_error *err);
VkCommandBuffer recorder_commands (const struct recorder *rec);
bool recorder_run (struct recorder *rec, vit_error *err); /* submit and wait; for tests, taps and warming up */
uint32_t recorder_dispatches (const struct recorder *rec);
uint32_t recorder_barriers (const struct recorder *rec);
uint32_t recorder_descriptor_updates (const struct recorder *rec);
void recorder_barrier (struct recorder *rec); /* compute writes -> compute reads and writes */
/* Raw copies, with the barriers they need on both sides. */
void recorder_copy (struct recorder *rec, const struct buffer *from, VkDeviceSize from_offset, struct buffer *to,
    VkDeviceSize to_offset, VkDeviceSize size);

/* A recorder for the transfer queue, of a device that has one, and the only thing that may be recorded there: a copy
 * whose beginning and end the submits order. */
struct recorder *recorder_create_transfer (vit_device *dev, vit_error *err);
void recorder_transfer (struct recorder *rec, const struct buffer *from, struct buffer *to, VkDeviceSize size);

/* Marks where the device's clock is read; recorder_clock_ms tells, after a run, the time from one's start to the stop
 * of the same or of another that ran behind it. 0: no timestamps. */
void recorder_start_clock (struct recorder *rec);
void recorder_stop_clock (struct recorder *rec);
double recorder_clock_ms (const struct recorder *from, const struct recorder *to);

/* The same for each dispatch and copy alone, which then no longer overlap: for those who ask where the time goes.
 * Turned on before recorder_begin; fails with UNSUPPORTED on devices without timestamps. */
bool recorder_profile (struct recorder *rec, vit_error *err);
/* What is recorded from here on belongs to this op (borrowed), which does so many operations in all. */
void recorder_label (struct recorder *rec, const char *op, double flops);
/* After a run: fills at most `max` entries and returns how many there are. */
uint32_t recorder_profile_read (const struct recorder *rec, struct vit_kernel_time *out, uint32_t max);

/* Part of a buffer, in bytes; offset is a multiple of the device's storage-buffer alignment (256 always is). */
struct span {
  const struct buffer *buffer;
  VkDeviceSize offset, size;
};
static inline struct span
span_all (const struct buffer *b)
{
  return (struct span) { b, 0, b->size };
}

/* Each records one kernel, without a barrier before or after. Fails with UNSUPPORTED (a device's limit), MEMORY. */
struct linear_call {
  struct span x, y;
  const struct weight *weight;
  struct linear_params p; /* in_dim, out_dim, w_stride, bias_rows are filled in from the weight */
  enum store x_store, y_store;
};
/* Would the kernel that does the call of normalised rows do that of rows to be normalised (p.norm) as well? Not every
 * one can, and a better kernel is worth more than a LayerNorm saved. */
bool linear_normalises (const vit_device *dev, const struct linear_call *without, const struct linear_call *with);
bool record_linear (struct recorder *rec, const struct linear_call *call, vit_error *err);
bool record_layernorm (struct recorder *rec, struct span x, const struct buffer *weight, const struct buffer *bias,
    struct span y, enum store y_store, const struct layernorm_params *p,
    vit_error *err); /* x float; weight and bias may be NULL, both */
/* The kernels that any device runs, for what record_layernorm and record_attention may give to another one; attention's
 * in the form that is made fastest: others are compared with it. */
bool record_layernorm_plain (struct recorder *rec, struct span x, const struct buffer *weight,
    const struct buffer *bias, struct span y, enum store y_store, const struct layernorm_params *p, vit_error *err);
bool record_attention_reference (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err); /* p.queries filled in */
bool record_tokens (struct recorder *rec, struct span patches, const struct buffer *prefix, const struct buffer *pos,
    struct span y, const struct tokens_params *p, vit_error *err); /* all float */
bool record_attention (struct recorder *rec, struct span qkv, struct span out, enum store store,
    const struct attention_params *p, vit_error *err);
/* A block of which one token of each image matters, the first: two dispatches and, with the linear that reads it, a
 * third. What they hand on comes in parts, float: (images, heads, dim) and (images, class_mlp_parts, dim), to be added
 * up. */
struct class_block {
  const struct weight *qkv, *proj, *fc1, *fc2; /* both norms are folded into what reads them */
  const struct weight *next;                   /* reads the token, which it normalises itself */
  uint32_t images, tokens, head_dim;
  uint32_t act;
  float scale, eps; /* as in attention_params; of the norms */
};
bool class_block_suits (const vit_device *dev, const struct class_block *b);
uint32_t class_mlp_parts (const struct class_block *b);
bool record_class_attention (struct recorder *rec, struct span x, struct span parts, const struct class_block *b,
    vit_error *err); /* x: (images * tokens, dim), float */
bool record_class_mlp (struct recorder *rec, struct span x, struct span parts, const struct class_block *b,
    vit_error *err); /* x: parts of record_class_attention */
/* A linear whose x is the sum of `parts` rows that follow each other; float, x_stride from one sum to the next. */
bool record_linear_parts (struct recorder *rec, const struct linear_call *call, uint32_t parts, vit_error *err);
bool record_pool (struct recorder *rec, struct span x, struct span y, const struct pool_params *p,
    vit_error *err); /* float */
/* out[i] = sum of what invocation i counted; p.rounds * VIT_PEAK_STEPS * VIT_PEAK_CHAINS multiply-adds each */
bool record_peak (struct recorder *rec, struct span out, uint32_t invocations, const struct peak_params *p,
    vit_error *err);
/* Both passes in one, where the device has room for as many rows of the frame as a tile needs. */
bool preprocess_at_once (const vit_device *dev, uint32_t tile_rows);
bool record_preprocess (struct recorder *rec, struct span frame, struct span tables, struct span patches,
    enum store store, const struct preprocess_h_params *h, const struct preprocess_v_params *v, uint32_t tile_rows,
    vit_error *err);
bool record_preprocess_h (struct recorder *rec, struct span frame, struct span tables, struct span rows,
    const struct preprocess_h_params *p, vit_error *err);
bool record_preprocess_v (struct recorder *rec, struct span rows, struct span tables, struct span patches,
    enum store store, const struct preprocess_v_params *p, vit_error *err);

#endif
