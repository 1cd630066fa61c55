"""A webcam as a source: opened, found again, and read without frames that are old, torn or from before a sleep."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem, SourceError
from livewarp.sources.fitted import FittedSource
from livewarp.sources.nodes import WebcamIdentity, candidates, find, identify
from livewarp.sources.plan import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, Plan, Request, Source
from livewarp.sources.rawcam import RawFeed
from livewarp.system.streaming import can_stream

FIRST_FRAME_S = 3.0  # some cameras take two seconds to wake up, while reading blocks ...
REFUSED_S = 0.6  # ... but one that only says no, at once, is in use or gone
STALE_S = 1.0  # a frame older than this is not shown
_NAP_S = 0.02  # an unplugged camera says no at once: do not spin
_QUEUED_FRAMES = 4  # at most in the driver, of which some may be from before the machine slept


def plan_webcam(wanted: str, request: Request) -> Plan:
    """The webcam that "webcam", "webcam:INDEX" or "webcam:/dev/..." names."""
    return Plan(wanted, True, *request.geometry(), WebcamOpener(wanted.partition(":")[2], request).open)


class WebcamOpener:
    """Opens a webcam, and afterwards the same one again, wherever it is plugged in.

    Parameters
    ----------
    which
        Index or path; "": the first that delivers.
    request
        What it is asked for; it is fitted to that size.

    Attributes
    ----------
    identity
        Of the one that has been open; None: none yet, or it has no node by which it could be found again.
    """

    def __init__(self, which: str, request: Request) -> None:
        self._which = which
        self._request = request
        self.identity: WebcamIdentity | None = None

    def open(self) -> Source:
        """The webcam, after its first frame. Raises `SourceError`."""
        width, height, fps = self._request.geometry()
        problems = []
        for device in self._devices():
            try:
                source = WebcamSource(device, width, height, fps)
            except SourceError as error:
                problems.append(error)
            else:
                self.identity = source.identity
                return FittedSource(source, width, height, self._request.fit)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise SourceError("; ".join(map(str, problems)))
        raise SourceError("webcam: none is connected", remedy="try --source portrait")

    def _devices(self) -> Sequence[int | str | WebcamIdentity]:
        """The webcams to try."""
        if self.identity is not None:
            return [self.identity]
        if self._which:
            return [int(self._which) if self._which.isdecimal() else self._which]
        return candidates()


class Feed(Protocol):
    """How a webcam is read: raw buffers on Linux (`rawcam`), OpenCV elsewhere."""

    width: int  # of its pictures, px; may change: `read` gives None once
    height: int
    fps: float
    mode: str  # ", MJPG, 30 fps"; "" where that is not known
    problem: Problem | None

    def first(self) -> tuple[BgrFrame, float] | None:
        """A frame of its own size and when it was taken, as `read` says it, or None."""

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out`; when it was taken, s, by the driver's clock; None: no frame."""

    def close(self) -> None:
        """Release the camera; may be called more than once."""


