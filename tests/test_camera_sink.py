"""Cameras that programs watch: whatever goes wrong with one, the frame loop goes on, and it heals."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import pyvirtualcam

from livewarp.errors import Problem, SinkError
from livewarp.sinks import camera
from livewarp.sinks.virtualcam import VirtualCamera, VirtualCameraSink

H, W = 48, 64
TIMEOUT_S = 120.0


def frame(value: int) -> np.ndarray[Any, Any]:
    """A frame of one grey."""
    return np.full((H, W, 3), value, np.uint8)


def until(what: Callable[[], object]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + TIMEOUT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class ScriptedCamera:
    """A pyvirtualcam back end that does what the test says, to all that are open."""

    fault: ClassVar[Exception | None] = None  # raised by `send`
    refusal: ClassVar[Exception | None] = None  # raised when it is opened
    go: ClassVar[threading.Event] = threading.Event()  # `send` waits for it
    sent: ClassVar[list[int]] = []
    opened: ClassVar[list[tuple[float, str | None]]] = []
    closed: ClassVar[int] = 0

    @classmethod
    def reset(cls) -> None:
        """As new."""
        cls.fault = cls.refusal = None
        cls.go = threading.Event()
        cls.go.set()
        cls.sent, cls.opened, cls.closed = [], [], 0

    def __init__(self, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        ScriptedCamera.opened.append((time.monotonic(), device))
        if self.refusal is not None:
            raise self.refusal
        self._device = device or "scripted0"

    def send(self, pixels: np.ndarray[Any, Any]) -> None:
        """Take it, wait or fail."""
        value = int(pixels[0])
        assert self.go.wait(TIMEOUT_S)
        if self.fault is not None:
            raise self.fault
        ScriptedCamera.sent.append(value)

    def close(self) -> None:
        """Count."""
        ScriptedCamera.closed += 1

    def device(self) -> str:
        """Its name."""
        return self._device

    def native_fourcc(self) -> None:
        """None to tell of."""


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualCameraSink]:
    """A camera that is retried quickly."""
    monkeypatch.setattr(camera, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(camera, "LONGEST_RETRY_S", 0.04)
    monkeypatch.setattr(camera, "CHECK_S", 0.02)
    ScriptedCamera.reset()
    pyvirtualcam.register_backend("scripted", ScriptedCamera)
    opened = VirtualCameraSink(W, H, 25.0, backend="scripted")
    yield opened
    ScriptedCamera.go.set()
    opened.close()


def test_a_camera_that_fails_is_told_of_and_heals(sink: VirtualCameraSink, caplog: pytest.LogCaptureFixture) -> None:
    """Frames that it refuses are counted, `send` never raises, and when it takes frames again all is well."""
    with caplog.at_level(logging.INFO, "livewarp"):
        ScriptedCamera.fault = OSError("out of\norder")
        sink.send(frame(1))
        until(lambda: sink.problem)
        assert sink.problem == Problem("virtual camera scripted0: out of order")
        assert sink.watched is False  # nobody can watch what is gone
        sent = 1
        while len(ScriptedCamera.opened) < 6:  # it is tried again and again
            sink.send(frame(1))
            sent += 1
            time.sleep(0.001)
        assert sink.problem
        ScriptedCamera.fault = None
        until(lambda: sink.problem is None)
        lost = sink.dropped
        assert 1 <= lost <= sent
        sink.send(frame(2))
        until(lambda: 2 in ScriptedCamera.sent)
        assert sink.dropped == lost
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert [r.getMessage() for r in warnings] == ["virtual camera scripted0: out of order"]
    assert [r.getMessage() for r in caplog.records if "is back" in r.getMessage()] == [
        "virtual camera scripted0: is back"
    ]


def test_a_camera_that_is_gone_is_looked_for_ever_more_slowly(sink: VirtualCameraSink) -> None:
    """The pauses between two tries double up to the longest."""
    ScriptedCamera.refusal = RuntimeError("is not there")
    ScriptedCamera.fault = OSError("gone")
    ScriptedCamera.opened.clear()
    sink.send(frame(1))
    until(lambda: len(ScriptedCamera.opened) >= 12)
    assert sink.problem is not None
    assert "is not there" in str(sink.problem)
    tries_s = [when for when, device in ScriptedCamera.opened if device == "scripted0"]
    gaps_s = np.diff(tries_s)
    assert (gaps_s[0] >= 0.02).all()
    assert (gaps_s[1:] >= 0.04).all()


def test_the_camera_that_was_lost_is_preferred(sink: VirtualCameraSink) -> None:
    """Whoever watches has that one open; another is taken only where it cannot be had."""
    ScriptedCamera.refusal = RuntimeError("is not there")
    ScriptedCamera.fault = OSError("gone")
    sink.send(frame(1))
    until(lambda: len(ScriptedCamera.opened) >= 3)
    assert [device for _, device in ScriptedCamera.opened[:3]] == [None, "scripted0", None]


def test_a_camera_that_blocks_never_holds_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """`send` returns at once, the newest frame wins, what is lost is counted, and the trouble has a name."""
    ScriptedCamera.reset()
    pyvirtualcam.register_backend("scripted", ScriptedCamera)
    now = [100.0]
    sink = camera.CameraSink(lambda lost: VirtualCamera(W, H, 25.0, None, "scripted"), clock=lambda: now[0])
    ScriptedCamera.go.clear()
    for value in range(100):
        sink.send(frame(value))
    until(lambda: sink._writing_since < float("inf"))
    assert sink.problem is None
    now[0] += 7.0
    assert sink.problem == Problem("virtual camera scripted0: takes no frames", "close the programs that use it")
    ScriptedCamera.go.set()
    until(lambda: ScriptedCamera.sent[-1:] == [99])
    assert sink.problem is None
    assert len(ScriptedCamera.sent) <= 3
    assert len(ScriptedCamera.sent) + sink.dropped == 100
    sink.close()


def test_a_blocked_camera_does_not_hold_up_the_end(sink: VirtualCameraSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """`close` leaves a hanging thread behind, which releases the camera when it comes back."""
    monkeypatch.setattr(camera, "JOIN_S", 0.05)
    ScriptedCamera.go.clear()
    sink.send(frame(1))
    until(lambda: sink._writing_since < float("inf"))
    sink.close()
    assert ScriptedCamera.closed == 0
    ScriptedCamera.go.set()
    until(lambda: ScriptedCamera.closed == 1)
    sink._thread.join(TIMEOUT_S)


def test_closing_releases_the_camera_once(sink: VirtualCameraSink) -> None:
    """Also when it was lost and found in between, and when it is closed twice."""
    ScriptedCamera.fault = OSError("gone")
    sink.send(frame(1))
    until(lambda: sink.problem)
    ScriptedCamera.fault = None
    until(lambda: sink.problem is None)
    sink.close()
    sink.close()
    assert ScriptedCamera.closed == len(ScriptedCamera.opened)
    assert not sink._thread.is_alive()


def test_a_camera_that_fails_when_it_is_opened_raises() -> None:
    """What was asked for and cannot be had is told at the start, not healed."""
    ScriptedCamera.reset()
    pyvirtualcam.register_backend("scripted", ScriptedCamera)
    ScriptedCamera.refusal = RuntimeError("is not there")
    with pytest.raises(SinkError, match="virtual camera: is not there"):
        VirtualCameraSink(W, H, 25.0, backend="scripted")


def test_a_lost_camera_that_cannot_be_closed_heals(sink: VirtualCameraSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """That closing what is gone fails, too, is no reason to end."""

    def refuse(self: ScriptedCamera) -> None:
        ScriptedCamera.closed += 1
        if ScriptedCamera.closed == 1:
            raise OSError("no such device")

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedCamera, "close", refuse)
        ScriptedCamera.fault = OSError("gone")
        sink.send(frame(1))
        until(lambda: len(ScriptedCamera.opened) > 1)
        ScriptedCamera.fault = None
        until(lambda: sink.problem is None)
    sink.send(frame(2))
    until(lambda: 2 in ScriptedCamera.sent)


def test_what_nobody_foresaw_surfaces(sink: VirtualCameraSink, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours ends the camera's thread, logged with its traceback, and the loop by the next `send`."""
    with caplog.at_level(logging.ERROR, "livewarp"):
        ScriptedCamera.fault = ZeroDivisionError("oops")
        sink.send(frame(1))
        until(lambda: not sink._thread.is_alive())
    assert "Traceback" in caplog.text
    for _ in range(2):
        with pytest.raises(SinkError, match=r"scripted0: has failed: ZeroDivisionError\('oops'\)") as caught:
            sink.send(frame(2))
        assert caught.value.__cause__ is ScriptedCamera.fault
    assert ScriptedCamera.closed == 1


