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
 * usage: gen_linear LANES f32|f16|i8 OUT.comp [ROWS BLOCK]: the last two for looking at, as in example_linear.comp,
 * which has 3 BLOCKS at most */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_linear.h"

static FILE *out;
static unsigned lanes;     /* of a subgroup: columns of a tile */
static unsigned bytes = 4; /* of a weight: float, half or whole number */
static unsigned rows = CPU_LINEAR_ROWS, block = CPU_LINEAR_BLOCK;
static unsigned blocks = CPU_LINEAR_MAX_BLOCKS; /* BLOCKS at most */

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
  put ("layout (constant_id = 0) const uint BLOCKS = 1; // of k: subgroups of a workgroup\n"
       "layout (constant_id = 1) const uint ACT = 0;    // VIT_ACT_\n"
       "layout (constant_id = 2) const bool PAIRS = true; // outputs lie at even places: two rows stored at once\n"
       "layout (constant_id = 3) const bool BROADCAST = false; // is how one lane's value gets to all, else a "
       "shuffle\n\n");
  put ("layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Inputs { vec%u v[]; "
       "};\n",
      together ());
  put ("layout (buffer_reference, std430, buffer_reference_align = 4) volatile readonly buffer Floats { float v[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = 4) buffer Output { float v[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = 8) buffer Pairs { uint64_t v[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = 16) readonly buffer Bias { vec4 v[]; };\n"
       "layout (buffer_reference, std430, buffer_reference_align = %u) volatile readonly buffer Weight { %s v[]; "
       "};\n\n",
      bytes * 4,
      bytes == 1       ? "i8vec4"
          : bytes == 2 ? "u16vec4"
                       : "vec4");
  put ("layout (push_constant) uniform Params { // cpu_linear.h\n  uint64_t x, w, y, before;\n"
       "  uint rows, out_dim, y_stride, x_row, panel, k_last, flags;\n  uint table[%u];\n} p;\n\n",
      CPU_LINEAR_TABLE);
  put ("// The odd element hides the low bits of addresses: known ones would keep scalars from becoming vectors.\n"
       "struct Vector {\n  vec4 ");
  for (unsigned i = 0; i < lanes / 4; i++)
    put ("%sq%u", i ? ", " : "", i);
  put (";\n  float odd;\n};\nshared Vector sums[BLOCKS * %u];\n\n", (rows | 1));
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

/* pair (v): lane i gets v of lanes 2i and 2i + 1, modulo the lanes. LLVM joins what is picked of broadcasts into one
 * instruction; a shuffle is a loop over the lanes in Mesa 25.0 where they are not 8. */
static void
put_pair (void)
{
  put ("vec2\npair (float v)\n{\n  const uint j = 2u * gl_SubgroupInvocationID & %uu;\n"
       "  return mix (vec2 (subgroupShuffle (v, j), subgroupShuffle (v, j + 1u)), vec2 (",
      lanes - 1);
  for (unsigned odd = 0; odd < 2; odd++)
    for (unsigned i = 0; i < lanes; i++) {
      put (i == 0 ? "\n      pick (vec4 (" : i % 4 == 0 ? "vec4 (" : "");
      put ("subgroupBroadcast (v, %uu)%s", (2 * i + odd) % lanes, i % 4 == 3 ? ")" : "");
      put (i + 1 < lanes ? i % 2 ? ",\n      " : ", " : odd ? ")" : "),");
    }
  put ("), bvec2 (BROADCAST));\n}\n\n");
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
       "  const uint mb = p.table[gl_WorkGroupID.x], s = p.table[gl_SubgroupID] & 31u;\n"
       "  const uint nb = p.table[gl_WorkGroupID.y] + p.table[gl_WorkGroupID.z] * (p.flags >> %u);\n",
      CPU_LINEAR_PANELS_Y);
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

/* Every row's sums to shared memory by one of two functions. */
static void
put_stores (const char *before, const char *function)
{
  put ("%s", before);
  for (unsigned r = 0; r < rows; r++)
    for (unsigned i = 0; i < lanes; i += 4) {
      put ("    sums[mine + %uu].q%u = vec4 (", r, i / 4);
      for (unsigned j = i; j < i + 4; j++)
        put ("%s (a%u, %uu)%s", function, r, j, j == i + 3 ? ");\n" : j == i + 1 ? ",\n      " : ", ");
    }
}

/* A store to one place of what is the same in all lanes is a scalar store. How a value gets from one lane to all is a
 * matter of the compiler: lavapipe of Mesa 22.3 keeps its stride with a shuffle, 25.0 with a broadcast; the other
 * way round either is three to seven times as slow. */
