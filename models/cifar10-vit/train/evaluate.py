# SPDX-License-Identifier: LGPL-2.1-or-later
"""Accuracy of a folder on CIFAR-10's test pictures with timm, and timm's own transform for that folder.

--predictions writes a line a picture, "LABEL PROBABILITY": what evaluate_element.sh compares the element's with.
"""

import argparse
from pathlib import Path

import timm
import torch
from PIL import Image

from common import LABELS, load_arrays


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="config.json and model.safetensors")
    parser.add_argument("data", type=Path, help="the .npz that pack.py wrote")
    parser.add_argument("--predictions", type=Path, metavar="FILE")
    parser.add_argument("--limit", type=int, help="this many pictures only")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    network = timm.create_model(f"local-dir:{args.folder.resolve()}", pretrained=True).eval().float()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    pictures, classes = load_arrays(args.data, "test", args.limit)
    answers = []
    for start in range(0, len(pictures), 500):
        x = torch.stack([transform(Image.fromarray(p)) for p in pictures[start:start + 500]])
        answers.append(torch.softmax(network(x), 1))
    best, index = torch.cat(answers).max(1)

    right = index == torch.from_numpy(classes)
    for c, label in enumerate(LABELS):
        of_class = right[torch.from_numpy(classes == c)]
        print(f"{label:10} {of_class.float().mean():.4f}")
    print(f"{args.folder}: {right.sum()} of {len(right)} right, {right.float().mean():.2%}"
          f" (timm {timm.__version__}, torch {torch.__version__}, float32)")
    if args.predictions:
        args.predictions.write_text("".join(f"{LABELS[i]} {p:.6f}\n" for i, p in zip(index.tolist(), best.tolist())))


if __name__ == "__main__":
    main()
