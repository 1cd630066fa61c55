"""Sources: files of every kind, at their own pace and size; and errors in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from livewarp.errors import SettingsError, SourceError
from livewarp.sources import Fit, nodes, open_source, plan_source, webcam
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
        (".png", np.dstack([np.full((20, 30, 3), 90, np.uint8), np.full((20, 30), 255, np.uint8)])),
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


def test_crop_leaves_no_bars_and_keeps_proportions(tmp_path: Path) -> None:
    """What does not fit is cut off evenly on both sides; circles stay circles."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = 200
    cv2.imwrite(str(tmp_path / "a.png"), image)
    source = open_source(str(tmp_path / "a.png"), 96, 96, fit="crop")
    out = np.full((96, 96, 3), 99, np.uint8)
    assert source.read(out) == 0
    np.testing.assert_array_equal(out[:, :46], 200)  # the two in the middle are blended
    np.testing.assert_array_equal(out[:, 50:], 0)


def test_stretch_shows_all_and_fills_all(tmp_path: Path) -> None:
    """Neither bars nor cuts: a quarter stays a quarter."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :16] = 200
    cv2.imwrite(str(tmp_path / "a.png"), image)
    source = open_source(str(tmp_path / "a.png"), 128, 192, fit="stretch")
    out = np.full((192, 128, 3), 99, np.uint8)
    assert source.read(out) == 0
    np.testing.assert_array_equal(out[:90, :30], 200)
    np.testing.assert_array_equal(out[102:], 0)
    np.testing.assert_array_equal(out[:, 34:], 0)


class Changing:
    """A live source whose size is `sizes`, one after the other, told by a read without a frame."""

    name, live, ended, fps = "changing", True, False, 30.0

    def __init__(self, *sizes: tuple[int, int]) -> None:
        self._sizes = list(sizes)
        self.width, self.height = self._sizes.pop(0)
        self._shown = False
        self.closed = 0

    def read(self, out: np.ndarray) -> float | None:
        """A frame of this size, then the next size."""
        if self._shown and self._sizes:
            self.width, self.height = self._sizes.pop(0)
            self._shown = False
            return None
        assert out.shape == (self.height, self.width, 3)
        out[:] = 50
        self._shown = True
        return 1.0

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.mark.parametrize("fit", ["letterbox", "crop", "stretch"])
@pytest.mark.parametrize("size", [(64, 48), (63, 47), (200, 10), (10, 200), (1, 1), (1920, 1080)])
def test_a_size_that_changes_in_mid_stream_is_fitted(fit: Fit, size: tuple[int, int]) -> None:
    """The output keeps its size whatever comes; one read without a frame tells of the change."""
    source = FittedSource(Changing((64, 48), size, (64, 48)), 64, 48, fit)
    out = np.zeros((48, 64, 3), np.uint8)
    shown = []
    for _ in range(5):
        shown.append(source.read(out))
        inner = out if fit != "letterbox" or size == (64, 48) else out[23:24, 31:32]
        assert (inner == 50).all()
    assert shown == [1.0, None, 1.0, None, 1.0]


def test_a_source_that_fits_costs_no_copy() -> None:
    """The frame is read into the caller's own buffer."""

    class Same(Changing):
        def read(self, out: np.ndarray) -> float | None:
            self.out = out
            return 1.0

    source = Same((64, 48))
    out = np.zeros((48, 64, 3), np.uint8)
    FittedSource(source, 64, 48).read(out)
    assert source.out is out


