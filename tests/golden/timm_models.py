"""The golden models that timm makes: their options, how they are saved, and the reference pass from disk."""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json
from collections import OrderedDict

import timm
import torch
from safetensors.torch import load_file, save_file
from timm.data import create_transform, resolve_model_data_config
from timm.models._hub import save_for_hf
from torch import nn

import common

HALF = (0.5, 0.5, 0.5)
IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def row(about, args, data=None, **more):
    """args: of the timm model; data: preprocessing; more: dtype, labels, pictures, seed options."""
    base = dict(img_size=16, patch_size=4, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2.0, num_classes=7)
    prep = dict(mean=HALF, std=HALF, crop_pct=0.9, crop_mode="center", interpolation="bicubic")
    return dict(about=about, args={**base, **args}, data={**prep, **(data or {})}, **more)


def boost(key, value):
    """Outliers as trained networks have them: a few channels of the stream in the hundreds."""
    if key in ("cls_token", "pos_embed") or any(p in key for p in ("patch_embed", "attn.proj", "mlp.fc2")):
        value = value * 25
    if key in ("blocks.0.mlp.fc2.bias", "pos_embed"):
        value[..., 3] += 400
        value[..., 7] -= 250
    return value


def shrink(key, value):
    """A stream so small that the norms' eps of 1e-6 matters."""
    small = key in ("cls_token", "pos_embed") or key.startswith("patch_embed")
    small = small or any(part in key for part in ("attn.proj", "mlp.fc2"))
    return value * 1e-3 if small else value


