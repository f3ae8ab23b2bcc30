# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trains the teacher: a small convolutional network that reaches about 90 % in minutes on two CPU cores.

Its first layer is not learned: it whitens 2x2 windows with the eigenvectors of their covariance over the training
pictures, each once with either sign, so that the layers above start from decorrelated inputs. Three groups of two
3x3 convolutions follow, each halving the picture. The learning rate rises for a fifth of the way and falls linearly.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from common import LABELS, Clock, accuracy, add_common_arguments, load_tensors

WIDTHS = (64, 256, 256)
BATCH = 1024
RATE = 1.5e-3          # per picture: the loss is a sum over the batch
BATCHNORM_FACTOR = 64  # batch norm shifts learn this much faster
DECAY = 0.002          # per step at RATE
MOMENTUM = 0.85
SMOOTHING = 0.2
SHIFT = 2              # pixels


class ConvGroup(nn.Module):
    """conv, 2x2 max pool, norm, GELU, conv, norm, GELU: (B, i, H, W) to (B, o, H/2, W/2)."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out, momentum=0.4)
        self.norm2 = nn.BatchNorm2d(channels_out, momentum=0.4)
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight[: conv.weight.shape[1]])  # starts as a copy of its input

    def forward(self, x):
        x = F.gelu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.norm2(self.conv2(x)))


class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.requires_grad_(False)
        channels = (24, *WIDTHS)
        self.groups = nn.Sequential(*(ConvGroup(i, o) for i, o in zip(channels, channels[1:])))
        self.head = nn.Linear(WIDTHS[-1], len(LABELS), bias=False)

    def forward(self, x):
        x = self.groups(F.gelu(self.whiten(x)))           # (B, 256, 3, 3)
        return self.head(F.max_pool2d(x, 3).flatten(1)) / 9

    @torch.no_grad()
    def fit_whitening(self, x):
        """x: normalised pictures (N, 3, 32, 32)."""
        windows = F.unfold(x, 2).transpose(1, 2).reshape(-1, 12)
        values, vectors = torch.linalg.eigh(windows.T @ windows / len(windows))
        filters = (vectors / (values + 5e-4).sqrt()).T.flip(0).reshape(12, 3, 2, 2)
        self.whiten.weight.copy_(torch.cat([filters, -filters]))
        self.whiten.bias.zero_()


def load_teacher(path, device):
    teacher = Teacher()
    teacher.load_state_dict(torch.load(path, weights_only=True))
    return teacher.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def augmented(x, flips, epoch):
    """Every picture is mirrored in every other epoch (flips says which begin), and shifted, one shift for 64 pictures."""
    mirrored = flips if epoch % 2 == 0 else ~flips
    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    x = F.pad(x, (SHIFT,) * 4, mode="reflect")
    size = x.shape[-1] - 2 * SHIFT
    shifted = []
    for chunk in x.split(64):
        top, left = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
        shifted.append(chunk[:, :, top:top + size, left:left + size])
    return torch.cat(shifted).contiguous(memory_format=torch.channels_last)


def optimizer_for(network):
    biases = [p for n, p in network.named_parameters() if p.requires_grad and ".norm" in n]
    weights = [p for n, p in network.named_parameters() if p.requires_grad and ".norm" not in n]
    groups = [
        dict(params=biases, lr=RATE * BATCHNORM_FACTOR, weight_decay=DECAY / RATE / BATCHNORM_FACTOR),
        dict(params=weights, lr=RATE, weight_decay=DECAY / RATE),
    ]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


def rate_factor(progress):
    """Over the run: 0.2 up to 1 in the first fifth, then straight down to 0.07."""
    return 0.2 + 4 * progress if progress < 0.2 else 1 - 0.93 * (progress - 0.2) / 0.8


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_common_arguments(parser)
    parser.add_argument("output", type=Path, help="the .pt to write")
    parser.add_argument("--epochs", type=int, default=12)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)

    x, y = load_tensors(args.data, "train", args.device, args.limit)
    test_x, test_y = load_tensors(args.data, "test", args.device, args.limit)
    teacher = Teacher().to(args.device, memory_format=torch.channels_last)
    teacher.fit_whitening(x[torch.randperm(len(x))[:5000]])
    optimizer = optimizer_for(teacher)
    batch = min(BATCH, len(x))
    steps = args.epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step / steps))
    flips = torch.rand(len(x), device=args.device) < 0.5
    clock = Clock()

    for epoch in range(args.epochs):
        for chosen in torch.randperm(len(x), device=args.device).split(batch):
            if len(chosen) < batch:
                continue
            with torch.autocast(args.device, torch.bfloat16):
                logits = teacher(augmented(x[chosen], flips[chosen], epoch))
            loss = F.cross_entropy(logits.float(), y[chosen], label_smoothing=SMOOTHING, reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        right = accuracy(teacher, test_x, test_y)
        print(f"epoch {epoch + 1} of {args.epochs}, {clock}: loss {loss.item() / batch:.3f}, test {right:.4f}", flush=True)
    torch.save(teacher.state_dict(), args.output)
    print(f"{args.output}: teacher with {right:.2%} on {len(test_y)} test pictures")


if __name__ == "__main__":
    main()
