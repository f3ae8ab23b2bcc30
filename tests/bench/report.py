# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes what bench.py measured: Markdown, JSON and an SVG of bars."""
import html
import json
import math
import os

# How much faster than the peer, by engine and shape: what was aimed at. Where Mesa is new, more.
GOALS = {
    ("vit", "ncnn-vulkan"): {"Ti/16": 10, "S/16": 10, "B/16": 8, "B/32": 8},
    ("vit-512", "ncnn-vulkan"): {"Ti/16": 16, "S/16": 16, "B/16": 14, "B/32": 14},
    ("vit", "onnxruntime"): dict.fromkeys(["Ti/16", "S/16", "B/16", "B/32"], 0.2),
    ("vit-512", "onnxruntime"): dict.fromkeys(["Ti/16", "S/16", "B/16", "B/32"], 0.35),
}
GOALS_NEW_MESA = {("vit-512", "onnxruntime"): {"Ti/16": 0.55, "S/16": 0.6, "B/16": 0.6, "B/32": 0.55}}
NEW_MESA = 26


def goal_of(facts, ours, peer, shape):
    if not facts["software"]:
        return None
    table = {**GOALS, **GOALS_NEW_MESA} if facts["mesa"] >= NEW_MESA else GOALS
    return table.get((ours, peer), {}).get(shape)


def rows_text(head, rows):
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratios(results):
    """[(ours, peer, {shape: (ratio, goal)})]"""
    peers, facts = results["peers"], results["machine"]
    out = []
    for ours in (n for n in peers["names"] if n.startswith("vit")):
        for peer in (n for n in peers["names"] if not n.startswith("vit")):
            cells = {}
            for shape, times in peers["table"].items():
                if ours in times and peer in times:
                    ratio = times[peer]["median_ms"] / times[ours]["median_ms"]
                    cells[shape] = (ratio, goal_of(facts, ours, peer, shape))
            if cells:
                out.append((ours, peer, cells))
    return out


def peers_text(results):
    peers, arguments = results["peers"], results["arguments"]
    shapes = list(peers["table"])
    text = "## Beside other engines\n\nOne picture of 224 x 224, fp32, from memory to logits, ms: medians (p10 to p90) of "
    text += f"{arguments['rounds']} turns of {arguments['runs']} runs, all engines in turn.\n\n"
    rows = []
    for name, title in peers["names"].items():
        cells = [peers["table"][s].get(name) for s in shapes]
        rows.append([title] + [f"{number(c['median_ms'])} ({number(c['p10_ms'])} to {number(c['p90_ms'])})" if c else "-"
            for c in cells])
    text += rows_text(["engine"] + shapes, rows)
    for name, why in peers["skipped"].items():
        text += f"\n{name} was skipped: {why}\n"
    rows = []
    for ours, peer, cells in ratios(results):
        row = [f"{peers['names'][ours]} / {peers['names'][peer]}"]
        for shape in shapes:
            ratio, goal = cells.get(shape, (None, None))
            cell = "-" if ratio is None else f"{ratio:.2f}x"
            row.append(cell if ratio is None or not goal else f"{cell} ({'over' if ratio >= goal else 'UNDER'} {goal:g}x)")
        rows.append(row)
    if rows:
        text += "\nHow many times as fast (in brackets: the goal):\n\n" + rows_text(["speed"] + shapes, rows)
    return text


def engine_text(rows):
    head = ["model, precision, batch", "median ms", "p10", "p90", "images/s", "GFLOP/s", "of peak", "first result s",
        "dispatches", "pipelines"]
    cells = [[f"{r['shape']}, {r['precision']}, {r['batch']}", number(r["median_ms"]), number(r["p10_ms"]),
        number(r["p90_ms"]), number(r["images_per_s"]), number(r["gflop_per_s"]), f"{100 * r['peak']['share']:.0f} %",
        number(r["start"]["first_result_ms"] / 1e3), r["dispatches"], r["pipelines"]] for r in rows]
    best = max(rows, key=lambda r: r["peak"]["gflop_per_s"])["peak"]
    text = "## Engine\n\nTime of a submit; " + (f"vectors of {rows[0]['width']['bits'] or 'default'} bits; "
        if rows[0]["width"] else "")
    return text + (f"peak {best['gflop_per_s']:.0f} GFLOP/s ({best['shader_gflop_per_s']:.0f} in a shader), copies "
        f"{best['copy_gb_per_s']:.1f} GB/s.\n\n") + rows_text(head, cells)


