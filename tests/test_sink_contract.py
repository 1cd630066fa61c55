"""What every sink promises (`livewarp.sinks.Sink`), held by each kind of the table, opened as the program opens it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from livewarp.errors import SinkError
from livewarp.sinks import SINK_KINDS, Sink, open_sinks
from livewarp.system import v4l2
from loopback_fixture import Kernel, pseudo_terminal
from pipewire.session import Session, missing

W, H, FPS = 48, 32, 25.0
FIRST, LATER = 200, 40  # gray levels
ENCODED = 6  # levels by which a flat gray may differ after an encoder, or as I420


class Opened(NamedTuple):
    """A sink, and the level of the first frame that came out at the other end; None: there is no end to look at."""

    sink: Sink
    first: Callable[[], float | None] = lambda: None


def loopback_camera(wanted: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A v4l2loopback device whose kernel is played; all that is written to it is read."""
    patch.setattr(v4l2, "ioctl", Kernel().ioctl)
    with pseudo_terminal() as (path, reader):
        patch.setattr(v4l2, "nodes", lambda: [path])
        got = bytearray()
        came = threading.Event()

        def read() -> None:
            try:
                while data := os.read(reader.fileno(), 65536):
                    got.extend(data)
                    if len(got) >= W * H:
                        came.set()
            except OSError:
                return  # the other end is closed

        held = os.open(path, os.O_RDWR | os.O_NOCTTY)  # without any end open a pseudo-terminal cannot be read
        thread = threading.Thread(target=read)
        thread.start()

        def first() -> float:
            assert came.wait(500)
            return (float(np.frombuffer(bytes(got[: W * H]), np.uint8).mean()) - 16) * 255 / 219  # limited range

        [sink] = open_sinks(wanted, W, H, FPS)
        yield Opened(sink, first)
        os.close(held)
        thread.join(500)


def pipewire_camera(wanted: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A camera in a session of its own; what viewers get of it is for tests/test_pipewire.py."""
    if missing():
        pytest.skip(missing())
    session = Session()
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        patch.setenv(name, session.environment[name])
    try:
        [sink] = open_sinks(wanted, W, H, FPS)
        yield Opened(sink)
    finally:
        session.close()


def video_file(wanted: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A recording, which is read once it is closed."""
    path = tmp_path / "out.mkv"
    [sink] = open_sinks(f"{wanted}:{path}", W, H, FPS)

    def first() -> float:
        sink.close()
        return float(cv2.VideoCapture(str(path)).read()[1].mean())

    yield Opened(sink, first)


def nothing(wanted: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """The sink that forgets."""
    [sink] = open_sinks(wanted, W, H, FPS)
    yield Opened(sink)


OPEN = {
    "auto": loopback_camera,
    "virtualcam": loopback_camera,
    "pipewire": pipewire_camera,
    "file": video_file,
    "null": nothing,
}


@pytest.fixture(params=[kind.name for kind in SINK_KINDS])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """One of each kind; a kind that has no maker here fails."""
    making = OPEN[request.param](request.param, tmp_path, monkeypatch)
    made = next(making)
    yield made
    made.sink.close()
    next(making, None)


def gray(level: int, height: int = H) -> np.ndarray[Any, Any]:
    """A flat frame that nobody may write to."""
    frame = np.full((height, W, 3), level, np.uint8)
    frame.setflags(write=False)
    return frame


def test_a_sink_keeps_its_contract(opened: Opened) -> None:
    """It says what it is; takes frames without keeping them; refuses other sizes; ends twice, with its threads."""
    sink = opened.sink
    assert sink.name
    assert "\n" not in sink.name
    assert isinstance(sink.records, bool)
    assert sink.watched in (True, False, None)
    if sink.records:
        assert sink.watched is True
    assert (sink.dropped, sink.problem) == (0, None)

    frame = np.full((H, W, 3), FIRST, np.uint8)
    sink.send(frame)
    frame[:] = LATER  # the array is the caller's
    first = None if sink.records else opened.first()  # of a camera, the newest frame wins
    if sink.name != "null":  # which has no size
        with pytest.raises(SinkError, match=rf"got \({H + 2}, {W}.*allowed: \({H}, {W}\)"):
            sink.send(gray(LATER, H + 2))
    sink.send(gray(LATER))  # a refused frame loses nothing of what comes
    assert sink.problem is None

    mine = [thread for thread in threading.enumerate() if thread.name == f"sender {sink.name}"]
    assert mine or sink.name == "null"
    first = opened.first() if sink.records else first
    assert first is None or abs(first - FIRST) < ENCODED

    sink.close()
    sink.close()
    assert not any(thread.is_alive() for thread in mine)
