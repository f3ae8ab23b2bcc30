/* Writes the GLSL of one unrolled linear kernel, for Vulkan devices that are a CPU. */
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* y[r][n] = act (sum_k x[r][k] * w[n][k] + bias[n]), or y += that: the contract of linear.comp. What it writes looks as
 * it does because of how lavapipe compiles (measured on Mesa 22.3.6; other drivers run it as they can):
 *
 * A subgroup is one SIMD register. A load is one instruction only where its address is provably the same in all lanes:
 * arithmetic on constants and push constants, outside all control flow. So the loop over k is unrolled, ids are looked
 * up in a table of push constants (table[i] = i), and operands are reached by buffer address, which nothing checks.
 *
 * Lanes are neighbouring columns. One value of x is then a broadcast, and LANES scalar loads of which each lane picks
 * one become a single vector load.
 *
 * Long code is slow to compile, slow to fetch and runs once. So a subgroup does BLOCK values of k for a tile of ROWS x
 * LANES outputs; the other blocks are the other subgroups of its workgroup. They meet in shared memory, where the same
 * trick makes vectors of scalars; every subgroup adds up and stores some rows.
 *
 * Mesa looks for each load among all that were done before it, at every start. It doesn't for volatile ones, which more
 * than halves the time it takes to make a pipeline whose code is in its cache. What else it does to the code it repeats
 * until nothing changes. A turn unrolls one loop of a block, and drops one of branches inside each other whose
 * condition is a constant: so there is one loop, and a choice by a constant is made between values, of which DCE leaves
 * one. Each instruction costs some time in every turn, so values of x are loaded four at once.
 *
 * Whatever is stored in the same stretch of straight code as the products takes the compiler seconds. A push constant
 * that was not read before ends the stretch, and another one after the stores keeps it from being joined again.
 *
 * A store of lanes to places of their own is a loop over the lanes, some 25 cycles a turn. To a place in a binding that
 * is provably the same in all lanes, outside all control flow, it is the first lane's value, a scalar: so each lane's
 * value goes to all lanes, of which nothing is left but its number, and 16 stores follow. Nothing may choose among
 * them; what must not be stored has its place behind the binding's end, where stores are dropped.
 *
 * usage: gen_linear LANES f32|f16|i8 short|long|ROWSxBLOCKxBLOCKS OUT.comp: the last form for looking at, as in
 * example_linear.comp */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_linear.h"

static FILE *out;
static unsigned lanes;                                 /* of a subgroup: columns of a tile */
static unsigned bytes = 4;                             /* of a weight: float, half or whole number */
static unsigned rows = CPU_LINEAR_ROWS, block, blocks; /* BLOCKS at most */

/* Values of a row of x that are loaded at once. */
static unsigned
together (void)
{
  return block % 4 == 0 ? 4 : 2;
}

