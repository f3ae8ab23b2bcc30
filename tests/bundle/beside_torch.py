# SPDX-License-Identifier: LGPL-2.1-or-later
"""PyTorch on the same machine: the same network, eager and compiled, and the linears of its shapes beside ours.

usage: beside_torch.py SHAPE FOLDER [--quick]      FOLDER: with ours-BATCH.json, what vit-bench --kernels --json said
"""
import json
import os
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SIZES = {"Ti": (192, 3), "S": (384, 6), "B": (768, 12), "L": (1024, 16)}
DEPTHS = {"L": 24}


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(*qkv.unbind(0))
        x = x + self.proj(y.transpose(1, 2).reshape(batch, tokens, dim))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    def __init__(self, dim, heads, depth, patch):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.randn(1, (224 // patch) ** 2 + 1, dim) * 0.02)
        self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(dim, 1e-6), nn.Linear(dim, 1000)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x)[:, 0]))


def median_ms(run, runs):
    """From call to result; the device is idle before each."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    times = []
    for i in range(runs + 3):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[3:])


def networks(shape, batches, runs, device, quick):
    name, patch = shape.split("/")
    dim, heads = SIZES[name]
    print("\n| torch | precision | batch | median ms | images/s |\n|---|---|--:|--:|--:|")
    for dtype in (torch.float32, torch.float16) if device == "cuda" else (torch.float32,):
        model = Transformer(dim, heads, DEPTHS.get(name, 12), int(patch)).eval().to(device, dtype)
        modes = {"eager": lambda m: m}
        if device == "cuda" and not quick:
            modes["compile"] = torch.compile
            modes["compile, reduce-overhead"] = lambda m: torch.compile(m, mode="reduce-overhead")
        for mode, make in modes.items():
            for batch in batches:
                image = torch.randn(batch, 3, 224, 224, device=device, dtype=dtype)
                try:
                    torch.compiler.reset() if hasattr(torch, "compiler") else None
                    ready = make(model)
                    with torch.inference_mode():
                        ms = median_ms(lambda r=ready, i=image: r(i), runs)
                    print(f"| {shape}, {mode} | {str(dtype)[6:]} | {batch} | {ms:.3f} | {1e3 * batch / ms:.1f} |", flush=True)
                except Exception as error:  # a compiler that is not there must not cost the rest of the table
                    print(f"| {shape}, {mode} | {str(dtype)[6:]} | {batch} | {str(error).strip().splitlines()[0][:80]} | |")


def rate(rows, outs, ins, runs, device, dtype):
    x, w, b = (torch.randn(*s, device=device, dtype=dtype) for s in ((rows, ins), (outs, ins), (outs,)))
    many = 20 if device == "cuda" else 1  # so that the time of a launch does not count
    with torch.inference_mode():
        ms = median_ms(lambda: [functional.linear(x, w, b) for _ in range(many)], runs) / many
    return 2e-6 * rows * outs * ins / ms


def linears(shape, folder, batches, runs, device):
    """Ours with bias, activation, residual and layout in the kernel; torch's is cuBLAS with the bias alone."""
    name, patch = shape.split("/")
    dim, tokens = SIZES[name][0], (224 // int(patch)) ** 2 + 1
    table = [("blocks.*.attn.qkv", 3 * dim, dim), ("blocks.*.attn.residual", dim, dim), ("blocks.*.mlp.act", 4 * dim, dim),
        ("blocks.*", dim, 4 * dim)]
    dtype = torch.float16 if device == "cuda" else torch.float32
    print(f"\n| linear (rows, in, out), batch | ours GFLOP/s | torch {str(dtype)[6:]} GFLOP/s | ratio |\n|---|--:|--:|--:|")
    for batch in batches:
        path = os.path.join(folder, f"ours-{batch}.json")
        ours = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                kernels = json.load(file).get("kernels", [])
            for k in kernels:  # an op may have several kernels: its arithmetic over all their time
                rows = ours.setdefault(k["op"], [0.0, 0.0])
                rows[0] += k["gflop_per_s"] * k["ms"]
                rows[1] += k["ms"]
        for op, outs, ins in table:
            theirs = rate(batch * tokens, outs, ins, runs, device, dtype)
            # by either name: with weights that hold the norm's scale too, or as the file has them
            done, ms = max((ours.get(n, [0.0, 0.0]) for n in (op, op + ".folded")), key=lambda row: row[1])
            mine = done / ms if ms else 0.0
            print(f"| {op} ({batch * tokens}, {ins}, {outs}), {batch} | {mine:.1f} | {theirs:.1f} | {mine / theirs:.2f} |")


def main():
    shape, folder = sys.argv[1:3]
    quick = "--quick" in sys.argv
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, "
        f"{torch.get_num_threads()} threads")
    batches = [1] if quick else [1, 8, 64] if device == "cuda" else [1, 8]
    runs = 3 if quick else 30 if device == "cuda" else 5
    networks(shape, batches, runs, device, quick)
    linears(shape, folder, batches, runs, device)


if __name__ == "__main__":
    main()
