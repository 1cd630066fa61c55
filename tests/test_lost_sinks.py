"""A sink that cannot go on is lost alone: it is a problem with its remedy, the others go on, and the end comes."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from livewarp.errors import LivewarpError, SinkError
from livewarp.live import outputs
from livewarp.live.limits import Demand, Limits
from livewarp.live.outputs import Outputs
from livewarp.parameters import Switches
from livewarp.sinks import sender
from livewarp.sinks.preview import Picture, Preview
from livewarp.sinks.sender import RECORD_AGAIN, Sender
from livewarp.sinks.videofile import VideoFileSink
from scripted import SHAPE, RecordingSink, ScriptedFilter, ScriptedSource, engine_of, run_to_end, wait_for

HEIGHT, WIDTH = SHAPE[:2]
FRAME = np.full(SHAPE, 100, np.uint8)


class FullDisk(VideoFileSink):
    """A real video file, whose disk is full after some frames: each is written to /dev/full then."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, WIDTH, HEIGHT, 25)
        self._room = room

    def send(self, pixels: np.ndarray, at_s: float | None = None) -> None:
        """Write while there is room."""
        if self._room == 0:
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(pixels.tobytes())
        self._room -= 1
        super().send(pixels, at_s)


class HungDisk:
    """A recorder that blocks in the kernel: in the opening of a FIFO without a writer."""

    name = "file hung.mp4"

    def __init__(self, fifo: Path) -> None:
        self._fifo = fifo
        self.entered = threading.Event()

    def send(self, pixels: np.ndarray, at_s: float | None = None) -> None:
        """Block."""
        self.entered.set()
        os.close(os.open(self._fifo, os.O_RDONLY))

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def fifo(tmp_path: Path):
    """A FIFO; whoever still blocks on it at the end of the test is let go."""
    os.mkfifo(tmp_path / "fifo")
    yield tmp_path / "fifo"
    os.close(os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK))


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The camera goes on, the state has the problem and its remedy, and what was recorded plays."""
    path = tmp_path / "out.avi"
    recording, camera, source = Sender(FullDisk(path, 5), WIDTH, HEIGHT), RecordingSink(), ScriptedSource()
    engine, ended = engine_of(source, recording, camera)
    engine.start()
    wait_for(engine.problems)
    n = len(camera.numbers)
    wait_for(lambda: len(camera.numbers) > n + 5)
    (problem,) = engine.problems()
    assert "No space left on device" in problem.what
    assert problem.remedy == RECORD_AGAIN
    lost, well = engine.outputs()
    assert (lost.watched, well.watched, well.problem) == (False, True, None)
    assert lost.problem == problem
    assert lost.dropped > 0
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None  # it was asked to stop
    with av.open(str(path)) as video:
        assert 1 <= len(list(video.decode(video=0))) <= 5  # an AVI has one frame a period
    assert caplog.text.count("the recording ends, all else goes on") == 1


def test_a_run_whose_recording_was_lost_does_not_end_well(tmp_path: Path) -> None:
    """--frames with a recording that could not go on: all frames are read, and the end is an error that says why."""
    source = ScriptedSource()
    engine, ended = engine_of(
        source, Sender(FullDisk(tmp_path / "out.avi", 2), WIDTH, HEIGHT), limits=Limits(frames=60)
    )
    run_to_end(engine, ended)
    assert source.count >= 60
    assert isinstance(engine.error, SinkError)
    assert "No space left" in str(engine.error)


@pytest.mark.parametrize("error", [SinkError("gone", remedy="plug it in"), RuntimeError("a bug"), MemoryError()])
def test_whatever_a_sink_raises_is_its_own_loss(error: Exception) -> None:
    """It gets no more frames, is closed once, and is a problem with a remedy; the others and the engine go on."""
    sick, well = RecordingSink(), RecordingSink()
    engine, ended = engine_of(ScriptedSource(), sick, well)
    engine.start()
    wait_for(lambda: len(sick.numbers) > 2)
    sick.failure = error
    wait_for(lambda: sick.closed)
    sent, n = len(sick.kinds), len(well.numbers)
    wait_for(lambda: len(well.numbers) > n + 5)
    (problem,) = engine.problems()
    assert problem.what == ("gone" if isinstance(error, LivewarpError) else f"recording: has failed: {error!r}")
    assert problem.remedy == ("plug it in" if isinstance(error, LivewarpError) else outputs.LOST)
    assert engine.viewers == 1
    engine.stop()
    assert ended.wait(500)
    assert (sick.closed, well.closed, len(sick.kinds), engine.error) == (1, 1, sent, None)


def test_a_lost_recording_does_not_keep_the_webcam_open(tmp_path: Path) -> None:
    """Nobody watches and nothing is recorded any more: the camera is closed."""
    source = ScriptedSource(live=True)
    engine, ended = engine_of(
        source, Sender(FullDisk(tmp_path / "out.avi", 2), WIDTH, HEIGHT), demand=Demand(True, 0.05)
    )
    engine.start()
    wait_for(lambda: source.closed == 1)
    assert engine.state.state == "idle"
    engine.stop()
    assert ended.wait(500)


def test_a_disk_that_hangs_blocks_neither_the_loop_nor_the_end(
    fifo: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Frames go on, it is a problem while it lasts, and the end leaves its thread behind and says so."""
    monkeypatch.setattr(sender, "BLOCKED_S", 0.0)
    monkeypatch.setattr(sender, "CLOSE_S", 0.05)
    hung, camera = HungDisk(fifo), RecordingSink()
    engine, ended = engine_of(ScriptedSource(), Sender(hung, WIDTH, HEIGHT), camera)
    engine.start()
    assert hung.entered.wait(500)
    n = len(camera.numbers)
    wait_for(lambda: len(camera.numbers) > n + 20)
    assert [(p.what, bool(p.remedy)) for p in engine.problems()] == [("file hung.mp4: takes no frames", True)]
    engine.stop()
    assert ended.wait(500)
    assert "left behind" in str(engine.error)
    assert camera.closed == 1


