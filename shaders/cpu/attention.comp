// out = softmax2 (q k^T * scale) v for every head, softmax2 of powers of 2, for devices that are a CPU; LANES is the
// size of their subgroups.
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

// One workgroup does LANES queries of one head, a lane each; its subgroups share out the tokens, TILES * 12 each. Keys
// and values are then single numbers for all lanes and need no packing, and the softmax of a query stays in its lane.
// gen_linear.c says why addresses come from a table, why loads are volatile, why stores go lane by lane and what push
// constants do between stretches of code; here the driver unrolls, because shapes are specialization constants. A loop
// that stayed would give the same numbers, slowly. Mesa unrolls one loop of a block at a time and goes through all of
// the code between two, at every start: hence the macros, and what the first chunk does for all.
layout (local_size_x = LANES, local_size_y_id = 0) in;
layout (constant_id = 0) const uint BLOCKS = 1;    // subgroups of a workgroup
layout (constant_id = 1) const uint TILES = 1;     // of ROWS tokens, of one subgroup
layout (constant_id = 2) const uint HEAD_DIM = 64;
layout (constant_id = 3) const uint CHUNK = 32;    // of the head that goes through shared memory at once; fours
layout (constant_id = 4) const uint GROUP = 16;    // of a chunk that is stored at once; 1 to 4 fours
layout (constant_id = 5) const bool BROADCAST = false; // is how one lane's value gets to all, else a shuffle
const uint ROWS = CPU_ATTENTION_ROWS, TABLE = CPU_ATTENTION_TABLE, PITCH = CHUNK | 1u, NUM = TILES * ROWS;
const float LOWEST = -3.0e38;

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Fours { vec4 v[]; };
layout (buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uint64_t v[]; };
layout (push_constant) uniform P { cpu_attention_params p; };

#include "lanes.glsl"
shared Vector queries[HEAD_DIM];          // transposed and scaled
shared Vector tops[BLOCKS], totals[BLOCKS];
shared Vector parts[BLOCKS * PITCH + 1u];

#define QUERY(at, i) Floats ((at) + uint64_t ((i) * p.token)).v[0]
#define QUERIES(at, i) vec4 (QUERY (at, 4 * i), QUERY (at, 4 * i + 1), QUERY (at, 4 * i + 2), QUERY (at, 4 * i + 3))

