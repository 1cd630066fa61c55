"""Sources: files of every kind, at their own pace and size; and errors in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from livewarp.errors import SettingsError, SourceError
from livewarp.sources import open_source, webcam
from livewarp.sources.fitted import FittedSource
from livewarp.sources.image import ImageSource, read_image
from livewarp.sources.video import VideoSource
from samples import write_video


def numbered(count: int, shape: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Flat gray frames whose level tells their number, 10 levels apart."""
    return [np.full((*shape, 3), 20 + 10 * i, np.uint8) for i in range(count)]


def numbers(source: VideoSource, limit: int = 100) -> list[int]:
    """The numbers of the frames that a source delivers."""
    out = np.empty((source.height, source.width, 3), np.uint8)
    seen: list[int] = []
    while len(seen) < limit and source.read(out) is not None:
        seen.append(round((float(out.mean()) - 20) / 10))
    return seen


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten numbered frames at 25 fps."""
    return write_video(tmp_path / "clip.mp4", numbered(10))


def test_a_video_keeps_its_size_rate_and_frames(clip: Path) -> None:
    """Every frame comes once, in order, and then it has ended."""
    source = VideoSource(clip)
    assert (source.width, source.height, source.fps) == (64, 48, 25)
    assert source.frame_count() == 10
    assert numbers(source) == list(range(10))
    assert source.ended


def test_timestamps_are_media_time(clip: Path) -> None:
    """Frame n comes at n / fps."""
    source = VideoSource(clip)
    out = np.empty((48, 64, 3), np.uint8)
    np.testing.assert_allclose([source.read(out) for _ in range(10)], np.arange(10) / 25)


def test_a_loop_starts_again(clip: Path) -> None:
    """After the last frame comes the first, and time goes on."""
    source = VideoSource(clip, loop=True)
    assert numbers(source, 25) == [*range(10), *range(10), *range(5)]
    out = np.empty((48, 64, 3), np.uint8)
    assert source.read(out) == pytest.approx(25 / 25)
    assert not source.ended


@pytest.mark.parametrize(
    ("fps", "expected"), [(50.0, sorted([*range(10), *range(10)])), (12.5, [0, 2, 4, 6, 8]), (25.0, list(range(10)))]
)
def test_another_rate_repeats_or_leaves_out_frames(clip: Path, fps: float, expected: list[int]) -> None:
    """The film keeps its speed at any frame rate."""
    assert numbers(VideoSource(clip, fps=fps))[: len(expected)] == expected


def test_a_loop_at_another_rate_keeps_order(clip: Path) -> None:
    """Looping and resampling together still show every second frame."""
    assert numbers(VideoSource(clip, fps=12.5, loop=True), 12)[:7] == [0, 2, 4, 6, 8, 0, 2]


def test_a_truncated_video_ends_early_and_calmly(tmp_path: Path) -> None:
    """Half a file gives the frames that it holds."""
    whole = tmp_path / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    rng = np.random.default_rng(4)
    for _ in range(20):
        writer.write(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8))  # big enough that frames are most of it
    writer.release()
    half = tmp_path / "half.avi"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    seen = numbers(VideoSource(half))
    assert 0 < len(seen) < 20


@pytest.mark.parametrize("content", [b"", b"not a video at all", bytes(range(256)) * 40])
def test_what_is_no_video_is_told(tmp_path: Path, content: bytes) -> None:
    """Garbage is an error that names the file and what is allowed."""
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.mp4.*allowed: a video or image file"):
        VideoSource(path)


@pytest.mark.parametrize(
    ("suffix", "image"),
    [
        (".png", np.full((20, 30), 90, np.uint8)),
        (".png", np.full((20, 30, 4), 90, np.uint8)),
        (".png", np.full((20, 30, 3), 90 * 257, np.uint16)),
        (".jpg", np.full((20, 30, 3), 90, np.uint8)),
        (".tif", np.full((20, 30), 90, np.uint8)),
    ],
)
def test_images_of_every_kind_become_bgr(tmp_path: Path, suffix: str, image: np.ndarray) -> None:
    """Gray, RGBA and 16-bit images are frames like any other."""
    path = tmp_path / f"image{suffix}"
    assert cv2.imwrite(str(path), image)
    frame = read_image(path)
    assert (frame.shape, frame.dtype) == ((20, 30, 3), np.uint8)
    np.testing.assert_allclose(frame, 90, atol=1)  # JPEG rounds


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"x" * 1000])
def test_what_is_no_image_is_told(tmp_path: Path, content: bytes) -> None:
    """A damaged image is an error that names it."""
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"broken\.png: cannot be decoded"):
        read_image(path)


def test_an_image_source_never_ends(tmp_path: Path) -> None:
    """A still image is a film of itself."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((20, 30, 3), 7, np.uint8))
    source = ImageSource(path, fps=10)
    out = np.empty((20, 30, 3), np.uint8)
    assert [source.read(out) for _ in range(3)] == [0, 0.1, 0.2]
    assert (out == 7).all()


