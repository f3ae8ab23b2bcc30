/* What the unrolled attention kernels and the code that records them must agree on; legal C and legal GLSL. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VIT_CPU_ATTENTION_H
#define VIT_CPU_ATTENTION_H

#ifdef VIT_C
#include <stdint.h>
#define uint uint32_t
#endif

#define CPU_ATTENTION_ROWS   12u /* tokens whose scores one subgroup sums at once: accumulators */
#define CPU_ATTENTION_TABLE  20u /* entries of the table of ids: workgroups in each dimension */
#define CPU_ATTENTION_BLOCKS 32u /* subgroups of a workgroup at most */

/* Push constants of the heads of one image. */
struct cpu_attention_params {
  uint64_t qkv; /* address of the first token's first query */
  uint64_t y;
  uint tokens, queries;            /* LANES at least; the first ones, which attend */
  uint token;                      /* bytes from one token's q, k and v to the next's */
  uint width;                      /* bytes from a token's q to its k, and on to its v */
  uint y_token;                    /* floats from one token's output to the next's; even */
  float scale;                     /* of q k^T */
  uint table[CPU_ATTENTION_TABLE]; /* table[i] = i */
};

#define CPU_COLUMNS_TABLE 24u /* the same of attention_columns.comp, and subgroups of a workgroup */

struct cpu_columns_params {
  uint64_t qkv; /* address of the first token's first query */
  uint tokens, queries;
  uint width; /* bytes from a token's q to its k, and on to its v */
  uint y;     /* fours from the binding's beginning to the first output */
  float scale;
  uint table[CPU_COLUMNS_TABLE]; /* table[i] = i */
};

#ifdef VIT_C
#undef uint
#endif

#endif
