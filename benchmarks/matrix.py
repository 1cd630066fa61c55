"""Every size with one to four faces, as `livewarp bench --matrix` measures them: what the filter takes of a frame.

Run: python benchmarks/matrix.py [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import Target, quantiles, save

from livewarp.bench import lines
from livewarp.bench.crowd import CrowdSource
from livewarp.bench.record import MATRIX_FACES, SIZES
from livewarp.bench.throughput import bench_throughput
from livewarp.live.stats import LATENCY
from livewarp.parameters import Parameters
from livewarp.tracking import FaceTracker

FRAMES = 200


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells: their figures say nothing")
    parser.add_argument("--json", type=Path, help="where results go")
    args = parser.parse_args()
    cells = [(name, faces) for name in SIZES for faces in MATRIX_FACES]
    runs = []
    for name, faces in cells[4:6] if args.quick else cells:
        source = CrowdSource(faces, *SIZES[name])
        runs.append(bench_throughput(source, Parameters(), FaceTracker(), 20 if args.quick else FRAMES, faces=faces))
    print("\n".join(lines.matrix_lines(runs)))
    rows = [
        {key: value for key, value in run.as_dict().items() if key != "samples_us"}
        | {"name": run.name, "distribution": quantiles(run.rows[:, LATENCY])}
        for run in runs
    ]
    one = {run.height: run for run in runs if run.faces == 1}
    targets = [
        Target(f"CPU at {run.name}, of a core", 100 * run.core_share, limit, aim, "%")
        for height, limit, aim in ((720, 20.0, 12.0), (1080, 30.0, 18.0))
        if (run := one.get(height)) is not None
    ]
    save(args.json, "matrix", args.quick, {"matrix": rows}, targets)


if __name__ == "__main__":
    main()
