# SPDX-License-Identifier: LGPL-2.1-or-later
"""Vision Transformers of published sizes with random weights: for ncnn, as ONNX, as a timm checkpoint. Stdlib alone.

Random numbers come from a pool of 65,537 that is used over and over: speed does not see the repetition, and a network
of 86 million parameters is written within a second.
"""
import array
import json
import os
import random
import struct

SHAPES = {"Ti/16": (192, 3, 16), "S/16": (384, 6, 16), "B/16": (768, 12, 16), "B/32": (768, 12, 32)}  # dim, heads, patch
SIDE, DEPTH, CLASSES = 224, 12, 1000


class Pool:
    SIZE = 65537

    def __init__(self, seed=1):
        source = random.Random(seed)
        self.values = [source.gauss(0, 1) for _ in range(self.SIZE)]
        self.scaled = {}

    def numbers(self, count, scale, offset=0.0):
        """Little-endian floats: offset + scale * a standard normal."""
        key = (scale, offset)
        if key not in self.scaled:
            self.scaled[key] = array.array("f", (offset + scale * v for v in self.values)).tobytes()
        data = self.scaled[key]
        return (data * (4 * count // len(data) + 1))[: 4 * count]


def path_of(folder, shape, suffix):
    return os.path.join(folder, shape.replace("/", "-") + suffix)


# ---- ncnn: a line of text a layer, and the weights in the order of the layers


class NcnnWriter:
    def __init__(self):
        self.lines, self.blobs, self.data, self.pool = [], set(), [], Pool()

    def layer(self, kind, name, inputs, outputs, **params):
        text = " ".join(f"{k.lstrip('p').replace('m', '-')}={v}" for k, v in params.items())
        self.lines.append(f"{kind} {name} {len(inputs)} {len(outputs)} {' '.join(inputs + outputs)} {text}")
        self.blobs.update(outputs)

    def numbers(self, count, scale, offset=0.0, tagged=False):
        """tagged: behind the word that says they are stored as float."""
        self.data.append((struct.pack("<I", 0) if tagged else b"") + self.pool.numbers(count, scale, offset))

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


def write_ncnn(folder, shape):
    """Returns the path without .param and .bin."""
    path = path_of(folder, shape, "")
    if os.path.exists(path + ".bin"):
        return path
    dim, heads, patch = SHAPES[shape]
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
    return path


# ---- ONNX: protocol buffers, written by hand: tag and length of each field, then its bytes


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, value):
    """An integer, or bytes, text or a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


class OnnxWriter:
    FLOAT, INT64 = 1, 7

    def __init__(self):
        self.nodes, self.tensors, self.pool = [], [], Pool()

    def tensor(self, name, dims, kind, data):
        self.tensors.append(
            field(5, b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, data)))
        return name

    def weight(self, name, dims, scale, offset=0.0):
        count = 1
        for d in dims:
            count *= d
        return self.tensor(name, dims, self.FLOAT, self.pool.numbers(count, scale, offset))

    def integers(self, name, values):
        return self.tensor(name, [len(values)], self.INT64, struct.pack(f"<{len(values)}q", *values))

    def node(self, kind, inputs, outputs, domain="", **attributes):
        body = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
        body += field(3, outputs[0]) + field(4, kind) + (field(7, domain) if domain else b"")
        for key, value in attributes.items():
            text = field(1, key)
            if isinstance(value, float):
                text += varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
            elif isinstance(value, int):
                text += field(3, value) + field(20, 2)
            else:
                text += b"".join(field(8, v) for v in value) + field(20, 7)
            body += field(5, text)
        self.nodes.append(field(1, body))

    def norm(self, name, x, y, dim):
        inputs = [x, self.weight(name + ".w", [dim], 0.02, 1.0), self.weight(name + ".b", [dim], 0.02)]
        self.node("LayerNormalization", inputs, [y], axis=-1, epsilon=1e-6)

    def linear(self, name, x, y, inputs, outputs):
        self.node("MatMul", [x, self.weight(name + ".w", [inputs, outputs], inputs**-0.5)], [name + ".mm"])
        self.node("Add", [name + ".mm", self.weight(name + ".b", [outputs], 0.02)], [y])

    def save(self, path):
        def value(number, name, dims):
            shape = b"".join(field(1, field(1, d)) for d in dims)
            return field(number, field(1, name) + field(2, field(1, field(1, self.FLOAT) + field(2, shape))))

        graph = b"".join(self.nodes) + field(2, "vit") + b"".join(self.tensors)
        graph += value(11, "image", [1, 3, SIDE, SIDE]) + value(12, "logits", [1, CLASSES])
        opsets = field(8, field(1, "") + field(2, 17)) + field(8, field(1, "com.microsoft") + field(2, 1))
        with open(path, "wb") as out:
            # GStreamer's element asks for a name of each output
            out.write(field(1, 8) + opsets + field(7, graph) + field(14, field(1, "logits") + field(2, "vit-logits")))


def write_onnx(folder, shape):
    """With onnxruntime's own fused operators for attention and GELU, which is how it is fastest. Returns the path."""
    path = path_of(folder, shape, ".onnx")
    if os.path.exists(path):
        return path
    dim, heads, patch = SHAPES[shape]
    net, patches, own = OnnxWriter(), (SIDE // patch) ** 2, "com.microsoft"
    weight = net.weight("patch.w", [dim, 3, patch, patch], (3 * patch * patch) ** -0.5)
    net.node("Conv", ["image", weight, net.weight("patch.b", [dim], 0.02)], ["c"], kernel_shape=[patch] * 2,
        strides=[patch] * 2)
    net.node("Reshape", ["c", net.integers("flat", [1, dim, patches])], ["f"])
    net.node("Transpose", ["f"], ["r"], perm=[0, 2, 1])
    net.node("Concat", [net.weight("cls", [1, 1, dim], 0.02), "r"], ["t"], axis=1)
    net.node("Add", ["t", net.weight("pos", [1, patches + 1, dim], 0.2)], ["x0"])
    thirds = net.integers("thirds", [dim] * 3)
    for i in range(DEPTH):
        net.norm(f"n{i}a", f"x{i}", f"n{i}", dim)
        net.linear(f"qkv{i}", f"n{i}", f"a{i}", dim, 3 * dim)
        net.node("Split", [f"a{i}", thirds], [f"q{i}", f"k{i}", f"v{i}"], axis=2)
        net.node("MultiHeadAttention", [f"q{i}", f"k{i}", f"v{i}"], [f"o{i}"], own, num_heads=heads)
        net.linear(f"proj{i}", f"o{i}", f"p{i}", dim, dim)
        net.node("Add", [f"x{i}", f"p{i}"], [f"y{i}"])
        net.norm(f"n{i}b", f"y{i}", f"m{i}", dim)
        net.linear(f"fc1{i}", f"m{i}", f"h{i}", dim, 4 * dim)
        net.node("Gelu", [f"h{i}"], [f"g{i}"], own)
        net.linear(f"fc2{i}", f"g{i}", f"z{i}", 4 * dim, dim)
        net.node("Add", [f"y{i}", f"z{i}"], [f"x{i + 1}"])
    net.norm("norm", f"x{DEPTH}", "n", dim)
    net.node("Slice", ["n"] + [net.integers(k, [v]) for k, v in (("from", 0), ("to", 1), ("axis", 1))], ["token3"])
    net.node("Reshape", ["token3", net.integers("two", [1, dim])], ["token"])
    net.linear("head", "token", "logits", dim, CLASSES)
    net.save(path)
    return path


# ---- a checkpoint as timm writes it


def write_checkpoint(folder, shape):
    """Returns the folder with config.json and model.safetensors."""
    path = path_of(folder, shape, "-timm")
    if os.path.exists(path):
        return path
    dim, _, patch = SHAPES[shape]
    rows = {"cls_token": ((1, 1, dim), 0.02, 0), "pos_embed": ((1, (SIDE // patch) ** 2 + 1, dim), 0.2, 0)}

    def layer(name, *dims):
        count = 1
        for d in dims[1:]:
            count *= d
        rows[name + ".weight"] = (dims, count**-0.5, 0) if len(dims) > 1 else (dims, 0.02, 1)
        rows[name + ".bias"] = (dims[:1], 0.02, 0)

    layer("patch_embed.proj", dim, 3, patch, patch)
    for i in range(DEPTH):
        layer(f"blocks.{i}.norm1", dim)
        layer(f"blocks.{i}.attn.qkv", 3 * dim, dim)
        layer(f"blocks.{i}.attn.proj", dim, dim)
        layer(f"blocks.{i}.norm2", dim)
        layer(f"blocks.{i}.mlp.fc1", 4 * dim, dim)
        layer(f"blocks.{i}.mlp.fc2", dim, 4 * dim)
    layer("norm", dim)
    layer("head", CLASSES, dim)
    header, at, pool, data = {}, 0, Pool(), []
    for name, (dims, scale, offset) in rows.items():
        count = 1
        for d in dims:
            count *= d
        header[name] = {"dtype": "F32", "shape": dims, "data_offsets": [at, at + 4 * count]}
        data.append(pool.numbers(count, scale, offset))
        at += 4 * count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.mkdir(path)
    with open(os.path.join(path, "model.safetensors"), "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + b"".join(data))
    size = {192: "tiny", 384: "small", 768: "base"}[dim]
    config = {"architecture": f"vit_{size}_patch{patch}_{SIDE}", "num_classes": CLASSES}
    with open(os.path.join(path, "config.json"), "w", encoding="ascii") as out:
        json.dump(config, out)
    return path
