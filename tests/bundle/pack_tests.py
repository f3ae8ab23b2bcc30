# SPDX-License-Identifier: LGPL-2.1-or-later
"""Turns meson's list of tests into a bundle's, and copies their programs and files. Run by scripts/bundle."""
import json
import os
import shutil
import sys

SUITES = {"unit", "gpu", "golden"}


def is_program(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def main():
    top, build, out = (os.path.realpath(p) for p in sys.argv[1:])
    for test in json.load(sys.stdin):
        suites = {s.split(":")[-1] for s in test["suite"]}
        program = os.path.realpath(test["cmd"][0])
        if not suites & SUITES or "plugin" in suites or not program.startswith(build + os.sep) or not is_program(program):
            continue
        name = os.path.basename(program)
        shutil.copy(program, os.path.join(out, "bin", name))
        arguments = []
        for argument in test["cmd"][1:]:
            path = os.path.realpath(os.path.join(test.get("workdir") or build, argument))
            if os.path.isabs(argument) and path.startswith(top + os.sep) and os.path.exists(path):
                argument = os.path.join("data", os.path.relpath(path, top))
                target = os.path.join(out, argument)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if os.path.isdir(path):
                    shutil.copytree(path, target, dirs_exist_ok=True)
                else:
                    shutil.copy(path, target)
            arguments.append(argument)
        variables = [f"{k}={v}" for k, v in test["env"].items() if k.startswith(("VIT_", "LP_"))]
        print("\t".join([test["name"], str(test["timeout"]), " ".join(variables) or "-", name, *arguments]))


main()
