"""The golden models that transformers makes: their options, how they are saved, and the reference pass from disk."""
# SPDX-License-Identifier: LGPL-2.1-or-later
import json

import torch
import transformers
from torch import nn
from transformers import AutoImageProcessor

import common

IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
BILINEAR, BICUBIC, LANCZOS = 2, 3, 1  # PIL's numbers, as in preprocessor_config.json


def row(about, config=None, prep=None, kind="ViT", **more):
    base = dict(image_size=16, patch_size=4, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=32, num_labels=6)
    return dict(about=about, config={**base, **(config or {})}, prep=prep or {}, kind=kind, **more)


def square(side):
    return {"height": side, "width": side}


MODELS = {
    "hf-vit": row(
        "ViT as transformers saves it: q, k, v apart, GELU, squash, bilinear; id2label; every picture",
        dict(image_size=32, patch_size=8),
        dict(size=square(32)), pictures=common.ALL, labels=True),
    "hf-vit-no-qkv-bias": row(
        "no qkv bias, GELU by tanh (gelu_new), shortest edge and center crop, bicubic, ImageNet mean and std; BF16",
        dict(image_size=32, patch_size=8, qkv_bias=False, hidden_act="gelu_new"),
        dict(size={"shortest_edge": 37}, crop_size=square(32), do_center_crop=True, resample=BICUBIC, **IMAGENET),
        dtype=torch.bfloat16, pictures=common.ALL, adjust=common.sharpen),
    "hf-vit-quick-gelu": row(
        "QuickGELU, eps 0.05, image 12x20 (height x width)",
        dict(hidden_act="quick_gelu", layer_norm_eps=0.05, image_size=[12, 20]),
        dict(size={"height": 12, "width": 20}, resample=BICUBIC), labels=True),
    "hf-vit-relu": row(
        "ReLU, patch 16, Lanczos, values not normalised (do_normalize false)",
        dict(hidden_act="relu", patch_size=16, image_size=48),
        dict(size=square(48), resample=LANCZOS, do_normalize=False), dtype=torch.float16, pictures=common.ALL),
    "hf-vit-crop-pads": row(
        "shortest edge smaller than the center crop: black around the picture",
        dict(patch_size=4, image_size=28, num_hidden_layers=1),
        dict(size={"shortest_edge": 20}, crop_size=square(28), do_center_crop=True, **IMAGENET),
        pictures=common.ALL),
    "hf-vit-width-of-attention": row(
        "heads of 12 beside a stream of 16: the attention is wider than the stream",
        dict(head_dim=12, num_attention_heads=3), dict(size=square(16))),
    "hf-vit-f16": row("F16, patch 14", dict(patch_size=14, image_size=42), dict(size=square(42)),
                      dtype=torch.float16),
    "hf-vit-sharded": row("weights in shards with their index", dict(), dict(size=square(16)), shard="12KB",
                          adjust=common.sharpen),
    "hf-vit-new-names": row(
        "the names that transformers 5 uses itself (save_original_format false)", dict(), dict(size=square(16)),
        new_names=True),
    "hf-vit-many-labels": row("three hundred classes with labels", dict(num_labels=300, hidden_size=12),
                              dict(size=square(16)), dtype=torch.float16, labels=True, logits_step=7,
                              pictures=("33x47",)),
    "hf-vit-pos-up": row(
        "processor size 28 over a model of 12: position embedding enlarged as transformers does",
        dict(image_size=12), dict(size=square(28))),
    "hf-vit-pos-down": row(
        "processor size 12x20 over a model of 32: position embedding reduced as transformers does",
        dict(image_size=32), dict(size={"height": 12, "width": 20})),
    "hf-deit": row(
        "DeiT: class and distillation token, the class token's head; bicubic, 256/224 center crop",
        dict(image_size=32, patch_size=8),
        dict(size=square(37), crop_size=square(32), do_center_crop=True, resample=BICUBIC, **IMAGENET),
        kind="DeiT", pictures=common.ALL, labels=True),
    "hf-deit-pos-up": row(
        "DeiT at a larger size, both prefix rows kept", dict(image_size=12),
        dict(size=square(23), crop_size=square(20), do_center_crop=True), kind="DeiT", dtype=torch.float16),
    "hf-deit-teacher": row(
        "DeiT with teacher: the mean of the class token's head and the distillation token's",
        dict(image_size=32, patch_size=8),
        dict(size=square(37), crop_size=square(32), do_center_crop=True, resample=BICUBIC, **IMAGENET),
        kind="DeiT", head="ImageClassificationWithTeacher", labels=True),
    "hf-deit-teacher-pos-up": row(
        "DeiT with teacher at a larger size, no q, k, v bias", dict(image_size=12, qkv_bias=False),
        dict(size=square(23), crop_size=square(20), do_center_crop=True), kind="DeiT",
        head="ImageClassificationWithTeacher", dtype=torch.float16),
}


