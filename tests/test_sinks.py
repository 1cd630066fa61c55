"""Sinks: what is sent arrives, and nothing half-written keeps a final name."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import av
import cv2
import numpy as np
import pytest
import pyvirtualcam
from pyvirtualcam.util import encode_fourcc

from livewarp.errors import Problem, SettingsError, SinkError
from livewarp.media.formats import FORMATS
from livewarp.sinks import open_sinks
from livewarp.sinks.sender import QUEUE_FRAMES, RECORD_AGAIN, Sender
from livewarp.sinks.videofile import VideoFileSink
from livewarp.sinks.virtualcam import BACKEND, VirtualCameraSink

FRAME = np.full((48, 64, 3), 100, np.uint8)


def until(what: Callable[[], object]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 500
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def count_frames(path: Path) -> int:
    """How many frames a video holds."""
    capture, n = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        n += 1
    return n


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_video_file_holds_what_was_sent(tmp_path: Path, suffix: str) -> None:
    """Every format we name can be written and read back."""
    path = tmp_path / f"out{suffix}"
    sink = VideoFileSink(path, 64, 48, 25)
    for _ in range(7):
        sink.send(FRAME)
    sink.close()
    sink.close()
    assert count_frames(path) == 7
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_without_a_frame_is_not_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stopped before the first frame, nothing is left, what was there before stays, and it is said."""
    path = tmp_path / "out.mp4"
    path.write_bytes(b"earlier")
    [sink] = open_sinks(f"file:{path}", 64, 48, 25, force=True)
    sink.close()
    sink.close()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("out.mp4", b"earlier")]
    assert caplog.text.count("no frame came, so nothing is written") == 1


@pytest.mark.parametrize("kind", ["plain", "symlink", "hardlink"])
def test_a_file_is_replaced_by_force_alone(tmp_path: Path, kind: str) -> None:
    """Without it the file stays; with it the content changes, and neither permissions nor links do."""
    path, real = tmp_path / "out.mp4", tmp_path / "real.mp4"
    real.write_bytes(b"precious")
    real.chmod(0o640)
    link = {"plain": real.rename, "symlink": path.symlink_to, "hardlink": path.hardlink_to}[kind]
    link(path if kind == "plain" else real)
    with pytest.raises(SettingsError, match=r"exists; allowed: a new name, or --force .*; \{time\} in a name"):
        VideoFileSink(path, 64, 48, 25)
    assert path.read_bytes() == b"precious"
    sink = VideoFileSink(path, 64, 48, 25, force=True)
    assert path.read_bytes() == b"precious"
    sink.send(FRAME)
    sink.close()
    assert count_frames(path) == 1
    assert path.stat().st_mode & 0o777 == 0o640
    if kind != "plain":
        assert path.samefile(real)


def test_the_time_in_a_name_makes_each_recording_a_new_file(tmp_path: Path) -> None:
    """Two starts in one second, too."""
    sinks = [VideoFileSink(tmp_path / "call-{time}.mkv", 64, 48, 25) for _ in range(2)]
    for sink in sinks:
        sink.send(FRAME)
        sink.close()
    first, second = sorted(tmp_path.iterdir(), key=lambda path: len(path.name))
    assert re.fullmatch(r"call-\d{8}-\d{6}\.mkv", first.name)
    assert second.name.removeprefix(first.stem) in {"-2.mkv", second.name}
    assert count_frames(first) == count_frames(second) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_recording_that_is_killed_plays_to_its_last_second(tmp_path: Path, suffix: str) -> None:
    """What stands on the disk while it is written is a video, a second short at most."""
    path, copy = tmp_path / f"out{suffix}", tmp_path / f"copy{suffix}"
    sink = VideoFileSink(path, 64, 48, 25)
    noise = np.random.default_rng(1).integers(0, 256, (75, 48, 64, 3)).astype(np.uint8)
    for i, frame in enumerate(noise):
        sink.send(frame, 100.0 + i / 25)
    copy.write_bytes(path.read_bytes())
    sink.close()
    assert count_frames(copy) >= 50
    assert count_frames(path) == 75


