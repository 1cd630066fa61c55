"""Everything that can go wrong with a camera, on purpose: always a named state, always back when it is over.

The sequences of faults run on a clock that goes only when told; the blocked calls are real ones.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pyvirtualcam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livewarp.live import capture
from livewarp.live.engine import Engine
from livewarp.live.limits import Demand
from livewarp.live.loop import IDLE_PERIOD_S
from livewarp.live.outputs import UNWATCHED_S
from livewarp.live.reader import Reader
from livewarp.live.state import StateName
from livewarp.mailbox import Mailbox, Parcel
from livewarp.parameters import Switches, Wanted
from livewarp.sinks.virtualcam import VirtualCameraSink
from livewarp.sources import Plan
from scripted import CAMERA_RED, SHAPE, RecordingSink, ScriptedFilter, ScriptedSource, engine_of, wait_for
from scripted_world import CAMERA_FAULTS, FPS, TICK_S, World


class Rig:
    """An engine in that world, turned by hand."""

    def __init__(self) -> None:
        self.world = World()
        self.sink = RecordingSink()
        plan = Plan("scripted", True, SHAPE[1], SHAPE[0], FPS, self.world.open)
        self.face_filter = face_filter = ScriptedFilter()
        self.engine = Engine(
            plan,
            lambda: face_filter,  # type: ignore[arg-type, return-value]
            Wanted(face_filter.parameters),
            [self.sink],
            demand=Demand(True, 2.0),
            clock=self.world.clock,
            start_reader=self.world.readers.append,
        )
        self.engine._loading.run()
        self.sent_s, self.sent_slowly = self.world.now, False

    def live(self, seconds: float) -> None:
        """Time passes; what must always hold is checked at every turn."""
        for _ in range(round(seconds / TICK_S)):
            self.world.pass_time()
            before = len(self.sink.kinds)
            while True:
                self.engine.loop.step(parcel := self.engine.loop.mailbox.receive(0.0), self.world.now)
                if parcel is None:
                    break
            self._check(self.sink.kinds[before:])

    def _check(self, sent: list[str]) -> None:
        state = self.engine.state
        assert isinstance(state.state, StateName)
        assert state.reason
        if self.engine.switches.blank:
            assert "camera" not in sent
            assert any(c.state == "blanked" for c in state.conditions)
        idle = any(c.state == "idle" for c in state.conditions)
        slow = idle or self.sink.watched is False
        if sent:
            self.sent_s, self.sent_slowly = self.world.now, slow
        # A period, the slack, and two ticks of this clock; while nobody watches it is slower.
        allowed_s = UNWATCHED_S + IDLE_PERIOD_S if slow or self.sent_slowly else 1 / FPS + 1 / FPS / 2
        assert self.world.now - self.sent_s <= allowed_s + 2 * TICK_S + 1e-6

    def wait(self, condition: Callable[[], object], at_most_s: float) -> float:
        """How long it takes until that holds."""
        began_s = self.world.now
        while not condition():
            assert self.world.now - began_s <= at_most_s, self.engine.state
            self.live(TICK_S)
        return self.world.now - began_s

    def shows_the_camera(self) -> bool:
        """Whether a frame that is new was the last thing sent."""
        newest = (self.world.frames % 256, self.world.frames % 251, CAMERA_RED)
        return self.engine.state.state == "running" and tuple(self.sink.last[2, 2]) == newest


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*CAMERA_FAULTS, "", "changes its size", "blank", "freeze", "nobody watches"]),
            st.floats(0.05, 9.0),
            st.booleans(),  # whether it lasts while the next thing happens
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_happens_it_comes_back(events: list[tuple[str, float, bool]]) -> None:
    """A named state and a full rate throughout, no camera while blanked, and its frames 3 s after the last fault."""
    rig = Rig()
    world, engine = rig.world, rig.engine
    for what, seconds, lasts in events:
        if what in CAMERA_FAULTS:
            world.fault = what
        elif what == "changes its size":
            world.size = (64, 30) if world.size == (SHAPE[1], SHAPE[0]) else (SHAPE[1], SHAPE[0])
        elif what == "nobody watches":
            rig.sink.watched = False
        elif what:
            engine.switches = Switches(**{what: True})
        rig.live(seconds)
        if not lasts:
            world.fault = ""
            rig.sink.watched = True
            engine.switches = Switches()
    world.fault = ""
    rig.sink.watched = True
    engine.switches = Switches()
    frames = world.frames
    rig.wait(lambda: world.frames > frames and rig.shows_the_camera(), 3.0)
    rig.live(1.0)
    rig.wait(rig.shows_the_camera, 3 / FPS)  # one frame may have come before its slot
    assert engine.abandoned_threads == 0
    engine.loop.capture.wanted = False
    engine.loop.capture.step(world.now)
    rig.world.pass_time()
    assert world.readers == []


@pytest.mark.parametrize("fault", CAMERA_FAULTS)
def test_each_fault_is_named_and_over_in_time(fault: str) -> None:
    """Six seconds of it: said within a second of silence (or that it is the same picture), and back within three."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = fault
    rig.live(3.0)
    seen = rig.engine.state
    if fault in {"bursts", "freezes", "hangs in open", "refuses"}:
        assert seen.state == "running"  # open already, or nothing wrong to see
    else:
        assert (seen.state, bool(seen.reason)) == ("stalled", True)
        assert rig.sink.kinds[-1] == "placeholder"
    rig.live(3.0)
    rig.world.fault = ""
    frames = rig.world.frames
    rig.wait(lambda: rig.world.frames > frames and rig.shows_the_camera() and not rig.engine.problems(), 3.0)


