"""By hand: our preprocessing against PIL, timm and transformers on pictures of 1x1 to 8192x8192 pixels.

python3 tests/golden/preprocess_compare.py BUILD/tests/unit/test_preprocess [WIDTHxHEIGHT ...]

Runs each library's whole transform (normalised floats) and ours (the C twin of the kernels, which the GPU test holds
to the bit) and prints, per way of preprocessing, the largest and the mean difference in units of 1/255 before
normalisation. Fails when one is over 1 (and what rounding of floats leaves) or a mean is over 0.05.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import subprocess
import sys

import numpy as np

from preprocess_common import MEAN, STD, library_cases, pil_case, picture

SIZES = [(1, 1), (1, 2), (2, 1), (3, 3), (1, 300), (300, 1), (17, 9), (31, 47), (223, 225), (224, 224), (225, 223),
         (256, 256), (640, 480), (480, 640), (427, 640), (500, 333), (1280, 720), (720, 1280), (1920, 1080),
         (1080, 1920), (101, 2000), (2000, 101), (3000, 4000), (4032, 3024), (8192, 33), (33, 8192), (8192, 4320),
         (8192, 8192)]
ALL_FILTERS_AT = [(1, 1), (31, 47), (640, 480), (427, 640), (1080, 1920)]


def cases(size):
    yield from library_cases(224)
    if size in ALL_FILTERS_AT:
        for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"):
            yield pil_case(224, 196, name)


def photograph(width, height, rng):
    """Smooth shapes and some noise: what real pictures are like, unlike picture()."""
    x, y = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    waves = sum(rng.uniform(10, 40) * np.sin(rng.uniform(1, 30) * x + rng.uniform(1, 30) * y + rng.uniform(0, 6, 3))
                for _ in range(6))
    return np.clip(128 + waves + rng.normal(0, 6, (height, width, 1)), 0, 255).astype(np.uint8)


def ours(process, case, pixels):
    process.stdin.write(case.header(pixels.shape[1], pixels.shape[0], MEAN, STD))
    process.stdin.write(pixels.tobytes())
    process.stdin.flush()
    count = 3 * case.height * case.width * 4
    return np.frombuffer(process.stdout.read(count), np.float32).reshape(3, case.height, case.width)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("sizes", nargs="*", type=lambda text: tuple(map(int, text.split("x"))))
    args = parser.parse_args()
    process = subprocess.Popen([args.program, "--stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    rng, table, refused, bad = np.random.default_rng(0), {}, {}, 0
    std = np.reshape(STD, (3, 1, 1)) * 255
    for size in args.sizes or SIZES:
        for kind, pixels in (("noise", picture(*size)), ("photograph", photograph(*size, rng))):
            for case in cases(size):
                try:
                    want = case.run(pixels, True)
                except Exception as error:
                    refused.setdefault(case.name, set()).add(size)
                    continue
                difference = np.abs(ours(process, case, pixels).astype(np.float64) - want) * std
                worst, mean = difference.max(), difference.mean()
                row = table.setdefault(case.name, [0, 0.0, 0.0, None])
                row[0] += 1
                if worst > row[1]:
                    row[1], row[3] = worst, f"{kind} {size[0]}x{size[1]}"
                row[2] = max(row[2], mean)
                if worst > 1.001 or mean > 0.05:
                    bad += 1
                    print(f"over: {case.name}, {kind} {size[0]}x{size[1]}: max {worst:.4f}, mean {mean:.5f}, "
                          f"{(difference > 1.001).mean():.2e} of the values")
    print(f"{'runs':>4} {'max':>8} {'mean':>8}  way")
    for name, (runs, worst, mean, where) in table.items():
        print(f"{runs:4} {worst:8.4f} {mean:8.5f}  {name}" + (f" (max: {where})" if worst > 0.01 else ""))
    for name, sizes in refused.items():
        print(f"refused by the library itself: {name}: {sorted(sizes)}")
    process.stdin.close()
    process.wait()
    print("over the bounds:", bad)
    return 1 if bad or process.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