MODELS = {
    "timm-plain": row(
        "patch 16, class token, biases, linear head; center crop 0.9 bicubic; F32; every picture",
        dict(img_size=48, patch_size=16), pictures=common.ALL, labels="list"),
    "timm-patch4-nonsquare": row(
        "image 20x32 (height x width), patch 4; center crop 0.875 bilinear for a non-square input; ImageNet mean and "
        "std; label_names as an object; F16",
        dict(img_size=(20, 32), patch_size=4, embed_dim=20, mlp_ratio=2.5),
        dict(crop_pct=0.875, interpolation="bilinear", **IMAGENET), dtype=torch.float16, pictures=common.ALL,
        labels="dict"),
    "timm-patch-norm": row(
        "norm after the patch embedding (embed_norm_layer), no qkv bias, one head; squash to 100 %",
        dict(embed_norm_layer="layernorm", qkv_bias=False, num_heads=1, img_size=32, patch_size=8),
        dict(crop_pct=1.0, crop_mode="squash"),
        pictures=common.ALL),
    "timm-patch-norm-seed": row(
        "the same under the key patch_norm in model_args", dict(), model_args=dict(patch_norm=True)),
    "timm-pre-norm": row(
        "norm before the blocks and no patch bias (CLIP), QuickGELU, patch 14; border mode 95 %",
        dict(pre_norm=True, act_layer="quick_gelu", img_size=42, patch_size=14, embed_dim=16),
        dict(crop_pct=0.95, crop_mode="border", mean=(0.48, 0.46, 0.41), std=(0.27, 0.26, 0.28)),
        pictures=("33x47", "300x200", "480x270", "1x1"), dtype=torch.float16),
    "timm-avg": row(
        "no class token, mean pooling, norm after the pooling (fc_norm by default), image 24x40",
        dict(class_token=False, global_pool="avg", img_size=(24, 40), patch_size=8), dtype=torch.bfloat16),
    "timm-avg-no-fc-norm": row(
        "class token kept out of the mean, norm before the pooling (fc_norm false); squash 87.5 %",
        dict(global_pool="avg", fc_norm=False), dict(crop_pct=0.875, crop_mode="squash", interpolation="bilinear"),
        pictures=common.ALL),
    "timm-avg-registers": row(
        "class token and three registers kept out of the mean, position embedding of the patches only",
        dict(global_pool="avg", reg_tokens=3, no_embed_class=True)),
    "timm-registers": row(
        "two registers with rows of their own in the position embedding", dict(reg_tokens=2), dtype=torch.float16),
    "timm-no-embed-class": row(
        "position embedding without the class row, layer scale (DeiT III)",
        dict(no_embed_class=True, init_values=0.1)),
    "timm-layer-scale-token-fc-norm": row(
        "layer scale, class token with norm after the pooling (fc_norm true)", dict(init_values=1e-5, fc_norm=True),
        dtype=torch.bfloat16),
    "timm-few-biases": row(
        "no qkv, proj or MLP bias, no final norm", dict(qkv_bias=False, proj_bias=False, final_norm=False)),
    "timm-qk-scale": row(
        "scores multiplied by 0.61 instead of head size to the -0.5", dict(), model_args=dict(qk_scale=0.61)),
    "timm-head-tanh": row(
        "representation layer of 12 with tanh before the head", dict(), model_args=dict(representation_size=12)),
    "timm-head-mlp": row(
        "head of norm, linear, GELU, linear over the mean of the tokens",
        dict(class_token=False, global_pool="avg", fc_norm=False), model_args=dict(head="mlp"), head_hidden=20),
    "timm-head-mlp-token": row(
        "head of norm, linear, GELU, linear over the class token, norm after the patch embedding, no qkv bias",
        dict(qkv_bias=False), model_args=dict(head="mlp", patch_norm=True, qk_scale=0.3), head_hidden=16,
        dtype=torch.float16),
    "timm-one-class": row("a single class", dict(num_classes=1), labels="list"),
    "timm-21843-classes": row(
        "21,843 classes (every 47th logit is compared), width 3", dict(
            num_classes=21843, embed_dim=3, num_heads=1, depth=1), dtype=torch.float16, logits_step=47,
        pictures=("33x47",)),
    "timm-patch32": row(
        "patch 32, image 64x96, 9 wide", dict(
            img_size=(64, 96), patch_size=32, embed_dim=9, num_heads=1), dtype=torch.bfloat16),
    "timm-patch-8x4": row(
        "patches of height 8 and width 4", dict(img_size=(32, 20), patch_size=(8, 4)), dtype=torch.float16),
    "timm-head-32": row(
        "one head of 32, whole blocks of matrices",
        dict(embed_dim=32, num_heads=1, mlp_ratio=1.0, img_size=28), dtype=torch.float16),
    "timm-head-80": row(
        "one head of 80 (H/14's), MLP narrower than the stream",
        dict(embed_dim=80, num_heads=1, depth=1, mlp_ratio=0.5, patch_size=4, img_size=16), dtype=torch.float16),
    "timm-head-72": row(
        "one head of 72 (So400m's), MLP width int(72 * 0.7362)",
        dict(embed_dim=72, num_heads=1, depth=1, mlp_ratio=0.7362, patch_size=4, img_size=12), dtype=torch.bfloat16),
    "timm-odd-widths": row(
        "five heads of 9, MLP width int(45 * 1.7)", dict(embed_dim=45, num_heads=5, mlp_ratio=1.7, patch_size=4,
                                                         img_size=28), dtype=torch.float16),
    "timm-pos-up": row(
        "weights of image 12 loaded at image 20x28: position embedding enlarged as timm does",
        dict(img_size=12), resized=(20, 28)),
    "timm-pos-down": row(
        "weights of image 28 loaded at image 12x16, registers included: position embedding reduced as timm does",
        dict(img_size=28, reg_tokens=1), resized=(12, 16)),
    "timm-pos-down-no-embed-class": row(
        "position embedding without class row reduced as timm does",
        dict(img_size=32, no_embed_class=True), resized=(16, 16)),
    "timm-outliers": row(
        "channels of the stream at 400 and -250", dict(), adjust=boost, dtype=torch.float16),
    "timm-small-stream": row("a stream of about 1e-3, where the norms' eps matters", dict(), adjust=shrink),
    "timm-gelu-tanh": row("GELU by tanh", dict(act_layer="gelu_tanh", depth=3), adjust=common.sharpen, sharp=True),
    "timm-gelu": row("GELU by erf, told apart from its tanh form", dict(depth=3), adjust=common.sharpen, sharp=True),
    "timm-lanczos": row(
        "Lanczos, squash 90 %", dict(), dict(interpolation="lanczos", crop_mode="squash"), pictures=common.ALL),
    "timm-border-full": row(
        "border mode at 100 %, non-square input", dict(img_size=(40, 24), patch_size=8),
        dict(crop_pct=1.0, crop_mode="border", interpolation="bilinear", **IMAGENET),
        pictures=("33x47", "300x200", "480x270", "1x1")),
    "timm-center-full": row(
        "center crop at 100 %", dict(), dict(crop_pct=1.0), pictures=common.ALL, dtype=torch.float16),
    "timm-distilled": row(
        "DeiT distilled: the mean of the class token's head and the distillation token's", dict(), labels="list",
        entry="deit_tiny_distilled_patch16_224", pictures=common.ALL),
    "timm-distilled-pos-down": row(
        "DeiT distilled in half at another size, both prefix rows kept", dict(img_size=28), resized=(12, 16),
        dtype=torch.float16, entry="deit_tiny_distilled_patch16_224"),
    "bare-64": row(
        "a bare .safetensors file with timm's names; one head of 64", dict(
            embed_dim=64, num_heads=1, depth=1, mlp_ratio=1.0, img_size=16, patch_size=4), bare="tiny-vit.safetensors",
        dtype=torch.float16),
    "bare-128": row(
        "a bare file, two heads of 64, no class token", dict(
            embed_dim=128, num_heads=2, depth=1, mlp_ratio=0.125, img_size=12, patch_size=4, class_token=False,
            global_pool="avg"), bare="model.safetensors", dtype=torch.float16),
}


