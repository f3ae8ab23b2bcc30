"""Writes the golden models: tiny checkpoints from the real timm and transformers with the logits those give."""
# SPDX-License-Identifier: LGPL-2.1-or-later
import argparse
import filecmp
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402

import common  # noqa: E402
import hf_models  # noqa: E402
import timm_models  # noqa: E402

HERE = Path(__file__).resolve().parent
MAX_MODEL, MAX_ALL = 200_000, 3_000_000


def generate(root, only):
    pictures = root / "pictures"
    common.write_pictures(pictures)
    makers = [(timm_models, name) for name in timm_models.MODELS] + [(hf_models, name) for name in hf_models.MODELS]
    for module, name in makers:
        if only and name not in only:
            continue
        folder = root / "models" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        note = module.generate(name, module.MODELS[name], folder, lambda p: common.load_picture(pictures, p))
        size = common.folder_size(folder)
        print(f"{name}: {size} bytes, {note}", flush=True)
        if size > MAX_MODEL:
            raise SystemExit(f"{name}: {size} bytes, at most {MAX_MODEL} are allowed")
    names = [name for _, name in makers]
    if not only:
        (root / "models" / "meson.build").write_text(meson_list(names))
        total = common.folder_size(root / "models") + common.folder_size(pictures)
        print(f"{len(names)} models and pictures: {total} bytes")
        if total > MAX_ALL:
            raise SystemExit(f"{total} bytes in all, at most {MAX_ALL} are allowed")


def meson_list(names):
    lines = "".join(f"  '{name}',\n" for name in names)
    return ("# The golden models' folders. Written by generate.py.\n# SPDX-License-Identifier: LGPL-2.1-or-later\n"
            f"golden_models = [\n{lines}]\n")


def differing(a, b):
    """Files of two trees that are not the same bytes."""
    files = {p.relative_to(r) for r in (a, b) for s in ("models", "pictures") for p in (r / s).rglob("*")
             if p.is_file()}
    return sorted(str(f) for f in files
                  if not ((a / f).is_file() and (b / f).is_file() and filecmp.cmp(a / f, b / f, shallow=False)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write elsewhere and compare every byte with what is here")
    parser.add_argument("only", nargs="*", help="names of models; none: all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.check:
        generate(HERE, args.only)
        return 0
    with tempfile.TemporaryDirectory() as temp:
        generate(Path(temp), [])
        wrong = differing(HERE, Path(temp))
    print("\n".join(wrong) if wrong else "every byte is the same")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
