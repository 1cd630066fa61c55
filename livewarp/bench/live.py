"""Paced, through the engine of `livewarp run`: filter and pass-through in turns, on the same source and sink.

The turns are in one run of one engine, so what the filter adds in CPU, and which frames it made late, is
told apart from what the source, the machine and its other programs do.
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
from livewarp.bench.checking import Check
from livewarp.bench.record import Rows, Run, percentiles
from livewarp.bench.throughput import Progress
from livewarp.bench.yardstick import Yardstick
from livewarp.errors import LivewarpError
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.glide import DEFAULT_GLIDE_S
from livewarp.live.engine import Engine
from livewarp.live.state import StateName
from livewarp.live.stats import COLUMNS, LATENCY, SENT, Stats
from livewarp.parameters import Parameters
from livewarp.scene import Scene
from livewarp.sinks import Sink
from livewarp.sinks.null import NullSink
from livewarp.sources import Plan
from livewarp.tracking import FaceTracker

TURN_S = 5.0  # of the filter at most; a pass-through takes half as long
TURNS = 4
SETTLE_S = 0.75  # of a turn, not measured: faces are found again and fade in
START_S = 60.0  # for kernels that are being compiled
_LOOK_S = 0.05
_CHECK_EVERY = 5  # frames while a turn settles


class SwitchableFilter(FaceFilter):
    """A filter that can be turned into a pass-through and back while it runs.

    Attributes
    ----------
    through
        Whether frames pass as they are; set it from any thread.
    check
        Looks at frames while it is set.
    passed
        Frames without a face so far.
    """

    def __init__(self, parameters: Parameters, tracker: FaceTracker, glide_s: float = DEFAULT_GLIDE_S) -> None:
        super().__init__(parameters, tracker, glide_s, live=True)
        self.through = False
        self.check: Check | None = None
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
        check, self._count = self.check, self._count + 1
        if check is None or self._count % _CHECK_EVERY:
            return super().render(frame, scene, out)
        before = frame.copy()
        result = super().render(frame, scene, out)
        check.look(before, result, scene.faces)
        return result


@dataclass(frozen=True)
class _Turn:
    """A measured part of one turn: when, CPU time, and frames dropped, repeated, without a face."""

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
        self._seen_s = 0.0

    def look(self) -> Stats:
        """Take what is new; at least every few seconds."""
        stats = self._engine.stats
        fresh = stats.rows[stats.rows[:, SENT] > self._seen_s]
        if len(fresh):
            self._parts.append(fresh)
            self._seen_s = float(fresh[-1, SENT])
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
        How many the source shows, where that is known.
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

    check = Check(plan.name)
    engine = Engine(plan, make, parameters, [sink or NullSink()], on_end=ended.set)
    collector = _Collector(engine)
    began_s = time.monotonic()
    engine.start()
    try:
        deadline_s = time.monotonic() + START_S
        while engine.state.state is not StateName.RUNNING:
            if ended.wait(_LOOK_S) or time.monotonic() > deadline_s:
                raise engine.error or LivewarpError(f"bench: no frame: {engine.state.state}: {engine.state.reason}")
        first_s = time.monotonic() - began_s
        turns, yardstick_s, memory_mb = _turns(engine, made[0], check, collector, seconds, ended, progress)
    finally:
        engine.stop()
        engine.join()
    if engine.error is not None:
        raise engine.error
    stats = collector.look()
    name = engine.source_name
    return _result(plan, name, faces, check.changed(), collector.rows, turns, stats, yardstick_s, memory_mb, first_s)


def _turns(
    engine: Engine,
    face_filter: SwitchableFilter,
    check: Check,
    collector: _Collector,
    seconds: float,
    ended: threading.Event,
    progress: Progress,
) -> tuple[list[_Turn], list[float], float]:
    """Filter and pass-through in turns: what was measured, the yardstick, and the most memory, MB."""
    turn_s = min(TURN_S, seconds / TURNS)
    rounds = max(1, round(seconds / turn_s))
    yardstick, process = Yardstick(), psutil.Process()
    turns: list[_Turn] = []
    yardstick_s, memory_mb = [], 0.0
    steps = 2 * rounds
    for step in range(steps):
        through = step % 2 == 1
        face_filter.through = through
        face_filter.check = None if through else check
        _wait(SETTLE_S, ended, collector)
        face_filter.check = None
        before, passed = collector.look(), face_filter.passed
        began_s, cpu_s = time.monotonic(), time.process_time()
        _wait(turn_s / 2 if through else turn_s, ended, collector)
        ended_s, cpu_s = time.monotonic(), time.process_time() - cpu_s
        after = collector.look()
        counts = after.dropped - before.dropped, after.repeated - before.repeated, face_filter.passed - passed
        turns.append(_Turn(through, began_s, ended_s, cpu_s, *counts))
        yardstick_s += [yardstick.measure() for _ in range(5)]
        memory_mb = max(memory_mb, process.memory_info().rss / 1e6)
        progress(step + 1, steps)
        if ended.is_set():
            break
    return turns, yardstick_s, memory_mb


def _wait(seconds: float, ended: threading.Event, collector: _Collector) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0 and not ended.wait(min(left_s, 1.0)):
        collector.look()


def _result(
    plan: Plan,
    name: str,
    faces: int | None,
    changed: float,
    rows: Rows,
    turns: list[_Turn],
    stats: Stats,
    yardstick_s: list[float],
    memory_mb: float,
    first_s: float,
) -> Run:
    filtered, through = (_rows_of(rows, turns, kind) for kind in (False, True))
    if not len(filtered) or not len(through):
        raise LivewarpError("bench: too few frames came; allowed: a longer run (--seconds), or a source that goes on")
    budget_s = 1.0 / plan.fps
    spent = {kind: _cpu_ms(turns, kind, plan.fps) for kind in (False, True)}
    elapsed_s = sum(t.ended_s - t.began_s for t in turns if not t.through)
    through_s = sum(t.ended_s - t.began_s for t in turns if t.through)
    figures = {
        "fps": round(len(filtered) / elapsed_s, 2),
        "frames": len(filtered),
        "late": int((filtered[:, LATENCY] > budget_s).sum()),
        "dropped": sum(t.dropped for t in turns if not t.through),
        "passed": sum(t.passed for t in turns if not t.through),
        "repeated": sum(t.repeated for t in turns if not t.through),
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
        "dropped": sum(t.dropped for t in turns if t.through),
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


def _rows_of(rows: Rows, turns: list[_Turn], through: bool) -> Rows:
    """Those sent within the turns of that kind."""
    sent = rows[:, SENT]
    within = np.zeros(len(rows), np.bool_)
    for turn in turns:
        if turn.through == through:
            within |= (sent > turn.began_s) & (sent <= turn.ended_s)
    return rows[within]


def _cpu_ms(turns: list[_Turn], through: bool, fps: float) -> list[float]:
    """CPU ms of the whole process for each period of the frame rate, by turn."""
    return [1e3 * t.cpu_s / ((t.ended_s - t.began_s) * fps) for t in turns if t.through == through]