class SeedHead(nn.Module):
    """Linear, tanh, linear: the seed's representation layer, whose names are pre_logits.fc and head."""

    def __init__(self, dim, hidden, classes):
        super().__init__()
        self.fc, self.out = nn.Linear(dim, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        return self.out(torch.tanh(self.fc(x)))


def build(spec, **override):
    """The real timm model, with the parts replaced for which timm no longer has an option of its own."""
    args = {**spec["args"], **override}
    model = timm.create_model(spec.get("entry", "vit_tiny_patch16_224"), **args)
    seed, dim = spec.get("model_args", {}), args["embed_dim"]
    norm = type(model.blocks[0].norm1)
    if seed.get("patch_norm"):
        model.patch_embed.norm = norm(dim)
    if "qk_scale" in seed:
        for block in model.blocks:
            block.attn.fused_attn, block.attn.scale = False, seed["qk_scale"]
    if "representation_size" in seed:
        model.head = SeedHead(dim, seed["representation_size"], args["num_classes"])
    if seed.get("head") == "mlp":
        model.head = nn.Sequential(norm(dim), nn.Linear(dim, spec["head_hidden"]), nn.GELU(),
                                   nn.Linear(spec["head_hidden"], args["num_classes"]))
    return model


def to_seed_name(key):
    return key.replace("head.fc.", "pre_logits.fc.").replace("head.out.", "head.")


def from_seed_name(key, seed):
    if "representation_size" not in seed:
        return key
    return key.replace("head.", "head.out.").replace("pre_logits.fc.", "head.fc.")


def label_names(spec):
    names = [f"thing {i}, of {spec['args']['num_classes']}" for i in range(spec["args"]["num_classes"])]
    return {"list": names, "dict": {str(i): n for i, n in enumerate(names)}, None: None}[spec.get("labels")]


def save(spec, model, folder):
    """Writes the folder as timm pushes it. A resized model's config then names the new size, as one edits it."""
    model = model.to(spec.get("dtype", torch.float32))
    config = {"label_names": label_names(spec)} if spec.get("labels") else {}
    save_for_hf(model, folder, model_config=config, model_args=spec.get("model_args"), safe_serialization=True,
                data_config=spec["data"])
    path = folder / "model.safetensors"
    tensors = {to_seed_name(k): v for k, v in load_file(path).items()}
    save_file(tensors, path)
    if spec.get("resized"):
        config = json.loads((folder / "config.json").read_text())
        config["model_args"]["img_size"] = list(spec["resized"])
        config["pretrained_cfg"]["input_size"][1:] = spec["resized"]
        (folder / "config.json").write_text(json.dumps(config, indent=2))
    if spec.get("bare"):
        path.rename(folder / spec["bare"])
        if spec["bare"] != path.name:
            path.unlink(missing_ok=True)
        (folder / "config.json").unlink()
    return spec.get("bare")


def load(spec, folder):
    """The model as timm loads it from the folder; where timm has no such option, the state dict into build()."""
    if spec.get("model_args") or spec.get("bare"):
        model = build(spec)
        state = load_file(folder / (spec.get("bare") or "model.safetensors"))
        seed = spec.get("model_args", {})
        model.load_state_dict({from_seed_name(k, seed): v for k, v in state.items()})
        data = spec["data"] | {"input_size": (3, *model.patch_embed.img_size)}
    else:
        model = timm.create_model(f"local-dir:{folder}", pretrained=True)
        data = resolve_model_data_config(model)
    return model.double().eval(), create_transform(**data)


def attach(model, seed):
    taps = common.Taps()
    taps.output(model.patch_embed, "patch_embed")
    taps.input(model.blocks[0], "tokens")
    for i, block in enumerate(model.blocks):
        taps.output(block.norm1, f"blocks.{i}.norm1")
        taps.output(block.attn.qkv, f"blocks.{i}.attn.qkv")
        taps.input(block.attn.proj, f"blocks.{i}.attn")
        taps.input(block.norm2, f"blocks.{i}.attn.residual")
        taps.output(block.norm2, f"blocks.{i}.norm2")
        taps.input(block.mlp.fc2, f"blocks.{i}.mlp.act")
        taps.output(block, f"blocks.{i}")
    if not isinstance(model.norm, nn.Identity):
        taps.output(model.norm, "norm")
    if not hasattr(model, "head_dist"):  # else two tensors, which no hook joins
        taps.input(model.head, "pool")
    if "representation_size" in seed:
        taps.handles.append(model.head.fc.register_forward_hook(
            lambda m, i, o: taps.put("head.hidden", torch.tanh(o))))
    if seed.get("head") == "mlp":
        taps.output(model.head[2], "head.hidden")
    return taps


def facts(spec, model):
    block, patch = model.blocks[0], model.patch_embed.patch_size
    return dict(
        patch_width=patch[1], patch_height=patch[0],
        tokens=model.patch_embed.num_patches + model.num_prefix_tokens,
        dim=model.embed_dim, depth=len(model.blocks), heads=block.attn.num_heads, head_dim=block.attn.head_dim,
        mlp_dim=block.mlp.fc1.out_features, classes=spec["args"]["num_classes"],
        width=model.patch_embed.img_size[1], height=model.patch_embed.img_size[0])


def labels(spec):
    names = label_names(spec)
    names = list(names.values()) if isinstance(names, dict) else names
    return names or [f"class {i}" for i in range(min(spec["args"]["num_classes"], 5))]


def other_activation(model):
    """The same network with the other GELU: the pair must be told apart."""
    for block in model.blocks:
        exact = "tanh" in type(block.mlp.act).__name__.lower()
        block.mlp.act = nn.GELU() if exact else nn.GELU(approximate="tanh")


def generate(name, spec, folder, load_picture):
    spec = {**spec, "reference": f"timm {timm.__version__}"}
    dtype = spec.get("dtype", torch.float32)
    model = common.fill(build(spec), name, dtype, spec.get("adjust"))
    checkpoint = folder / "checkpoint"
    bare = save(spec, model, checkpoint)
    model, transform = load(spec, checkpoint)
    pictures = spec.get("pictures", common.FEW)
    pixels = [transform(load_picture(p)).unsqueeze(0).double() for p in pictures]
    with torch.no_grad():
        logits = [model(x) for x in pixels]
        taps = attach(model, spec.get("model_args", {}))
        taps.tensors["patches"] = common.patch_rows(pixels[0], model.patch_embed.patch_size)
        model(pixels[0])
        taps.close()
    entries = [common.logits_entry(p, l, spec.get("logits_step", 1)) for p, l in zip(pictures, logits)]
    index = common.write_taps(folder, taps.tensors)
    common.write_expected(folder, spec, "checkpoint/" + bare if bare else "checkpoint", facts(spec, model), entries,
                          index, labels(spec))
    least = common.audit(name, model, lambda: [model(x) for x in pixels])
    note = f"least tensor {least:.2g}"
    if spec.get("sharp"):
        other_activation(model)
        with torch.no_grad():
            note += f", other GELU {common.relative([model(x) for x in pixels], logits):.2g}"
    return note
