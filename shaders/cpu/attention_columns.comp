// out = softmax2 (q k^T * scale) v for every head, softmax2 of powers of 2, for devices that are a CPU whose subgroups
// have LANES, which is 16, and for some hundred tokens.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "cpu_attention.h"

// One workgroup does LANES queries of one head, a lane each. Its subgroups share out the tokens, ROWS each, for the
// scores, which meet in shared memory, and then the columns of the values, four each: attention.comp, whose subgroups
// have a part of all columns, has more to exchange, and less code where tokens are many. (At 8 lanes the CPU waits for
// its code either way.) Keys and values are single numbers for all lanes and need no packing, and the softmax of a
// query stays in its lane. A lane's four columns are stored by a binding, at a place that is the same in all lanes.
// gen_linear.c says why addresses come from a table, why loads are volatile and what push constants do between
// stretches of code; here the driver unrolls, because shapes are specialization constants. Strides are, too: else each
// address takes longer than the products. A loop that stayed would give the same numbers, slowly. Mesa unrolls one loop
// of a block at a time and goes through all of the code between two, at every start: hence the macros.
layout (local_size_x = LANES, local_size_y_id = 0) in;
layout (constant_id = 0) const uint BLOCKS = 1;    // subgroups of a workgroup
layout (constant_id = 1) const uint HEAD_DIM = 64; // fours, BLOCKS of them at most
layout (constant_id = 2) const uint TOKEN = 48;    // fours from one token's q, k and v to the next's
layout (constant_id = 3) const uint Y_TOKEN = 16;  // fours from one token's output to the next's
layout (constant_id = 4) const bool BROADCAST = false; // is how one lane's value gets to all, else a shuffle
const uint ROWS = CPU_ATTENTION_ROWS;
const uint POOL = HEAD_DIM > BLOCKS * ROWS ? HEAD_DIM : BLOCKS * ROWS;
const float LOWEST = -3.0e38;

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Fours { vec4 v[]; };
layout (std430, binding = 3) volatile writeonly buffer Output { vec4 Y[]; };
layout (push_constant) uniform P { cpu_columns_params p; };

#include "lanes.glsl"
shared Vector pool[POOL]; // queries, transposed and scaled; then exponentials of scores
shared Vector tops[BLOCKS], totals[BLOCKS];

// One of x, y, z and w of LANES tokens
#define TOKENS(c, i)                                                                                                   \
  vec4 (q.v[4 * i * TOKEN].c, q.v[(4 * i + 1) * TOKEN].c, q.v[(4 * i + 2) * TOKEN].c, q.v[(4 * i + 3) * TOKEN].c)
#define TRANSPOSE(to, c)                                                                                               \
  {                                                                                                                    \
    const float v = pick (QUADS (TOKENS, c)) * p.scale;                                                                \
    STORE (to, v)                                                                                                      \
  }

