"""Paced, through the engine of `livewarp run`: filter and pass-through alternate, on the same source and sink.

Both are phases of one run of one engine. So what the filter adds in CPU, and which frames it makes late, is
separate from what the source, the machine and its other programs do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil

from livewarp.arrays import BgrFrame
from livewarp.bench.record import Rows, Run, percentiles
from livewarp.bench.throughput import Progress
from livewarp.bench.verification import Verification
from livewarp.bench.yardstick import Yardstick
from livewarp.errors import LivewarpError
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.glide import DEFAULT_GLIDE_S
from livewarp.live.engine import Engine
from livewarp.live.state import StateName
from livewarp.live.stats import COLUMNS, LATENCY, SENT, Stats
from livewarp.parameters import Parameters, Wanted, hides
from livewarp.scene import Scene
from livewarp.sinks import Sink
from livewarp.sinks.null import NullSink
from livewarp.sources import Plan
from livewarp.tracking import FaceTracker

PHASE_S = 5.0  # of the filter at most; a pass-through takes half as long
PHASES = 4
SETTLE_S = 0.75  # of a phase, not measured: faces are found again and fade in
START_S = 60.0  # for kernels that are being compiled
_POLL_S = 0.05
_CHECK_EVERY = 5  # frames while a phase settles


class SwitchableFilter(FaceFilter):
    """A filter that can become a pass-through and go back while it runs.

    Attributes
    ----------
    through
        Whether frames pass as they are; set it from any thread.
    verification
        Gets some of the frames while it is set.
    passed
        Frames without a face so far.
    """

    def __init__(self, parameters: Parameters, tracker: FaceTracker, glide_s: float = DEFAULT_GLIDE_S) -> None:
        super().__init__(parameters, tracker, glide_s)
        self.through = False
        self.verification: Verification | None = None
        self.passed = 0
        self._count = 0
        self._was_through = False

    def track(self, frame: BgrFrame, timestamp_s: float, since_s: float | None = None) -> Scene:
        """What is in the frame; of a pass-through nothing."""
        was_through, self._was_through = self._was_through, self.through
        if self.through:
            self.times_s[:] = 0.0
            return Scene()
        scene = super().track(frame, timestamp_s, None if was_through else since_s)
        self.passed += not scene.faces
        return scene

    def render(self, frame: BgrFrame, scene: Scene, out: BgrFrame | None = None) -> BgrFrame:
        """The frame with its faces reshaped; of a pass-through as it is."""
        if self.through:
            return frame
        verification, self._count = self.verification, self._count + 1
        if verification is None or self._count % _CHECK_EVERY:
            return super().render(frame, scene, out)
        before = frame.copy()
        result = super().render(frame, scene, out)
        verification.add(before, result, scene.faces)
        return result


@dataclass(frozen=True)
class _Phase:
    """The measured part of one phase: when, CPU time, and frames dropped, repeated, without a face."""

    through: bool
    began_s: float
    ended_s: float
    cpu_s: float
    dropped: int
    repeated: int
    passed: int


class _Collector:
    """Gathers the rows of a running engine, which remembers only the newest."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._parts: list[Rows] = []
        self._newest_s = 0.0

    def collect(self) -> Stats:
        """Take what is new; at least every few seconds."""
        stats = self._engine.stats
        fresh = stats.rows[stats.rows[:, SENT] > self._newest_s]
        if len(fresh):
            self._parts.append(fresh)
            self._newest_s = float(fresh[-1, SENT])
        return stats

    @property
    def rows(self) -> Rows:
        """All of them."""
        return np.concatenate(self._parts) if self._parts else np.empty((0, len(COLUMNS)))


def bench_live(
    plan: Plan,
    parameters: Parameters,
    make_tracker: Callable[[], FaceTracker],
    seconds: float = 20.0,
    progress: Progress = lambda done, total: None,
    faces: int | None = None,
    sink: Sink | None = None,
) -> Run:
    """Run the engine with the source at its own rate.

    Parameters
    ----------
    make_tracker
        Makes a live tracker.
    seconds
        How long the filter runs; the pass-through runs for half as long, in between.
    faces
        How many the source shows; None: nobody counted.
    sink
        Where frames go; None: nowhere. It is closed.

    Raises
    ------
    LivewarpError
        No frame had a face, the warp did nothing, or no frame came.
    """
    ended = threading.Event()
    made: list[SwitchableFilter] = []

    def make() -> FaceFilter:
        made.append(SwitchableFilter(parameters, make_tracker()))
        return made[0]

    verification = Verification(plan.name, hides(parameters))
    engine = Engine(plan, make, Wanted(parameters), [sink or NullSink()], on_end=ended.set)
    collector = _Collector(engine)
    began_s = time.monotonic()
    engine.start()
    try:
        deadline_s = time.monotonic() + START_S
        while engine.state.state is not StateName.RUNNING:
            if ended.wait(_POLL_S) or time.monotonic() > deadline_s:
                raise engine.error or LivewarpError(f"bench: no frame: {engine.state.state}: {engine.state.reason}")
        first_s = time.monotonic() - began_s
        phases, yardstick_s, memory_mb = _measure(engine, made[0], verification, collector, seconds, ended, progress)
    finally:
        engine.stop()
        engine.join()
    if engine.error is not None:
        raise engine.error
    stats = collector.collect()
    name = engine.source_name
    return _result(
        plan, name, faces, verification.changed(), collector.rows, phases, stats, yardstick_s, memory_mb, first_s
    )