// ROWS of them; d: four of the head
#define TWELVE(f) f (0) f (1) f (2) f (3) f (4) f (5) f (6) f (7) f (8) f (9) f (10) f (11)
#define BEGIN(r) float a##r = 0.0;
#define KEY(r) const vec4 k##r = Fours (ka + uint64_t ((t + r) * p.token)).v[d];
#define ADD_X(r) a##r += k##r.x * q;
#define ADD_Y(r) a##r += k##r.y * q;
#define ADD_Z(r) a##r += k##r.z * q;
#define ADD_W(r) a##r += k##r.w * q;
#define END(r)                                                                                                         \
  a[t + r] = KEEP (mix (LOWEST, a##r, t0 + t + r >= s * NUM), LOWEST); /* else another subgroup has the token */       \
  top = max (top, a[t + r]);
#define FOURS_OF_GROUP(f) f (0) if (GROUP > 4) f (1) if (GROUP > 8) f (2) if (GROUP > 12) f (3)
#define TIMES(j) o##j += v.v[j] * a[r];
#define STORE_FOUR(j)                                                                                                  \
  {                                                                                                                    \
    STORE (parts[mine + 4 * j], o##j.x) STORE (parts[mine + 4 * j + 1], o##j.y)                                        \
    STORE (parts[mine + 4 * j + 2], o##j.z) STORE (parts[mine + 4 * j + 3], o##j.w)                                    \
  }

void
main ()
{
  const uint lane = gl_SubgroupInvocationID;
  const uint s = (p.table[gl_SubgroupID & 15u] | p.table[gl_SubgroupID >> 4] << 4) & 63u;
  const uint block = p.table[gl_WorkGroupID.x] + p.table[gl_WorkGroupID.y] * TABLE, head = p.table[gl_WorkGroupID.z];
  // the last queries and tokens are reached by beginning early; where less than LANES attend, others are read along
  const uint q0 = min (block * LANES, max (p.queries, LANES) - LANES), t0 = min (s * NUM, p.tokens - NUM);
  const uint64_t qkv = p.qkv + uint64_t (head * HEAD_DIM * 4u);

  const uint each = (HEAD_DIM + BLOCKS - 1) / BLOCKS;
  const uint64_t qa = qkv + uint64_t (q0 * p.token);
  [[unroll]] for (uint i = 0; i < each; i++) {
    const uint d = min (s * each + i, HEAD_DIM - 1);
    const float v = pick (QUADS (QUERIES, qa + uint64_t (d * 4u))) * p.scale;
    STORE (queries[d], v)
  }
  barrier ();

  // a[r]: scores of token t0 + r
  const uint64_t ka = qkv + uint64_t (t0 * p.token + p.width);
  float a[NUM], top = LOWEST, total = 0.0;
  [[unroll]] for (uint t = 0; t < NUM; t += ROWS) {
    TWELVE (BEGIN)
    [[unroll]] for (uint d = 0; d < HEAD_DIM / 4; d++) {
      TWELVE (KEY)
      float q = LOAD (queries[4 * d]);
      TWELVE (ADD_X)
      q = LOAD (queries[4 * d + 1]);
      TWELVE (ADD_Y)
      q = LOAD (queries[4 * d + 2]);
      TWELVE (ADD_Z)
      q = LOAD (queries[4 * d + 3]);
      TWELVE (ADD_W)
    }
    TWELVE (END)
  }
  STORE (tops[s], top)
  barrier ();

  const uint64_t va = ka + uint64_t (p.width);
  const uint groups = CHUNK / GROUP, pairs = (CHUNK / 2 + BLOCKS - 1) / BLOCKS;
  [[unroll]] for (uint c = 0; c < HEAD_DIM / CHUNK; c++) {
    if (c == 0) {
      top = LOWEST;
      [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        top = max (top, LOAD (tops[b]));
      [[unroll]] for (uint r = 0; r < NUM; r++) {
        a[r] = KEEP (exp2 (a[r] - top), 1.0e-37);
        total += a[r];
      }
      STORE (totals[s], total)
    }
    [[unroll]] for (uint g = 0; g < groups; g++) {
      vec4 o0 = vec4 (0.0), o1 = o0, o2 = o0, o3 = o0;
      [[unroll]] for (uint r = 0; r < NUM; r++) {
        Fours v = Fours (va + uint64_t (r * p.token + (c * CHUNK + g * GROUP) * 4u));
        FOURS_OF_GROUP (TIMES)
      }
      const uint mine = s * PITCH + g * GROUP + (p.table[(c * (groups + 1) + g) % TABLE] & 256u);
      FOURS_OF_GROUP (STORE_FOUR)
    }
    parts[s * PITCH].odd = uintBitsToFloat (p.table[(c * (groups + 1) + groups) % TABLE]);
    barrier ();

    if (c == 0) {
      total = 0.0;
      [[unroll]] for (uint b = 0; b < BLOCKS; b++)
        total += LOAD (totals[b]);
      total = KEEP (1.0 / total, 0.0);
    }
    [[unroll]] for (uint i = 0; i < pairs; i++) {
      const uint n = min (s * pairs + i, CHUNK / 2 - 1);
      float even = 0.0, odd = 0.0;
      [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        even += LOAD (parts[b * PITCH + 2 * n]);
        odd += LOAD (parts[b * PITCH + 2 * n + 1]);
      }
      const uint64_t both = join (vec2 (even, odd) * total, p.table[8]);
      Pairs y = Pairs (p.y + uint64_t ((q0 * p.y_token + head * HEAD_DIM + c * CHUNK + 2 * n) * 4u));
      const uint step = p.y_token / 2;
      // not what an earlier workgroup has stored, nor twice where there are more subgroups than pairs
      if (s * pairs + i < CHUNK / 2 && q0 + lane >= block * LANES && q0 + lane < p.queries)
        y.v[lane * step] = both;
    }
    if (c + 1 < HEAD_DIM / CHUNK)
      barrier ();
  }
}
