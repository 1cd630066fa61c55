"""Scripted parts of a live loop: a source that does as it is told, a filter that marks, a sink that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from livewarp.errors import Problem, SourceError
from livewarp.filtering.stages import STAGES
from livewarp.live.engine import Engine
from livewarp.parameters import Parameters, Switches, Wanted
from livewarp.scene import Scene
from livewarp.sources import Plan

SHAPE = (36, 48, 3)
NEITHER = Switches()
CAMERA_RED = 201  # of every pixel of the camera but the filter's mark; no placeholder has it


class ScriptedSource:
    """Delivers numbered frames, then does what the script says."""

    name = "scripted"
    width, height = SHAPE[1], SHAPE[0]

    def __init__(self, frames: int = 10**9, live: bool = False, fps: float = 200.0) -> None:
        self.fps, self.live, self.ended = fps, live, False
        self.left, self.count, self.opened, self.closed = frames, 0, 0, 0
        self.gate = threading.Event()  # live sources deliver when it is set
        self.gate.set()
        self.failure: Exception | None = None
        self.refusal: SourceError | None = None  # to open

    def open(self) -> ScriptedSource:
        """What a plan does."""
        if self.refusal is not None:
            raise self.refusal
        self.opened += 1
        return self

    def plan(self) -> Plan:
        """To open it."""
        return Plan("scripted", self.live, self.width, self.height, self.fps, self.open)

    def read(self, out: np.ndarray) -> float | None:
        """The next number as a gray level."""
        if self.failure is not None:
            raise self.failure
        if self.left == 0:
            self.ended = True
            return None
        if self.live and not self.gate.wait(0.01):
            return None
        if self.live:
            time.sleep(1.0 / self.fps)  # a camera has a rate of its own
        self.left -= 1
        out[...] = (self.count % 256, self.count % 256, CAMERA_RED)
        self.count += 1
        return time.monotonic() if self.live else (self.count - 1) / self.fps

    def close(self) -> None:
        """Count."""
        self.closed += 1


class ScriptedFilter:
    """A filter that adds its `thin`, in grey levels, and never sees a face."""

    def __init__(self) -> None:
        self.parameters = Parameters(thin=0.0)
        self.economy = 0
        self.times_s = np.zeros(len(STAGES))
        self.tracked = 0
        self.since_s: list[float | None] = []  # as `track` was given it
        self.closed = 0
        self.getting_ready: list[str] = []
        self.limited: dict[str, float] = {}
        self.on_render: Callable[[], None] = lambda: None

    def warm_up(self, height: int, width: int) -> None:
        """Nothing to compile."""

    def track(self, frame: np.ndarray, timestamp_s: float, since_s: float | None = None) -> Scene:
        """Nobody there."""
        self.tracked += 1
        self.since_s.append(since_s)
        return Scene()

    def render(self, frame: np.ndarray, scene: Scene, out: np.ndarray) -> np.ndarray:
        """Mark the frame with the parameters that it was made with."""
        out[0, 0, :2] = round(float(self.parameters["thin"]) * 100)
        self.on_render()
        return out

    covered = ""

    def cover(self, frame: np.ndarray, parameters: Parameters) -> None:
        """Nothing of the frame is left."""
        frame[:] = 0

    def problems(self) -> list[Problem]:
        """Nothing is wrong."""
        return []

    def close(self) -> None:
        """Count."""
        self.closed += 1


class RecordingSink:
    """Remembers what it got: the numbers and marks of the camera's frames, and how many others."""

    name = "recording"

    def __init__(self, watched: bool | None = True, records: bool = False) -> None:
        self.watched = watched
        self.records = records
        self.problem: Problem | None = None
        self.dropped = 0
        self.numbers: list[int] = []
        self.marks: list[int] = []
        self.kinds: list[str] = []  # "camera" or "placeholder", in the order of sending
        self.last = np.zeros(SHAPE, np.uint8)
        self.closed = 0
        self.failure: Exception | None = None
        self.on_frame: Callable[[], None] = lambda: None

    def send(self, pixels: np.ndarray) -> None:
        """Remember."""
        if self.failure is not None:
            raise self.failure
        camera = int(pixels[1, 1, 2]) == CAMERA_RED
        self.kinds.append("camera" if camera else "placeholder")
        np.copyto(self.last, pixels)
        if camera:
            self.numbers.append(int(pixels[1, 1, 0]))
            self.marks.append(int(pixels[0, 0, 0]))
            self.on_frame()

    def close(self) -> None:
        """Count."""
        self.closed += 1


def engine_of(
    source: ScriptedSource,
    *sinks: RecordingSink,
    face_filter: ScriptedFilter | None = None,
    switches: Switches = NEITHER,
    **options: Any,
) -> tuple[Engine, threading.Event]:
    """An engine over the scripted parts, and what it sets when it has ended."""
    ended = threading.Event()
    made = face_filter or ScriptedFilter()
    wanted = Wanted(made.parameters, switches)
    engine = Engine(source.plan(), lambda: made, wanted, sinks, on_end=ended.set, **options)  # type: ignore
    return engine, ended


def run_to_end(engine: Engine, ended: threading.Event) -> None:
    """Start it and wait for its end."""
    engine.start()
    assert ended.wait(500)
    engine.join()


def wait_for(condition: Callable[[], object], what: str = "", seconds: float = 500.0) -> None:
    """Poll until it holds."""
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, what or "it never came"
        time.sleep(0.002)