def test_a_recording_keeps_the_times_at_which_frames_came(tmp_path: Path) -> None:
    """A camera that falls silent for two seconds leaves two seconds, not a jump."""
    path = tmp_path / "out.mp4"
    sink = VideoFileSink(path, 64, 48, 25)
    for at_s in (5.0, 5.04, 5.08, 7.08, 7.12):
        sink.send(FRAME, at_s)
    sink.close()
    with av.open(path) as video:
        np.testing.assert_allclose([frame.time for frame in video.decode(video=0)], [0, 0.04, 0.08, 2.08, 2.12])


@pytest.mark.parametrize(
    ("name", "told"), [("a.txt", "suffix: got '.txt', allowed: .mp4"), ("gone/a.mp4", "no folder")]
)
def test_a_path_that_cannot_be_written_is_told(tmp_path: Path, name: str, told: str) -> None:
    """The error names the path and what is allowed, before the first frame."""
    with pytest.raises(SinkError, match=told):
        VideoFileSink(tmp_path / name, 64, 48, 25)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_full_disk_is_told_and_what_was_recorded_plays(tmp_path: Path, suffix: str) -> None:
    """The error names it; the frames before it stay."""
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    path = tmp_path / f"out{suffix}"
    sink = VideoFileSink(path, 320, 240, 25)
    noise = np.random.default_rng(1).integers(0, 256, (40, 240, 320, 3)).astype(np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, before[1]))
    try:
        with pytest.raises(SinkError, match="disk full; free some space"):
            any(sink.send(frame) for frame in noise)
        sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert count_frames(path) > 5


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    """OpenCV would drop it in silence."""
    sink = VideoFileSink(tmp_path / "out.mp4", 64, 48, 25)
    with pytest.raises(SinkError, match="allowed: \\(48, 64\\)"):
        sink.send(np.zeros((50, 64, 3), np.uint8))
    sink.close()


class SlowSink:
    """A sink that waits to be let go."""

    name = "slow"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.got: list[int] = []
        self.failing = False
        self.closed = 0

    def send(self, pixels: np.ndarray, at_s: float) -> None:
        """Take the frame when allowed."""
        assert self.go.wait(500)
        if self.failing:
            raise SinkError("slow: broken")
        self.got.append(int(pixels[0, 0, 0]))

    def close(self) -> None:
        """Count."""
        self.closed += 1


def test_a_slow_sink_never_holds_up_the_loop() -> None:
    """`send` returns at once; what does not fit is dropped, oldest first, and counted; the rest arrives."""
    slow = SlowSink()
    sender = Sender(slow, 64, 48)
    for i in range(100):
        sender.send(np.full((48, 64, 3), i, np.uint8))
    slow.go.set()
    sender.close()
    sender.close()
    assert slow.closed == 1
    assert slow.got[-QUEUE_FRAMES:] == list(range(100 - QUEUE_FRAMES, 100))
    assert len(slow.got) + sender.dropped == 100


def test_a_recording_that_cannot_go_on_is_a_problem() -> None:
    """Its sink is closed at once, later frames count as dropped, and nothing is raised."""
    slow = SlowSink()
    slow.failing = True
    slow.go.set()
    sender = Sender(slow, 64, 48)
    sender.send(FRAME)
    sender._thread.join(500)
    assert slow.closed == 1
    sender.send(FRAME)
    assert (sender.dropped, sender.watched) == (1, False)
    assert sender.problem == Problem("slow: broken", RECORD_AGAIN)
    sender.close()


