"""The PipeWire camera in a real session: a daemon, a session manager, viewers, and at last a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livewarp.errors import SinkError
from livewarp.sinks import Sink, open_sinks, pipewire, virtualcam
from livewarp.system import libpipewire
from pipewire.session import Session, missing, until
from pipewire.viewer import Viewer

W, H, FPS = 320, 240, 30.0
TIMEOUT_S = 500.0

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "all there")


@pytest.fixture(scope="module")
def shared() -> Iterator[Session]:
    """One session for all tests of this file; a test that ends parts of it starts them again."""
    session = Session()
    yield session
    session.close()


@pytest.fixture
def session(shared: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The session, as this process's own."""
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, shared.environment[name])
    return shared


class Sending:
    """Sends a frame 30 times a second, as the engine would."""

    def __init__(self, sink: Sink, frame: np.ndarray[Any, Any]) -> None:
        self._sink, self._frame = sink, frame
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._ended.wait(1 / FPS):
            self._sink.send(self._frame)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(TIMEOUT_S)


@pytest.fixture
def sink(session: Session) -> Iterator[Sink]:
    """A camera in the session."""
    [opened] = open_sinks("pipewire", W, H, FPS)
    yield opened
    opened.close()


@pytest.fixture
def picture() -> np.ndarray[Any, Any]:
    """Smooth noise in colour."""
    rng = np.random.default_rng(7)
    return cv2.GaussianBlur(rng.integers(0, 256, (H, W, 3)).astype(np.uint8), (0, 0), 6)


def test_programs_find_a_camera(session: Session, sink: Sink) -> None:
    """The node has what browsers look for, and offers our size and rate in the formats that they know, best first."""
    [camera] = until(session.cameras)
    about = {key: camera["props"].get(key) for key in ("media.role", "node.name", "node.description")}
    assert about == {"media.role": "Camera", "node.name": "livewarp", "node.description": "livewarp"}
    offers = camera["params"]["EnumFormat"]
    assert [offer["format"] for offer in offers] == ["I420", "NV12", "YUY2"]
    for offer in offers:
        assert offer["size"] == {"width": W, "height": H}
        assert offer["framerate"] == {"num": 30, "denom": 1}
    assert sink.name == "PipeWire camera livewarp"
    assert sink.problem is None
    sink.close()
    until(lambda: not session.cameras())