def test_a_source_of_another_shape_is_letterboxed(clip: Path) -> None:
    """The picture keeps its proportions; the bars are black."""
    source = FittedSource(VideoSource(clip), 200, 100)
    out = np.full((100, 200, 3), 99, np.uint8)
    assert source.read(out) == 0
    assert (source.width, source.height) == (200, 100)
    inner = slice(33, 166)  # 48 x 64 at 100 high is 133 wide
    np.testing.assert_allclose(out[:, inner], 20, atol=5)  # the codec's own rounding
    assert (out[:, :33] == 0).all()
    assert (out[:, 166:] == 0).all()


def test_open_source_knows_what_a_path_is(tmp_path: Path, clip: Path) -> None:
    """A video, an image and the portrait are told apart; sizes are those asked for."""
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((20, 30, 3), np.uint8))
    assert open_source(str(clip)).fps == 25
    assert open_source(str(image)).width == 30
    assert (open_source("portrait", 320, 180, 10).width, open_source("portrait", 320, 180, 10).fps) == (320, 10)
    assert (open_source(str(clip), width=32).width, open_source(str(clip), width=32).height) == (32, 24)


@pytest.mark.parametrize("wanted", ["nowhere.mp4", "portrit", "webcamera", "/"])
def test_what_is_no_source_is_told_what_there_is(wanted: str) -> None:
    """A mistyped source is an error that lists the kinds."""
    with pytest.raises(SourceError, match="portrait or the path"):
        open_source(wanted)
    with pytest.raises(SettingsError):
        open_source("")


def test_a_webcam_that_does_not_exist_is_told() -> None:
    """The error names the device and what there is instead."""
    with pytest.raises(SourceError, match="webcam /dev/video99: no such device"):
        open_source("webcam:/dev/video99")


def test_a_webcam_index_without_a_camera_is_told_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    """One error of ours, nothing of OpenCV's on the terminal."""
    with pytest.raises(SourceError, match="webcam 97: cannot be opened"):
        open_source("webcam:97")
    assert capfd.readouterr().err == ""


def test_auto_falls_back_to_the_portrait_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a webcam there is a picture all the same, and a line that tells why."""
    monkeypatch.setattr(webcam, "webcams", list)
    with caplog.at_level("INFO", "livewarp"):
        assert open_source("auto", 320, 180).name.startswith("portrait")
    assert "no webcam delivers" in caplog.text


class FakeCapture:
    """What OpenCV's capture does, scripted: frames, then silence, then frames again."""

    opened: ClassVar[list[FakeCapture]] = []

    def __init__(self, device: object, backend: int) -> None:
        self.settings: list[tuple[int, float]] = []
        self.reads = 0
        self.silent_after = 10**9
        FakeCapture.opened.append(self)

    def isOpened(self) -> bool:
        """Always, as after an unplug."""
        return True

    def set(self, key: int, value: float) -> bool:
        """Remember the order in which things are asked for."""
        self.settings.append((key, value))
        return True

    def read(self, out: np.ndarray | None = None) -> tuple[bool, np.ndarray | None]:
        """A frame, until it goes silent."""
        self.reads += 1
        if self.reads > self.silent_after:
            return False, None
        frame = np.empty((48, 64, 3), np.uint8) if out is None or out.shape != (48, 64, 3) else out
        frame[:] = self.reads % 256
        return True, frame

    def release(self) -> None:
        """Nothing."""


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    """OpenCV opens scripted cameras."""
    FakeCapture.opened = []
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return FakeCapture


def test_a_webcam_is_asked_for_mjpg_before_the_size(camera: type[FakeCapture]) -> None:
    """Many cameras are slow in any other order; one frame of buffer keeps the picture fresh."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    keys = [key for key, _ in camera.opened[0].settings]
    assert keys.index(cv2.CAP_PROP_FOURCC) < keys.index(cv2.CAP_PROP_FRAME_WIDTH)
    assert (cv2.CAP_PROP_BUFFERSIZE, 1) in camera.opened[0].settings
    assert (source.width, source.height) == (64, 48)


def test_frames_that_waited_do_not_count_as_speed(camera: type[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver hands over queued frames at once: the measured rate is that of the others."""
    arrivals = iter([0.0, 0.0, 0.0, 0.001, *np.arange(1, 40) / 25])
    monkeypatch.setattr(webcam.time, "monotonic", lambda: float(next(arrivals)))
    assert webcam._measured_fps(camera(0, 0)) == pytest.approx(25)  # type: ignore[arg-type]


def test_a_webcam_that_goes_silent_is_opened_again(camera: type[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is None, not an exception; after a while the camera is opened anew and delivers."""
    now = [0.0]
    monkeypatch.setattr(webcam.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(webcam.time, "sleep", lambda s: now.__setitem__(0, now[0] + 0.2))
    source = webcam.WebcamSource(0, 64, 48, 30)
    out = np.zeros((48, 64, 3), np.uint8)
    assert source.read(out) is not None
    camera.opened[0].silent_after = 0
    answers = [source.read(out) for _ in range(20)]
    assert answers[0] is None
    assert any(answer is not None for answer in answers)
    assert len(camera.opened) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device nodes are Linux's")
def test_our_own_virtual_camera_is_no_webcam(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` must not feed livewarp its own output: loopback devices are left out."""
    monkeypatch.setattr(webcam, "_is_virtual", lambda node: node.name == "video10")
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [Path("/dev/video10"), Path("/dev/video2")])
    assert webcam.webcams() == ["/dev/video2"]
