"""A camera's buffers: a scripted kernel behind real mapped memory, read by the stream and by the webcam's feed."""

from __future__ import annotations

import errno
import struct
from collections import deque
from pathlib import Path

import cv2
import numpy as np
import pytest

from livewarp.errors import SourceError
from livewarp.sources import rawcam
from livewarp.system import streaming, v4l2
from livewarp.system.streaming import CameraStream
from livewarp.system.v4l2 import Mode

W, H = 64, 48
SIZE = 16384  # of a buffer, a whole number of pages
MONOTONIC, ERROR = 0x2000, 0x40

pytestmark = pytest.mark.skipif(not streaming.AVAILABLE, reason="Video4Linux on 64 bits is Linux's")


class Driver:
    """Answers each ioctl as linux/videodev2.h says, by offsets of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(4 * SIZE))
        self.waiting: list[int] = []
        self.filled: deque[tuple[int, int, int, float]] = deque()  # index, bytes, flags, time
        self.streams = False
        self.gone = False
        self.refuses = 0

    def fill(self, data: bytes, flags: int = MONOTONIC, stamp_s: float = 5.25) -> int:
        """The next waiting buffer gets this picture."""
        index = self.waiting.pop(0)
        with self.path.open("r+b") as file:
            file.seek(index * SIZE)
            file.write(data)
        self.filled.append((index, len(data), flags, stamp_s))
        return index

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
        """In the place of the kernel's."""
        if self.gone:
            raise OSError(errno.ENODEV, "gone")
        number = request & 0xFF
        assert request >> 8 & 0xFF == ord("V")
        assert request >> 16 & 0x3FFF == len(argument)
        if number == 5:  # S_FMT
            if self.refuses:
                raise OSError(self.refuses, "refused")
            struct.pack_into("=I", argument, 8 + 20, SIZE)
        elif number == 22:  # S_PARM: 25 fps, whatever was asked for
            struct.pack_into("=5I", argument, 0, 1, 0x1000, 0, 1, 25)
        elif number == 8:  # REQBUFS
            struct.pack_into("=I", argument, 0, 4)
        elif number == 9:  # QUERYBUF
            index = struct.unpack_from("=I", argument, 0)[0]
            struct.pack_into("=I4xI", argument, 64, index * SIZE, SIZE)
        elif number == 15:  # QBUF
            self.waiting.append(struct.unpack_from("=I", argument, 0)[0])
        elif number == 17:  # DQBUF
            if not self.filled:
                raise OSError(errno.EAGAIN, "none")
            index, used, flags, stamp_s = self.filled.popleft()
            struct.pack_into("=5I4xqq", argument, 0, index, 1, used, flags, 1, int(stamp_s), round(stamp_s % 1 * 1e6))
        elif number in {18, 19}:  # STREAMON, STREAMOFF
            self.streams = number == 18
        else:
            raise OSError(errno.EINVAL, "unknown")


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Driver:
    """A camera that does what the test says."""
    made = Driver(tmp_path / "video0")
    monkeypatch.setattr(v4l2, "ioctl", made.ioctl)
    return made


def jpeg(value: int) -> bytes:
    """A flat picture."""
    return cv2.imencode(".jpg", np.full((H, W, 3), value, np.uint8))[1].tobytes()


def test_the_newest_picture_is_taken_and_the_others_go_back(driver: Driver) -> None:
    """Of three that wait the last is given, with the driver's time; while it is read the driver has the other three."""
    stream = CameraStream(driver.path, "MJPG", W, H, 30.0)
    assert (stream.fps, driver.streams, sorted(driver.waiting)) == (25.0, True, [0, 1, 2, 3])
    for text in (b"one", b"two", b"three"):
        newest = driver.fill(text, stamp_s=7.5)
    with stream.newest(0.0) as picture:
        assert picture is not None
        assert (bytes(picture.data), picture.stamp_s, picture.damaged) == (b"three", 7.5, False)
        assert newest not in driver.waiting
        assert len(driver.waiting) == 3
    assert sorted(driver.waiting) == [0, 1, 2, 3]
    with stream.newest(0.0) as picture:
        assert picture is None
    driver.fill(b"other clock, damaged", flags=ERROR)
    with stream.newest(0.0) as picture:
        assert picture is not None
        assert (picture.stamp_s, picture.damaged) == (None, True)
    stream.close()
    stream.close()
    assert not driver.streams


@pytest.fixture
def feed(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> rawcam.RawFeed:
    """The webcam's reader of that camera."""
    monkeypatch.setattr(rawcam, "offered", lambda *_: [Mode("MJPG", W, H, 25.0), Mode("MJPG", W // 2, H // 2, 25.0)])
    return rawcam.RawFeed(driver.path, W, H, 25.0)


def test_a_damaged_picture_is_left_out_and_counted(driver: Driver, feed: rawcam.RawFeed) -> None:
    """Neither half a JPEG nor one that the driver marks is a frame; the next whole one is, with its time."""
    out = np.zeros((H, W, 3), np.uint8)
    for data, flags in ((jpeg(9)[:-40], MONOTONIC), (jpeg(9), MONOTONIC | ERROR), (b"", MONOTONIC)):
        driver.fill(data, flags)
        assert feed.read(out) is None
    assert feed.damaged == 3
    driver.fill(jpeg(200), stamp_s=8.5)
    assert feed.read(out) == 8.5
    assert abs(int(out[H // 2, W // 2, 0]) - 200) <= 1
    feed.close()


def test_a_slow_decoder_names_the_size_that_would_do(driver: Driver, feed: rawcam.RawFeed) -> None:
    """Where decoding takes most of the time between frames, what to start with instead is said, and taken back."""
    for _ in range(60):
        feed._measure(0.039)
    assert feed.problem is not None
    assert f"--width {W // 2} --height {H // 2}" in feed.problem.remedy
    for _ in range(60):
        feed._measure(0.001)
    assert feed.problem is None
    feed.close()


@pytest.mark.parametrize(
    ("number", "why"), [(errno.EBUSY, "is in use"), (errno.ENODEV, "unplugged"), (errno.EACCES, "you may not open it")]
)
def test_why_it_cannot_be_read_is_told(driver: Driver, monkeypatch: pytest.MonkeyPatch, number: int, why: str) -> None:
    """In use, gone, forbidden: each in its own words, and nothing stays open."""
    monkeypatch.setattr(rawcam, "offered", lambda *_: [Mode("MJPG", W, H, 25.0)])
    driver.refuses = number
    with pytest.raises(SourceError, match=why):
        rawcam.RawFeed(driver.path, W, H, 25.0)


def test_an_unplugged_camera_is_told_at_once(driver: Driver, feed: rawcam.RawFeed) -> None:
    """The read under way fails, and closing what is gone raises nothing."""
    driver.gone = True
    with pytest.raises(SourceError, match="unplugged"):
        feed.read(np.zeros((H, W, 3), np.uint8))
    feed.close()