def _measure(
    engine: Engine,
    face_filter: SwitchableFilter,
    verification: Verification,
    collector: _Collector,
    seconds: float,
    ended: threading.Event,
    progress: Progress,
) -> tuple[list[_Phase], list[float], float]:
    """Filter and pass-through, phase after phase: what was measured, the yardstick, and the most memory, MB."""
    phase_s = min(PHASE_S, seconds / PHASES)
    rounds = max(1, round(seconds / phase_s))
    yardstick, process = Yardstick(), psutil.Process()
    phases: list[_Phase] = []
    yardstick_s, memory_mb = [], 0.0
    steps = 2 * rounds
    for step in range(steps):
        through = step % 2 == 1
        face_filter.through = through
        face_filter.verification = None if through else verification
        _wait(SETTLE_S, ended, collector)
        face_filter.verification = None
        before, passed = collector.collect(), face_filter.passed
        began_s, cpu_s = time.monotonic(), time.process_time()
        _wait(phase_s / 2 if through else phase_s, ended, collector)
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
        after = collector.collect()
        counts = after.dropped - before.dropped, after.repeated - before.repeated, face_filter.passed - passed
        phases.append(_Phase(through, began_s, ended_s, cpu_s, *counts))
        yardstick_s += [yardstick.measure() for _ in range(5)]
        memory_mb = max(memory_mb, process.memory_info().rss / 1e6)
        progress(step + 1, steps)
        if ended.is_set():
            break
    return phases, yardstick_s, memory_mb


def _wait(seconds: float, ended: threading.Event, collector: _Collector) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0 and not ended.wait(min(left_s, 1.0)):
        collector.collect()


def _result(
    plan: Plan,
    name: str,
    faces: int | None,
    changed: float,
    rows: Rows,
    phases: list[_Phase],
    stats: Stats,
    yardstick_s: list[float],
    memory_mb: float,
    first_s: float,
) -> Run:
    filtered, through = (_rows_of(rows, phases, kind) for kind in (False, True))
    if not len(filtered) or not len(through):
        raise LivewarpError("bench: too few frames came", allowed="a longer run (--seconds), or a source that goes on")
    budget_s = 1.0 / plan.fps
    spent = {kind: _cpu_ms(phases, kind, plan.fps) for kind in (False, True)}
    elapsed_s = sum(p.ended_s - p.began_s for p in phases if not p.through)
    through_s = sum(p.ended_s - p.began_s for p in phases if p.through)
    figures = {
        "fps": round(len(filtered) / elapsed_s, 2),
        "frames": len(filtered),
        "late": int((filtered[:, LATENCY] > budget_s).sum()),
        "dropped": sum(p.dropped for p in phases if not p.through),
        "passed": sum(p.passed for p in phases if not p.through),
        "repeated": sum(p.repeated for p in phases if not p.through),
        "faces": stats.faces,
        **percentiles(filtered),
        "budget_ms": round(1e3 * budget_s, 3),
        "cpu_percent": round(float(np.median(spent[False])) * plan.fps / 10.0, 1),
        "memory_mb": round(memory_mb, 1),
    }
    n = min(len(kind) for kind in spent.values())
    added = np.array(spent[False][:n]) - np.array(spent[True][:n])
    beside: dict[str, Any] = {
        **percentiles(through),
        "fps": round(len(through) / through_s, 2),
        "frames": len(through),
        "late": int((through[:, LATENCY] > budget_s).sum()),
        "dropped": sum(p.dropped for p in phases if p.through),
        "cpu_ms": round(float(np.median(spent[True])), 3),
    }
    extra = {
        "pass_through": beside,
        "added_ms_by_turn": [round(float(v), 3) for v in added],
        "first_frame_s": round(first_s, 3),
    }
    return Run(
        source=name,
        mode="live",
        width=plan.width,
        height=plan.height,
        fps=plan.fps,
        faces=faces,
        figures=figures,
        changed=changed,
        cpu_ms=float(np.median(added)),
        rows=filtered,
        yardstick_s=np.array(yardstick_s),
        extra=extra,
    )


def _rows_of(rows: Rows, phases: list[_Phase], through: bool) -> Rows:
    """Those sent within the phases of that kind."""
    sent = rows[:, SENT]
    within = np.zeros(len(rows), np.bool_)
    for phase in phases:
        if phase.through == through:
            within |= (sent > phase.began_s) & (sent <= phase.ended_s)
    return rows[within]


def _cpu_ms(phases: list[_Phase], through: bool, fps: float) -> list[float]:
    """CPU ms of the whole process for each period of the frame rate, by phase."""
    return [1e3 * p.cpu_s / ((p.ended_s - p.began_s) * fps) for p in phases if p.through == through]
