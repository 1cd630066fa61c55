"""Kernels that a stage needs are compiled when it is first wanted, and no live frame waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.dispatcher import Dispatcher

from livewarp.daemon.report import state_of
from livewarp.errors import LivewarpError
from livewarp.filtering import stages
from livewarp.filtering.filter import FaceFilter
from livewarp.filtering.stages import STAGES, Stage
from livewarp.parameters import Parameters
from livewarp.scene import Scene
from livewarp.tracking import FaceTracker
from scripted import SHAPE, RecordingSink, ScriptedSource, engine_of, wait_for

TINT = 77  # the corner's grey level, where the stage has run
ON, OFF = Parameters(thin=0.0, eyes=0.0, smile=1.0), Parameters(thin=0.0, eyes=0.0)


class Tint:
    """A stage whose work has a kernel that no cache knows; its compilation can be held up, or fail."""

    def __init__(self) -> None:
        def tint(frame: np.ndarray) -> None:
            frame[0, 0, :] = TINT

        self.kernel: Dispatcher = njit(nogil=True)(tint)
        self.may_compile = threading.Event()
        self.may_compile.set()
        self.failure: Exception | None = None
        self.threads: list[str] = []  # that prepared it
        self.economy: list[int] = []  # as `run` was given it

    def prepare(self, height: int, width: int) -> None:
        """Compile the kernel."""
        self.threads.append(threading.current_thread().name)
        assert self.may_compile.wait(500)
        if self.failure is not None:
            raise self.failure
        self.kernel.compile("void(u1[:,:,::1])")

    def run(self, frame: np.ndarray, scene: Scene, values: Mapping[str, Any], economy: int) -> None:
        """Mark the frame."""
        self.economy.append(economy)
        self.kernel(frame)


@pytest.fixture
def tint(monkeypatch: pytest.MonkeyPatch) -> Tint:
    """The work of a stage that stands in the table in place of the mirror; `smile` turns it on."""
    work = Tint()
    stage = Stage("tint", "A corner is tinted.", lambda: work, lambda values: float(values["smile"]) > 0.5)
    table = tuple(stage if each.name == "mirror" else each for each in STAGES)
    monkeypatch.setattr(stages, "STAGES", table)
    return work


def test_live_frames_go_without_it_until_it_is_ready(tint: Tint) -> None:
    """Wanted, it is getting ready, in the worker, while frames go out unchanged; then it is in every frame."""
    source, sink = ScriptedSource(live=True), RecordingSink()
    face_filter = FaceFilter(OFF, FaceTracker(live=True), glide_s=0.0)
    engine, ended = engine_of(source, sink, face_filter=face_filter)  # type: ignore[arg-type]
    engine.start()
    wait_for(lambda: len(sink.numbers) > 5)
    assert (tint.threads, state_of(engine)["getting_ready"]) == ([], [])
    tint.may_compile.clear()
    engine.parameters = ON
    wait_for(lambda: engine.getting_ready == ["tint"])
    assert state_of(engine)["getting_ready"] == ["tint"]
    waiting = len(sink.numbers)
    wait_for(lambda: len(sink.numbers) > waiting + 20)
    assert sink.marks == sink.numbers  # the corner is as grey as the rest
    tint.may_compile.set()
    wait_for(lambda: sink.marks[-3:] == [TINT] * 3)
    assert engine.getting_ready == []
    assert engine.problems() == []
    assert tint.threads == ["worker"]
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None


def test_offline_it_is_in_the_first_frame(tint: Tint) -> None:
    """The same input gives the same bytes: who can wait, waits."""
    frame = np.zeros(SHAPE, np.uint8)
    face_filter = FaceFilter(ON, FaceTracker())
    face_filter.economy = 1
    for _ in range(2):
        assert face_filter.apply(frame)[0, 0, 0] == TINT
    assert tint.threads == [threading.current_thread().name]
    assert tint.economy == [1, 1]


@pytest.mark.parametrize("live", [True, False])
def test_what_is_not_wanted_is_not_compiled(tint: Tint, live: bool) -> None:
    """A start, and frames, with the effect off cost it nothing, and it changes no byte."""
    frame = np.zeros(SHAPE, np.uint8)
    face_filter = FaceFilter(OFF, FaceTracker(live=live))
    face_filter.warm_up(*SHAPE[:2])
    assert not face_filter.apply(frame).any()
    assert (tint.threads, tint.kernel.signatures, face_filter.getting_ready) == ([], [], [])
    face_filter.close()


@pytest.mark.parametrize(
    ("failure", "remedy"),
    [(LivewarpError("no compiler", remedy="make setup"), "make setup"), (RuntimeError("no compiler"), "see the log")],
)
def test_what_cannot_be_prepared_is_a_problem(tint: Tint, failure: Exception, remedy: str) -> None:
    """The loop goes on without it and says why; turned off and on, it is tried again."""
    tint.failure = failure
    frame = np.zeros(SHAPE, np.uint8)
    face_filter = FaceFilter(ON, FaceTracker(live=True), glide_s=0.0)

    def shown() -> int:
        return int(face_filter.apply(frame)[0, 0, 0])

    wait_for(lambda: shown() == 0 and face_filter.problems())
    (problem,) = face_filter.problems()
    assert (problem.what, problem.remedy) == ("tint cannot be used: no compiler", remedy)
    assert shown() == 0
    assert len(tint.threads) == 1  # not again and again
    tint.failure = None
    face_filter.parameters = OFF
    assert shown() == 0
    assert face_filter.problems() == []
    face_filter.parameters = ON
    wait_for(lambda: shown() == TINT)
    face_filter.close()


def test_offline_what_cannot_be_prepared_is_an_error(tint: Tint) -> None:
    """A file is not written without an effect that was asked for."""
    tint.failure = LivewarpError("no compiler")
    with pytest.raises(LivewarpError, match="no compiler"):
        FaceFilter(ON, FaceTracker()).apply(np.zeros(SHAPE, np.uint8))


def test_a_stage_runs_only_where_it_applies_and_is_timed(tint: Tint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a face, a stage that is about faces takes no time and does nothing."""
    column = [stage.name for stage in stages.STAGES].index("tint")
    table = [replace(stage, applies=stages.has_faces) if stage.name == "tint" else stage for stage in stages.STAGES]
    frame = np.zeros(SHAPE, np.uint8)
    face_filter = FaceFilter(ON, FaceTracker())
    began_s = time.perf_counter()
    face_filter.apply(frame)
    assert 0.0 < face_filter.times_s[column] <= time.perf_counter() - began_s
    monkeypatch.setattr(stages, "STAGES", tuple(table))
    face_filter = FaceFilter(ON, FaceTracker())
    assert not face_filter.apply(frame).any()
    assert face_filter.times_s[column] == 0.0
