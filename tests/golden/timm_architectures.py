"""Compares the table entry_points of host/src/model/config_timm.c with every architecture that timm knows.

Facts that neither config.json nor a tensor shows (heads, eps, activation) must come out of the table as timm has them
for each architecture whose tensors look like a plain ViT's, and what only looks like one must be refused.
Run: python tests/golden/timm_architectures.py
"""
# SPDX-License-Identifier: LGPL-2.1-or-later
import re
import sys
from pathlib import Path

import timm
import torch
from timm.models.vision_transformer import Block, VisionTransformer

SOURCE = Path(__file__).parents[2] / "host/src/model/config_timm.c"
PLAIN = re.compile(
    r"patch_embed\.(proj|norm)\.\w+|cls_token|reg_token|pos_embed|(norm_pre|norm|fc_norm|head)\.(weight|bias)|"
    r"blocks\.\d+\.(norm[12]|attn\.(qkv|q_proj|k_proj|v_proj|proj)|mlp\.fc[12])\.(weight|bias)|"
    r"blocks\.\d+\.ls[12]\.gamma")
ACTS = {"ACT_GELU_QUICK": "QuickGELU", "ACT_GELU_TANH": "GELUTanh"}
FAMILIES = ("vision_transformer", "deit", "eva", "beit", "vit")


def rows():
    text = SOURCE.read_text()
    table = text[text.index("entry_points[] = {"):]
    table = table[:table.index("\n};")]
    for start, contains, facts in re.findall(r'\{ "(\w*)", "(\w*)", (\.[^}]*) \}', table):
        yield start, contains, dict(re.findall(r'\.(\w+) = ("[^"]*"|[\w.\-]+)', facts))


def expected(name):
    facts = dict(heads=None, eps=1e-6, act="GELU", refused=False)  # no row: right by width until embed_dim changes
    for start, contains, row in ROWS:
        if name.startswith(start) and contains in name:
            facts["heads"] = int(row["heads"]) if "heads" in row else facts["heads"]
            facts["eps"] = float(row["eps"].rstrip("f")) if "eps" in row else facts["eps"]
            facts["act"] = ACTS[row["act"]] if "act" in row else facts["act"]
            facts["refused"] |= "refused" in row
    return facts


def looks_plain(state):
    shape = {k: tuple(v.shape) for k, v in state.items()}
    fc1, fc2 = shape.get("blocks.0.mlp.fc1.weight"), shape.get("blocks.0.mlp.fc2.weight")
    return ("pos_embed" in shape and "patch_embed.proj.weight" in shape and "blocks.0.norm1.bias" in shape
            and fc1 and fc2 and fc1[0] == fc2[1] and all(PLAIN.fullmatch(k) for k in shape))


def main():
    wrong = seen = 0
    for name in timm.list_models():
        if not any(f in timm.models.model_entrypoint(name).__module__ for f in FAMILIES):
            continue
        try:
            with torch.device("meta"):
                model = timm.create_model(name)
        except (NotImplementedError, RuntimeError):
            continue
        if not looks_plain(model.state_dict()):
            continue
        seen += 1
        block = model.blocks[0]
        found = expected(name)
        plain = type(model) is VisionTransformer and type(block) is Block
        truth = dict(heads=block.attn.num_heads, eps=block.norm1.eps, act=type(block.mlp.act).__name__,
                     refused=not plain)
        if found["refused"] != truth["refused"] or (plain and found != truth):
            wrong += 1
            print(f"{name}: the table makes it {found}, timm {truth}")
    print(f"timm {timm.__version__}: {seen} architectures with a plain ViT's tensors, {wrong} wrong")
    return 1 if wrong or not seen else 0


ROWS = list(rows())
if __name__ == "__main__":
    sys.exit(main())