def kernels_text(tables):
    text = "## Kernels\n\nEach alone, by the device's clock, one picture.\n"
    for shape, rows in tables.items():
        cells = [[r["op"], f"`{r['kernel']}`", r["calls"], f"{r['ms']:.3f}", f"{100 * r['share']:.1f} %",
            f"{r['gflop_per_s']:.1f}" if r["gflop_per_s"] else ""] for r in rows]
        text += f"\n### {shape}\n\n" + rows_text(["op", "kernel", "calls", "ms", "share", "GFLOP/s"], cells)
    return text


def pipelines_text(p):
    text = "## Whole pipelines\n\n1280 x 720 NV12 in, results out, ms a frame: medians of runs in turns.\n\n"
    shapes = list(p["table"])
    rows = [[title] + [number(p["table"][s][name]["median_ms"]) if name in p["table"][s] else "-" for s in shapes]
        for name, title in p["names"].items()]
    text += rows_text(["pipeline"] + shapes, rows) if shapes else ""
    text += "".join(f"\n{name} was skipped: {why}\n" for name, why in p["skipped"].items())
    return text + (f"\n```\n{p['own']}\n```\n" if p.get("own") else "")


def markdown(results):
    m = results["machine"]
    text = f"# Benchmark\n\n{m['device']}, {m['driver']}; {m['cpu']}, {m['cpus']} CPUs, {m['memory_mib']} MiB; {m['system']}, "
    text += f"Linux {m['kernel']}; {m['date']} UTC, load before the run {m['load']:.1f}.\n\n"
    parts = [("peers", lambda: peers_text(results)), ("engine", lambda: engine_text(results["engine"])),
        ("pipelines", lambda: pipelines_text(results["pipelines"])), ("kernels", lambda: kernels_text(results["kernels"]))]
    return text + "\n".join(make() for key, make in parts if results.get(key))


COLOURS = ["#1b6ca8", "#5aa9e6", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#555555"]


def bars(results):
    """[(group, [(label, ms)])]"""
    if results.get("peers"):
        names = results["peers"]["names"]
        return [(shape, [(names[n], t["median_ms"]) for n, t in times.items()])
            for shape, times in results["peers"]["table"].items()]
    groups = {}
    for r in results.get("engine", []):
        groups.setdefault(r["shape"], []).append((f"{r['precision']}, batch {r['batch']}", r["median_ms"]))
    return list(groups.items())


def plot(results):
    """Horizontal bars on a logarithmic scale: engines differ by a factor of a hundred."""
    groups = bars(results)
    values = [v for _, rows in groups for _, v in rows] or [1]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.0001))
    left, width, line, y = 250, 560, 22, 60

    def x_of(value):
        return left + width * math.log10(value / low) / math.log10(high / low)

    labels = list(dict.fromkeys(label for _, rows in groups for label, _ in rows))
    body = []
    for group, rows in groups:
        body.append(f'<text x="16" y="{y + 15}" font-weight="bold">{html.escape(group)}</text>')
        for label, value in rows:
            colour = COLOURS[labels.index(label) % len(COLOURS)]
            body.append(f'<rect x="{left}" y="{y}" width="{x_of(value) - left:.1f}" height="{line - 6}" fill="{colour}"/>')
            body.append(f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{html.escape(label)}</text>')
            body.append(f'<text x="{x_of(value) + 5:.1f}" y="{y + 12}">{number(value)} ms</text>')
            y += line
        y += line // 2
    grid, tick = [], low
    while tick <= high * 1.0001:
        grid.append(f'<line x1="{x_of(tick):.1f}" y1="50" x2="{x_of(tick):.1f}" y2="{y}" stroke="#dddddd"/>'
            f'<text x="{x_of(tick):.1f}" y="45" text-anchor="middle" fill="#777777">{tick:g}</text>')
        tick *= 10
    m = results["machine"]
    title = f"ms, logarithmic: {m['device']}, {m['driver']}; {m['cpu']}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{y + 16}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="16" y="22" font-size="13">{html.escape(title)}</text>\n' + "\n".join(grid + body) + "\n</svg>\n")


def write(folder, results):
    for name, text in (("bench.json", json.dumps(results, indent=1) + "\n"), ("bench.md", markdown(results)),
            ("bench.svg", plot(results))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write(text)