def test_a_camera_in_use_at_start_is_waited_for() -> None:
    """The program that had it lets go after a minute: a picture within three seconds, and no thread left behind."""
    rig = Rig()
    rig.world.fault = "refuses"
    rig.live(60.0)
    assert rig.engine.state.reason == "scripted: is in use"
    rig.world.fault = ""
    assert rig.wait(rig.shows_the_camera, 3.0) <= 3.0


def test_the_last_good_frame_is_shown_for_a_second() -> None:
    """Silence: first the same frame again at the full rate, then the placeholder until frames return."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = "is silent"
    numbers = len(rig.sink.numbers)
    rig.live(0.9)
    repeats = rig.sink.numbers[numbers:]
    assert len(repeats) >= 0.8 * FPS
    assert len(set(repeats)) == 1
    rig.live(0.3)
    assert rig.sink.kinds[-1] == "placeholder"


def test_a_picture_that_never_changes_is_named_and_opened_anew_once() -> None:
    """A closed shutter looks like a stuck driver: opened once more, still shown, and the state says it."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    opened = []
    real = rig.engine.loop.capture._opener
    rig.engine.loop.capture._opener = lambda: opened.append(rig.world.now) or real()  # type: ignore[func-returns-value]
    rig.world.fault = "freezes"
    rig.live(30.0)
    assert len(opened) == 1
    assert rig.engine.state.state == "running"
    assert "same picture: shutter closed?" in rig.engine.state.reason
    assert [p.what for p in rig.engine.problems()] == ["scripted: same picture: shutter closed?"]
    assert rig.sink.kinds[-1] == "camera"
    rig.world.fault = ""
    rig.live(1.0)
    assert "same picture" not in rig.engine.state.reason
    assert rig.engine.problems() == []


def test_stale_frames_after_a_suspend_are_not_shown() -> None:
    """Frames of seven seconds ago count as none: the reason tells it, and none goes out."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = "is late"
    newest = rig.sink.numbers[-1]
    rig.live(1.7)
    assert rig.sink.numbers[-1] == newest
    assert "frames from scripted are old" in rig.engine.state.reason


@pytest.mark.parametrize("phase", range(4))
def test_who_begins_to_watch_sees_the_camera_at_once(phase: int) -> None:
    """From idle, the camera's very first frame is sent, whenever that is, and nothing old before it."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.sink.watched = False
    rig.wait(lambda: rig.engine.state.state == "idle", 3.0)
    rig.live(5.0 + phase * TICK_S)
    assert rig.world.readers == []
    frames, kinds, numbers = rig.world.frames, len(rig.sink.kinds), len(rig.sink.numbers)
    rig.sink.watched = True
    rig.wait(lambda: rig.world.frames > frames, 0.3)
    rig.wait(rig.shows_the_camera, 0.1)
    shown = rig.sink.kinds[kinds:]
    assert shown == sorted(shown, reverse=True)  # placeholders, then the camera
    assert rig.sink.numbers[numbers] == frames + 1


