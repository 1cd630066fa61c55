"""A webcam as a source, through OpenCV."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError

FIRST_FRAME_S = 3.0  # some cameras take two seconds to wake up
REOPEN_AFTER_S = 1.0  # without a frame
REOPEN_EVERY_S = 2.0
_MEASURE_FRAMES = 10


class WebcamSource:
    """A webcam that is opened again when it goes silent.

    Parameters
    ----------
    device
        Index, or the path of a device node on Linux (a path under /dev/v4l/by-id survives replugging).
    width, height, fps
        What the camera is asked for; it may deliver something else, which the attributes then tell.

    Raises
    ------
    SourceError
        It cannot be opened, or delivers no frame within three seconds.

    Attributes
    ----------
    fps
        Measured over the first frames: what drivers claim is often wrong.
    """

    live = True
    ended = False

    def __init__(self, device: int | str, width: int = 1280, height: int = 720, fps: float = 30.0) -> None:
        self._device = device
        self._asked = (width, height, fps)
        self._capture = _open(device, self._asked)
        first = _first_frame(self._capture)
        if first is None:
            self._capture.release()
            raise SourceError(
                f"webcam {device}: opened, but no frame within {FIRST_FRAME_S:g} s; "
                "is another program using it, or its shutter's switch off?"
            )
        self.height, self.width = first.shape[:2]
        self.fps = _measured_fps(self._capture) or fps
        self.name = f"webcam {device} ({self.width}x{self.height}, {self.fps:.0f} fps)"
        self._seen_s = self._tried_s = time.monotonic()

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; when it came, s (monotonic). None: none came."""
        ok, frame = self._capture.read(out) if self._capture.isOpened() else (False, None)
        now = time.monotonic()
        if ok and frame is not None:
            if frame is not out and frame.ctypes.data != out.ctypes.data:
                # The camera came back with another size; the loop's frames keep theirs.
                cv2.resize(frame, (self.width, self.height), dst=out, interpolation=cv2.INTER_AREA)
            self._seen_s = now
            return now
        time.sleep(0.02)  # an unplugged camera says no at once: do not spin
        if now - self._seen_s > REOPEN_AFTER_S and now - self._tried_s > REOPEN_EVERY_S:
            self._tried_s = now
            with _quiet_opencv():
                self._capture.release()
            with contextlib.suppress(SourceError):
                self._capture = _open(self._device, self._asked)
        return None

    def close(self) -> None:
        """Release the camera; may be called more than once."""
        self._capture.release()


def webcams() -> list[int | str]:
    """The webcams that there may be, best first; virtual cameras on Linux left out."""
    if not sys.platform.startswith("linux"):
        return [0, 1, 2, 3]
    nodes = sorted(Path("/dev").glob("video*"), key=lambda p: (len(p.name), p.name))
    return [str(node) for node in nodes if not _is_virtual(node)]


def _is_virtual(node: Path) -> bool:
    # v4l2loopback has no parent device; reading it would feed livewarp its own output.
    entry = Path("/sys/class/video4linux") / node.name
    return entry.exists() and "/devices/virtual/" in str(entry.resolve())


def _open(device: int | str, asked: tuple[int, int, float]) -> cv2.VideoCapture:
    width, height, fps = asked
    if isinstance(device, str) and not Path(device).exists():
        found = ", ".join(str(d) for d in webcams()) or "none is connected"
        raise SourceError(f"webcam {device}: no such device; there are: {found}")
    backend = cv2.CAP_V4L2 if sys.platform.startswith("linux") else cv2.CAP_ANY
    with _quiet_opencv():
        capture = cv2.VideoCapture(device, backend)
    if not capture.isOpened():
        raise SourceError(
            f"webcam {device}: cannot be opened; is another program using it, and may you read it "
            "(on Linux: group 'video')?"
        )
    # The format comes before the size: many cameras do 720p at 30 fps in MJPG alone.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
    capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _first_frame(capture: cv2.VideoCapture) -> BgrFrame | None:
    deadline = time.monotonic() + FIRST_FRAME_S
    while time.monotonic() < deadline:
        ok, frame = capture.read()
        if ok and frame is not None and frame.ndim == 3:
            return frame  # type: ignore[return-value]
        time.sleep(0.05)
    return None


def _measured_fps(capture: cv2.VideoCapture) -> float | None:
    arrived_s = []
    for _ in range(_MEASURE_FRAMES + 1):
        if not capture.read()[0]:
            return None
        arrived_s.append(time.monotonic())
    # The median: the first frames may have waited in the driver's queue and come at once.
    return 1.0 / max(statistics.median(b - a for a, b in itertools.pairwise(arrived_s)), 1e-3)


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