// ROWS of them; d: four of the head
#define TWELVE(f) f (0) f (1) f (2) f (3) f (4) f (5) f (6) f (7) f (8) f (9) f (10) f (11)
#define BEGIN(r) float a##r = 0.0;
#define KEY(r) const vec4 k##r = keys.v[r * TOKEN + d];
#define ADD_X(r) a##r += k##r.x * q;
#define ADD_Y(r) a##r += k##r.y * q;
#define ADD_Z(r) a##r += k##r.z * q;
#define ADD_W(r) a##r += k##r.w * q;
#define END(r)                                                                                                         \
  a##r = KEEP (mix (LOWEST, a##r, t0 + r >= s * ROWS), LOWEST); /* else another subgroup has the token */              \
  top = max (top, a##r);
#define SHARE(r)                                                                                                       \
  a##r = exp2 (a##r - top);                                                                                            \
  total += a##r;                                                                                                       \
  STORE (pool[mine + r], a##r)

// One lane of four sums. Queries that an earlier workgroup has, or that don't attend, are stored nowhere.
#define PLACE(l) mix (OUTSIDE, y + (l) * Y_TOKEN, (l) >= first && (l) < end)
#define PUT_LANE(way, l) Y[PLACE (l)] = vec4 (way (o[0].x, l), way (o[0].y, l), way (o[0].z, l), way (o[0].w, l));
#define PUT_FOUR(way, i) PUT_LANE (way, i) PUT_LANE (way, i + 1) PUT_LANE (way, i + 2) PUT_LANE (way, i + 3)
#define PUT_ALL(way) PUT_FOUR (way, 0) PUT_FOUR (way, 4) PUT_FOUR (way, 8) PUT_FOUR (way, 12)

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  const uint s = p.table[gl_SubgroupID], block = p.table[gl_WorkGroupID.x], head = p.table[gl_WorkGroupID.y];
  // the last queries, tokens and columns are reached by beginning early; where less than LANES attend, others are read
  // along
  const uint q0 = min (block * LANES, max (p.queries, LANES) - LANES), t0 = min (s * ROWS, p.tokens - ROWS);
  const uint d0 = min (s * 4, HEAD_DIM - 4);
  const uint64_t qkv = p.qkv + uint64_t (head * HEAD_DIM * 4u);

  Fours q = Fours (qkv + uint64_t (q0 * (TOKEN * 16u) + d0 * 4u));
  TRANSPOSE (pool[d0], x)
  TRANSPOSE (pool[d0 + 1], y)
  TRANSPOSE (pool[d0 + 2], z)
  TRANSPOSE (pool[d0 + 3], w)
  barrier ();

  // a<r>: score of token t0 + r
  Fours keys = Fours (qkv + uint64_t (t0 * (TOKEN * 16u) + p.width));
  float top = LOWEST, total = 0.0;
  TWELVE (BEGIN)
  [[unroll]] for (uint d = 0; d < HEAD_DIM / 4; d++) {
    TWELVE (KEY)
    float q = LOAD (pool[4 * d]);
    TWELVE (ADD_X)
    q = LOAD (pool[4 * d + 1]);
    TWELVE (ADD_Y)
    q = LOAD (pool[4 * d + 2]);
    TWELVE (ADD_Z)
    q = LOAD (pool[4 * d + 3]);
    TWELVE (ADD_W)
  }
  TWELVE (END)
  STORE (tops[s], top)
  barrier ();

  top = LOWEST;
  [[unroll]] for (uint b = 0; b < BLOCKS; b++)
    top = max (top, LOAD (tops[b]));
  // tokens of the last subgroup are where it began; others' places are constants
  const uint64_t values = qkv + uint64_t (2 * p.width + d0 * 4u);
  const uint64_t last = values - uint64_t ((BLOCKS * ROWS - p.tokens) * (TOKEN * 16u));
  const uint mine = s * ROWS + (p.table[2] & 256u);
  TWELVE (SHARE)
  STORE (totals[s], total)
  pool[mine].odd = uintBitsToFloat (p.table[10]);
  barrier ();

  // two sums of each column: an addition takes longer than four products
  vec4 o[2];
  o[0] = o[1] = vec4 (0.0);
  [[unroll]] for (uint t = 0; t < BLOCKS * ROWS; t++) {
    const float e = LOAD (pool[t]);
    Fours v = Fours (t < (BLOCKS - 1) * ROWS ? values : last);
    o[t % 2] += v.v[t * TOKEN] * e;
  }
  // behind the products, before which it takes LLVM half as long again
  total = 0.0;
  [[unroll]] for (uint b = 0; b < BLOCKS; b++)
    total += LOAD (totals[b]);
  o[0] = (o[0] + o[1]) * (1.0 / total);
  const uint first = block * LANES - q0, end = p.queries - q0;
  const uint y = p.y + q0 * Y_TOKEN + (head * HEAD_DIM + d0) / 4;
  if (BROADCAST) {
    PUT_ALL (subgroupBroadcast)
  } else {
    PUT_ALL (subgroupShuffle)
  }
}
