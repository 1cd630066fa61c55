"""How long `livewarp run` takes to its first frame, warm and with caches that are empty, and what that is spent on.

Each start is a process of its own, watched from outside. Cold: every kernel is compiled, the weights are checked and
converted; files stay in the system's memory, warm or cold. Memory is the most of the first second after.

Run: python benchmarks/startup.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import Target, save

from livewarp.bench.lines import start_lines
from livewarp.bench.startup import starts, summary

WARM, COLD = 7, 1
SHOWN = 12  # imports
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| (\s*)(\S+)")


def imports(processes: int) -> list[dict[str, Any]]:
    """What importing the daemon is spent on, by package: ms of its own modules; the median of so many processes."""
    runs: list[dict[str, float]] = []
    for _ in range(processes):
        command = [sys.executable, "-X", "importtime", "-c", "import livewarp.daemon.daemon"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        spent: dict[str, float] = {}
        for own_us, _, _, name in _LINE.findall(printed):
            package = name.partition(".")[0]
            spent[package] = spent.get(package, 0.0) + int(own_us) / 1e3
        runs.append(spent)
    middle = {name: sorted(run.get(name, 0.0) for run in runs)[processes // 2] for name in runs[0]}
    total = {"package": "all", "ms": round(sum(middle.values()), 1)}
    first = sorted(middle.items(), key=lambda item: -item[1])[:SHOWN]
    return [total, *({"package": name, "ms": round(ms, 1)} for name, ms in first)]


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one warm start: its figures say nothing")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    medians = summary(starts(1, 0) if args.quick else starts(WARM, COLD))
    for line in start_lines(medians):
        print(line)
    spent = imports(1 if args.quick else 3)
    print("  imports, ms: " + ", ".join(f"{row['package']} {row['ms']:.0f}" for row in spent))
    targets = [
        Target("first frame, warm", medians["warm"]["first_frame_s"], 2.5, None, "s"),
        Target("memory, warm", medians["warm"]["memory_mb"], 400.0, None, "MB"),
    ]
    if "cold" in medians:
        targets.append(Target("first frame, cold", medians["cold"]["first_frame_s"], 12.0, None, "s"))
    save(args.json, "startup", args.quick, {"startup": medians, "imports": spent}, targets)


if __name__ == "__main__":
    main()