static void
put_exchange (void)
{
  put ("  const uint mine = s * %uu + (p.table[0] & 1u);\n", (rows | 1));
  put_stores ("  if (BROADCAST) {\n", "subgroupBroadcast");
  put_stores ("  } else {\n", "subgroupShuffle");
  put ("  }\n");
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

/* finish (s, r): row r of the tile from everyone's sums, all of the formula done. */
static void
put_finish (void)
{
  put ("float\nfinish (uint r, uint64_t panel, uint64_t last)\n{\n  float t = ");
  put_quads ("sums[r]");
  put (";\n");
  for (unsigned b = 1; b < blocks; b++) {
    char sums[64];
    snprintf (sums, sizeof sums, "sums[min (%uu, BLOCKS - 1u) * %uu + r]", b, rows | 1);
    put ("  t += mix (0.0, ");
    put_quads (sums);
    put (", BLOCKS > %uu);\n", b);
  }
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

/* Rows and columns that an earlier tile has stored are left alone, as are rows that the tile doesn't have. A store goes
 * lane by lane whatever its width, so lanes store two columns each, of two rows. */
static void
put_reduction (void)
{
  put ("  const uint each = (%uu + BLOCKS - 1u) / BLOCKS, column = min (nb * %uu, p.out_dim - %uu);\n"
       "  const uint64_t offset = uint64_t ((tile * p.y_stride + column) * 4u), y = p.y + offset, last = p.before + "
       "offset;\n"
       "  const uint old_columns = nb * %uu - column, old_rows = mb * step - tile, row_bytes = p.y_stride * 4u;\n"
       "  const uint end = min (s * each + each, step);\n",
      rows, lanes, lanes, lanes);
  put ("  [[unroll]] for (uint i = 0u; i < each; i += PAIRS ? 2u : 1u) {\n"
       "    const uint r0 = s * each + i, r1 = r0 + 1u, q0 = min (r0, step - 1u), q1 = min (r1, step - 1u);\n"
       "    const float t0 = finish (min (r0, %uu), panel, last + uint64_t (q0 * row_bytes));\n"
       "    float t1 = 0.0;\n    if (PAIRS && i + 1u < each)\n"
       "      t1 = finish (min (r1, %uu), panel, last + uint64_t (q1 * row_bytes));\n    if (PAIRS) {\n"
       "      const uint j = 2u * lane & %uu, r = r0 + lane / %uu;\n"
       "      const vec2 both = mix (pair (t0), pair (t1), bvec2 (lane >= %uu));\n",
      rows - 1, rows - 1, lanes - 1, lanes / 2, lanes / 2);
  put ("      Pairs to = Pairs (y);\n      const uint at = r * (p.y_stride / 2u) + j / 2u;\n"
       "      if (r < end && r >= old_rows && j >= old_columns)\n"
       "        to.v[at] = uint64_t (floatBitsToUint (both.x)) | uint64_t (floatBitsToUint (both.y)) << p.table[8] * "
       "4u;\n"
       "    } else {\n      Output to = Output (y + uint64_t (q0 * row_bytes));\n"
       "      if (r0 < end && r0 >= old_rows && lane >= old_columns)\n        to.v[lane] = t0;\n    }\n  }\n");
}

static void
put_kernel (void)
{
  put_header ();
  put_pick ();
  if (bytes < 4)
    put_widen ();
  put_pair ();
  put_activation ();
  put_finish ();
  put ("void\nmain ()\n{\n");
  put_addresses ();
  put_products ();
  put_exchange ();
  put_reduction ();
  put ("}\n");
}

int
main (int argc, char **argv)
{
  lanes = argc >= 4 ? (unsigned) strtoul (argv[1], NULL, 10) : 0;
  if (argc >= 4)
    bytes = strcmp (argv[2], "f32") == 0 ? 4 : strcmp (argv[2], "f16") == 0 ? 2 : strcmp (argv[2], "i8") == 0 ? 1 : 0;
  if (argc == 6) {
    blocks = 3;
    rows = (unsigned) strtoul (argv[4], NULL, 10);
    block = (unsigned) strtoul (argv[5], NULL, 10);
  }
  bool known = (lanes == 4 || lanes == 8 || lanes == 16) && bytes;
  if (!known || (argc != 4 && argc != 6) || rows < 1 || rows > 32 || block < 2 || block % 2) {
    fprintf (stderr, "usage: gen_linear 4|8|16 f32|f16|i8 OUT.comp [ROWS BLOCK]\n");
    return 2;
  }
  out = fopen (argv[3], "w");
  if (!out) {
    fprintf (stderr, "gen_linear: %s: %s\n", argv[3], strerror (errno));
    return 1;
  }
  put_kernel ();
  bool failed = ferror (out);
  if (fclose (out) || failed) {
    fprintf (stderr, "gen_linear: %s: %s\n", argv[3], strerror (errno));
    return 1;
  }
  return 0;
}
