"""Rules of vit_preprocess for each library's transforms, and the libraries' own results as 8-bit pixels."""
# SPDX-License-Identifier: LGPL-2.1-or-later
import math
import struct
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval
from transformers import (DeiTImageProcessor, DeiTImageProcessorPil, ViTImageProcessor, ViTImageProcessorPil)

Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore")

SQUASH, SHORTEST, LONGEST = range(3)
TIMM, TRANSFORMERS, TRANSFORMERS_PIL = range(3)
FILTERS = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
PIL_FILTERS = dict(nearest=0, lanczos=1, bilinear=2, bicubic=3, box=4, hamming=5)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass
class Case:
    """One picture size under one set of rules; run() gives the library's answer."""
    name: str
    width: int
    height: int
    resize: int
    resize_to: tuple           # width, height
    rounding: int
    filter: str
    fill: tuple = (0, 0, 0)
    run: object = None         # picture (H, W, 3) uint8, normalize -> (3, height, width)

    def header(self, source_width, source_height, mean, std):
        return struct.pack("<12i6f", source_width, source_height, self.width, self.height, self.resize,
                           *self.resize_to, self.rounding, FILTERS.index(self.filter), *self.fill, *mean, *std)


def pil_case(width, height, name):
    def run(picture, normalize):
        out = np.array(Image.fromarray(picture).resize((width, height), PIL_FILTERS[name])).transpose(2, 0, 1)
        return (out / 255.0 - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1)) if normalize else out
    return Case(f"PIL {name} to {width}x{height}", width, height, SQUASH, (width, height), TIMM, name, run=run)


def timm_case(width, height, mode, crop_pct, name):
    def run(picture, normalize):
        transform = transforms_imagenet_eval((height, width), crop_pct=crop_pct, crop_mode=mode, interpolation=name,
                                             mean=MEAN, std=STD, normalize=normalize)
        return transform(Image.fromarray(picture)).numpy()
    scaled = math.floor(width / crop_pct), math.floor(height / crop_pct)
    fill = tuple(round(255 * v) for v in MEAN) if mode == "border" else (0, 0, 0)
    resize = {"center": SHORTEST, "squash": SQUASH, "border": LONGEST}[mode]
    return Case(f"timm {mode} {crop_pct} {name} to {width}x{height}", width, height, resize, scaled, TIMM, name, fill, run)


def transformers_case(processor, size, crop, name):
    """size: dict as in preprocessor_config.json; crop: (width, height) or None."""
    slow = processor in (ViTImageProcessorPil, DeiTImageProcessorPil)
    instance = processor(size=size, resample=PIL_FILTERS[name], do_center_crop=crop is not None,
                         crop_size=dict(height=crop[1], width=crop[0]) if crop else None, image_mean=MEAN,
                         image_std=STD)

    def run(picture, normalize):
        # a picture that looks channels-first to the guesser (1 or 3 rows) needs the word
        out = instance(images=picture, do_rescale=normalize, do_normalize=normalize, return_tensors="np",
                       input_data_format="channels_last")["pixel_values"]
        return np.asarray(out)[0]
    if "shortest_edge" in size:
        resize, to = SHORTEST, (size["shortest_edge"],) * 2
    elif "max_height" in size:
        resize, to = LONGEST, (size["max_width"], size["max_height"])
    else:
        resize, to = SQUASH, (size["width"], size["height"])
    width, height = crop or to
    return Case(f"{processor.__name__} {size} crop {crop} {name}", width, height, resize, to,
                TRANSFORMERS_PIL if slow else TRANSFORMERS, name, run=run)


def library_cases(side):
    """The modes of the checkpoints one meets, for an input of side x side pixels."""
    cases = []
    for name in ("bilinear", "bicubic"):
        cases += [timm_case(side, side, "center", 0.875, name), timm_case(side, side, "squash", 1.0, name),
                  timm_case(side, side, "center", 0.9, name), timm_case(side, side, "border", 0.95, name),
                  timm_case(side, side * 3 // 4, "center", 0.9, name), timm_case(side, side * 3 // 4, "border", 1.0, name)]
    for vit, deit in ((ViTImageProcessor, DeiTImageProcessor), (ViTImageProcessorPil, DeiTImageProcessorPil)):
        cases += [transformers_case(vit, dict(height=side, width=side), None, "bilinear"),
                  transformers_case(deit, dict(height=side * 8 // 7, width=side * 8 // 7), (side, side), "bicubic"),
                  transformers_case(deit, dict(shortest_edge=side * 8 // 7), (side, side), "bicubic"),
                  transformers_case(deit, dict(shortest_edge=side - 3), (side, side), "bicubic"),
                  transformers_case(deit, dict(max_height=side, max_width=side + 8), (side, side), "bilinear"),
                  transformers_case(vit, dict(height=side, width=side + 5), None, "lanczos"),
                  transformers_case(vit, dict(height=side + 5, width=side), None, "nearest")]
    return cases


def picture(width, height):
    """Ramps and noise in a chequerboard of 8 pixels; test_preprocess.c computes the same."""
    x = np.arange(width, dtype=np.uint32)[None, :, None]
    y = np.arange(height, dtype=np.uint32)[:, None, None]
    c = np.arange(3, dtype=np.uint32)[None, None, :]
    h = x * np.uint32(0x9E3779B1) + y * np.uint32(0x85EBCA77) + c * np.uint32(0xC2B2AE3D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    ramp = x * np.uint32(7) + y * np.uint32(11) + c * np.uint32(60)
    noise = ((x >> np.uint32(3)) + (y >> np.uint32(3))) & np.uint32(1)
    return np.where(noise == 1, h >> np.uint32(24), ramp & np.uint32(255)).astype(np.uint8)
