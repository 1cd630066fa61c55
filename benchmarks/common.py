"""What the suites share: a clip that costs nothing to read, and results that say what they are of."""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.bench import host
from livewarp.bench.record import to_json
from livewarp.sources.headmotion import Motion, natural
from livewarp.sources.portrait import PortraitSource, Truth

CLIP_FRAMES = 60  # forth and back: four seconds at 30 fps that never jump


@dataclass(frozen=True)
class Target:
    """What must be reached, and what is aimed at."""

    what: str
    value: float
    limit: float
    aim: float | None = None
    unit: str = ""
    at_least: bool = False

    def keeps(self, limit: float) -> bool:
        """Whether the value keeps a limit; nan does not."""
        return self.value >= limit if self.at_least else self.value <= limit

    @property
    def verdict(self) -> str:
        """In a word or two."""
        if not self.keeps(self.limit):
            return "MISSED"
        return "met" if self.aim is None or self.keeps(self.aim) else "met, not the aim"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"verdict": self.verdict}

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        aim = f", aim {self.aim:g}" if self.aim is not None else ""
        return f"{self.verdict:18}{self.what:62}{self.value:9.2f}  {sign} {self.limit:g} {self.unit}{aim}"


class Clip:
    """The portrait in memory, over and over, forth and back: a source that costs a copy.

    Parameters
    ----------
    live
        Whether frames come at their own time, as a webcam's do.
    """

    ended = False

    def __init__(
        self, width: int, height: int, fps: float = 30.0, live: bool = False, motion: Motion = natural
    ) -> None:
        self.width, self.height, self.fps, self.live = width, height, fps, live
        self.name = "portrait, from memory"
        source = PortraitSource(width, height, 30.0, motion)
        self.frames: list[BgrFrame] = []
        self.truths: list[Truth] = []
        for index in range(CLIP_FRAMES):
            self.frames.append(np.empty((height, width, 3), np.uint8))
            source.render(index, self.frames[-1])
            self.truths.append(source.truth(index))
        self.next = 0
        self._due_s = time.monotonic()

    @staticmethod
    def place(index: int) -> int:
        """Which picture frame `index` shows."""
        k = index % (2 * CLIP_FRAMES - 2)
        return min(k, 2 * CLIP_FRAMES - 2 - k)

    def read(self, out: BgrFrame) -> float:
        """The next frame; its time, s: on the clock if live, else from the first."""
        if self.live:
            now = time.monotonic()
            self._due_s = max(self._due_s + 1.0 / self.fps, now - 1.0 / self.fps)
            time.sleep(max(self._due_s - now, 0.0))
        np.copyto(out, self.frames[self.place(self.next)])
        self.next += 1
        return time.monotonic() if self.live else (self.next - 1) / self.fps

    def close(self) -> None:
        """Nothing to release."""


def quantiles(seconds: Sequence[float] | np.ndarray[Any, Any]) -> dict[str, Any]:
    """Median, p95, p99, worst in ms, how many, and a hundred points of the distribution to draw."""
    values = np.asarray(seconds, np.float64) * 1e3
    if not len(values):
        return {"n": 0, "p50_ms": math.nan, "p95_ms": math.nan, "p99_ms": math.nan, "worst_ms": math.nan, "curve": []}
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    shares = np.linspace(0, 100, 101)
    return {
        "n": len(values),
        "p50_ms": round(float(p50), 4),
        "p95_ms": round(float(p95), 4),
        "p99_ms": round(float(p99), 4),
        "worst_ms": round(float(values.max()), 4),
        "curve": [round(float(v), 4) for v in np.percentile(values, shares)],
    }


def save(path: Path | None, suite: str, quick: bool, results: dict[str, Any], targets: Sequence[Target] = ()) -> None:
    """Print the targets, and write a result with its machine, if a file is wanted."""
    if targets:
        print("\ntargets" + (" (--quick: the figures say nothing)" if quick else ""))
        for target in targets:
            print(f"  {target}")
    if path is not None:
        content = {"suite": suite, "quick": quick, "host": host.host_facts(), **results}
        path.write_text(to_json(content | {"targets": [t.as_dict() for t in targets]}) + "\n")


def measure_sections(
    sections: Mapping[str, Callable[[], tuple[dict[str, Any], list[Target]]]], options: Namespace, suite: str
) -> None:
    """Measure those that `options.only` names, or all; print each target as it comes, and save as `save` does."""
    results: dict[str, Any] = {}
    targets: list[Target] = []
    for name, measure in sections.items():
        if not options.only or name in options.only:
            results[name], found = measure()
            targets += found
            for target in found:
                print(target, flush=True)
    save(options.json, suite, options.quick, results, targets)