def test_a_camera_that_nobody_watches_gets_a_frame_now_and_then() -> None:
    """And at once what differs in kind: whoever comes after `blank` finds no picture of before."""
    now = [0.0]
    unwatched, unknown = RecordingSink(watched=False), RecordingSink(watched=None)
    kept = RecordingSink(watched=False, records=True)
    all_ = Outputs([unwatched, unknown, kept], None, lambda: now[0])
    frame = np.zeros(SHAPE, np.uint8)
    for _ in range(30):  # a second
        all_.send(frame)
        now[0] += 1 / 30
    assert 4 <= len(unwatched.kinds) <= 6
    assert len(unknown.kinds) == len(kept.kinds) == 30
    unwatched.kinds.clear()
    for how in ({"camera": False}, {"camera": True}, {"hidden": True}, {"hidden": True}):
        all_.send(frame, **how)
    assert len(unwatched.kinds) == 3
    unwatched.watched = True
    all_.send(frame, hidden=True)
    assert len(unwatched.kinds) == 4


def test_a_close_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any sink's close has its time; the others are closed meanwhile, and the error names the one that hangs."""
    monkeypatch.setattr(outputs, "CLOSE_S", 0.05)
    go = threading.Event()
    hung, well = RecordingSink(), RecordingSink()
    monkeypatch.setattr(hung, "close", lambda: go.wait(500))
    both = Outputs([hung, well], None)
    with pytest.raises(SinkError, match="closing it does not end"):
        both.close()
    assert well.closed == 1
    go.set()


def test_sinks_that_hang_share_the_time_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many do not close, the end is waited for no longer; the clock and the waiting are the test's."""
    now, waits, go = [100.0], [], threading.Event()

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        assert timeout is not None
        waits.append(timeout)
        now[0] += timeout

    hung = [RecordingSink() for _ in range(3)]
    for sink in hung:
        monkeypatch.setattr(sink, "close", lambda: go.wait(500))
    both = Outputs(hung, None)
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "time", SimpleNamespace(monotonic=lambda: now[0]))
        patch.setattr(threading.Thread, "join", join)
        with pytest.raises(SinkError, match="closing it does not end"):
            both.close()
    go.set()
    assert waits == [outputs.CLOSE_S, 0.0, 0.0]


def test_a_preview_that_fails_takes_nothing_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The engine goes on, the state has the problem, it is logged once, and the preview heals with the next frame."""
    pictures: list[Picture] = []
    broken = threading.Event()
    broken.set()

    def show(picture: Picture) -> None:
        if broken.is_set():
            raise RuntimeError("no more pictures")
        pictures.append(picture)

    preview, camera = Preview(show), RecordingSink()
    preview.start()
    preview.watch()
    engine, ended = engine_of(ScriptedSource(live=True), camera, preview=preview)
    engine.start()
    wait_for(lambda: preview.failure)
    n = len(camera.numbers)
    wait_for(lambda: len(camera.numbers) > n + 5)
    assert [(p.what, p.remedy) for p in engine.problems()] == [
        ("the preview has failed: RuntimeError('no more pictures')", outputs.NO_PREVIEW)
    ]
    broken.clear()
    wait_for(lambda: pictures and not engine.problems())
    engine.stop()
    assert ended.wait(500)
    assert engine.error is None
    preview.close()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1


def test_a_frame_that_is_blanked_under_way_leaves_no_half_behind() -> None:
    """Announced for those who compare, then blanked: the frame as it came is never above what is sent instead."""
    pictures: list[Picture] = []
    preview = Preview(on_split=pictures.append)
    preview.start()
    preview.watch(split=True)
    made = ScriptedFilter()
    engine, ended = engine_of(ScriptedSource(), RecordingSink(), face_filter=made, preview=preview)

    def blank_once_announced() -> None:  # between the announcement and the sending
        if preview._pair:
            engine.switches = Switches(blank=True)

    made.on_render = blank_once_announced
    engine.start()
    wait_for(lambda: any(not picture.camera for picture in pictures) and engine.switches.blank)
    n = len(pictures)
    wait_for(lambda: len(pictures) > n + 2)
    engine.stop()
    assert ended.wait(500)
    preview.close()
    assert all(picture.camera for picture in pictures if picture.halves == 2)


def test_a_room_that_is_to_be_hidden_under_way_leaves_no_half_behind() -> None:
    """Announced for those who compare, then hidden: the frame as it came is never above what covers it."""
    pictures: list[Picture] = []
    preview = Preview(on_split=pictures.append)
    preview.start()
    preview.watch(split=True)
    made = ScriptedFilter()
    engine, ended = engine_of(ScriptedSource(), RecordingSink(), face_filter=made, preview=preview)

    def hide_once_announced() -> None:
        if preview._pair:
            engine.parameters = made.parameters.replace(background="blur")

    made.on_render = hide_once_announced
    engine.start()
    wait_for(lambda: any(picture.halves == 1 for picture in pictures) and engine.parameters["background"] == "blur")
    engine.stop()
    assert ended.wait(500)
    preview.close()
    for picture in pictures:
        if picture.halves == 2:
            image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert image[image.shape[0] * 3 // 4].max() > 100  # the camera's red, and not the cover
