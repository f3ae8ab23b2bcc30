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
// that stayed would give the same numbers, slowly.
layout (local_size_x = LANES, local_size_y_id = 0) in;
layout (constant_id = 0) const uint BLOCKS = 1;    // subgroups of a workgroup
layout (constant_id = 1) const uint TILES = 1;     // of ROWS tokens, of one subgroup
layout (constant_id = 2) const uint HEAD_DIM = 64;
layout (constant_id = 3) const uint CHUNK = 32;    // of the head that goes through shared memory at once; even
layout (constant_id = 4) const uint GROUP = 16;    // of a chunk that is stored at once
layout (constant_id = 5) const bool BROADCAST = false; // is how one lane's value gets to all, else a shuffle
const uint ROWS = CPU_ATTENTION_ROWS, TABLE = CPU_ATTENTION_TABLE, PITCH = CHUNK | 1u, NUM = TILES * ROWS;
const float LOWEST = -3.0e38;

layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uint64_t v[]; };
layout (push_constant) uniform P { cpu_attention_params p; };

#include "lanes.glsl"
shared Vector queries[HEAD_DIM];          // transposed and scaled
shared Vector tops[BLOCKS], totals[BLOCKS];
shared Vector parts[BLOCKS * PITCH + 1u];

// gen_linear.c says why there are two ways.
#define ALL(v, i) (BROADCAST ? subgroupBroadcast (v, i) : subgroupShuffle (v, i))
#define FOUR(v, i) vec4 (ALL (v, i), ALL (v, i + 1), ALL (v, i + 2), ALL (v, i + 3))
#if LANES == 4
#define STORE(to, v) to.q[0] = FOUR (v, 0);
#elif LANES == 8
#define STORE(to, v) { to.q[0] = FOUR (v, 0); to.q[1] = FOUR (v, 4); }
#else
#define STORE(to, v)                                                                                                   \
  { to.q[0] = FOUR (v, 0); to.q[1] = FOUR (v, 4); to.q[2] = FOUR (v, 8); to.q[3] = FOUR (v, 12); }
#endif

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
    float u[LANES];
    [[unroll]] for (uint j = 0; j < LANES; j++)
      u[j] = Floats (qa + uint64_t (j * p.token + d * 4u)).v[0];
    const float v = pick (u) * p.scale;
    STORE (queries[d], v)
  }
  barrier ();

  // a[r]: scores of token t0 + r
  const uint64_t ka = qkv + uint64_t (t0 * p.token + p.width);
  float a[NUM], top = LOWEST;
  [[unroll]] for (uint r = 0; r < NUM; r++)
    a[r] = 0.0;
  [[unroll]] for (uint t = 0; t < NUM; t += ROWS)
    [[unroll]] for (uint d = 0; d < HEAD_DIM; d++) {
      float q;
      LOAD (q, queries[d])
      [[unroll]] for (uint r = t; r < t + ROWS; r++)
        a[r] += Floats (ka + uint64_t (r * p.token)).v[d] * q;
    }
  [[unroll]] for (uint r = 0; r < NUM; r++) {
    a[r] = KEEP (mix (LOWEST, a[r], t0 + r >= s * NUM), LOWEST); // else another subgroup has the token
    top = max (top, a[r]);
  }
  STORE (tops[s], top)
  barrier ();

  float total = 0.0;
  top = LOWEST;
  [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
    float other;
    LOAD (other, tops[b])
    top = max (top, other);
  }
  [[unroll]] for (uint r = 0; r < NUM; r++) {
    a[r] = KEEP (exp2 (a[r] - top), 1.0e-37);
    total += a[r];
  }
  STORE (totals[s], total)

  const uint64_t va = ka + uint64_t (p.width);
  const uint groups = CHUNK / GROUP, pairs = (CHUNK / 2 + BLOCKS - 1) / BLOCKS;
  [[unroll]] for (uint c = 0; c < HEAD_DIM / CHUNK; c++) {
    [[unroll]] for (uint g = 0; g < groups; g++) {
      float o[GROUP];
      [[unroll]] for (uint j = 0; j < GROUP; j++) {
        o[j] = 0.0;
        [[unroll]] for (uint r = 0; r < NUM; r++)
          o[j] += Floats (va + uint64_t (r * p.token)).v[c * CHUNK + g * GROUP + j] * a[r];
      }
      const uint mine = s * PITCH + g * GROUP + (p.table[(c * (groups + 1) + g) % TABLE] & 256u);
      [[unroll]] for (uint j = 0; j < GROUP; j++)
        STORE (parts[mine + j], o[j])
    }
    parts[s * PITCH].odd = uintBitsToFloat (p.table[(c * (groups + 1) + groups) % TABLE]);
    barrier ();

    if (c == 0) {
      total = 0.0;
      [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        float other;
        LOAD (other, totals[b])
        total += other;
      }
      total = KEEP (1.0 / total, 0.0);
    }
    [[unroll]] for (uint i = 0; i < pairs; i++) {
      const uint n = min (s * pairs + i, CHUNK / 2 - 1);
      float even = 0.0, odd = 0.0;
      [[unroll]] for (uint b = 0; b < BLOCKS; b++) {
        float other;
        LOAD (other, parts[b * PITCH + 2 * n])
        even += other;
        LOAD (other, parts[b * PITCH + 2 * n + 1])
        odd += other;
      }
      const uint64_t both = packUint2x32 (floatBitsToUint (vec2 (even, odd) * total));
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
