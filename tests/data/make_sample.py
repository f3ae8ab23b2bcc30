# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes sample.webm: a slow zoom into each of five photographs (README.md says whose), 640x360, 25 frames a second.

usage: make_sample.py FOLDER OUTPUT, where FOLDER holds cat.png, bird.webp, horse.webp, deer.webp and dog.webp.
Needs Pillow, and gst-launch-1.0 with the good plug-ins' VP8 encoder.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT, RATE = 640, 360, 25
FRAMES = 60          # of each photograph
BITS_PER_SECOND = 290000
# A view is (size, x, y): the window's size as part of the largest 16:9 window, and where it lies between the left and
# the right, the upper and the lower edge, all from 0 to 1. The zoom runs from the first view to the second.
VIEWS = [
    ("cat.png", (1.0, 0.5, 0.5), (0.9, 0.0, 0.25)),
    ("bird.webp", (1.0, 0.5, 0.5), (0.85, 0.5, 0.0)),
    ("horse.webp", (1.0, 0.5, 0.75), (0.8, 1.0, 0.75)),
    ("deer.webp", (1.0, 0.5, 0.5), (0.8, 0.5, 0.5)),
    ("dog.webp", (0.95, 0.75, 0.5), (0.8, 0.75, 0.5)),
]


def window(picture, view):
    size, x, y = view
    width = min(picture.width, picture.height * WIDTH / HEIGHT) * size
    height = width * HEIGHT / WIDTH
    left, top = (picture.width - width) * x, (picture.height - height) * y
    return left, top, left + width, top + height


def frames(folder):
    for name, first, last in VIEWS:
        picture = Image.open(folder / name).convert("RGB")
        for i in range(FRAMES):
            t = i / (FRAMES - 1)
            view = tuple(a + (b - a) * t for a, b in zip(first, last))
            yield picture.resize((WIDTH, HEIGHT), Image.BICUBIC, box=window(picture, view)).tobytes()


def encode(pictures, output, statistics, mode):
    command = (
        f"gst-launch-1.0 -q fdsrc blocksize={WIDTH * HEIGHT * 3}"
        f" ! rawvideoparse format=rgb width={WIDTH} height={HEIGHT} framerate={RATE}/1 ! videoconvert"
        f" ! vp8enc deadline=0 cpu-used=0 threads=2 target-bitrate={BITS_PER_SECOND} end-usage=vbr max-quantizer=63"
        f" keyframe-max-dist={FRAMES} multipass-mode={mode} multipass-cache-file={statistics}"
        f" ! webmmux ! filesink location={output}"
    )
    with subprocess.Popen(command.split(), stdin=subprocess.PIPE) as process:
        for picture in pictures:
            process.stdin.write(picture)
        process.stdin.close()
    if process.returncode:
        raise SystemExit(f"gst-launch-1.0 failed with {process.returncode}")


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    statistics = output.with_suffix(".stats")
    encode(frames(folder), "/dev/null", statistics, "first-pass")
    encode(frames(folder), output, statistics, "last-pass")
    statistics.unlink()
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