class RecordingCamera:
    """A pyvirtualcam back end that remembers."""

    sent: ClassVar[list[np.ndarray]] = []
    asked: ClassVar[dict[str, Any]] = {}

    def __init__(self, width: int, height: int, fps: float, fourcc: int, device: str | None) -> None:
        RecordingCamera.asked = {"width": width, "height": height, "fps": fps, "fourcc": fourcc}
        self._fourcc = fourcc
        if device == "busy":
            raise RuntimeError("'recording' backend: Device busy is already\nin use.")
        self._device = device or "recording0"

    def close(self) -> None:
        """Nothing."""

    def send(self, frame: np.ndarray) -> None:
        """Keep a copy."""
        RecordingCamera.sent.append(frame.copy())

    def device(self) -> str:
        """Its name."""
        return self._device

    def native_fourcc(self) -> int:
        """As asked for."""
        return self._fourcc


@pytest.fixture
def backend() -> str:
    """A registered back end; its name."""
    RecordingCamera.sent = []
    pyvirtualcam.register_backend("recording", RecordingCamera)
    return "recording"


def test_a_virtual_camera_gets_the_pixels(backend: str) -> None:
    """Frames arrive as they were sent, at the size and rate that were asked for."""
    rng = np.random.default_rng(3)
    frame = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    sink = VirtualCameraSink(64, 48, 20.0, backend=backend)
    sink.send(frame)
    until(lambda: RecordingCamera.sent)
    sink.close()
    sink.close()
    fourcc = encode_fourcc(pyvirtualcam.PixelFormat.BGR.value)
    assert RecordingCamera.asked == {"width": 64, "height": 48, "fps": 20.0, "fourcc": fourcc}
    np.testing.assert_array_equal(RecordingCamera.sent[0].reshape(frame.shape), frame)
    assert sink.name == "virtual camera recording0"


def test_a_busy_device_is_told_in_one_line(backend: str) -> None:
    """The back end's own words, on one line, with how to get a camera."""
    with pytest.raises(SinkError, match=r"busy is already in use\.; (to get one|see the README)") as caught:
        VirtualCameraSink(64, 48, 20.0, device="busy", backend=backend)
    assert "\n" not in str(caught.value)


def test_an_unknown_back_end_is_told() -> None:
    """Pyvirtualcam's bare KeyError becomes a sentence."""
    with pytest.raises(SinkError, match="back end: got 'none such', allowed: "):
        VirtualCameraSink(64, 48, 20.0, backend="none such")


def test_auto_without_a_camera_tells_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What each kind lacks here and how to get it, and where to watch instead."""
    asked = []

    def none(*args: Any, backend: str, **kw: Any) -> None:
        asked.append(backend)
        raise RuntimeError("no device; to get one: look")

    monkeypatch.setattr(pyvirtualcam, "Camera", none)
    with caplog.at_level("INFO", "livewarp"):
        assert open_sinks("auto", 64, 48, 30, "http://127.0.0.1:8788/") == []
    assert asked == [BACKEND, "livewarp-pipewire"]  # the one that more programs see comes first
    assert caplog.text.count("no device; to get one: look") == 2
    assert "watch at http://127.0.0.1:8788/" in caplog.text
    with pytest.raises(SinkError):
        open_sinks("virtualcam", 64, 48, 30)
    with pytest.raises(SinkError):
        open_sinks("pipewire", 64, 48, 30)


def test_a_sink_that_keeps_what_it_gets_counts_as_watched(tmp_path: Path) -> None:
    """A recording and a benchmark want every frame, whoever looks."""
    for wanted in ("null", f"file:{tmp_path / 'out.mp4'}"):
        [sink] = open_sinks(wanted, 64, 48, 25)
        sink.send(FRAME)
        assert (sink.watched, sink.problem, sink.dropped) == (True, None, 0)
        sink.close()


@pytest.mark.parametrize("wanted", ["", "file:", "screen", "nul", "virtualcamera", "virtualcam:", "pipewire:x"])
def test_what_is_no_sink_is_told_what_there_is(wanted: str) -> None:
    """A mistyped sink is a usage error that lists the kinds."""
    with pytest.raises(SettingsError, match=r"allowed: auto, virtualcam"):
        open_sinks(wanted, 64, 48, 30)
