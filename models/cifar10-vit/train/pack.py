# SPDX-License-Identifier: LGPL-2.1-or-later
"""Packs CIFAR-10, as a tree of pictures, into one .npz: ROOT/{train,test}/CLASS/*.jpg (or .png).

With --frames it also writes the test pictures as raw RGB frames, one after another, beside a text file with one class
name a line: what evaluate_element.sh plays through the GStreamer element, so that Python and the element see the very
same pixels and no JPEG decoder stands between them.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from common import LABELS, SIZE


def read_split(root, split):
    pictures, classes = [], []
    for index, label in enumerate(LABELS):
        files = sorted(p for p in (root / split / label).glob("*") if p.suffix in (".jpg", ".png"))
        if not files:
            raise SystemExit(f"{root / split / label}: no .jpg or .png picture; expected ROOT/{{train,test}}/CLASS/*.jpg")
        for file in files:
            picture = np.asarray(Image.open(file).convert("RGB"))
            if picture.shape != (SIZE, SIZE, 3):
                raise SystemExit(f"{file}: {picture.shape[1]}x{picture.shape[0]} pixels, expected {SIZE}x{SIZE}")
            pictures.append(picture)
        classes += [index] * len(files)
    return np.stack(pictures), np.array(classes, np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("output", type=Path, help="the .npz to write")
    parser.add_argument("--frames", type=Path, metavar="FOLDER", help="write test.rgb and test.txt there")
    args = parser.parse_args()

    train_x, train_y = read_split(args.root, "train")
    test_x, test_y = read_split(args.root, "test")
    np.savez(args.output, train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    print(f"{args.output}: {len(train_x)} pictures to train on, {len(test_x)} to test on")
    if args.frames:
        args.frames.mkdir(parents=True, exist_ok=True)
        (args.frames / "test.rgb").write_bytes(test_x.tobytes())
        (args.frames / "test.txt").write_text("".join(LABELS[i] + "\n" for i in test_y))
        print(f"{args.frames}: {len(test_x)} raw frames of {SIZE}x{SIZE} RGB and their classes")


if __name__ == "__main__":
    main()
