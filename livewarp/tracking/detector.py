"""Face detection: dlib's HOG detector on small gray pictures, in place or in a thread of its own.

Guarantees: every `FaceFinder` has a detector of its own; sharing one between threads aborts the process.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

import cv2
import dlib

from livewarp.arrays import BgrFrame, GrayFrame

# What the detector's own template is trained on: 80 px faces. Smaller ones are not found.
SMALLEST_FACE_PX = 80


class Detection(NamedTuple):
    """A face box (half-open, px of the full frame) and the detector's score (0: barely a face, 2: clear)."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


def shrink(frame: BgrFrame, long_side_px: int) -> tuple[GrayFrame, float]:
    """The frame in gray, its long side at most `long_side_px`, and small px per frame px (at most 1)."""
    h, w = frame.shape[:2]
    scale = min(1.0, long_side_px / max(h, w))
    if scale < 1.0:
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        # INTER_AREA costs ten times INTER_LINEAR; from half size on the latter aliases.
        how = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
        frame = cv2.resize(frame, size, interpolation=how)  # type: ignore[assignment]
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), scale  # type: ignore[return-value]


def detect(detector: dlib.fhog_object_detector, gray: GrayFrame, scale: float = 1.0) -> list[Detection]:
    """Upright faces in `gray`, best first, boxes divided by `scale`."""
    boxes, scores, _ = detector.run(gray, 0, 0.0)
    found = [
        Detection(b.left() / scale, b.top() / scale, (b.right() + 1) / scale, (b.bottom() + 1) / scale, s)
        for b, s in zip(boxes, scores, strict=True)
    ]
    return sorted(found, key=lambda d: -d.score)


class FaceFinder(Protocol):
    """Searches whole frames for faces, now or in the background."""

    def submit(self, frame: BgrFrame) -> bool:
        """Search this frame; False where a search is still under way."""

    def poll(self) -> list[Detection] | None:
        """The result of a search that has ended since the last call, else None."""

    def close(self) -> None:
        """End the search and its thread, if any."""


class SyncFinder:
    """Searches at once, in the caller's thread: same frames, same results."""

    def __init__(self, long_side_px: int) -> None:
        self._long_side_px = long_side_px
        self._detector = dlib.get_frontal_face_detector()
        self._result: list[Detection] | None = None

    def submit(self, frame: BgrFrame) -> bool:
        """Search this frame now."""
        self._result = detect(self._detector, *shrink(frame, self._long_side_px))
        return True

    def poll(self) -> list[Detection] | None:
        """The result of the last `submit`, once."""
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Nothing to end."""


class ThreadedFinder:
    """Searches in a thread of its own; dlib lets go of the GIL meanwhile.

    Guarantees: `submit` and `poll` never wait; one frame at a time; the frame is reduced into a
    small gray copy in the caller's thread, so it may be overwritten after the call.
    """

    def __init__(self, long_side_px: int) -> None:
        self._long_side_px = long_side_px
        self._work: tuple[GrayFrame, float] | None = None
        self._result: list[Detection] | None = None
        self._idle = True
        self._wake = threading.Event()
        self._stop = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="detector", daemon=True)
        self._thread.start()

    def submit(self, frame: BgrFrame) -> bool:
        """Hand a small copy of the frame to the thread, unless it is busy."""
        if not self._idle:
            return False
        self._work = shrink(frame, self._long_side_px)
        self._idle = False
        self._wake.set()
        return True

    def poll(self) -> list[Detection] | None:
        """The newest result, once; raises what the thread died of."""
        if self.error is not None:
            raise self.error
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """End the thread; waits for a search under way (tens of milliseconds)."""
        self._stop = True
        self._wake.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            detector = dlib.get_frontal_face_detector()
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._stop:
                    return
                if self._work is not None:
                    (gray, scale), self._work = self._work, None
                    self._result = detect(detector, gray, scale)
                    self._idle = True
        except BaseException as error:  # surfaces in the engine's thread, by poll
            self.error = error


def overlap(a: Detection | tuple[float, ...], b: Detection | tuple[float, ...]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1, ...)."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