@pytest.mark.parametrize("format_", ["I420", "NV12", "YUY2"])
def test_a_viewer_gets_the_picture(sink: Sink, picture: np.ndarray[Any, Any], format_: str) -> None:
    """In the format that it asks for, pixel for pixel, numbered and stamped; who watches is known all along."""
    assert sink.watched is False
    with Sending(sink, picture):
        viewer = Viewer("livewarp", format_, W, H, FPS)
        until(lambda: len(viewer.frames) >= 10)
        assert sink.watched is True
        viewer.close()
        until(lambda: not sink.watched)
    decoder = {"I420": cv2.COLOR_YUV2BGR_I420, "NV12": cv2.COLOR_YUV2BGR_NV12, "YUY2": cv2.COLOR_YUV2BGR_YUY2}
    shape = (H, W, 2) if format_ == "YUY2" else (H * 3 // 2, W)
    seen = cv2.cvtColor(viewer.frames[-1].reshape(shape), decoder[format_]).astype(int)
    np.testing.assert_allclose(seen, picture, atol=8)  # colours at half the resolution, and rounding
    assert np.abs(seen - picture).mean() < 1.5
    assert viewer.numbers == sorted(set(viewer.numbers))
    assert all(0 <= late_s < TIMEOUT_S for late_s in viewer.late_s)
    assert sink.problem is None


def test_several_viewers_watch_at_once(sink: Sink, picture: np.ndarray[Any, Any]) -> None:
    """Each gets frames; it is watched until the last one has left."""
    with Sending(sink, picture):
        first = Viewer("livewarp", "I420", W, H, FPS)
        second = Viewer("livewarp", "I420", W, H, FPS)
        until(lambda: min(len(first.frames), len(second.frames)) >= 5)
        first.close()
        count = len(second.frames)
        until(lambda: len(second.frames) >= count + 30)
        assert sink.watched is True
        second.close()
        until(lambda: not sink.watched)


def test_it_comes_back_when_pipewire_does(session: Session, sink: Sink, picture: np.ndarray[Any, Any]) -> None:
    """Meanwhile the problem and its remedy are told, and nothing is thrown at the loop."""
    with Sending(sink, picture):
        session.stop()
        try:
            until(lambda: sink.problem)
            assert "start it: systemctl --user start pipewire wireplumber" in str(sink.problem)
            assert sink.watched is False
        finally:
            session.start()
        until(lambda: sink.problem is None)
        viewer = Viewer("livewarp", "I420", W, H, FPS)
        until(lambda: len(viewer.frames) >= 5)
        viewer.close()


def test_nothing_is_left_behind(session: Session) -> None:
    """Opened and closed again and again: threads and descriptors are what they were."""

    def left() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def once() -> None:
        [opened] = open_sinks("pipewire", W, H, FPS)
        opened.close()

    once()
    before = left()
    for _ in range(5):
        once()
    assert left() == before


def test_without_a_daemon_it_is_told_how_to_start_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name it is an error, at once; `auto` goes on without."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(SinkError, match="no PipeWire daemon answers; start it: systemctl --user start pipewire"):
        open_sinks("pipewire", W, H, FPS)


def test_a_daemon_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    """A socket at which nobody answers counts as none."""
    monkeypatch.setattr(pipewire, "ANSWER_S", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(session.folder / "silent"))
        silent.listen()
        monkeypatch.setenv("PIPEWIRE_REMOTE", "silent")
        with pytest.raises(SinkError, match="no PipeWire daemon answers"):
            open_sinks("pipewire", W, H, FPS)


def test_without_the_library_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, by its name."""
    libpipewire.pipewire_library.cache_clear()
    monkeypatch.setattr(libpipewire, "PIPEWIRE_LIBRARY", "libnone.so.0")
    with pytest.raises(SinkError, match=r"no usable libnone\.so\.0 here .*sudo apt install libpipewire-0\.3-0"):
        open_sinks("pipewire", W, H, FPS)
    libpipewire.pipewire_library.cache_clear()


class Loopback:
    """A v4l2loopback device's back end, played."""

    label, visible_to, wanted, watched = "Studio", "tests", True, False

    def __init__(self, *, device: str | None, on_open: Callable[[Any], None], **asked: object) -> None:
        on_open(self)

    def device(self) -> str:
        """Its node."""
        return "/dev/video10"

    def check(self) -> None:
        """All is well."""

    def send(self, frame: object) -> None:
        """Take it."""

    close = native_fourcc = check


ANOTHER = """
from livewarp.sinks import open_sinks
[camera] = open_sinks("pipewire", 320, 240, 30.0)
print("ready", flush=True)
input()
"""


def test_auto_is_both_kinds_of_camera_under_one_name_and_never_two_of_them_in_a_session(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called what the other is called; while the session lists that one, too, it is no camera."""
    monkeypatch.setitem(virtualcam.OURS, virtualcam.BACKEND, Loopback)
    cameras = open_sinks("auto", W, H, FPS)
    assert [camera.name for camera in cameras] == ["virtual camera /dev/video10", "PipeWire camera Studio"]

    def described() -> list[str]:
        return [camera["props"]["node.description"] for camera in session.cameras()]

    until(lambda: described() == ["Studio"])
    # WirePlumber's node for the device, played by another livewarp.
    properties = '{object.path="v4l2:/dev/video10" node.description="Studio (V4L2)"}'
    environment = {**session.environment, "PIPEWIRE_PROPS": properties}
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as another:
        assert another.stdout is not None
        assert another.stdout.readline() == b"ready\n"
        until(lambda: described() == ["Studio (V4L2)"])
        assert [camera.problem for camera in cameras] == [None, None]
        another.communicate(b"\n")
    until(lambda: described() == ["Studio"])
    for camera in cameras:
        camera.close()


def test_auto_takes_it_where_there_is_no_other(
    session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says which programs see it."""
    from livewarp.system import v4l2

    monkeypatch.setattr(v4l2, "nodes", list)
    with caplog.at_level("INFO", "livewarp"):
        [opened] = open_sinks("auto", W, H, FPS)
    opened.close()
    assert opened.name == "PipeWire camera livewarp"
    assert "PipeWire camera livewarp is visible to OBS and other programs that use PipeWire; Firefox" in caplog.text
