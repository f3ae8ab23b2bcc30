# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stores a trained folder's weights in half precision: the form in which the project ships them."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from common import new_network, save_folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path, help="folder that train.py wrote")
    parser.add_argument("output", type=Path, help="folder to write")
    args = parser.parse_args()

    weights = load_file(args.input / "model.safetensors")
    largest = max(t.abs().max().item() for t in weights.values())
    if largest > torch.finfo(torch.half).max:
        raise SystemExit(f"{args.input}: a weight of {largest} does not fit into half precision")
    network = new_network()
    network.load_state_dict(weights)
    save_folder(network.half(), args.output)
    size = (args.output / "model.safetensors").stat().st_size
    print(f"{args.output}: {sum(t.numel() for t in weights.values())} numbers, largest {largest:.3f}, {size} bytes")


if __name__ == "__main__":
    main()
