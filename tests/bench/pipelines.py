# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole 720p pipelines: this project's element, and GStreamer's onnxinference where there is one, in turns."""
import os
import re
import shutil
import statistics
import subprocess
import time

from networks import CLASSES, SIDE, write_checkpoint, write_onnx

# one picture made once and shown again and again: the source costs nothing
SOURCE = "videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=1280,height=720 ! imagefreeze num-buffers={frames}"
WARM = 2  # frames that pay for loading


def element_exists(name, env):
    return bool(shutil.which("gst-inspect-1.0")) and subprocess.run(["gst-inspect-1.0", name], env=env,
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def has_property(element, name, env):
    text = subprocess.run(["gst-inspect-1.0", element], env=env, check=False, capture_output=True, text=True).stdout
    return re.search(rf"^\s*{name}\s*:", text, re.M) is not None


def seconds(chain, frames, env):
    """Of a run of so many frames, start and end of the process left out, as gst-launch-1.0 tells it."""
    command = ["gst-launch-1.0", *f"{SOURCE.format(frames=frames)} ! {chain} ! fakesink sync=false".split()]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    match = re.search(r"Execution ended after (\d+):(\d+):([\d.]+)", done.stdout)
    if done.returncode or not match:
        words = re.findall(r"^(?:ERROR|WARNING).*", done.stderr + done.stdout, re.M)
        raise RuntimeError(words[0].strip() if words else f"exit status {done.returncode}")
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3])


def frame_ms(chain, frames, env):
    """The difference of a long and a short run is frames alone, without loading and the first picture."""
    return 1e3 * (seconds(chain, frames + WARM, env) - seconds(chain, WARM, env)) / frames


def onnx_chain(path, shape, env):
    """Newer versions read scale and shapes from a file beside the model, older ones have properties."""
    chain = (f"videoconvertscale ! video/x-raw,format=RGB,width={SIDE},height={SIDE},pixel-aspect-ratio=1/1 ! "
        f"onnxinference model-file={path} optimization-level=enable-all")
    if has_property("onnxinference", "input-image-format", env):
        return chain + " input-image-format=chw input-tensor-scale=255"
    with open(path + ".modelinfo", "w", encoding="ascii") as out:
        out.write("[modelinfo]\nversion=1.0\ngroup-id=vit\n\n"
            f"[image]\nid=image\ntype=float32\ndims=1,3,{SIDE},{SIDE}\ndims-order=row-major\ndir=input\nranges=0.0,1.0\n\n"
            f"[logits]\nid=logits\ntype=float32\ndims=1,{CLASSES}\ndims-order=row-major\ndir=output\n")
    return chain


def own_program(args, say, env):
    """What the project's own program says of its pipeline against the bare engine, and of the element's own time."""
    build = os.path.dirname(os.path.dirname(os.path.dirname(args.vit_bench)))
    program = os.path.join(build, "tests", "bench", "pipeline")
    if not os.path.exists(program):
        say("the pipeline beside the bare engine is skipped: this build has no tests")
        return ""
    texts = []
    for model in ["built-in", *args.shape]:
        say(f"the pipeline beside the bare engine: {model}")
        command = [program, f"--frames={args.frames}", f"--rounds={args.rounds}"]
        command += [] if model == "built-in" else [f"--shape={model}"]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        if done.returncode:
            say(f"pipeline: exit status {done.returncode}: {done.stderr.strip()[-300:]}")
        texts.append(f"{model}\n{done.stdout.strip()}")
    return "\n\n".join(texts)


def measure(args, facts, folder, say):
    env = dict(os.environ)
    env.pop("LP_NATIVE_VECTOR_WIDTH", None)
    if facts["software"] and facts["avx512"]:
        env["LP_NATIVE_VECTOR_WIDTH"] = "512"
    if args.plugin:
        env["GST_PLUGIN_PATH"] = args.plugin + ":" + env.get("GST_PLUGIN_PATH", "")
        env["GST_REGISTRY"] = os.path.join(folder, "registry.bin")
    names = {"vitclassify": "vitclassify", "onnxinference": "videoconvertscale ! onnxinference, CPU"}
    skipped = {n: "this GStreamer has no such element" for n in names if not element_exists(n, env)}
    for name, why in skipped.items():
        say(f"{name} is skipped: {why}")
    table = {}
    for shape in args.shape if len(skipped) < len(names) else []:
        chains = {}
        if "vitclassify" not in skipped:
            device = f" device={args.device}" if args.device else ""
            chains["vitclassify"] = f"vitclassify model={write_checkpoint(folder, shape)}{device}"
        if "onnxinference" not in skipped:
            chains["onnxinference"] = onnx_chain(write_onnx(folder, shape), shape, env)
        times = {name: [] for name in chains}
        for turn in range(args.rounds):
            for name, chain in chains.items():
                say(f"pipelines, round {turn + 1} of {args.rounds}: {shape}, {name}")
                time.sleep(0.3)
                try:
                    if name not in skipped:
                        times[name].append(frame_ms(chain, args.frames, env))
                except RuntimeError as error:
                    skipped[name] = str(error)
                    say(f"{name} is skipped: {error}")
        table[shape] = {n: {"median_ms": statistics.median(t), "turns_ms": t} for n, t in times.items() if t}
    used = {n: title for n, title in names.items() if any(n in t for t in table.values())}
    return {"names": used, "table": table, "skipped": skipped, "own": own_program(args, say, env)}
