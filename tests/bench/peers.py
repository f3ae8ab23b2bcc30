#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Times vit-bench beside other engines on the same machine, in turns, and prints a table of medians.

usage: peers.py --vit-bench PATH [--shape Ti/16 ...] [--rounds N] [--peer ncnn-vulkan torch-cpu ...]

Every engine gets a Vision Transformer of the same shape with random weights and one random picture in memory; what is
timed is from that picture to the logits (vit-bench also resizes and normalises). Rounds go through all engines in
turn, so that a noisy machine disturbs them alike. Two threads each. A peer whose package is missing is skipped with a
word. Packages: tests/bench/requirements.txt.
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy

SHAPES = {"Ti/16": (192, 3, 16), "S/16": (384, 6, 16), "B/16": (768, 12, 16), "B/32": (768, 12, 32)}  # dim, heads, patch
SIDE, DEPTH, CLASSES = 224, 12, 1000


class NcnnWriter:
    """Writes ncnn's two files: a line of text a layer, and the weights in the order of the layers."""

    def __init__(self, seed=0):
        self.lines, self.blobs, self.data = [], set(), []
        self.random = numpy.random.default_rng(seed)

    def layer(self, kind, name, inputs, outputs, **params):
        text = " ".join(f"{k.lstrip('p').replace('m', '-')}={v}" for k, v in params.items())
        self.lines.append(f"{kind} {name} {len(inputs)} {len(outputs)} {' '.join(inputs + outputs)} {text}")
        self.blobs.update(outputs)

    def numbers(self, count, scale, offset=0.0, tagged=False):
        """count random numbers; tagged: behind the word that says they are stored as float."""
        values = (offset + scale * self.random.standard_normal(count)).astype("<f4")
        self.data.append((struct.pack("<I", 0) if tagged else b"") + values.tobytes())

    def norm(self, name, x, y, dim):
        self.layer("LayerNorm", name, [x], [y], p0=dim, p1="1.0e-06", p2=1)
        self.numbers(dim, 0.02, 1.0)
        self.numbers(dim, 0.02)

    def linear(self, name, x, y, inputs, outputs):
        self.layer("Gemm", name, [x], [y], p3=1, p5=1, p6=1, p8=outputs, p9=inputs, p10=4)
        self.numbers(inputs * outputs, inputs**-0.5, tagged=True)
        self.numbers(outputs, 0.02, tagged=True)

    def attention(self, name, x, y, dim, heads):
        self.layer("Split", name + "s", [x], [x + "q", x + "k", x + "v"])
        self.layer("MultiHeadAttention", name, [x + "q", x + "k", x + "v"], [y], p0=dim, p1=heads, p2=dim * dim)
        for _ in range(4):  # q, k, v, proj
            self.numbers(dim * dim, dim**-0.5, tagged=True)
            self.numbers(dim, 0.02)

    def residual(self, name, x, inner):
        """x + inner (x); returns the name of the sum."""
        self.layer("Split", name + "s", [x], [x + "a", x + "b"])
        inner(x + "b", name + "i")
        self.layer("BinaryOp", name, [x + "a", name + "i"], [name + "y"], p0=0)
        return name + "y"

    def save(self, path):
        with open(path + ".param", "w", encoding="ascii") as out:
            out.write(f"7767517\n{len(self.lines)} {len(self.blobs)}\n" + "\n".join(self.lines) + "\n")
        with open(path + ".bin", "wb") as out:
            out.write(b"".join(self.data))


