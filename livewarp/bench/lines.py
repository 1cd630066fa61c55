"""What was measured as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from livewarp.bench.compare import Change
from livewarp.bench.conclusion import conclude
from livewarp.bench.record import Run
from livewarp.filtering.stages import NAMES


def run_lines(run: Run) -> list[str]:
    """All there is to say of one run."""
    f = run.figures
    lines = [f"{run.source}, {run.width}x{run.height}: {f['frames']} frames, {_how(run)}"]
    lines.append(f"  {f['fps']:.1f} fps, {f['late']} over the budget of {run.budget_ms:.1f} ms, {f['dropped']} dropped")
    lines.append(f"  {'ms':10} {'p50':>8} {'p95':>8} {'p99':>8}")
    for name, p in {**f["stages"], "latency": f["latency"]}.items():
        lines.append(f"  {name:10} {p['p50_ms']:8.2f} {p['p95_ms']:8.2f} {p['p99_ms']:8.2f}")
    if run.mode == "live":
        beside = run.extra["pass_through"]
        p = beside["latency"]
        lines.append(
            f"  without the filter: latency p50 {p['p50_ms']:.2f}, p99 {p['p99_ms']:.2f} ms;"
            f" {beside['late']} late, {beside['dropped']} dropped, {beside['fps']:.1f} fps"
        )
    lines.append(
        f"  CPU {run.cpu_ms:.2f} ms a frame{' more than without the filter' * (run.mode == 'live')}:"
        f" {100 * run.core_share:.0f} % of a core at {run.fps:g} fps; memory {f['memory_mb']:.0f} MB"
    )
    lines.append(
        f"  verified: {f['frames'] - f['passed']} frames with a face, changed by {run.changed:.1f} grey levels"
    )
    return lines


def matrix_lines(runs: Sequence[Run]) -> list[str]:
    """A line a run, then the conclusions."""
    width = max(len(run.name) for run in runs)
    ran = {name for run in runs for name in run.figures["stages"]}
    stages = [name for name in NAMES[1:-1] if name in ran]  # without read and send: not the filter's
    head = (*stages, "p50", "p95", "p99", "fps", "CPU ms", "core %", "MB")
    lines = [f"{'ms':{width}}" + "".join(f"{name:>9}" for name in head)]
    for run in runs:
        f = run.figures
        latency = f["latency"]
        times = "".join(f"{f['stages'].get(name, {}).get('p50_ms', 0.0):9.2f}" for name in stages)
        lines.append(
            f"{run.name:{width}}{times}{latency['p50_ms']:9.2f}"
            f"{latency['p95_ms']:9.2f}{latency['p99_ms']:9.2f}{1e3 / latency['p50_ms']:9.0f}{run.cpu_ms:9.2f}"
            f"{100 * run.core_share:9.1f}{f['memory_mb']:9.0f}"
        )
    return [*lines, "", *(conclude(run) for run in runs)]


def start_lines(medians: dict[str, Any]) -> list[str]:
    """The time to the first frame."""
    return [
        f"  first frame after {s['first_frame_s']:.2f} s, {kind} (camera there after {s['camera_s']:.2f} s,"
        f" CPU {s['cpu_s']:.1f} s, memory {s['memory_mb']:.0f} MB)"
        for kind, s in medians.items()
    ]


def change_lines(changes: Sequence[Change], alone: Sequence[str], drift: float) -> list[str]:
    """What changed since the old run."""
    lines = [f"compared; the machine itself took {100 * (drift - 1):+.0f} % (yardstick), which is taken out"]
    for n, change in enumerate(changes):
        if n == 0 or changes[n - 1].run != change.run:
            lines.append(f" {change.run}")
        lines.append(f"  {change}")
    lines += [f" {name}: not in the old file" for name in alone]
    return lines


def _how(run: Run) -> str:
    return {"throughput": "as fast as it goes", "live": "paced, live"}[run.mode]
