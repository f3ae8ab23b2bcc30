#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One other engine in a process of its own, timed when asked.

usage: peers.py PEER SHAPE FOLDER      PEER: ncnn-vulkan, ncnn-cpu, onnxruntime or torch

Loads a Vision Transformer with random weights (written into FOLDER where it is not there yet), runs it once, prints one
line of JSON {"name": ..., "device": ...}. For each line with a number N on standard input it then runs the same random
picture N + 1 times, from memory to logits, and prints the last N times, ms. Two threads. Exit status 77: not installed.
"""
import json
import os
import random
import sys
import time

from networks import SHAPES, SIDE, write_ncnn, write_onnx

THREADS = 2


def picture():
    source = random.Random(7)
    return [source.gauss(0, 1) for _ in range(3 * SIDE * SIDE)]


class Ncnn:
    def __init__(self, folder, shape, vulkan):
        import ncnn  # a peer that is not installed is skipped
        import numpy

        self.ncnn, self.numpy, self.net = ncnn, numpy, ncnn.Net()
        self.net.opt.use_vulkan_compute = vulkan
        self.net.opt.num_threads = THREADS
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self.net.opt, option, False)
        path = write_ncnn(folder, shape)
        self.net.load_param(path + ".param")
        self.net.load_model(path + ".bin")
        self.image = numpy.array(picture(), "f4").reshape(3, SIDE, SIDE)
        self.name = f"ncnn {ncnn.__version__}, {'Vulkan' if vulkan else 'CPU'}"
        self.device = ncnn.get_gpu_info(0).device_name() if vulkan and ncnn.get_gpu_count() else "CPU"
        if vulkan and not ncnn.get_gpu_count():
            raise ImportError("ncnn finds no Vulkan device")

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input("image", self.ncnn.Mat(self.image))
        _, logits = extractor.extract("logits")
        return self.numpy.array(logits)


class Onnxruntime:
    def __init__(self, folder, shape):
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(write_onnx(folder, shape), options,
            providers=["CPUExecutionProvider"])
        self.image = numpy.array(picture(), "f4").reshape(1, 3, SIDE, SIDE)
        self.name, self.device = f"onnxruntime {onnxruntime.__version__}, CPU", "CPU"

    def run(self):
        return self.session.run(None, {"image": self.image})[0]


class Torch:
    def __init__(self, _folder, shape):
        import timm
        import torch

        torch.set_num_threads(THREADS)
        dim, heads, patch = SHAPES[shape]
        self.torch = torch
        self.model = timm.models.VisionTransformer(img_size=SIDE, patch_size=patch, embed_dim=dim, num_heads=heads).eval()
        self.image = torch.tensor(picture()).reshape(1, 3, SIDE, SIDE)
        self.name, self.device = f"PyTorch {torch.__version__}, CPU", "CPU"

    def run(self):
        with self.torch.inference_mode():
            return self.model(self.image)


PEERS = {
    "ncnn-vulkan": lambda folder, shape: Ncnn(folder, shape, True),
    "ncnn-cpu": lambda folder, shape: Ncnn(folder, shape, False),
    "onnxruntime": Onnxruntime,
    "torch": Torch,
}


def timed(peer):
    start = time.monotonic()
    peer.run()
    return 1e3 * (time.monotonic() - start)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in PEERS or sys.argv[2] not in SHAPES:
        print(__doc__, file=sys.stderr)
        return 2
    answers = os.fdopen(os.dup(1), "w")  # some engines talk on standard output
    os.dup2(2, 1)
    try:
        peer = PEERS[sys.argv[1]](sys.argv[3], sys.argv[2])
    except ImportError as error:
        print(error, file=answers, flush=True)
        return 77
    logits = peer.run()
    assert logits.size == 1000 if hasattr(logits, "size") and not callable(logits.size) else logits.numel() == 1000
    print(json.dumps({"name": peer.name, "device": peer.device}), file=answers, flush=True)
    for line in sys.stdin:
        timed(peer)
        print(json.dumps([timed(peer) for _ in range(int(line))]), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
