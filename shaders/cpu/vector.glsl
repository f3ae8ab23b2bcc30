// A vector of LANES floats that a subgroup reads in one instruction.
// SPDX-License-Identifier: LGPL-2.1-or-later

layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Floats { float v[]; };
layout (buffer_reference, std430, buffer_reference_align = 4) readonly buffer Fours { vec4 v[]; };

// Lane i gets the float in column i from the address on, here[i] telling which lane is i: LANES scalar loads of which
// each lane picks one become a vector load (see gen_linear.c). In fours, for the driver's own work grows faster than
// the number of loads.
float
vector (uint64_t address, bool here[LANES])
{
  Fours from = Fours (address);
  float v = 0.0;
  [[unroll]] for (uint i = 0; i < LANES; i += 4) {
    const vec4 f = from.v[i / 4];
    [[unroll]] for (uint j = 0; j < 4; j++)
      v = mix (v, f[j], here[i + j]);
  }
  return v;
}
