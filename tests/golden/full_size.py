"""By hand: full-size networks with random weights on photographs, the real library's answer beside vit-info's.

    pip install -r tests/golden/requirements.txt scikit-image==0.26.0
    python tests/golden/full_size.py --vit-info build/host/tools/vit-info [--precision f16] [--count N] [NAME...]

Prints a table in markdown and fails unless the five best classes come in the same order and no probability differs by
more than 0.001. The photographs are those that the scikit-image package carries; --photos names a folder of others.
Needs 4 GB of memory and 1.3 GB of disk for the largest, vit_large_patch16_224.
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import timm  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from PIL import Image  # noqa: E402
from timm.data import create_transform, resolve_model_data_config  # noqa: E402
from timm.models._hub import save_for_hf  # noqa: E402

import common  # noqa: E402

TIMM = ("vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch32_224", "vit_base_patch16_224",
        "vit_large_patch16_224")
TRANSFORMERS = "transformers ViT-B/16"
PHOTOS = ("chelsea.png", "coffee.png", "astronaut.png", "motorcycle_left.png", "rocket.jpg")
MAX_DIFFERENCE = 1e-3


def spread(key, value):
    """Logits spread enough for five clearly different best probabilities."""
    return value * 2.5 if key in ("head.weight", "classifier.weight") else value


def prepare_timm(name, folder):
    """Saves the folder; returns a function from a picture to logits."""
    model = common.fill(timm.create_model(name), name, torch.float32, spread)
    save_for_hf(model, folder, safe_serialization=True)
    transform = create_transform(**resolve_model_data_config(model))
    return lambda picture: model(transform(picture).unsqueeze(0))


def prepare_transformers(folder):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = transformers.ViTConfig(num_labels=1000)
    model = common.fill(transformers.ViTForImageClassification(config), TRANSFORMERS, torch.float32, spread)
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessor()
    processor.save_pretrained(folder)
    return lambda picture: model(**processor(images=picture, return_tensors="pt")).logits


def photo_folder():
    """Of scikit-image, without importing it."""
    spec = importlib.util.find_spec("skimage")
    if not spec:
        sys.exit("scikit-image is not installed: pip install scikit-image==0.26.0, or name a folder with --photos")
    return Path(spec.submodule_search_locations[0]) / "data"


def ours(args, folder, ppm):
    command = [args.vit_info, str(folder), "--precision", args.precision, "--device", args.device, "--top-k", "5",
               "--logits", str(ppm)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def compare(name, photo, logits, answer):
    """One row of the table; False when it is not good enough."""
    logits = logits[0].double()
    mine = torch.tensor(answer["logits"], dtype=torch.float64)
    p, q = logits.softmax(-1), mine.softmax(-1)
    top, found = torch.argsort(-p)[:5].tolist(), torch.argsort(-q)[:5].tolist()
    worst, relative = float((p - q).abs().max()), float((logits - mine).abs().max() / logits.abs().max())
    good = top == found and worst <= MAX_DIFFERENCE and [t["class"] for t in answer["top"]] == top
    best = ", ".join(f"{c}: {p[c]:.4f}" for c in top)
    print(f"| {name} | {photo} | {best} | {'same' if top == found else found} | {worst:.1e} | {relative:.1e} |",
          flush=True)
    return good


def run(args, name):
    good = True
    with tempfile.TemporaryDirectory() as temp, torch.no_grad():
        folder = Path(temp) / "model"
        reference = prepare_transformers(folder) if name == TRANSFORMERS else prepare_timm(name, folder)
        photos = PHOTOS if args.photos is None else sorted(p.name for p in args.photos.iterdir())
        for photo in photos[:args.count]:
            picture = Image.open((args.photos or photo_folder()) / photo).convert("RGB")
            ppm = Path(temp) / "photo.ppm"
            picture.save(ppm)
            good &= compare(name, photo, reference(picture), ours(args, folder, ppm))
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vit-info", default="build/host/tools/vit-info")
    parser.add_argument("--precision", default="f32", choices=("f32", "f16"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=99, help="of photographs, the first so many")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TIMM + (TRANSFORMERS,))}; none: all")
    args = parser.parse_args()
    torch.set_num_threads(2)
    print(f"timm {timm.__version__}, transformers {transformers.__version__}, torch {torch.__version__}; "
          f"{args.precision}\n")
    print("| model | photograph | reference's five best classes: probability | ours | worst probability difference | "
          "worst logit difference / largest |")
    print("|---|---|---|---|---|---|")
    good = [run(args, name) for name in args.names or TIMM + (TRANSFORMERS,)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
