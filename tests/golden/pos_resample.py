"""Writes tests/unit/pos_resample_table.h: position embeddings resized by torch, as timm and transformers call it.

Run: python tests/golden/pos_resample.py > tests/unit/pos_resample_table.h
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import torch
import torch.nn.functional as F

# (in height, in width), (out height, out width), dim. None is one wide and several high: with antialias torch 2.15 then
# repeats the first row all the way down, in float and in double, which is no resize.
CASES = [
    ((4, 4), (6, 6), 1),
    ((8, 8), (5, 3), 2),
    ((14, 14), (7, 5), 1),
    ((3, 5), (5, 3), 3),
    ((1, 1), (3, 2), 1),
    ((2, 2), (1, 9), 1),
    ((5, 5), (5, 7), 1),
    ((24, 3), (2, 10), 1),
]


def grid(height, width, dim):
    """The test makes the same numbers: exact in float."""
    values = [((i * 37 + 11) % 101) / 64 - 0.75 for i in range(height * width * dim)]
    return torch.tensor(values, dtype=torch.float32).reshape(1, height, width, dim).permute(0, 3, 1, 2)


def main():
    print("/* Written by tests/golden/pos_resample.py with torch %s: don't edit. */" % torch.__version__.split("+")[0])
    print("/* SPDX-License-Identifier: LGPL-2.1-or-later */")
    numbers, rows = [], []
    for old, new, dim in CASES:
        for kind, antialias in (("POS_BICUBIC_ANTIALIAS", True), ("POS_BICUBIC", False)):
            out = F.interpolate(grid(*old, dim), size=new, mode="bicubic", align_corners=False, antialias=antialias)
            rows.append("  { %s, %d, %d, %d, %d, %d, %d }," % (kind, *old, *new, dim, len(numbers)))
            numbers += out.permute(0, 2, 3, 1).flatten().tolist()
    print("static const struct {")
    print("  enum pos_resample kind;")
    print("  uint32_t in_height, in_width, out_height, out_width, dim;")
    print("  uint32_t first; /* in resampled */")
    print("} cases[] = {")
    print("\n".join(rows))
    print("};\n")
    print("static const float resampled[] = {")
    for i in range(0, len(numbers), 8):
        print("  " + ", ".join("%.8ef" % v for v in numbers[i:i + 8]) + ",")
    print("};")


if __name__ == "__main__":
    main()