def test_only_a_silence_of_the_camera_is_a_gap() -> None:
    """While the engine is busy frames go on, and count; a silence, and frames held back, begin anew."""
    rig = Rig()
    engine, world, since_s = rig.engine, rig.world, rig.face_filter.since_s
    rig.wait(rig.shows_the_camera, 2.0)
    began_s = since_s[-1]
    for _ in range(round(3.0 / TICK_S)):
        world.pass_time()  # the camera's thread runs, the engine does not
    rig.live(1.0)
    assert set(since_s) == {began_s}

    rig.world.fault = "is silent"
    rig.live(1.5)
    rig.world.fault = ""
    rig.live(1.0)
    assert since_s[-1] is not None
    assert since_s[-1] > began_s + 4.0

    engine.switches = Switches(blank=True)
    rig.live(0.5)
    before = len(since_s)
    engine.switches = Switches()
    rig.live(0.5)
    assert since_s[before] is None
    assert since_s[-1] is not None


def test_a_reader_that_is_left_while_it_takes_a_buffer_loses_none() -> None:
    """Whenever a reader is left, the mailbox has as many buffers afterwards as before."""
    world = World()
    mailbox = Mailbox(SHAPE, kept=1)
    buffers = len(mailbox._free)
    reader = Reader(world.open, mailbox, world.clock)
    assert reader.advance()
    take, threads = mailbox.take, []

    def leave_and_take() -> np.ndarray:
        threads.append(threading.Thread(target=reader.leave))
        threads[0].start()
        threads[0].join(0.05)  # it may have to wait until the buffer is where it looks for it
        return take()

    mailbox.take = leave_and_take  # type: ignore[method-assign]
    while reader.advance():
        pass
    threads[0].join()
    assert len(mailbox._free) + mailbox.waiting == buffers
    assert reader.done


def test_the_buffer_of_a_read_that_blocks_is_made_up_for() -> None:
    """A reader that is left in the middle of a read keeps its buffer, and the mailbox gets another."""
    begun, go = threading.Event(), threading.Event()

    class Blocking(ScriptedSource):
        """Its reads return when the test says so."""

        def read(self, out: np.ndarray) -> float | None:
            begun.set()
            assert go.wait(500)
            return super().read(out)

    mailbox = Mailbox(SHAPE, kept=1)
    buffers = len(mailbox._free)
    reader = Reader(Blocking().open, mailbox, time.monotonic)
    assert reader.advance()  # opens it
    thread = threading.Thread(target=reader.advance)
    thread.start()
    assert begun.wait(500)
    reader.leave()
    assert len(mailbox._free) == buffers
    go.set()
    thread.join()
    reader.close()
    assert len(mailbox._free) + mailbox.waiting == buffers


def test_the_first_frame_waits_for_no_slot() -> None:
    """A placeholder that has just been sent does not hold back the camera's first frame; later ones have to wait."""
    rig = Rig()
    engine, world = rig.engine, rig.world
    engine.loop.step(None, world.now)  # opens it
    sent = []
    while len(sent) < 2:
        world.pass_time()
        parcel = engine.loop.mailbox.receive(0.0)
        if parcel is not None:
            engine.loop.pace.slot_s = world.now + 1 / FPS  # as if something had gone out this moment
            engine.loop.step(parcel, world.now)
            sent.append(list(rig.sink.numbers))
    assert sent == [[1], [1]]


def test_a_burst_does_not_speed_up_the_output() -> None:
    """Many frames at once: the newest are sent, at the rate, and the rest counts as dropped."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = "bursts"
    sent = len(rig.sink.kinds)
    rig.live(5.0)
    assert len(rig.sink.kinds) - sent == pytest.approx(5 * FPS, rel=0.06)
    assert rig.engine.loop.dropped() > 500


def test_hanging_calls_are_not_piled_up() -> None:
    """A camera that hangs with every attempt costs a few threads, not one every few seconds for ever."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = "hangs"
    rig.live(25.0)
    first = rig.engine.abandoned_threads
    assert 1 <= first <= capture.MAX_ABANDONED
    rig.live(60.0)
    assert rig.engine.abandoned_threads <= first + 4
    assert any("hang" in p.what for p in rig.engine.problems())
    rig.world.fault = ""
    rig.wait(rig.shows_the_camera, 3.0)
    assert rig.engine.abandoned_threads == 0


class FifoCamera(ScriptedSource):
    """A webcam whose reads block in the kernel once `blocks` is set: in the opening of a FIFO without a writer."""

    def __init__(self, fifo: Path) -> None:
        super().__init__(live=True)
        self.fifo = fifo
        self.blocks = threading.Event()
        self.blocks_open = False

    def open(self) -> ScriptedSource:
        """Opens, or hangs."""
        if self.blocks_open:
            os.close(os.open(self.fifo, os.O_RDONLY))
        return super().open()

    def read(self, out: np.ndarray) -> float | None:
        """A frame, or hangs."""
        if self.blocks.is_set():
            os.close(os.open(self.fifo, os.O_RDONLY))
        return super().read(out)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """A FIFO; whoever still blocks on it at the end of the test is let go."""
    path = tmp_path / "fifo"
    if not hasattr(os, "mkfifo"):
        pytest.skip("no FIFOs on this platform")
    os.mkfifo(path)
    yield path
    let_go(path)


