"""What the figures of a run mean, in plain words."""

from __future__ import annotations

import numpy as np

from livewarp.bench.record import Run
from livewarp.live.stats import LATENCY

AMPLE = 0.3  # of the budget that must be left: the call itself, a browser, wants the processor, too
HELD = 0.002  # of the frames may be late or lost: nobody notices one in 17 s at 30 fps


def conclude(run: Run) -> str:
    """One line: whether this size and rate can be held, and what it costs."""
    answer = {"throughput": _unpaced, "live": _paced}[run.mode]
    return f"{run.name}: {answer(run)}; it takes {100 * run.core_share:.0f} % of a core"


def _unpaced(run: Run) -> str:
    # The mean, not the slowest frames: here each search for newcomers holds up a frame, which live has a thread.
    latency_ms = 1e3 * run.rows[:, LATENCY]
    mean, p95 = float(latency_ms.mean()), float(np.percentile(latency_ms, 95))
    left = 1.0 - max(mean, p95) / run.budget_ms
    times = f"mean {mean:.1f}, p95 {p95:.1f} of {run.budget_ms:.1f} ms"
    if left >= AMPLE:
        return f"yes, with {100 * left:.0f} % of the budget left ({times})"
    if left >= 0.0:
        return f"only just, with {100 * left:.0f} % of the budget left ({times}); other programs will make it stutter"
    if mean <= run.budget_ms:
        late = int((latency_ms > run.budget_ms).sum())
        return f"no: {late} of {len(latency_ms)} frames take longer than there is time ({times})"
    return f"no: {1e3 / mean:.0f} fps is what it can"


def _paced(run: Run) -> str:
    figures, beside = run.figures, run.extra["pass_through"]
    late, dropped, frames = figures["late"], figures["dropped"], figures["frames"]
    counts = f"{late} of {frames} frames late, {dropped} dropped"
    wanted_fps = min(run.fps, beside["fps"])
    slow = "" if beside["fps"] > 0.97 * run.fps else f"; the source itself gives {beside['fps']:.1f} fps"
    if figures["fps"] < 0.97 * wanted_fps:
        return f"no: {figures['fps']:.1f} fps of {wanted_fps:.1f} ({counts}){slow}"
    share, share_beside = ((f["late"] + f["dropped"]) / max(f["frames"], 1) for f in (figures, beside))
    if share <= HELD:
        return f"yes ({counts}){slow}"
    if share <= share_beside:
        return f"yes, as well as this machine can: {counts}, no more than without the filter{slow}"
    return f"not quite: {counts}; without the filter {beside['late']} late, {beside['dropped']} dropped{slow}"