def test_a_frame_of_another_size_is_refused(sink: VirtualCameraSink) -> None:
    """The size is fixed at the start; another one is the caller's error."""
    with pytest.raises(SinkError, match=r"frame size: got \(48, 65\), allowed: \(48, 64\)"):
        sink.send(np.zeros((48, 65, 3), np.uint8))


class TellingOutput:
    """An output that tells of itself."""

    name = "telling"
    visible_to = label = "tests"
    size_hw = (H, W)
    packed_shape = (H, W, 3)

    def __init__(self) -> None:
        self.wanted = True
        self.watched: bool | None = None
        self.gone = False
        self.packed = 0
        self.written = 0

    def pack(self, pixels: np.ndarray[Any, Any], buffer: np.ndarray[Any, Any]) -> None:
        """Count."""
        self.packed += 1

    def write(self, buffer: np.ndarray[Any, Any]) -> None:
        """Count."""
        self.written += 1

    def check(self) -> None:
        """Gone or not."""
        if self.gone:
            raise SinkError("telling: has gone")

    def close(self) -> None:
        """Nothing."""


def test_frames_that_nobody_takes_cost_nothing() -> None:
    """While a camera wants none, nothing is converted; who watches it is handed through."""
    output = TellingOutput()
    output.wanted = False
    sink = camera.CameraSink(lambda lost: output)
    sink.send(frame(1))
    assert output.packed == 0
    assert sink.watched is None
    output.wanted = output.watched = True
    sink.send(frame(1))
    until(lambda: output.written == 1)
    assert sink.watched is True
    assert sink.dropped == 0
    sink.close()


def test_a_camera_that_vanishes_is_missed_without_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked after also while nobody sends; the first check that succeeds ends the episode."""
    monkeypatch.setattr(camera, "CHECK_S", 0.01)
    monkeypatch.setattr(camera, "FIRST_RETRY_S", 0.01)
    output = TellingOutput()
    sink = camera.CameraSink(lambda lost: output)
    output.gone = True
    until(lambda: sink.problem == Problem("telling: has gone"))
    output.gone = False
    until(lambda: sink.problem is None)
    sink.close()
