#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures this project, and other engines beside it in turns, and writes table, JSON and plot. Run by scripts/bench.

Needs Python's own library alone; the peers need packages and run in processes of their own (peers.py).
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import pipelines
import report
from networks import SHAPES

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH = "LP_NATIVE_VECTOR_WIDTH"
PEERS = ["ncnn-vulkan", "ncnn-cpu", "onnxruntime", "torch"]
CALM = 0.3  # seconds between two engines: threads of the last one may still wait for work by spinning


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def environment(width=None):
    """Every engine at the driver's own width unless told otherwise; ncnn's kernels lose at 512 bits."""
    env = {k: v for k, v in os.environ.items() if k != WIDTH}
    return dict(env, **{WIDTH: width}) if width else env


def first(pattern, path, default=""):
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            match = re.search(pattern, lines.read(), re.M)
    except OSError:
        return default
    return match.group(1) if match else default


def has_avx512():
    flags = first(r"^flags\s*:(.*)$", "/proc/cpuinfo").split()
    return all("avx512" + part in flags for part in ("f", "bw", "dq", "vl"))


def machine(args):
    devices = json.loads(subprocess.run([args.vit_info, "--json"], check=True, capture_output=True).stdout)
    return {
        "cpu": first(r"^model name\s*:\s*(.*)$", "/proc/cpuinfo", platform.processor()),
        "cpus": len(os.sched_getaffinity(0)), "avx512": has_avx512(),
        "memory_mib": int(first(r"^MemTotal:\s*(\d+)", "/proc/meminfo", "0")) // 1024,
        "system": first(r'^PRETTY_NAME="?([^"\n]*)', "/etc/os-release", platform.system()),
        "kernel": platform.release(), "load": os.getloadavg()[0], "devices": devices,
        "date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


class Bench:
    """vit-bench, a new process each turn."""

    def __init__(self, args, shape, width=None, precision="f32", batch=1, extra=()):
        self.command = [args.vit_bench, "--shape", shape, "--json", "--precision", precision, "--batch", str(batch),
            "--vector-width", width or "keep", *extra]
        if args.device:
            self.command += ["--device", args.device]
        self.width = width
        self.facts = None

    def run(self, runs, warm_up=2):
        command = self.command + ["--runs", str(runs), "--warm-up", str(warm_up)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"{command[0]}: exit status {done.returncode}")
        self.facts = json.loads(done.stdout)
        return self.facts

    def turn(self, runs):
        return [self.run(runs)["median_ms"]]

    def close(self):
        pass


class Peer:
    """Another engine, loaded once and asked again each round."""

    def __init__(self, args, name, shape, folder):
        self.process = subprocess.Popen([args.python, "-B", os.path.join(HERE, "peers.py"), name, shape, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE if not args.verbose else None,
            text=True, env=environment())
        line = self.process.stdout.readline()
        if not line.startswith("{"):
            error = "" if args.verbose else self.process.stderr.read().strip().split("\n")[-1]
            self.close()
            raise RuntimeError(line.strip() or error or "it ended")
        self.facts = json.loads(line)

    def turn(self, runs):
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("it ended")
        return [statistics.median(json.loads(line))]

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


def summary(times):
    deciles = statistics.quantiles(times, n=10, method="inclusive") if len(times) > 1 else [times[0]] * 9
    return {"median_ms": statistics.median(times), "p10_ms": deciles[0], "p90_ms": deciles[8], "turns_ms": times}


def in_turns(engines, rounds, runs, skipped):
    """{name: times}; a name that fails is dropped with a word."""
    times = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in list(engines.items()):
            time.sleep(CALM)
            try:
                times[name] += engine.turn(runs)
            except (RuntimeError, OSError) as error:
                skipped[name] = str(error)
                say(f"{name} is skipped: {error}")
                engines.pop(name).close()
    return {name: summary(t) for name, t in times.items() if name in engines and t}


def engine_table(args, facts):
    """Every shape, precision and batch of this project, rounds through all of them."""
    rows = {}
    for shape in args.shape:
        for precision in args.precision:
            for batch in args.batch:
                width = "512" if facts["avx512"] and facts["software"] else None
                rows[(shape, precision, batch)] = Bench(args, shape, width, precision, batch, ["--peak"])
    results, times = [], {key: [] for key in rows}
    for turn in range(args.rounds):
        for key, row in rows.items():
            say(f"engine, round {turn + 1} of {args.rounds}: {key[0]}, {key[1]}, batch {key[2]}")
            times[key].append(row.run(args.runs))
    for (shape, precision, batch), turns in times.items():
        middle = sorted(turns, key=lambda t: t["median_ms"])[len(turns) // 2]
        peak = max(t["peak"]["gflop_per_s"] for t in turns)
        keys = ["median_ms", "p10_ms", "p90_ms", "dispatches", "barriers", "pipelines", "submits_per_image",
            "allocations_per_image", "descriptor_updates_per_image", "device_bytes", "weight_bytes", "gpu_ms", "start"]
        rate = batch * 1e3 / middle["median_ms"]
        gflops = rate * middle["model"]["flops"] * 1e-9
        results.append(dict({k: middle[k] for k in keys}, shape=shape, precision=middle["precision"], batch=batch,
            images_per_s=rate, gflop_per_s=gflops, peak=dict(middle["peak"], gflop_per_s=peak, share=gflops / peak),
            width=middle.get("vector_width")))
    return results


def kernel_tables(args, facts):
    tables = {}
    for shape in args.shape:
        say(f"kernels: {shape}")
        width = "512" if facts["avx512"] and facts["software"] else None
        try:
            tables[shape] = Bench(args, shape, width, args.precision[0], 1, ["--kernels"]).run(args.runs)["kernels"]
        except RuntimeError as error:
            say(f"kernels: {error}")
    return tables


def beside_peers(args, facts, folder):
    """Fastest possible of each engine at batch 1, fp32, in turns."""
    table, skipped, names = {}, {}, {}
    for shape in args.shape:
        engines = {"vit": Bench(args, shape)}
        names["vit"] = "gst-vitclassify"
        if facts["software"]:
            names["vit"] += ", default width"
            if facts["avx512"]:
                engines["vit-512"] = Bench(args, shape, "512")
                names["vit-512"] = "gst-vitclassify, 512 bits"
        for name in args.peer:
            if name in skipped:
                continue
            say(f"{shape}: starting {name}")
            try:
                engines[name] = Peer(args, name, shape, folder)
                names[name] = engines[name].facts["name"]
            except (RuntimeError, OSError) as error:
                skipped[name] = str(error)
                say(f"{name} is skipped: {error}")
        say(f"{shape}: {args.rounds} rounds of {', '.join(engines)}")
        table[shape] = in_turns(engines, args.rounds, args.runs, skipped)
        for engine in engines.values():
            engine.close()
    return {"names": names, "table": table, "skipped": skipped}


def parse():
    p = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n", 1)[0])
    p.add_argument("--vit-bench", required=True, help=argparse.SUPPRESS)
    p.add_argument("--vit-info", required=True, help=argparse.SUPPRESS)
    p.add_argument("--plugin", default="", help=argparse.SUPPRESS)  # folder of the built plug-in; empty: none
    p.add_argument("--python", default="", help="an interpreter that has the peers' packages, instead of a venv")
    p.add_argument("--out", required=True, help="folder for bench.md, bench.json and bench.svg")
    p.add_argument("--device", help="as vit-bench takes it")
    p.add_argument("--shape", nargs="+", choices=SHAPES, default=list(SHAPES))
    p.add_argument("--precision", nargs="+", default=["f32", "f16"])
    p.add_argument("--batch", nargs="+", type=int, default=[1, 8])
    p.add_argument("--peer", nargs="*", choices=PEERS, default=PEERS, help="engines to compare with; none after it: none")
    p.add_argument("--part", nargs="+", choices=["engine", "kernels", "peers", "pipelines"],
        default=["engine", "kernels", "peers", "pipelines"])
    p.add_argument("--rounds", type=int, default=5, help="turns of each engine")
    p.add_argument("--runs", type=int, default=5, help="timed runs a turn")
    p.add_argument("--frames", type=int, default=20, help="frames of a pipeline's run")
    p.add_argument("--quick", action="store_true", help="the smallest model, few rounds: does it all work?")
    p.add_argument("--verbose", action="store_true", help="show what the peers say on standard error")
    args = p.parse_args()
    if args.quick:
        args.shape, args.rounds, args.runs, args.frames, args.batch = ["Ti/16"], 2, 2, 4, [1, 2]
    return args


def main():
    args = parse()
    os.makedirs(args.out, exist_ok=True)
    facts = machine(args)
    probe = Bench(args, "Ti/16").run(1, 0)  # the device that all the rest will use
    facts["device"], facts["driver"] = probe["device"], probe["driver"]
    facts["software"] = "vector_width" in probe
    facts["mesa"] = int((re.search(r"Mesa (\d+)", probe["driver"]) or [0, 0])[1])
    say(f"{facts['device']}, {facts['driver']}; {facts['cpu']}, {facts['cpus']} CPUs, load {facts['load']:.1f}")
    results = {"machine": facts, "arguments": vars(args)}
    with tempfile.TemporaryDirectory() as folder:
        if "peers" in args.part:
            results["peers"] = beside_peers(args, facts, folder)
        if "engine" in args.part:
            results["engine"] = engine_table(args, facts)
        if "kernels" in args.part:
            results["kernels"] = kernel_tables(args, facts)
        if "pipelines" in args.part:
            results["pipelines"] = pipelines.measure(args, facts, folder, say)
    report.write(args.out, results)
    with open(os.path.join(args.out, "bench.md"), encoding="utf-8") as text:
        sys.stdout.write(text.read())
    say(f"written: {', '.join(os.path.join(args.out, 'bench.' + e) for e in ('md', 'json', 'svg'))}")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"bench: {failure}")
