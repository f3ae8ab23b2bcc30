# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark's own arithmetic, its report and the files it writes for other programs.

usage: test_bench.py VIT_BENCH VIT_INFO
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import bench
import networks
import report

VIT_BENCH, VIT_INFO = sys.argv[1:3]


class Clockwork:
    """An engine that takes what it is told to, and may break."""

    def __init__(self, log, name, times, breaks_at=None):
        self.log, self.name, self.times, self.breaks_at, self.closed = log, name, times, breaks_at, False

    def turn(self, runs):
        self.log.append(self.name)
        if self.log.count(self.name) == self.breaks_at:
            raise RuntimeError("out of oil")
        return [self.times[self.log.count(self.name) - 1]]

    def close(self):
        self.closed = True


def results():
    machine = {"device": "a <device>", "driver": "Mesa 22.3.6", "cpu": "CPU & Co", "cpus": 2, "memory_mib": 1000,
        "system": "Debian", "kernel": "6.1", "date": "2026-01-01 00:00", "load": 0.1, "software": True, "mesa": 22}
    times = {"vit": bench.summary([100.0]), "vit-512": bench.summary([50.0]), "ncnn-vulkan": bench.summary([900.0]),
        "onnxruntime": bench.summary([20.0])}
    return {"machine": machine, "arguments": {"rounds": 1, "runs": 1}, "peers": {"table": {"Ti/16": times},
        "names": {n: n.upper() for n in times}, "skipped": {"torch": "not there"}}}


class Tests(unittest.TestCase):
    def test_rounds_go_through_all(self):
        log, skipped, bench.CALM = [], {}, 0
        engines = {"a": Clockwork(log, "a", [1.0, 3.0, 2.0]), "b": Clockwork(log, "b", [1.0] * 3, breaks_at=2)}
        broken = engines["b"]
        table = bench.in_turns(engines, 3, 1, skipped)
        self.assertEqual(log, ["a", "b", "a", "b", "a"])
        self.assertEqual(table["a"]["median_ms"], 2.0)
        self.assertNotIn("b", table)
        self.assertEqual(skipped, {"b": "out of oil"})
        self.assertTrue(broken.closed)

    def test_report(self):
        with tempfile.TemporaryDirectory() as folder:
            report.write(folder, results())
            with open(os.path.join(folder, "bench.md"), encoding="utf-8") as file:
                text = file.read()
            with open(os.path.join(folder, "bench.json"), encoding="utf-8") as file:
                self.assertEqual(json.load(file)["machine"]["cpus"], 2)
            root = xml.etree.ElementTree.parse(os.path.join(folder, "bench.svg")).getroot()
        self.assertEqual(len(root.findall("{http://www.w3.org/2000/svg}rect")), 1 + 4)
        self.assertIn("| VIT / NCNN-VULKAN | 9.00x (UNDER 10x) |", text)
        self.assertIn("| VIT-512 / NCNN-VULKAN | 18.00x (over 16x) |", text)
        self.assertIn("| VIT-512 / ONNXRUNTIME | 0.40x (over 0.35x) |", text)
        self.assertIn("torch was skipped: not there", text)

    def test_goals_rise_with_mesa(self):
        new = results()
        new["machine"]["mesa"] = report.NEW_MESA
        self.assertIn("0.40x (UNDER 0.55x)", report.peers_text(new))
        new["machine"]["software"] = False
        self.assertNotIn("UNDER", report.peers_text(new))

    def test_checkpoint_is_whole(self):
        with tempfile.TemporaryDirectory() as folder:
            path = networks.write_checkpoint(folder, "Ti/16")
            done = subprocess.run([VIT_INFO, path, "--json"], capture_output=True, text=True, check=False)
            if "no Vulkan" in done.stderr:
                self.skipTest(done.stderr)
            facts = json.loads(done.stdout)
        self.assertEqual((facts["dim"], facts["heads"], facts["depth"], facts["classes"]), (192, 3, 12, 1000))
        self.assertEqual(facts["parameters"], 5717416)

    def test_onnx_is_whole(self):
        """The file's fields from first to last byte, and every tensor with as many bytes as its shape says."""

        def fields(data):
            at, out = 0, []

            def number():
                nonlocal at
                value = shift = 0
                while True:
                    byte, at = data[at], at + 1
                    value |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        return value

            while at < len(data):
                key = number()
                if key & 7 == 0:
                    out.append((key >> 3, number()))
                else:
                    size = 4 if key & 7 == 5 else number()
                    out.append((key >> 3, data[at : at + size]))
                    at += size
            self.assertEqual(at, len(data))
            return out

        with tempfile.TemporaryDirectory() as folder:
            with open(networks.write_onnx(folder, "Ti/16"), "rb") as file:
                graph = dict(fields(file.read()))[7]
        count, made = 0, {"image"}
        for kind, value in fields(graph):
            if kind == 5:
                tensor = fields(value)
                elements = 1
                for dim in (v for k, v in tensor if k == 1):
                    elements *= dim
                numbers = dict(tensor)
                self.assertEqual(len(numbers[9]), elements * (4 if numbers[2] == networks.OnnxWriter.FLOAT else 8))
                count += elements if numbers[2] == networks.OnnxWriter.FLOAT else 0
                made.add(numbers[8].decode())
        self.assertEqual(count, 5717416)
        for kind, value in fields(graph):  # every input was made before
            if kind == 1:
                for k, v in fields(value):
                    if k == 1:
                        self.assertIn(v.decode(), made)
                made |= {v.decode() for k, v in fields(value) if k == 2}
        self.assertIn("logits", made)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