def test_a_plan_opens_no_webcam_and_knows_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webcam that is missing, or that nobody watches yet, has a size and a rate all the same."""
    monkeypatch.setattr(cv2, "VideoCapture", None)
    for wanted in ("webcam", "webcam:3", "webcam:/dev/video99", "auto"):
        plan = plan_source(wanted, None, 480)
        assert (plan.live, plan.width, plan.height, plan.fps) == (True, 1280, 480, 30.0)
    with pytest.raises(SourceError, match="no such device"):
        plan_source("webcam:/dev/video99").open()


def test_a_plan_of_a_file_has_the_file_s_own_size(clip: Path) -> None:
    """It is opened once for that, and the same is used first."""
    plan = plan_source(str(clip))
    assert (plan.live, plan.width, plan.height, plan.fps) == (False, 64, 48, 25)
    first, second = plan.open(), plan.open()
    assert first is not second
    out = np.empty((48, 64, 3), np.uint8)
    assert (first.read(out), second.read(out)) == (0, 0)


def test_a_plan_is_open_again_at_the_output_s_size(clip: Path) -> None:
    """A source that is switched to while another size is sent comes at that size."""
    source = plan_source(str(clip), 200, 100, 50.0, False, "stretch").open()
    assert (source.width, source.height, source.fps) == (200, 100, 50.0)


@pytest.mark.parametrize(("wanted", "error"), [("", SettingsError), ("nowhere.mp4", SourceError)])
def test_a_plan_of_nothing_is_refused_at_once(wanted: str, error: type[Exception]) -> None:
    """What names no source needs no opening to be told."""
    with pytest.raises(error, match="allowed"):
        plan_source(wanted, 64, 48, 30.0)


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
    with pytest.raises(SourceError, match="portrait:2 or the path"):
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
    monkeypatch.setattr(webcam, "candidates", list)
    with caplog.at_level("INFO", "livewarp"):
        assert open_source("auto", 320, 180).name.startswith("portrait")
    assert "no webcam delivers" in caplog.text


class FakeCapture:
    """What OpenCV's capture does, scripted."""

    opened: ClassVar[list[FakeCapture]] = []

    def __init__(self, device: object, backend: int) -> None:
        self.device = device
        self.settings: list[tuple[int, float]] = []
        self.values: dict[int, float] = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.values[cv2.CAP_PROP_FPS] = 30.0
        self.reads = 0
        self.released = False
        self.says_no = False
        self.shape = (48, 64, 3)
        self.stamp: Callable[[], float] = lambda: 0.0
        FakeCapture.opened.append(self)

    def isOpened(self) -> bool:
        """Always, as after an unplug."""
        return True

    def set(self, key: int, value: float) -> bool:
        """Remember the order in which things are asked for."""
        self.settings.append((key, value))
        self.values[key] = value
        return True

    def get(self, key: int) -> float:
        """When the newest frame was taken, ms, or how the camera is set."""
        return 1e3 * self.stamp() if key == cv2.CAP_PROP_POS_MSEC else self.values.get(key, 0.0)

    def read(self, out: np.ndarray | None = None) -> tuple[bool, np.ndarray | None]:
        """A frame, or not."""
        if self.says_no:
            return False, None
        self.reads += 1
        frame = np.empty(self.shape, np.uint8) if out is None or out.shape != self.shape else out
        frame[:] = self.reads % 256
        return True, frame

    def release(self) -> None:
        """Remember."""
        self.released = True


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    """OpenCV opens scripted cameras."""
    FakeCapture.opened = []
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return FakeCapture


class Clock:
    """Monotonic and boot time, which differ by what the machine has slept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept = 1000.0, 0.0
        monkeypatch.setattr(webcam.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(webcam.time, "sleep", lambda s: setattr(self, "now", self.now + s))
        monkeypatch.setattr(webcam, "_slept_s", lambda: self.slept)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock for webcams that goes only when told."""
    return Clock(monkeypatch)


def test_a_webcam_is_asked_for_mjpg_before_the_size(camera: type[FakeCapture]) -> None:
    """Many cameras are slow in any other order."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    keys = [key for key, _ in camera.opened[0].settings]
    assert keys.index(cv2.CAP_PROP_FOURCC) < keys.index(cv2.CAP_PROP_FRAME_WIDTH)
    assert (source.width, source.height) == (64, 48)


def test_a_webcam_is_not_asked_for_what_it_does_already(camera: type[FakeCapture]) -> None:
    """Each thing asked for takes the camera a while: the rate is its own already; one side alone would be no size."""
    webcam.WebcamSource(0, 1280, 480, 30)
    assert camera.opened[0].settings == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 480),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]


def test_the_first_frame_is_delivered(camera: type[FakeCapture]) -> None:
    """The one that proves that it delivers is not thrown away: the picture is there at once."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    out = np.zeros((48, 64, 3), np.uint8)
    assert source.read(out) is not None
    assert (out == 1).all()
    assert camera.opened[0].reads == 1


