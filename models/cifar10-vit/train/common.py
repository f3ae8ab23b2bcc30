# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every script here agrees on: the classes, the network's shape, the normalisation, the packed data."""

import time
from pathlib import Path

import numpy as np
import timm
import torch
from timm.models import save_for_hf

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.247, 0.2435, 0.2616)
SIZE = 32  # pixels, both sides

ARCHITECTURE = "vit_tiny_patch16_224"
SHAPE = dict(img_size=SIZE, patch_size=4, embed_dim=128, depth=8, num_heads=2, mlp_ratio=4)
PREPROCESS = dict(
    input_size=(3, SIZE, SIZE), fixed_input_size=True, interpolation="bicubic", crop_pct=1.0, crop_mode="squash",
    mean=MEAN, std=STD,
)


def new_network(**extra):
    """The plain ViT of this folder, with fresh weights; `extra` goes to timm's constructor."""
    config = dict(PREPROCESS, tag="cifar10", num_classes=len(LABELS), pool_size=None, license="lgpl-2.1-or-later")
    return timm.create_model(ARCHITECTURE, num_classes=len(LABELS), pretrained_cfg_overlay=config, **SHAPE, **extra)


def save_folder(network, folder):
    """Writes config.json and model.safetensors as timm writes them for the Hugging Face hub."""
    save_for_hf(network, folder, model_config=dict(label_names=LABELS), model_args=SHAPE, safe_serialization=True)


def load_arrays(path, split, limit=None):
    """Pictures as uint8 (N, 32, 32, 3) and their classes (N); `limit` takes an even sample, for a quick trial."""
    with np.load(path) as packed:
        pictures, classes = packed[f"{split}_x"], packed[f"{split}_y"]
    if limit and limit < len(pictures):
        chosen = np.linspace(0, len(pictures) - 1, limit).astype(int)
        pictures, classes = pictures[chosen], classes[chosen]
    return pictures, classes


def load_tensors(path, split, device, limit=None):
    """The same as normalised float (N, 3, 32, 32) and int64 (N) on the device."""
    pictures, classes = load_arrays(path, split, limit)
    x = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=device).view(1, 3, 1, 1)
    return ((x - mean) / std).contiguous(), torch.from_numpy(classes.astype(np.int64)).to(device)


@torch.no_grad()
def accuracy(network, x, y, batch=500):
    """Share of right answers in evaluation mode; the network is left in training mode."""
    network.eval()
    right = sum((network(a).argmax(1) == b).sum().item() for a, b in zip(x.split(batch), y.split(batch)))
    network.train()
    return right / len(y)


def add_common_arguments(parser):
    parser.add_argument("data", type=Path, help="the .npz that pack.py wrote")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--limit", type=int, help="use this many training pictures only, for a trial")
    parser.add_argument("--seed", type=int, default=1)


class Clock:
    """Seconds since the start, for the progress lines."""

    def __init__(self):
        self.start = time.monotonic()

    def __str__(self):
        return f"{time.monotonic() - self.start:.0f} s"