def let_go(fifo: Path) -> None:
    """Let every call return that blocks in opening it."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return  # nobody waits


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up sooner than with real cameras."""
    limits = {"SILENT_S": 0.2, "REOPEN_S": 0.3, "LEAVE_S": 0.3, "OPEN_LIMIT_S": 0.5, "CLOSE_S": 0.5}
    for name, seconds in limits.items():
        monkeypatch.setattr(capture, name, seconds)
    monkeypatch.setattr(capture, "RETRY_S", (0.05, 0.1))


@pytest.mark.usefixtures("hasty")
def test_a_read_that_blocks_for_ever_does_not_block_the_daemon(fifo: Path) -> None:
    """The output goes on, the camera is opened anew; when the call returns, threads and files are as before."""
    threads, files = threading.active_count(), descriptors()
    first, second, sink = FifoCamera(fifo), ScriptedSource(live=True), RecordingSink()
    sources = iter([first, second])
    plan = Plan("fifo", True, SHAPE[1], SHAPE[0], 100.0, lambda: next(sources).open())
    ended = threading.Event()
    face_filter = ScriptedFilter()
    engine = Engine(plan, lambda: face_filter, Wanted(face_filter.parameters), [sink], on_end=ended.set)  # type: ignore
    engine.start()
    wait_for(lambda: engine.state.state == "running")
    first.blocks.set()
    wait_for(lambda: engine.state.state == "stalled")
    sent = len(sink.kinds)
    wait_for(lambda: len(sink.kinds) > sent + 10)
    wait_for(lambda: engine.state.state == "running")
    assert engine.abandoned_threads == 1
    assert first.closed == 0
    let_go(fifo)
    wait_for(lambda: engine.abandoned_threads == 0)
    wait_for(lambda: first.closed == 1)
    engine.stop()
    assert ended.wait(500)
    engine.join()
    wait_for(lambda: threading.active_count() == threads)
    assert descriptors() == files
    assert engine.error is None


@pytest.mark.usefixtures("hasty")
def test_an_opening_that_blocks_for_ever_does_not_either(fifo: Path) -> None:
    """Not even the end waits for it: the thread is left behind, and said so."""
    threads = threading.active_count()
    source, sink = FifoCamera(fifo), RecordingSink()
    source.blocks_open = True
    engine, ended = engine_of(source, sink)
    engine.start()
    wait_for(lambda: engine.state.state == "stalled")
    wait_for(lambda: "opening scripted hangs" in engine.state.reason)
    wait_for(lambda: engine.abandoned_threads == 1)
    engine.stop()
    assert ended.wait(500)
    engine.join()
    assert source.opened == 0
    end_s = time.monotonic() + 500
    while threading.active_count() > threads:
        let_go(fifo)
        assert time.monotonic() < end_s
    assert source.opened == source.closed


class FaultyCamera:
    """A back end of pyvirtualcam that fails on purpose."""

    fault: ClassVar[str] = ""
    opened: ClassVar[int] = 0
    sent: ClassVar[int] = 0
    release: ClassVar[threading.Event] = threading.Event()

    def __init__(self, width: int, height: int, fps: float, fourcc: int, device: str | None, **options: Any) -> None:
        if FaultyCamera.fault == "gone":
            raise RuntimeError("no such device")
        FaultyCamera.opened += 1

    def close(self) -> None:
        """Nothing to release."""

    def send(self, frame: np.ndarray) -> None:
        """Take a frame, or not."""
        if FaultyCamera.fault in {"gone", "raises"}:
            raise RuntimeError("write failed")
        if FaultyCamera.fault == "blocks":
            FaultyCamera.release.wait(500)
        FaultyCamera.sent += 1

    def device(self) -> str:
        """Its name."""
        return "faulty"

    def native_fourcc(self) -> None:
        """Whatever comes."""