static void put (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
static void
put (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vfprintf (out, format, args);
  va_end (args);
}

static void
put_header (void)
{
  put ("// Written by gen_linear %u %s.\n// SPDX-License-Identifier: LGPL-2.1-or-later\n#version 450\n", lanes,
      bytes == 1       ? "i8"
          : bytes == 2 ? "f16"
                       : "f32");
  put ("#extension GL_EXT_buffer_reference : require\n#extension GL_EXT_control_flow_attributes : require\n"
       "#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require\n");
  if (bytes < 4)
    put ("#extension GL_EXT_shader_explicit_arithmetic_types_int%u : require\n"
         "#extension GL_EXT_shader_%ubit_storage : require\n",
        bytes * 8, bytes * 8);
  put ("#extension GL_KHR_shader_subgroup_ballot : require\n#extension GL_KHR_shader_subgroup_basic : require\n"
       "#extension GL_KHR_shader_subgroup_shuffle : require\n\n");
  put ("layout (local_size_x = %u, local_size_y_id = 0) in;\n", lanes);
  put ("layout (constant_id = 0) const uint SUBGROUPS = 1; // of a workgroup: all blocks of some panels\n"
       "layout (constant_id = 1) const uint BLOCKS = 1;    // of k\n"
       "layout (constant_id = 2) const uint ACT = 0;       // VIT_ACT_\n"
       "layout (constant_id = 3) const bool FOURS = true;  // out_dim and places in y are whole fours\n"
       "layout (constant_id = 4) const bool BROADCAST = false; // is how one lane's value gets to all, else a "
       "shuffle\n\n");
  put ("layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Inputs { vec%u v[]; "
       "};\n",
      together ());
  put ("layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };\n"
       "layout (std430, binding = 0) writeonly buffer Output { float y[]; };\n"
       "layout (std430, binding = 0) writeonly buffer OutputFours { vec4 y4[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = 16) readonly buffer Bias { vec4 v[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = %u) volatile readonly buffer Weight { %s v[]; "
       "};\n\n",
      bytes * 4,
      bytes == 1       ? "i8vec4"
          : bytes == 2 ? "u16vec4"
                       : "vec4");
  put ("layout (push_constant) uniform Params { // cpu_linear.h\n  uint64_t x, w, before;\n"
       "  uint y_first, rows, out_dim, y_stride, x_row, panel, k_last, flags;\n  uint table[%u];\n} p;\n\n",
      CPU_LINEAR_TABLE);
  /* Which is a matter of the compiler: lavapipe of Mesa 22.3 keeps its stride with a shuffle, 25.0 with a broadcast;
   * the other way round either is three to seven times as slow. */
  put ("// Lane i's value for all lanes.\n"
       "#define ONE(v, i) mix (subgroupShuffle (v, i), subgroupBroadcast (v, i), BROADCAST)\n\n");
  put ("// The odd element hides the low bits of addresses: known ones would keep scalars from becoming vectors.\n"
       "struct Vector {\n  vec4 ");
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%sq%u", i ? ", " : "", i);
  put (";\n  float odd;\n};\nshared Vector sums[SUBGROUPS * %u];\n\n", (rows | 1));
}

/* pick (q0, q1, ...): lane i gets component i. Arguments come first, so that the loads stay outside of the choice. */
static void
put_pick (void)
{
  put ("float\npick (");
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%svec4 q%u", i ? ", " : "", i);
  put (")\n{\n  const uint lane = gl_SubgroupInvocationID;\n  float u = q%u.w;\n", lanes / 4 - 1);
  for (unsigned i = lanes - 1; i-- > 0;)
    put ("  u = mix (u, q%u.%c, lane == %uu);\n", i / 4, "xyzw"[i % 4], i);
  put ("  return u;\n}\n\n");
}

/* widen (u0, u1, ...): lane i gets weight i as a float. What is narrow is chosen narrow: of choices between words made
 * of single halves or bytes the compiler doesn't make one load. */
static void
put_widen (void)
{
  const char *type = bytes == 1 ? "int8_t" : "uint16_t", *four = bytes == 1 ? "i8vec4" : "u16vec4";
  put ("float\nwiden (");
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%s%s q%u", i ? ", " : "", four, i);
  put (")\n{\n  const uint lane = gl_SubgroupInvocationID;\n  %s u = q%u.w;\n", type, lanes / 4 - 1);
  for (unsigned i = lanes - 1; i-- > 0;)
    put ("  u = mix (u, q%u.%c, lane == %uu);\n", i / 4, "xyzw"[i % 4], i);
  put ("  return %s;\n}\n\n", bytes == 1 ? "float (u)" : "unpackHalf2x16 (uint (u)).x");
}

/* An expression: vector `index` of a buffer reference to fours. */
static void
put_vector (const char *function, const char *reference, unsigned index)
{
  put ("%s (", function);
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%s%s.v[%u]", i ? ", " : "", reference, index * (lanes / 4) + i);
  put (")");
}

/* The same of a reference to single floats, from its first on. */
static void
put_floats (const char *reference)
{
  put ("pick (");
  for (unsigned i = 0; i < lanes; i += 4)
    put ("%svec4 (%s.v[%u], %s.v[%u], %s.v[%u], %s.v[%u])", i ? ", " : "", reference, i, reference, i + 1, reference,
        i + 2, reference, i + 3);
  put (")");
}

static void
put_activation (void)
{
  put ("// VIT_ACT_ of params.h; those that have an exponential share its code.\n"
       "float\nactivate (float x)\n{\n"
       "  // GELU: 1 - erf (z) by Abramowitz and Stegun 7.1.26: |error| <= 1.5e-7\n"
       "  const float z = abs (x) * 0.70710678, t = 1.0 / (1.0 + 0.3275911 * z);\n"
       "  const float q = 0.5 * exp (-z * z) * t * (0.254829592 + t * (-0.284496736 + t * (1.421413741\n"
       "      + t * (-1.453152027 + t * 1.061405429))));\n"
       "  const float gelu = x * mix (1.0 - q, q, x < 0.0);\n"
       "  const float inner = ACT == 2u ? 1.5957691 * (x + 0.044715 * x * x * x) : ACT == 3u ? 1.702 * x : 2.0 * x;\n"
       "  const float u = 1.0 / (1.0 + exp (min (-inner, 80.0)));\n"
       "  const float other = mix (x * u, 2.0 * u - 1.0, ACT == 5u);\n"
       "  return mix (mix (mix (other, gelu, ACT == 1u), max (x, 0.0), ACT == 4u), x, ACT == 0u);\n"
       "}\n\n");
}

/* Where this subgroup reads, all of it the same in all lanes. The last rows, columns and values of k are reached by
 * beginning early, never by running over the end. */
static void
put_addresses (void)
{
  put ("  const uint lane = gl_SubgroupInvocationID;\n"
       "  const uint mb = p.table[gl_WorkGroupID.x], all = p.table[gl_SubgroupID] & 31u;\n"
       "  const uint which = mix (0u, all / BLOCKS, SUBGROUPS > BLOCKS), s = all - which * BLOCKS; // panel, block\n"
       "  const uint group = p.table[gl_WorkGroupID.y] + p.table[gl_WorkGroupID.z] * (p.flags >> %u);\n"
       "  const uint nb = group * (SUBGROUPS / BLOCKS) + which;\n",
      CPU_LINEAR_GROUPS_Y);
  put ("  const uint64_t panel = p.w + uint64_t (nb * p.panel);\n  Weight w = Weight (panel + uint64_t (s * %uu));\n",
      block * lanes * bytes);
  put ("  const uint step = p.flags >> %u & 255u, tile = min (mb * step, p.rows - step);\n", CPU_LINEAR_STEP);
  put ("  const uint64_t x = p.x + uint64_t (tile * p.x_row + min (s * %uu, p.k_last));\n", block * 4);
  put ("  const uint row = step > 1u ? p.x_row : 0u; // else the tile is one row\n");
  for (unsigned r = 0; r < rows; r++)
    put ("  Inputs x%u = Inputs (x + uint64_t (row * %uu));\n", r, r);
}

/* c<k>: the vector of weights of one k. */
static void
put_weights (unsigned k)
{
  put ("  const float c%u = ", k);
  put_vector (bytes == 4 ? "pick" : "widen", "w", k);
  put (";\n");
}

/* The products of one k. LLVM gets single loads of x either way. */
static void
put_product (unsigned k)
{
  unsigned at = k % together ();
  for (unsigned r = 0; r < rows; r++) {
    if (at == 0)
      put ("  const vec%u x%u_%u = x%u.v[%u];\n", together (), r, k, r, k / together ());
    put ("  a%u += x%u_%u.%c * c%u;\n", r, r, k - at, "xyzw"[at], k);
  }
}

/* Weights are widened some k before they are used: the CPU can't look far enough ahead to begin by itself, and products
 * that wait for the conversion keep others waiting. In 16 lanes, whose registers are plenty, it pays to begin earlier.
 */
static void
put_products (void)
{
  unsigned ahead = bytes == 4 ? 0 : lanes == 16 ? 4 : 1;
  for (unsigned r = 0; r < rows; r++)
    put ("%sa%u = 0.0%s", r ? ", " : "  float ", r, r + 1 < rows ? "" : ";\n");
  for (unsigned k = 0; k < block + ahead; k++) {
    if (k < block)
      put_weights (k);
    if (k >= ahead)
      put_product (k - ahead);
  }
}

/* Lanes i to i + 3 of v. A store to one place of what is the same in all lanes is a scalar store. */
static void
put_lanes (const char *v, unsigned i)
{
  put ("vec4 (ONE (%s, %uu), ONE (%s, %uu), ONE (%s, %uu), ONE (%s, %uu))", v, i, v, i + 1, v, i + 2, v, i + 3);
}

/* Every row's sums to shared memory. */
static void
put_exchange (void)
{
  put ("  const uint mine = all * %uu + (p.table[0] & 1u);\n", (rows | 1));
  for (unsigned r = 0; r < rows; r++)
    for (unsigned i = 0; i < lanes; i += 4) {
      char sum[16];
      snprintf (sum, sizeof sum, "a%u", r);
      put ("  sums[mine + %uu].q%u = ", r, i / 4);
      put_lanes (sum, i);
      put (";\n");
    }
  put ("  sums[mine].odd = uintBitsToFloat (p.table[1]);\n  barrier ();\n");
}

/* An expression: what lanes pick of a Vector. */
static void
put_quads (const char *vector)
{
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%s%s.q%u", i ? ", " : "pick (", vector, i);
  put (")");
}

/* total (first, r): row r of the tile of everyone's sums, which begin at first. */
static void
put_total (void)
{
  put ("float\ntotal (uint first, uint r)\n{\n  float t = ");
  put_quads ("sums[first + r]");
  put (";\n");
  for (unsigned b = 1; b < blocks; b++) {
    char sums[64];
    snprintf (sums, sizeof sums, "sums[first + min (%uu, BLOCKS - 1u) * %uu + r]", b, rows | 1);
    put ("  t += mix (0.0, ");
    put_quads (sums);
    put (", BLOCKS > %uu);\n", b);
  }
  put ("  return t;\n}\n\n");
}

/* finish (t, panel, last): the rest of the formula. */
static void
put_finish (void)
{
  put ("float\nfinish (float t, uint64_t panel, uint64_t last)\n{\n");
  if (bytes == 1) {
    put ("  Bias scale = Bias (panel - %uul);\n  t *= ", lanes * 8);
    put_vector ("pick", "scale", 0);
    put (";\n");
  }
  put ("  Bias bias = Bias (panel - %uul);\n  t += mix (0.0, ", lanes * 4);
  put_vector ("pick", "bias", 0);
  put (", (p.flags & %uu) != 0u);\n  Floats earlier = Floats (last);\n  const float before = ", CPU_LINEAR_BIAS);
  put_floats ("earlier");
  put (";\n  t = activate (t + mix (0.0, before, ACT != 0u && (p.flags & %uu) != 0u));\n"
       "  return t + mix (0.0, before, (p.flags & %uu) != 0u);\n}\n\n",
      CPU_LINEAR_GO_ON, CPU_LINEAR_ADD);
}

/* store (t, at, old): lane i's value to place at + i, but for the first `old` lanes. */
static void
put_store (void)
{
  put ("const uint OUTSIDE = 0x1fffffffu; // behind the end of y\n\nvoid\nstore (float t, uint at, uint old)\n{\n"
       "  if (FOURS) {\n");
  for (unsigned i = 0; i < lanes; i += 4) {
    put ("    y4[mix (OUTSIDE / 4u, at / 4u + %uu, %uu >= old)] = ", i / 4, i);
    put_lanes ("t", i);
    put (";\n");
  }
  put ("  } else {\n");
  for (unsigned i = 0; i < lanes; i++)
    put ("    y[mix (OUTSIDE, at + %uu, %uu >= old)] = ONE (t, %uu);\n", i, i, i);
  put ("  }\n}\n\n");
}

/* Rows and columns that an earlier tile has stored are left alone, as are rows that the tile doesn't have and panels
 * that there are not. */
static void
put_reduction (void)
{
  put ("  const uint column = min (nb * %uu, p.out_dim - %uu), offset = tile * p.y_stride + column;\n"
       "  const uint old_columns = nb * %uu - column, old_rows = mb * step - tile;\n"
       "  const bool more = (p.flags & %uu) != 0u;\n"
       "  const uint64_t last = mix (panel - %uul, p.before + uint64_t (offset * 4u), more);\n"
       "  const uint last_row = mix (0u, p.y_stride * 4u, more), end = mix (0u, step, old_columns < %uu);\n",
      lanes, lanes, lanes, CPU_LINEAR_ADD | CPU_LINEAR_GO_ON, lanes * 4, lanes);
  put ("  const uint each = (%uu + BLOCKS - 1u) / BLOCKS, first = which * BLOCKS * %uu;\n"
       "  [[unroll]] for (uint i = 0u; i < each; i++) {\n    const uint r = s * each + i + p.table[0];\n"
       "    const float t = finish (total (first, min (r, %uu)), panel, last + uint64_t (min (r, step - 1u) * "
       "last_row));\n"
       "    const uint at = p.y_first + offset + r * p.y_stride;\n"
       "    store (t, mix (OUTSIDE, at, r < s * each + each && r >= old_rows && r < end), old_columns);\n  }\n",
      rows, rows | 1, rows - 1);
}

static void
put_kernel (void)
{
  put_header ();
  put_pick ();
  if (bytes < 4)
    put_widen ();
  put_activation ();
  put_total ();
  put_finish ();
  put_store ();
  put ("void\nmain ()\n{\n");
  put_addresses ();
  put_products ();
  put_exchange ();
  put_reduction ();
  put ("}\n");
}

/* short, long or ROWSxBLOCKxBLOCKS */
static bool
read_kind (const char *kind)
{
  if (strcmp (kind, "short") == 0) {
    block = CPU_LINEAR_BLOCK;
    blocks = CPU_LINEAR_MAX_BLOCKS;
  } else if (strcmp (kind, "long") == 0) {
    block = CPU_LINEAR_LONG_BLOCK;
    blocks = CPU_LINEAR_MAX_LONG_BLOCKS;
  } else if (sscanf (kind, "%2ux%4ux%2u", &rows, &block, &blocks) != 3)
    return false;
  return rows >= 1 && rows <= 32 && block >= 2 && block % 2 == 0 && blocks >= 1;
}

int
main (int argc, char **argv)
{
  lanes = argc == 5 ? (unsigned) strtoul (argv[1], NULL, 10) : 0;
  if (argc == 5)
    bytes = strcmp (argv[2], "f32") == 0 ? 4 : strcmp (argv[2], "f16") == 0 ? 2 : strcmp (argv[2], "i8") == 0 ? 1 : 0;
  if ((lanes != 4 && lanes != 8 && lanes != 16) || !bytes || !read_kind (argv[3])) {
    fprintf (stderr, "usage: gen_linear 4|8|16 f32|f16|i8 short|long|ROWSxBLOCKxBLOCKS OUT.comp\n");
    return 2;
  }
  out = fopen (argv[4], "w");
  if (!out) {
    fprintf (stderr, "gen_linear: %s: %s\n", argv[4], strerror (errno));
    return 1;
  }
  put_kernel ();
  bool failed = ferror (out);
  if (fclose (out) || failed) {
    fprintf (stderr, "gen_linear: %s: %s\n", argv[4], strerror (errno));
    return 1;
  }
  return 0;
}
