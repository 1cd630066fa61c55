"""The live loop with scripted sources and sinks: what is read is sent, in order, and errors surface."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from livewarp.engine import Engine
from livewarp.errors import SinkError, SourceError
from livewarp.parameters import Parameters

SHAPE = (36, 48, 3)


class ScriptedSource:
    """Delivers numbered frames, then does what the script says."""

    name = "scripted"
    width, height = SHAPE[1], SHAPE[0]

    def __init__(self, frames: int = 10**9, live: bool = False, fps: float = 200.0) -> None:
        self.fps, self.live, self.ended = fps, live, False
        self.left, self.count, self.closed = frames, 0, 0
        self.gate = threading.Event()  # live sources deliver when it is set
        self.gate.set()
        self.failure: Exception | None = None

    def read(self, out: np.ndarray) -> float | None:
        """The next number as a gray level."""
        if self.failure is not None:
            raise self.failure
        if self.left == 0:
            self.ended = True
            return None
        if self.live and not self.gate.wait(0.01):
            return None
        self.left -= 1
        out[:] = self.count % 256
        self.count += 1
        return time.monotonic() if self.live else (self.count - 1) / self.fps

    def close(self) -> None:
        """Count."""
        self.closed += 1


class ScriptedFilter:
    """A filter that adds its `thin`, in grey levels, and never sees a face."""

    def __init__(self) -> None:
        self.parameters = Parameters(thin=0.0)
        self.closed = 0

    def warm_up(self, height: int, width: int) -> None:
        """Nothing to compile."""

    def track(self, frame: np.ndarray, timestamp_s: float) -> list[object]:
        """Nobody there."""
        return []

    def warp(self, frame: np.ndarray, faces: list[object], out: np.ndarray) -> np.ndarray:
        """Mark the frame with the parameters that it was made with."""
        out[0, 0] = round(float(self.parameters["thin"]) * 100)
        return out

    def close(self) -> None:
        """Count."""
        self.closed += 1


class RecordingSink:
    """Remembers the numbers and marks of what it got."""

    name = "recording"

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.marks: list[int] = []
        self.closed = 0
        self.failure: Exception | None = None
        self.on_frame = lambda: None

    def send(self, pixels: np.ndarray) -> None:
        """Remember."""
        if self.failure is not None:
            raise self.failure
        self.numbers.append(int(pixels[1, 1, 0]))
        self.marks.append(int(pixels[0, 0, 0]))
        self.on_frame()

    def close(self) -> None:
        """Count."""
        self.closed += 1


def engine_of(source: ScriptedSource, sink: RecordingSink, **options: object) -> tuple[Engine, threading.Event]:
    """An engine over the scripted parts, and what it sets when it has ended."""
    ended = threading.Event()
    return Engine(source, ScriptedFilter(), [sink], on_end=ended.set, **options), ended  # type: ignore[arg-type]


def run_to_end(engine: Engine, ended: threading.Event) -> None:
    """Start it and wait for its end."""
    engine.start()
    assert ended.wait(30)
    engine.join()


def test_a_film_ends_by_itself_and_closes_everything() -> None:
    """Each part is closed once, the last frame is counted, and nothing is wrong."""
    source, sink = ScriptedSource(50), RecordingSink()
    engine, ended = engine_of(source, sink)
    run_to_end(engine, ended)
    assert engine.error is None
    assert (source.closed, sink.closed) == (1, 1)
    assert sink.numbers == sorted(sink.numbers)
    assert sink.numbers[-1] == 49
    assert engine.stats.frames + engine.stats.dropped == 50
    assert engine.state.state == "stopping"


def test_max_frames_is_exact() -> None:
    """--frames N sends N frames."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sink, max_frames=7)
    run_to_end(engine, ended)
    assert (len(sink.numbers), engine.stats.frames, engine.stats.passed) == (7, 7, 7)


def test_max_duration_ends_it() -> None:
    """--duration stops an endless source."""
    engine, ended = engine_of(ScriptedSource(), RecordingSink(), max_duration_s=0.1)
    run_to_end(engine, ended)
    assert engine.error is None


def test_a_film_keeps_its_pace() -> None:
    """Twenty frames at 100 fps take 0.2 s, not less."""
    engine, ended = engine_of(ScriptedSource(fps=100.0), RecordingSink(), max_frames=20)
    started = time.monotonic()
    run_to_end(engine, ended)
    assert time.monotonic() - started >= 0.19


def test_a_change_is_seen_by_the_next_frame() -> None:
    """Parameters that are set while a frame is being sent are those of the next one."""
    sink = RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sink, max_frames=3)
    values = iter([0.5, 0.9, 1.0])

    def change() -> None:
        engine.parameters = engine.parameters.replace(thin=next(values))

    sink.on_frame = change
    run_to_end(engine, ended)
    assert sink.marks == [0, 50, 90]


@pytest.mark.parametrize("part", ["source", "sink"])
def test_a_failure_surfaces_and_closes_everything(part: str) -> None:
    """What the loop died of is in `error`; the rest is released."""
    source, sink = ScriptedSource(), RecordingSink()
    failure = SourceError("gone") if part == "source" else SinkError("gone")
    engine, ended = engine_of(source, sink)
    (source if part == "source" else sink).failure = failure
    run_to_end(engine, ended)
    assert engine.error is failure
    assert engine.state.reason == "gone"
    assert (source.closed, sink.closed) == (1, 1)


def test_a_silent_source_is_a_state_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """No frames: stalled, with the reason; frames again: running."""
    monkeypatch.setattr("livewarp.engine.STALLED_AFTER_S", 0.05)
    source, sink = ScriptedSource(live=True), RecordingSink()
    engine, ended = engine_of(source, sink)
    states: list[str] = []
    seen = threading.Event()
    changed = Engine._set_state

    def record(self: Engine, state: str, reason: str) -> None:
        changed(self, state, reason)
        if states[-1:] != [state]:
            states.append(state)
            seen.set()

    monkeypatch.setattr(Engine, "_set_state", record)

    def wait_for(state: str) -> None:
        while states[-1:] != [state]:
            assert seen.wait(30)
            seen.clear()

    engine.start()
    wait_for("running")
    source.gate.clear()
    wait_for("stalled")
    assert "scripted" in engine.state.reason
    source.gate.set()
    wait_for("running")
    engine.stop()
    assert ended.wait(30)
    assert states == ["running", "stalled", "running", "stopping"]


def test_stop_before_the_first_frame_ends_it() -> None:
    """Stopping while a source is silent does not wait for it."""
    source = ScriptedSource(live=True)
    source.gate.clear()
    engine, ended = engine_of(source, RecordingSink())
    engine.start()
    engine.stop()
    assert ended.wait(30)
    assert engine.error is None


def test_threads_end_with_the_engine() -> None:
    """After the end only the threads of before are left."""
    before = threading.active_count()
    engine, ended = engine_of(ScriptedSource(20), RecordingSink())
    run_to_end(engine, ended)
    assert threading.active_count() == before
