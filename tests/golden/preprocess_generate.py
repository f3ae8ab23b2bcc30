"""Writes preprocess/cases.bin: what PIL, timm and transformers make of small pictures, for test_preprocess.

Run with the versions in requirements.txt: python3 tests/golden/preprocess_generate.py
The file: "VITPRE1\\n", a count, then per case 12 int32 and 6 float (Case.header) and width * height * 3
bytes, channel by channel. Pictures are computed, not stored.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import struct
import sys
from pathlib import Path

import numpy as np

from preprocess_common import FILTERS, library_cases, pil_case, picture

SIZES = [(1, 1), (1, 9), (7, 1), (3, 2), (20, 20), (24, 18), (31, 47), (64, 36), (97, 33), (40, 130), (500, 7),
         (3, 257), (211, 160)]


def cases():
    for name in FILTERS:
        for size, to in (((37, 23), (16, 16)), ((64, 48), (9, 21)), ((5, 7), (17, 13)), ((16, 40), (16, 12)),
                         ((101, 3), (7, 7)), ((1, 1), (4, 3)), ((12, 9), (12, 9))):
            yield size, pil_case(*to, name)
    for i, size in enumerate(SIZES):
        for j, case in enumerate(library_cases(16)):
            if min(size) > 1 or (i + j) % 3 == 0:
                yield size, case


def main():
    records, skipped = [], 0
    for (width, height), case in cases():
        try:
            want = case.run(picture(width, height), False)
        except Exception as error:  # a side that rounds to nothing: the library refuses it
            print(f"skipped {width}x{height} {case.name}: {error}", file=sys.stderr)
            skipped += 1
            continue
        want = np.asarray(want)
        assert want.shape == (3, case.height, case.width), (case.name, want.shape)
        assert np.array_equal(want, want.astype(np.uint8))
        records.append(case.header(width, height, (0, 0, 0), (1, 1, 1)) 
                       + want.astype(np.uint8).tobytes())
    out = Path(__file__).parent / "preprocess" / "cases.bin"
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(b"VITPRE1\n" + struct.pack("<i", len(records)) + b"".join(records))
    print(f"{out}: {len(records)} cases, {skipped} skipped, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
