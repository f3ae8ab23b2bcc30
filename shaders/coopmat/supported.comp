// Does the compiler know matrices of a subgroup?
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
layout (constant_id = 0) const uint M = 16; // sizes that the device chooses are what the kernels need
layout (std430, binding = 0) buffer B { float b[]; };

void
main ()
{
  coopmat<float, gl_ScopeSubgroup, M, 16, gl_MatrixUseAccumulator> sums =
      coopmat<float, gl_ScopeSubgroup, M, 16, gl_MatrixUseAccumulator> (0.0);
  coopMatStore (sums, b, 0, 16, gl_CooperativeMatrixLayoutRowMajor);
}
