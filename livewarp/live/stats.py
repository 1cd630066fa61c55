"""What the loop measures of itself, and how it is published.

Guarantees: the engine thread alone writes to a `Meter`; other threads see frozen `Stats` that are
swapped whole a few times a second. Percentiles are computed by whoever asks, never in the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from livewarp.filtering.stages import NAMES, STAGES

WINDOW = 600  # frames that percentiles look back on: 20 s at 30 fps
FPS_WINDOW_S = 2.0
PUBLISH_EVERY_S = 0.25

COLUMNS = (*NAMES, "latency", "sent")
"""Of the rows of figures: what each stage took, capture to sink, when the frame was sent."""
LATENCY, SENT = COLUMNS.index("latency"), COLUMNS.index("sent")


@dataclass(frozen=True)
class Stats:
    """The loop's figures at one moment.

    Attributes
    ----------
    frames, late, dropped, passed
        Since the start: sent; sent over the frame budget after capture; never sent; sent without a face.
    repeated
        Of the frames sent, those that showed no new picture: the last one again, or a placeholder.
    faces
        In the last frame.
    rows
        (n, len(COLUMNS)) float64, s, the newest frames, oldest first; 0 where a stage did not run. Those that were
        repeated have none.
    taken_s
        When these figures were taken, on the clock of the time sent.
    """

    frames: int = 0
    late: int = 0
    dropped: int = 0
    passed: int = 0
    faces: int = 0
    repeated: int = 0
    rows: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, len(COLUMNS))), repr=False)
    taken_s: float = 0.0

    def fps(self) -> float:
        """New pictures a second over the last two seconds."""
        sent = self.rows[:, SENT]
        recent = sent[sent > self.taken_s - FPS_WINDOW_S]
        return float((len(recent) - 1) / (recent[-1] - recent[0])) if len(recent) > 1 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The keys of the control method `stats` that the loop knows of."""
        return {
            "fps": round(self.fps(), 2),
            "frames": self.frames,
            "late": self.late,
            "dropped": self.dropped,
            "passed": self.passed,
            "repeated": self.repeated,
            "faces": self.faces,
            "latency": _percentiles(self.rows[:, LATENCY]),
            "stages": self._stages(),
        }

    def _stages(self) -> dict[str, dict[str, float]]:
        """Percentiles of each stage that every frame goes through, and of the others over the frames they ran in."""
        told = {}
        for column, stage in enumerate(STAGES):
            took_s = self.rows[:, column]
            if not stage.at_start:
                took_s = took_s[took_s > 0.0]
            if stage.at_start or len(took_s):
                told[stage.name] = _percentiles(took_s)
        return told


def _percentiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1e3 if len(seconds) else (0.0, 0.0, 0.0)
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3), "p99_ms": round(float(p99), 3)}


class Meter:
    """Collects a row a frame in a ring; belongs to the engine thread.

    Parameters
    ----------
    budget_s
        1 / fps: a frame whose latency is above it counts as late.
    """

    def __init__(self, budget_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget_s = budget_s
        self._clock = clock
        self._ring = np.zeros((WINDOW, len(COLUMNS)))
        self._rows = 0
        self._late = 0
        self._passed = 0
        self._repeated = 0
        self._published_s = 0.0
        self.published = Stats()

    def record(self, times_s: NDArray[np.float64], latency_s: float, faces: int, dropped: int) -> None:
        """Add one sent frame with a new picture, and what each stage took of it; publishes now and then."""
        now = self._clock()
        row = self._ring[self._rows % WINDOW]
        row[: len(times_s)] = times_s
        row[LATENCY], row[SENT] = latency_s, now
        self._rows += 1
        self._late += latency_s > self._budget_s
        self._passed += faces == 0
        self._publish_now_and_then(now, faces, dropped)

    def repeat(self, faces: int, dropped: int) -> None:
        """Add one sent frame that showed nothing new; publishes now and then."""
        self._repeated += 1
        self._publish_now_and_then(self._clock(), faces, dropped)

    def _publish_now_and_then(self, now: float, faces: int, dropped: int) -> None:
        if now - self._published_s >= PUBLISH_EVERY_S:
            self._published_s = now
            self.publish(faces, dropped)

    def publish(self, faces: int, dropped: int) -> None:
        """Swap in a frozen copy of the figures (30 kB)."""
        turn = self._rows % WINDOW
        rows = np.roll(self._ring, -turn, axis=0) if self._rows > WINDOW else self._ring[: self._rows].copy()
        rows.setflags(write=False)
        frames = self._rows + self._repeated
        self.published = Stats(
            frames, self._late, dropped, self._passed, faces, self._repeated, rows, taken_s=self._clock()
        )


class ProcessMeter:
    """CPU and memory of this process, for whoever asks (not the frame loop)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._process = psutil.Process()
        self._measured_s = clock()
        self._cpu_percent = self._process.cpu_percent()  # 0: there is nothing to compare with yet

    def as_dict(self) -> dict[str, float]:
        """CPU in percent of one core, over the last half second or more, and resident memory, MB."""
        now = self._clock()
        if now - self._measured_s >= 0.5:  # over less, one scheduler tick is percents
            self._measured_s = now
            self._cpu_percent = self._process.cpu_percent()
        return {
            "cpu_percent": round(self._cpu_percent, 1),
            "memory_mb": round(self._process.memory_info().rss / 1e6, 1),
        }
