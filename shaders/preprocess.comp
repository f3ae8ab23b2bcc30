// patches[patch][c][py][px] = value * scale[c] + offset[c] of a frame's planes, resized as PIL does: along x, rounded
// to 8 bits, along y, rounded again.
// SPDX-License-Identifier: LGPL-2.1-or-later
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params.h"
#include "precision.glsl"

// Both passes at once, for GPUs: a workgroup makes a tile of pixels, and the rows of the first pass that it needs lie
// in shared memory. Neighbours above and below make some rows twice, as many as a filter is high; what two kernels
// would write and read again between them is more.
layout (local_size_x = 256) in;
layout (constant_id = 0) const uint FRAME = VIT_FRAME_RGB24;
layout (constant_id = 1) const uint ROWS = 64; // of the frame, that a tile needs at most
layout (constant_id = 2) const float SCALE_R = 1.0; // constants of a model
layout (constant_id = 3) const float SCALE_G = 1.0;
layout (constant_id = 4) const float SCALE_B = 1.0;
layout (constant_id = 5) const float OFFSET_R = 0.0;
layout (constant_id = 6) const float OFFSET_G = 0.0;
layout (constant_id = 7) const float OFFSET_B = 0.0;
const uint KIND = FRAME & VIT_FRAME_MASK, SIDE = VIT_TILE_SIDE;

layout (push_constant) uniform Params { preprocess_params p; };
layout (binding = 0) readonly buffer Frame { uint frame[]; };
layout (binding = 1) readonly buffer Tables { ivec4 tables[]; };
layout (binding = 3) writeonly buffer Patches { Y_DATA patches[]; }; // (patches, out_stride)

#include "pixel_x.glsl"

shared uint between[ROWS * SIDE]; // packed RGBA8

uint self = gl_LocalInvocationIndex, x0 = gl_WorkGroupID.x * SIDE, y0 = gl_WorkGroupID.y * SIDE;
uint y_table = p.width * (1u + p.x_groups);

// The first and the last row that the tile's taps name; the padded ones behind them count for nothing.
uvec2
tile_rows ()
{
  uvec2 range = uvec2 (p.last_row, 0u);
  for (uint y = y0; y < min (y0 + SIDE, p.height); y++) {
    ivec4 head = tables[y_table + y];
    uint last = min (uint (head.x + 4 * head.y) - 1u, p.last_row);
    range = head.y == 0 ? range : uvec2 (min (range.x, uint (head.x)), max (range.y, last));
  }
  return range;
}

void
fill_between (uvec2 range)
{
  for (uint i = self; i < (range.y - range.x + 1u) * SIDE && range.x <= range.y; i += 256u) {
    uint x = min (x0 + i % SIDE, p.width - 1u);
    between[i] = pixel_along_x (tables[x], range.x + i / SIDE, p.width + x * p.x_groups);
  }
  barrier ();
}

ivec3
along_y (uint y, uint first)
{
  ivec4 head = tables[y_table + y];
  ivec3 value = ivec3 (1 << 21);
  uint tap = y_table + p.height + y * p.y_groups;
  for (uint t = 0u; t < 4u * uint (head.y); t++) {
    uint w = between[(min (uint (head.x) + t, p.last_row) - first) * SIDE + self % SIDE];
    value += tables[tap + t / 4u][t % 4u] * ivec3 (w & 0xffu, (w >> 8) & 0xffu, (w >> 16) & 0xffu);
  }
  ivec3 fill = ivec3 (p.fill & 0xffu, (p.fill >> 8) & 0xffu, (p.fill >> 16) & 0xffu);
  return head.y == 0 ? fill : clamp (value >> 22, 0, 255);
}

void
main ()
{
  uint x = x0 + self % SIDE, y = y0 + self / SIDE, groups = gl_NumWorkGroups.x * gl_NumWorkGroups.y;
  const uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  for (uint i = group * 256u + self; i < p.zeros; i += groups * 256u)
    patches[p.out_first - 1u - i] = Y_STORE (0.0);
  uvec2 range = tile_rows ();
  fill_between (range);
  if (x >= p.width || y >= p.height)
    return;
  // precise: a fused multiply-add would round otherwise on some devices
  precise vec3 v = vec3 (along_y (y, range.x)) * vec3 (SCALE_R, SCALE_G, SCALE_B) + vec3 (OFFSET_R, OFFSET_G, OFFSET_B);
  uint area = p.patch_width * p.patch_height;
  uint patch_row = y / p.patch_height * (p.width / p.patch_width) + x / p.patch_width;
  uint at = p.out_first + patch_row * p.out_stride + y % p.patch_height * p.patch_width + x % p.patch_width;
  patches[at] = Y_STORE (v.r);
  patches[at + area] = Y_STORE (v.g);
  patches[at + 2u * area] = Y_STORE (v.b);
}