def class_of(spec):
    return getattr(transformers, spec["kind"] + "For" + spec.get("head", "ImageClassification"))


def build(spec):
    config_class = getattr(transformers, spec["kind"] + "Config")
    config = dict(spec["config"])
    if spec.get("labels"):
        names = [f"thing {i}, of {config['num_labels']}" for i in range(config["num_labels"])]
        config["id2label"], config["label2id"] = dict(enumerate(names)), {n: i for i, n in enumerate(names)}
        del config["num_labels"]
    return class_of(spec)(config_class(**config))


def save(spec, model, folder):
    dtype = spec.get("dtype", torch.float32)
    model = model.to(dtype)
    model.config.dtype = dtype
    kwargs = {"max_shard_size": spec["shard"]} if "shard" in spec else {}
    model.save_pretrained(folder, save_original_format=not spec.get("new_names", False), **kwargs)
    processor = getattr(transformers, spec["kind"] + "ImageProcessor")
    processor(**spec["prep"]).save_pretrained(folder)


def load(spec, folder):
    model = class_of(spec).from_pretrained(folder, dtype=torch.float64)
    processor = AutoImageProcessor.from_pretrained(folder)
    return model.eval(), processor


def attach(model, base):
    taps, split = common.Taps(), {}

    def part(i, which):
        def hook(module, inputs, output):
            split[which] = output
            if which == "v":
                taps.put(f"blocks.{i}.attn.qkv", torch.cat([split[c] for c in "qkv"], -1))
        return hook

    taps.output(base.embeddings.patch_embeddings, "patch_embed")
    taps.output(base.embeddings, "tokens")
    for i, layer in enumerate(base.layers):
        taps.output(layer.layernorm_before, f"blocks.{i}.norm1")
        for c in "qkv":
            taps.handles.append(getattr(layer.attention, c + "_proj").register_forward_hook(part(i, c)))
        taps.input(layer.attention.o_proj, f"blocks.{i}.attn")
        taps.input(layer.layernorm_after, f"blocks.{i}.attn.residual")
        taps.output(layer.layernorm_after, f"blocks.{i}.norm2")
        taps.input(layer.mlp.fc2, f"blocks.{i}.mlp.act")
        taps.output(layer, f"blocks.{i}")
    taps.output(base.layernorm, "norm")
    if hasattr(model, "classifier"):  # else two tensors, which no hook joins
        taps.input(model.classifier, "pool")
    return taps


def facts(model, base, pixels):
    config, attention = model.config, base.layers[0].attention
    patch, (height, width) = config.patch_size, pixels.shape[-2:]
    return dict(
        patch_width=patch, patch_height=patch,
        tokens=(height // patch) * (width // patch) + (2 if config.model_type == "deit" else 1),
        dim=config.hidden_size, depth=config.num_hidden_layers, heads=config.num_attention_heads,
        head_dim=attention.head_dim, mlp_dim=config.intermediate_size, classes=config.num_labels,
        width=width, height=height)


def generate(name, spec, folder, load_picture):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    spec = {**spec, "reference": f"transformers {transformers.__version__}"}
    model = common.fill(build(spec), name, spec.get("dtype", torch.float32), spec.get("adjust"))
    checkpoint = folder / "checkpoint"
    save(spec, model, checkpoint)
    model, processor = load(spec, checkpoint)
    base = getattr(model, model.base_model_prefix)
    pictures = spec.get("pictures", common.FEW)
    pixels = [processor(images=load_picture(p), return_tensors="pt").pixel_values.double() for p in pictures]
    resized = "pos" in name

    def forward(x):
        return model(x, interpolate_pos_encoding=resized).logits

    with torch.no_grad():
        logits = [forward(x) for x in pixels]
        taps = attach(model, base)
        taps.tensors["patches"] = common.patch_rows(pixels[0], model.config.patch_size)
        forward(pixels[0])
        taps.close()
    entries = [common.logits_entry(p, l, spec.get("logits_step", 1)) for p, l in zip(pictures, logits)]
    index = common.write_taps(folder, taps.tensors)
    config = json.loads((checkpoint / "config.json").read_text())
    labels = [config["id2label"][str(i)] for i in range(min(model.config.num_labels, 10))]
    common.write_expected(folder, spec, "checkpoint", facts(model, base, pixels[0]), entries, index, labels)
    least = common.audit(name, model, lambda: [forward(x) for x in pixels],
                         exempt=lambda key: key.endswith(("k_proj.bias", "key.bias")))
    note = f"least tensor {least:.2g}"
    if model.config.hidden_act in ("gelu", "gelu_new"):
        for layer in base.layers:
            layer.mlp.activation_fn = nn.GELU("tanh" if model.config.hidden_act == "gelu" else "none")
        with torch.no_grad():
            note += f", other GELU {common.relative([forward(x) for x in pixels], logits):.2g}"
    return note