@pytest.mark.parametrize("fault", ["raises", "gone", "blocks"])
def test_an_output_that_fails_does_not_hold_up_the_others(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises, its device vanishes, or it blocks: the other sink goes on, the problem is told, and it heals."""
    monkeypatch.setattr("livewarp.sinks.camera.BLOCKED_S", 0.3)
    pyvirtualcam.register_backend("faulty", FaultyCamera)
    FaultyCamera.fault, FaultyCamera.opened, FaultyCamera.sent = "", 0, 0
    FaultyCamera.release.clear()
    try:
        camera = VirtualCameraSink(SHAPE[1], SHAPE[0], 100.0, backend="faulty")
        other = RecordingSink()
        engine, ended = engine_of(ScriptedSource(fps=100.0), camera, other)  # type: ignore[arg-type]
        engine.start()
        wait_for(lambda: FaultyCamera.sent > 3)
        FaultyCamera.fault = fault
        wait_for(lambda: engine.problems())
        sent = len(other.kinds)
        wait_for(lambda: len(other.kinds) > sent + 20)
        assert engine.problems()[0].what
        assert engine.problems()[0].remedy
        FaultyCamera.fault = ""
        FaultyCamera.release.set()
        sent = FaultyCamera.sent
        wait_for(lambda: FaultyCamera.sent > sent + 3)
        wait_for(lambda: not engine.problems())
        engine.stop()
        assert ended.wait(500)
        assert engine.error is None
    finally:
        pyvirtualcam.camera.BACKENDS.pop("faulty")


BLANKED, FROZEN, BOTH = Switches(blank=True), Switches(freeze=True), Switches(blank=True, freeze=True)


def _lose_the_frame(rig: Rig) -> None:
    """The frame that is held shows a room that is to be hidden by now."""
    rig.engine.parameters = rig.engine.parameters.replace(background="colour")
    rig.live(0.5)
    rig.engine.parameters = rig.engine.parameters.replace(background="none")


@pytest.mark.parametrize(
    ("steps", "held"),
    [
        ([FROZEN, BOTH, FROZEN], True),
        ([FROZEN, "is silent", BOTH, FROZEN, ""], True),
        ([FROZEN, "nobody watches", BOTH, FROZEN, "somebody watches"], True),
        ([FROZEN, _lose_the_frame], False),
        ([BLANKED, BOTH, FROZEN], False),
        ([FROZEN, BOTH, BLANKED, BOTH, FROZEN], False),
        (["is silent", FROZEN, ""], False),
        (["nobody watches", FROZEN, "somebody watches"], False),
    ],
)
def test_while_frozen_no_new_frame_is_shown(steps: list[Any], held: bool) -> None:
    """Whatever comes between, the frame that was frozen is shown or a placeholder, and afterwards the camera again."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    for step in steps:
        if isinstance(step, Switches):
            rig.engine.switches = step
            if step is FROZEN and len(rig.sink.numbers) and rig.sink.kinds[-1] == "camera":
                frozen = rig.sink.numbers[-1]
        elif callable(step):
            step(rig)
        elif step.endswith(" watches"):
            rig.sink.watched = step.startswith("somebody")
        else:
            rig.world.fault = step
        kinds, numbers = len(rig.sink.kinds), len(rig.sink.numbers)
        rig.live(3.0)
    assert set(rig.sink.kinds[kinds + 2 :]) == {"camera" if held else "placeholder"}
    assert set(rig.sink.numbers[numbers:]) <= ({frozen} if held else set())
    assert held or "frozen without a frame" in rig.engine.state.reason
    rig.engine.switches = Switches()
    rig.wait(rig.shows_the_camera, 0.2)


@pytest.mark.parametrize("fault", ["is silent", "hangs"])
def test_a_camera_that_comes_back_after_blank_shows_nothing_older(fault: str) -> None:
    """Silent, blanked, no longer blanked, back again: what is shown of the camera then was taken since."""
    rig = Rig()
    rig.wait(rig.shows_the_camera, 2.0)
    rig.world.fault = fault
    rig.live(0.4)
    taken = rig.engine.loop.mailbox.take()  # a frame on its way when the picture went blank
    taken[...] = (7, 7, CAMERA_RED)
    rig.engine.switches = BLANKED
    rig.live(TICK_S)
    rig.engine.switches = Switches()
    numbers, frames = len(rig.sink.numbers), rig.world.frames
    rig.engine.loop.mailbox.post(Parcel(taken, rig.world.now - 2 * TICK_S, 0, 0.0))
    rig.live(3.0)
    assert rig.sink.numbers[numbers:] == []
    rig.world.fault = ""
    rig.wait(rig.shows_the_camera, 3.0)
    assert min(rig.sink.numbers[numbers:]) > frames