class WebcamSource:
    """A webcam; whoever reads it closes it when it goes silent and opens another one.

    Guarantees: no frame from before the machine slept, none of which a part is missing, and none older than a
    second where the driver stamps frames. A camera that changes its size gives None once, and new `width` and
    `height`.

    Parameters
    ----------
    device
        Index, path of a device node on Linux (a path under /dev/v4l/by-id survives replugging), or
        the identity of one that was open before.
    width, height, fps
        What the camera is asked for; it may deliver something else.

    Raises
    ------
    SourceError
        It cannot be opened, or delivers no frame within three seconds.
    """

    live = True
    ended = False

    def __init__(
        self,
        device: int | str | WebcamIdentity,
        width: int = DEFAULT_WIDTH,
        height: int = DEFAULT_HEIGHT,
        fps: float = DEFAULT_FPS,
    ) -> None:
        node = _node(device)
        self._feed = _open(node, (width, height, fps))
        try:
            first = _first_frame(self._feed)
        except SourceError:
            self._feed.close()
            raise
        if first is None:
            self._feed.close()
            raise SourceError(
                f"webcam {node}: opened, but no frame within {FIRST_FRAME_S:g} s",
                remedy="is another program using it, or its shutter's switch off?",
            )
        frame, stamp_s = first
        self._first: BgrFrame | None = frame
        self.height, self.width = frame.shape[:2]
        self.fps = self._feed.fps
        self.identity = identify(node)
        self.device = self.identity.stable if self.identity is not None else ""
        self.name = f"webcam {node} ({self.width}x{self.height}{self._feed.mode})"
        self._slept_s = _slept_s()
        self._doubtful = 0  # frames that may be from before the machine slept
        # Not every driver stamps frames by the monotonic clock.
        self._stamped = 0.0 <= time.monotonic() - stamp_s < STALE_S

    @property
    def problem(self) -> Problem | None:
        """What is slow about it here, or None."""
        return self._feed.problem

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; when it came, s (monotonic). None: none came.

        Raises
        ------
        SourceError
            It has been unplugged.
        """
        if self._first is not None:
            frame, self._first = self._first, None
            out[:] = frame
            return time.monotonic()
        stamp_s = self._feed.read(out)
        now = time.monotonic()
        if stamp_s is None:
            self.width, self.height = self._feed.width, self._feed.height
            return None
        if self._is_stale(now, stamp_s):
            return None
        return stamp_s if self._stamped and stamp_s <= now else now

    def close(self) -> None:
        """Release the camera; may be called more than once."""
        self._first = None
        self._feed.close()

    def _is_stale(self, now: float, stamp_s: float) -> bool:
        slept_s = _slept_s()
        if slept_s - self._slept_s > STALE_S:  # the monotonic clock stood still: time stamps look fresh
            self._slept_s = slept_s
            self._doubtful = _QUEUED_FRAMES
        if self._doubtful > 0:
            self._doubtful -= 1
            return True
        return self._stamped and now - stamp_s > STALE_S


class OpenCVFeed:
    """A camera through OpenCV: where there is no Video4Linux, or none that maps its buffers."""

    problem: Problem | None = None
    mode = ""

    def __init__(self, device: int | str, asked: tuple[int, int, float]) -> None:
        width, height, self.fps = asked
        backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
        with _quiet_opencv():
            self._capture = cv2.VideoCapture(device, backend)
        if not self._capture.isOpened():
            raise SourceError(
                f"webcam {device}: cannot be opened",
                remedy="is another program using it, and may you read it (on Linux: group 'video')?",
            )
        # The format comes before the size: many cameras do 720p at 30 fps in MJPG alone. Each setting makes OpenCV
        # negotiate with the camera anew, so what is so already is not set.
        self._ask_for({cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG")})
        self._ask_for({cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height})  # act together
        self._ask_for({cv2.CAP_PROP_FPS: self.fps})
        self._ask_for({cv2.CAP_PROP_BUFFERSIZE: 1})  # a longer queue would hold old frames after a pause
        self.width, self.height = width, height

    def first(self) -> tuple[BgrFrame, float] | None:
        """A frame of its own size and when it was taken, as `read` says it, or None."""
        ok, frame = self._capture.read()
        if not ok or frame is None or frame.ndim != 3:
            time.sleep(_NAP_S)
            return None
        self.height, self.width = frame.shape[:2]
        return frame, self._stamp_s()  # type: ignore[return-value]

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out`; when it was taken, s, by the driver's clock; None: no frame."""
        ok, read = self._capture.read(out)
        if not ok or read is None:
            time.sleep(_NAP_S)
            return None
        if read.shape != out.shape:
            self.height, self.width = read.shape[:2]
            return None
        if read is not out and read.ctypes.data != out.ctypes.data:
            out[:] = read
        return self._stamp_s()

    def _stamp_s(self) -> float:
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3

    def close(self) -> None:
        """Release the camera; may be called more than once."""
        with _quiet_opencv():
            self._capture.release()

    def _ask_for(self, wanted: dict[int, float]) -> None:
        """Set these properties unless all are so already."""
        if any(self._capture.get(name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                self._capture.set(name, value)


def _node(device: int | str | WebcamIdentity) -> int | str:
    """Where the device is now."""
    if isinstance(device, WebcamIdentity):
        node = find(device)
        if node is None:
            raise SourceError(f"webcam {device.card or device.stable}: is not connected any more", remedy="plug it in")
        return str(node)
    if isinstance(device, str) and not Path(device).exists():
        there = ", ".join(map(str, candidates()))
        raise SourceError(f"webcam {device}: no such device", allowed=there or "none is connected")
    return device


def _open(device: int | str, asked: tuple[int, int, float]) -> Feed:
    path = Path(f"/dev/video{device}" if isinstance(device, int) else device)
    with contextlib.suppress(OSError):  # what is wrong with it OpenCV finds as well
        if path.is_char_device() and can_stream(path):
            return RawFeed(path, *asked)
    return OpenCVFeed(device, asked)


def _first_frame(feed: Feed) -> tuple[BgrFrame, float] | None:
    end_s = time.monotonic() + FIRST_FRAME_S
    refused_s = 0.0  # how long it has said no without taking its time
    while (began_s := time.monotonic()) < end_s and refused_s < REFUSED_S:
        first = feed.first()
        if first is not None:
            return first
        took_s = time.monotonic() - began_s
        refused_s = refused_s + took_s if took_s < 0.2 else 0.0
    return None


def _slept_s() -> float:
    """How long this machine has slept since it was started, s; 0 where the system does not say."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) - time.monotonic() if boottime is not None else 0.0


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV from printing warnings about devices that are not there: the error says it."""
    opencv_log = cv2.utils.logging
    before = opencv_log.getLogLevel()
    opencv_log.setLogLevel(opencv_log.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        opencv_log.setLogLevel(before)
