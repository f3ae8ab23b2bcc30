# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the built-in model by distillation, in two stages.

The teacher sees exactly the picture that the student sees (crop, mirror, contrast and mixup included), and its
sharpened answer is most of what the student learns from. `first` learns from scratch on shifted pictures and, to be
quicker, looks at half of the patches until nine tenths of the steps are done. `second` continues from there on all of
them, with zoom and aspect changes. Muon moves the blocks' matrices, AdamW the rest; what is saved is a moving average.
"""

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from common import SIZE, Clock, accuracy, add_common_arguments, load_tensors, new_network, save_folder
from train_teacher import load_teacher

BATCH = 256
MIXUP = 0.8            # both parameters of the beta distribution
TEACHER_SHARE = 0.8    # of the loss; the rest is the true class
TEACHER_SHARPNESS = 1.5
DECAY = 0.02
WARM_UP = 200          # steps
AVERAGE_LIMIT = 0.999  # of the weights' moving average, reached after some thousand steps


@dataclass
class Stage:
    epochs: int
    muon_rate: float
    adam_rate: float
    patch_drop: float   # share of the patches left out
    dense_from: float   # part of the run after which all patches are used
    zoom: tuple         # smallest and largest part of the picture that is shown, per side
    aspect: tuple       # height's factor against width's
    shift: int          # whole pixels, where there is no zoom to move within
    light: float        # contrast factor and brightness offset, both plus or minus


STAGES = {
    "first": Stage(40, 0.015, 2e-3, 0.5, 0.9, (1.0, 1.0), (1.0, 1.0), 4, 0.25),
    "second": Stage(6, 0.004, 5e-4, 0.0, 0.0, (0.65, 1.2), (0.85, 1.18), 0, 0.3),
}


def uniform(n, low, high, device):
    return torch.empty(n, device=device).uniform_(low, high)


def augmented(x, stage):
    """x: (B, 3, 32, 32). One affine map a picture, borders mirrored; then contrast and brightness."""
    n, device = len(x), x.device
    width = uniform(n, *stage.zoom, device)
    height = width * uniform(n, *stage.aspect, device)
    pixel = 2 / SIZE  # the map's coordinates run from -1 to 1
    whole = torch.randint(-stage.shift, stage.shift + 1, (2, n), device=device) * pixel
    move_x = uniform(n, -1, 1, device) * (1 - width).abs() + whole[0]
    move_y = uniform(n, -1, 1, device) * (1 - height).abs() + whole[1]
    mirror = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(width)
    maps = torch.stack([mirror * width, zero, move_x, zero, height, move_y], 1).view(n, 2, 3)
    grid = F.affine_grid(maps, x.shape, align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
    contrast = uniform(n, 1 - stage.light, 1 + stage.light, device).view(n, 1, 1, 1)
    brightness = uniform(n, -stage.light, stage.light, device).view(n, 1, 1, 1)
    return x * contrast + brightness


def mixed(x, y):
    """Blends every picture with another one: pictures, both classes, and the first one's share."""
    share = torch.distributions.Beta(MIXUP, MIXUP).sample().item()
    other = torch.randperm(len(x), device=x.device)
    return share * x + (1 - share) * x[other], y, y[other], share


def loss_of(student, teacher, x, y, device):
    x, first, second, share = mixed(x, y)
    with torch.autocast(device, torch.bfloat16):
        with torch.no_grad():
            taught = teacher(x.contiguous(memory_format=torch.channels_last))
        logits = student(x)
    wanted = torch.softmax(taught.float() * TEACHER_SHARPNESS, 1)
    logits = logits.float()
    by_teacher = F.cross_entropy(logits, wanted)
    by_class = share * F.cross_entropy(logits, first) + (1 - share) * F.cross_entropy(logits, second)
    return TEACHER_SHARE * by_teacher + (1 - TEACHER_SHARE) * by_class


def optimizers_for(network, stage):
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and n.startswith("blocks.")]
    known = {id(p) for p in matrices}
    rest = [p for p in network.parameters() if id(p) not in known]
    return [
        torch.optim.Muon(matrices, lr=stage.muon_rate, momentum=0.95, weight_decay=DECAY),
        torch.optim.AdamW(rest, lr=stage.adam_rate, betas=(0.9, 0.95), weight_decay=DECAY),
    ]


@torch.no_grad()
def update_average(average, network, step):
    keep = min(AVERAGE_LIMIT, 1 - 1 / (step / 8 + 1))
    for a, b in zip(average.parameters(), network.parameters()):
        a.lerp_(b, 1 - keep)


def train(network, teacher, x, y, test, stage, args):
    average = copy.deepcopy(network)
    student = torch.compile(network) if args.compile else network
    optimizers = optimizers_for(network, stage)
    batch = min(BATCH, len(x))
    steps = args.epochs * (len(x) // batch)
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda s: min(1, (s + 1) / WARM_UP) * max(1e-3, 1 - s / steps))
        for o in optimizers
    ]
    clock, step = Clock(), 0
    for epoch in range(args.epochs):
        for chosen in torch.randperm(len(x), device=x.device).split(batch):
            if len(chosen) < batch:
                continue
            if step >= stage.dense_from * steps and getattr(network.patch_drop, "prob", 0) > 0:
                network.patch_drop.prob = 0.0
                student = torch.compile(network) if args.compile else network
            loss = loss_of(student, teacher, augmented(x[chosen], stage), y[chosen], args.device)
            for o in optimizers:
                o.zero_grad()
            loss.backward()
            for o, schedule in zip(optimizers, schedules):
                o.step()
                schedule.step()
            step += 1
            update_average(average, network, step)
        right = accuracy(average, *test)
        print(f"epoch {epoch + 1} of {args.epochs}, {clock}: loss {loss.item():.3f}, test {right:.4f}", flush=True)
    return average, right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("teacher", type=Path, help="the .pt that train_teacher.py wrote")
    parser.add_argument("output", type=Path, help="the folder to write")
    parser.add_argument("--stage", choices=STAGES, default="first")
    parser.add_argument("--start", type=Path, help="folder of the stage before (needed by second)")
    parser.add_argument("--epochs", type=int, help="instead of the stage's own number")
    parser.add_argument("--compile", action="store_true", help="torch.compile the student: quicker after a minute")
    args = parser.parse_args()
    stage = STAGES[args.stage]
    args.epochs = args.epochs or stage.epochs
    if args.stage == "second" and not args.start:
        parser.error("--stage second needs --start FOLDER, what --stage first wrote")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    x, y = load_tensors(args.data, "train", args.device, args.limit)
    test = load_tensors(args.data, "test", args.device, args.limit)
    network = new_network(patch_drop_rate=stage.patch_drop).to(args.device)
    if args.start:
        network.load_state_dict(load_file(args.start / "model.safetensors"))
    average, right = train(network, load_teacher(args.teacher, args.device), x, y, test, stage, args)
    save_folder(average.cpu(), args.output)
    print(f"{args.output}: {right:.2%} on {len(test[1])} test pictures")


if __name__ == "__main__":
    main()