def write_ncnn(path, dim, heads, patch):
    net, tokens = NcnnWriter(), (SIDE // patch) ** 2 + 1
    net.layer("Input", "image", [], ["image"], p0=SIDE, p1=SIDE, p2=3)
    net.layer("MemoryData", "cls", [], ["cls"], p0=dim, p1=1)
    net.numbers(dim, 0.02)
    net.layer("MemoryData", "pos", [], ["pos"], p0=dim, p1=tokens)
    net.numbers(dim * tokens, 0.2)
    count = dim * 3 * patch * patch
    net.layer("Convolution", "patch", ["image"], ["c"], p0=dim, p1=patch, p11=patch, p3=patch, p13=patch, p5=1, p6=count)
    net.numbers(count, (3 * patch * patch) ** -0.5, tagged=True)
    net.numbers(dim, 0.02)
    net.layer("Reshape", "flat", ["c"], ["f"], p0=-1, p1=dim)
    net.layer("Permute", "rows", ["f"], ["r"], p0=1)
    net.layer("Concat", "tokens", ["cls", "r"], ["t"], p0=0)
    net.layer("BinaryOp", "addpos", ["t", "pos"], ["x"], p0=0)
    x = "x"
    for i in range(DEPTH):

        def attend(a, y, i=i):
            net.norm(f"n{i}a", a, f"n{i}", dim)
            net.attention(f"att{i}", f"n{i}", y, dim, heads)

        def mlp(a, y, i=i):
            net.norm(f"n{i}b", a, f"m{i}", dim)
            net.linear(f"fc1{i}", f"m{i}", f"h{i}", dim, 4 * dim)
            net.layer("GELU", f"gelu{i}", [f"h{i}"], [f"g{i}"], p0=1)
            net.linear(f"fc2{i}", f"g{i}", y, 4 * dim, dim)

        x = net.residual(f"res{i}b", net.residual(f"res{i}a", x, attend), mlp)
    net.norm("norm", x, "n", dim)
    net.layer("Crop", "first", ["n"], ["token"], pm23309="1,0", pm23310="1,1", pm23311="1,0")
    net.linear("head", "token", "logits", dim, CLASSES)
    net.save(path)


class Ncnn:
    def __init__(self, folder, shape, vulkan):
        import ncnn  # noqa: PLC0415 - a peer that is not installed is skipped

        path = os.path.join(folder, shape.replace("/", "-"))
        if not os.path.exists(path + ".bin"):
            write_ncnn(path, *SHAPES[shape])
        self.ncnn, self.net = ncnn, ncnn.Net()
        self.net.opt.use_vulkan_compute = vulkan
        self.net.opt.num_threads = 2
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self.net.opt, option, False)
        self.net.load_param(path + ".param")
        self.net.load_model(path + ".bin")
        self.image = numpy.random.default_rng(7).standard_normal((3, SIDE, SIDE)).astype("f4")

    def run(self):
        start = time.monotonic()
        extractor = self.net.create_extractor()
        extractor.input("image", self.ncnn.Mat(self.image))
        _, logits = extractor.extract("logits")
        numpy.array(logits)
        return 1e3 * (time.monotonic() - start)


class Torch:
    def __init__(self, _folder, shape):
        import timm  # noqa: PLC0415
        import torch  # noqa: PLC0415

        torch.set_num_threads(2)
        dim, heads, patch = SHAPES[shape]
        self.torch = torch
        self.model = timm.models.VisionTransformer(img_size=SIDE, patch_size=patch, embed_dim=dim, num_heads=heads).eval()
        self.image = torch.randn(1, 3, SIDE, SIDE)

    def run(self):
        start = time.monotonic()
        with self.torch.inference_mode():
            self.model(self.image)
        return 1e3 * (time.monotonic() - start)


PEERS = {
    "ncnn-vulkan": lambda folder, shape: Ncnn(folder, shape, True),
    "ncnn-cpu": lambda folder, shape: Ncnn(folder, shape, False),
    "torch-cpu": Torch,
}


def vit_bench(program, shape, runs):
    command = [program, "--shape", shape, "--json", "--precision", "f32", "--runs", str(runs), "--warm-up", "1"]
    facts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return facts["median_ms"], facts["device"]


def measure(args, shape, folder):
    peers = {}
    for name in args.peer:
        try:
            peers[name] = PEERS[name](folder, shape)
            peers[name].run()  # warms up: some compile at the first run
        except ImportError as error:
            print(f"{name} is skipped: {error}", file=sys.stderr)
    times = {name: [] for name in ["vit", *peers]}
    for _ in range(args.rounds):
        ms, device = vit_bench(args.vit_bench, shape, args.runs)
        times["vit"].append(ms)
        for name, peer in peers.items():
            times[name].append(statistics.median(peer.run() for _ in range(args.runs)))
    medians = {name: statistics.median(t) for name, t in times.items()}
    print(f"| {shape} | " + " | ".join(f"{name} {ms:.1f} ms ({ms / medians['vit']:.2f}x)" for name, ms in medians.items())
          + f" | {device} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vit-bench", required=True, help="path of the program")
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["Ti/16", "B/16"])
    parser.add_argument("--peer", nargs="+", choices=PEERS, default=["ncnn-vulkan"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each engine a round")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for shape in args.shape:
            measure(args, shape, folder)


if __name__ == "__main__":
    main()