def test_a_webcam_that_only_says_no_is_given_up_soon(
    camera: type[FakeCapture], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In use elsewhere, reads fail at once: the error comes in a second, not after the time that waking up may take."""
    monkeypatch.setattr(FakeCapture, "read", lambda self, out=None: (False, None))
    began = clock.now
    with pytest.raises(SourceError, match="is another program using it"):
        webcam.WebcamSource(0, 64, 48, 30)
    assert clock.now - began < 1.0
    assert camera.opened[0].released


def test_a_webcam_that_wakes_up_slowly_is_waited_for(
    camera: type[FakeCapture], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that takes its time before it says no is a camera that wakes up."""
    real = FakeCapture.read

    def slow(self: FakeCapture, out: np.ndarray | None = None) -> tuple[bool, np.ndarray | None]:
        clock.now += 1.0
        return real(self, out) if clock.now > 1002.0 else (False, None)

    monkeypatch.setattr(FakeCapture, "read", slow)
    assert webcam.WebcamSource(0, 64, 48, 30).width == 64


def test_silence_is_none(camera: type[FakeCapture], clock: Clock) -> None:
    """A webcam that says no raises nothing, and does not spin."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    out = np.zeros((48, 64, 3), np.uint8)
    source.read(out)
    camera.opened[0].says_no = True
    before = clock.now
    assert source.read(out) is None
    assert clock.now > before


def test_frames_from_before_the_machine_slept_are_left_out(camera: type[FakeCapture], clock: Clock) -> None:
    """The driver still holds some when the lid opens; the monotonic clock did not count the night."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    out = np.zeros((48, 64, 3), np.uint8)
    assert source.read(out) is not None
    clock.slept = 8 * 3600.0
    answers = [source.read(out) for _ in range(6)]
    assert answers[:4] == [None] * 4
    assert None not in answers[4:]


def test_old_frames_are_left_out_where_the_driver_tells(camera: type[FakeCapture], clock: Clock) -> None:
    """A time stamp of two seconds ago is no frame, if stamps were by this clock to begin with."""
    for trusted in (True, False):
        camera.opened.clear()
        stamps: list[float] = [clock.now - 0.01 if trusted else 5.0]
        real = FakeCapture.__init__

        def stamped(self: FakeCapture, device: object, backend: int, real: Any = real, stamps: Any = stamps) -> None:
            real(self, device, backend)
            self.stamp = lambda: stamps[0]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FakeCapture, "__init__", stamped)
            source = webcam.WebcamSource(0, 64, 48, 30)
        out = np.zeros((48, 64, 3), np.uint8)
        source.read(out)
        stamps[0] = clock.now - 2.0
        assert (source.read(out) is None) == trusted


def test_a_webcam_that_changes_its_size_tells_it(camera: type[FakeCapture]) -> None:
    """One read without a frame, and the attributes are the new ones."""
    source = webcam.WebcamSource(0, 64, 48, 30)
    source.read(np.zeros((48, 64, 3), np.uint8))
    camera.opened[0].shape = (36, 48, 3)
    assert source.read(np.zeros((48, 64, 3), np.uint8)) is None
    assert (source.width, source.height) == (48, 36)
    assert source.read(np.zeros((36, 48, 3), np.uint8)) is not None


