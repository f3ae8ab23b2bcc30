"""Shared by the golden model generators: pictures, random weights, taps, and what is written beside a checkpoint."""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

PICTURES = {  # name: width, height
    "1x1": (1, 1),
    "3x500": (3, 500),
    "33x47": (33, 47),
    "300x200": (300, 200),
    "480x270": (480, 270),
}
ALL = tuple(PICTURES)
FEW = ("33x47", "300x200")
TAP_ROWS = 3  # rows of a tensor that are kept: enough to name the first wrong tensor


def rng_of(name):
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def write_pictures(folder):
    """Gradients, stripes and noise, so that no filter, crop or channel order gives the same picture twice."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (width, height) in PICTURES.items():
        rng = rng_of(name)
        y, x = np.mgrid[0:height, 0:width].astype(np.float64)
        u, v = x / max(width - 1, 1), y / max(height - 1, 1)
        planes = [255 * u, 255 * v, 255 * (1 - u) * (0.3 + 0.7 * v)]
        planes[1] = planes[1] + 60 * np.sin(x / 3.1 + y / 11.0)
        picture = np.stack(planes, -1)
        noise = rng.integers(-40, 41, (-(-height // 3), -(-width // 3), 3))  # blocks of 3x3: compresses well
        picture += noise.repeat(3, 0).repeat(3, 1)[:height, :width]
        if width == height == 1:
            picture[:] = (200, 90, 30)
        pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        with open(folder / f"{name}.ppm", "wb") as f:
            f.write(b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes())


def load_picture(folder, name):
    return Image.open(folder / f"{name}.ppm").convert("RGB")


def random_tensor(rng, name, shape):
    """Values at which every tensor matters: no zeros where a bias would vanish, no ones where a gamma would."""
    normal = rng.standard_normal(shape).astype(np.float32)
    leaf = name.split(".")[-1]
    if leaf == "gamma":  # layer scale
        return rng.uniform(0.4, 1.2, shape).astype(np.float32) * np.where(normal < 0, -1, 1)
    if leaf == "bias":
        return 0.4 * normal
    if len(shape) == 1:  # a norm's weight
        return 1 + 0.35 * normal
    if "token" in leaf or "pos" in leaf:
        return 0.8 * normal
    gain = 1.8 if any(part in name for part in ("qkv", "query", "key", "q_proj", "k_proj", "fc1", "fc2")) else 1.2
    return gain * normal / np.sqrt(np.prod(shape[1:]))


def sharpen(key, value):
    """Activations taken near -2.3, where the two GELUs differ by a hundredth of their value."""
    if key.endswith("fc1.weight"):
        return value * 0.3
    if key.endswith("fc1.bias"):
        return value - 2.3
    return value * 25 if key.endswith("fc2.weight") else value


@torch.no_grad()
def fill(model, name, dtype, adjust=None):
    """Random weights, already rounded to the dtype they will be stored in."""
    rng = rng_of(name)
    for key, param in sorted(model.named_parameters()):
        value = torch.from_numpy(np.asarray(random_tensor(rng, key, tuple(param.shape)), dtype=np.float32))
        if adjust:
            value = adjust(key, value)
        param.copy_(value.to(dtype).to(param.dtype))
    return model.eval()


def patch_rows(pixels, patch):
    """(1, 3, H, W) to (patches, 3 * ph * pw): a row is channel, then y, then x."""
    return torch.nn.functional.unfold(pixels, kernel_size=patch, stride=patch)[0].T


class Taps:
    """Collects intermediate tensors of one forward pass by hooks, each as a matrix."""

    def __init__(self):
        self.tensors, self.handles = {}, []

    def put(self, name, value):
        self.tensors[name] = value.detach().reshape(-1, value.shape[-1]).clone()

    def output(self, module, name):
        self.handles.append(module.register_forward_hook(
            lambda m, i, o: self.put(name, o[0] if isinstance(o, tuple) else o)))

    def input(self, module, name):
        self.handles.append(module.register_forward_pre_hook(lambda m, i: self.put(name, i[0])))

    def close(self):
        for handle in self.handles:
            handle.remove()


def kept_rows(rows):
    if rows <= TAP_ROWS:
        return list(range(rows))
    return [0, 1, rows - 1]


def write_taps(folder, tensors):
    """taps.bin: float32, little endian, the kept rows of each tensor one after the other; returns its index."""
    index, blob = [], b""
    for name, value in tensors.items():
        rows = kept_rows(value.shape[0])
        data = value[rows].to(torch.float32).numpy().astype("<f4")
        index.append({"name": name, "shape": list(value.shape), "rows": rows, "offset": len(blob)})
        blob += data.tobytes()
    (folder / "taps.bin").write_bytes(blob)
    return index


def float_list(values):
    return [float(f"{v:.9g}") for v in values]


def logits_entry(picture, logits, step):
    logits = logits[0].to(torch.float32)
    top = torch.argsort(-logits, stable=True)[:5]
    return {"picture": f"{picture}.ppm", "logits": float_list(logits[::step].tolist()), "top": top.tolist()}


def write_expected(folder, spec, path, info, entries, taps, labels):
    expected = {
        "about": spec["about"],
        "reference": spec["reference"],
        "model": path,
        "info": info,
        "labels": labels,
        "logits_step": spec.get("logits_step", 1),
        "pictures": entries,
        "taps": {"picture": entries[0]["picture"], "tensors": taps},
    }
    text = json.dumps(expected, indent=1)
    (folder / "expected.json").write_text(compact_numbers(text) + "\n")


def compact_numbers(text):
    """One line per list of numbers."""
    out, line = [], None
    for raw in text.split("\n"):
        item = raw.strip().rstrip(",")
        if line is None and raw.endswith("["):
            line = raw
        elif line is not None and (item.lstrip("-").replace(".", "").replace("e-", "").replace("e+", "").isdigit()):
            line += raw.strip() + " "
        elif line is not None and item == "]":
            out.append(line.rstrip() + raw.strip())
            line = None
        else:
            if line is not None:
                out.append(line)
                line = raw if raw.endswith("[") else None
                if line is None:
                    out.append(raw)
            else:
                out.append(raw)
    return "\n".join(out)


@torch.no_grad()
def audit(name, model, forward, exempt=lambda key: False, bound=3e-3):
    """Every tensor must matter: without any one of them (a gamma: ones, else zeros) the logits change by at least
    thirty times the tolerance. Returns the least change, relative to the tolerance's scale."""
    base = forward()
    least, least_key = np.inf, ""
    for key, param in model.named_parameters():
        if exempt(key):
            continue
        old = param.detach().clone()
        param.copy_(torch.ones_like(old) if old.ndim == 1 and key.endswith("weight") else torch.zeros_like(old))
        change = relative(forward(), base)
        param.copy_(old)
        if change < least:
            least, least_key = change, key
    if least < bound:
        raise SystemExit(f"{name}: tensor {least_key} hardly matters: logits change by {least:.2g} without it")
    return least


def relative(a, b):
    return max(float((x - y).abs().max() / max(1.0, float(y.abs().max()))) for x, y in zip(a, b))


def folder_size(folder):
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