@dataclass
class System:
    """Folders in the place of /dev and /sys, with webcams that are plugged in and out."""

    dev: Path
    sys: Path

    def plug(self, number: int, card: str, port: str, by_id: str | None = None, index: int = 0) -> Path:
        """A webcam under that number."""
        node = self.dev / f"video{number}"
        node.touch()
        device = self.sys / "devices" / port
        device.mkdir(parents=True, exist_ok=True)
        entry = self.sys / "class" / f"video{number}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(card + "\n")
        (entry / "index").write_text(f"{index}\n")
        (entry / "device").symlink_to(device)
        if by_id is not None:
            (self.dev / "v4l" / "by-id").mkdir(parents=True, exist_ok=True)
            (self.dev / "v4l" / "by-id" / by_id).symlink_to(node)
        return node

    def unplug(self, number: int) -> None:
        """Pull the cable."""
        node = self.dev / f"video{number}"
        for link in (self.dev / "v4l" / "by-id").glob("*"):
            if link.resolve() == node:
                link.unlink()
        node.unlink()
        for file in (self.sys / "class" / f"video{number}").iterdir():
            file.unlink()
        (self.sys / "class" / f"video{number}").rmdir()


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A machine without webcams."""
    if not sys.platform.startswith("linux"):
        pytest.skip("device nodes are Linux's")
    made = System(tmp_path / "dev", tmp_path / "sys")
    made.dev.mkdir()
    (made.sys / "class").mkdir(parents=True)
    monkeypatch.setattr(nodes, "DEV", made.dev)
    monkeypatch.setattr(nodes, "SYS", made.sys / "class")
    return made


def test_a_webcam_is_found_again_under_another_number(system: System) -> None:
    """By its link where there is one, whatever else has taken the old number meanwhile."""
    node = system.plug(0, "HD Cam", "usb1/1-2", "usb-HD_Cam_123-video-index0")
    known = nodes.identify(str(node))
    assert known is not None
    assert known.stable.endswith("by-id/usb-HD_Cam_123-video-index0")
    system.unplug(0)
    assert nodes.find(known) is None
    system.plug(0, "Other", "usb1/1-3", "usb-Other-video-index0")
    assert nodes.find(known) is None
    system.plug(2, "HD Cam", "usb1/1-4", "usb-HD_Cam_123-video-index0")
    assert nodes.find(known) == system.dev / "video2"


def test_without_a_link_name_and_port_tell(system: System) -> None:
    """The same name at the same port first, then the same name anywhere; never another camera at the old number."""
    known = nodes.identify(str(system.plug(0, "vivid", "platform/vivid.0")))
    assert known is not None
    system.unplug(0)
    system.plug(0, "Other", "usb1/1-3")
    assert nodes.find(known) is None
    system.plug(5, "vivid", "platform/vivid.1")
    assert nodes.find(known) == system.dev / "video5"
    system.plug(7, "vivid", "platform/vivid.0")
    assert nodes.find(known) == system.dev / "video7"
    system.plug(9, "vivid", "platform/vivid.0", index=1)
    system.unplug(7)
    assert nodes.find(known) == system.dev / "video5"


def test_a_plan_opens_the_same_webcam_again(system: System, camera: type[FakeCapture]) -> None:
    """`webcam` means the first that delivers, and from then on that one, wherever it is plugged in."""
    system.plug(0, "HD Cam", "usb1/1-2", "usb-HD_Cam_123-video-index0")
    plan = plan_source("webcam")
    plan.open().close()
    system.unplug(0)
    system.plug(1, "Other", "usb1/1-3", "usb-Other-video-index0")
    with pytest.raises(SourceError, match="HD Cam: is not connected any more"):
        plan.open()
    system.plug(4, "HD Cam", "usb1/1-2", "usb-HD_Cam_123-video-index0")
    assert plan.open().name.startswith(f"webcam {system.dev / 'video4'} ")


def test_auto_stays_with_the_webcam_that_it_found(system: System, camera: type[FakeCapture]) -> None:
    """Once a webcam has delivered, its absence is told, not papered over with the portrait."""
    system.plug(0, "HD Cam", "usb1/1-2")
    plan = plan_source("auto", 64, 48)
    assert plan.open().live
    system.unplug(0)
    with pytest.raises(SourceError, match="not connected"):
        plan.open()


def test_our_own_virtual_camera_is_no_webcam(system: System) -> None:
    """`auto` must not feed livewarp its own output: loopback devices are left out."""
    system.plug(2, "HD Cam", "usb1/1-2")
    (system.dev / "video10").touch()
    virtual = system.sys / "devices" / "virtual" / "video10"
    virtual.mkdir(parents=True)
    (system.sys / "class" / "video10").symlink_to(virtual)
    assert nodes.candidates() == [str(system.dev / "video2")]
