"""Face detection: dlib's HOG detector on small gray pictures, in place or in a thread of its own.

Guarantees: every `FaceFinder` has a detector of its own; sharing one between threads aborts the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import dlib

from livewarp.arrays import BgrFrame, GrayFrame

# What the detector's own template is trained on: 80 px faces. Smaller ones are not found.
SMALLEST_FACE_PX = 80

# The thread rests this many times as long as a search took: a fifth of a core at most.
REST_RATIO = 4.0


class Detection(NamedTuple):
    """A face box (half-open, px of the full frame) and the detector's score (0: barely a face, 2: clear)."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float


class Window(NamedTuple):
    """A part of a frame to search: a half-open box, px, and how many px of the searched picture are one px of it."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float


class Search(NamedTuple):
    """What was found, best first, and the number that `submit` gave the search."""

    number: int
    found: list[Detection]


def shrink(frame: BgrFrame, window: Window) -> GrayFrame:
    """A window of the frame in gray, at its scale; where that is above 1, enlarged."""
    gray = cv2.cvtColor(frame[window.y0 : window.y1, window.x0 : window.x1], cv2.COLOR_BGR2GRAY)
    if window.scale != 1.0:
        size = (max(1, round(gray.shape[1] * window.scale)), max(1, round(gray.shape[0] * window.scale)))
        # INTER_AREA costs ten times INTER_LINEAR; from half size on the latter aliases.
        how = cv2.INTER_LINEAR if window.scale >= 0.5 else cv2.INTER_AREA
        gray = cv2.resize(gray, size, interpolation=how)
    return gray  # type: ignore[return-value]


def detect(
    detector: dlib.fhog_object_detector, gray: GrayFrame, window: Window | None = None, least_score: float = 0.0
) -> list[Detection]:
    """Upright faces in `gray`, best first, as boxes in the frame that `window` of it was made from."""
    boxes, scores, _ = detector.run(gray, 0, least_score)
    x, y, _, _, scale = window or (0, 0, 0, 0, 1.0)
    found = [
        Detection(
            x + b.left() / scale, y + b.top() / scale, x + (b.right() + 1) / scale, y + (b.bottom() + 1) / scale, s
        )
        for b, s in zip(boxes, scores, strict=True)
    ]
    return sorted(found, key=lambda d: -d.score)


class FaceFinder(Protocol):
    """Searches windows of frames for faces, now or in the background."""

    rest_s: float
    """How long to rest before the next search so that the machine has time for the rest of its work."""

    busy: bool
    """A search is under way; there cannot be another."""

    def submit(self, frame: BgrFrame, windows: Sequence[Window], least_score: float = 0.0) -> int:
        """Search these windows, unless busy; the number of the search."""

    def poll(self) -> Search | None:
        """The result of a search that has ended since the last call, else None."""

    def close(self) -> None:
        """End the search and its thread, if any."""


class SyncFinder:
    """Searches at once, in the caller's thread: same frames, same results."""

    rest_s = 0.0
    busy = False

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._result: Search | None = None
        self._number = 0

    def submit(self, frame: BgrFrame, windows: Sequence[Window], least_score: float = 0.0) -> int:
        """Search now."""
        self._number += 1
        found = [d for w in windows for d in detect(self._detector, shrink(frame, w), w, least_score)]
        self._result = Search(self._number, sorted(found, key=lambda d: -d.score))
        return self._number

    def poll(self) -> Search | None:
        """The result of the last `submit`, once."""
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Nothing to end."""


class ThreadedFinder:
    """Searches in a thread of its own; dlib lets go of the GIL meanwhile.

    Guarantees: `submit` and `poll` never wait; one search at a time; the windows are reduced into
    small gray copies in the caller's thread, so the frame may be overwritten after the call.
    """

    def __init__(self) -> None:
        self.rest_s = 0.0
        self._work: tuple[list[tuple[GrayFrame, Window]], float] | None = None
        self._result: Search | None = None
        self._number = 0
        self.busy = False
        self._wake = threading.Event()
        self._stop = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="detector", daemon=True)
        self._thread.start()

    def submit(self, frame: BgrFrame, windows: Sequence[Window], least_score: float = 0.0) -> int:
        """Hand small copies of the windows to the thread."""
        assert not self.busy, "one search at a time"
        self._number += 1
        self._work = [(shrink(frame, w), w) for w in windows], least_score
        self.busy = True
        self._wake.set()
        return self._number

    def poll(self) -> Search | None:
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
                    (pictures, least_score), self._work = self._work, None
                    start = time.perf_counter()
                    found = [d for gray, w in pictures for d in detect(detector, gray, w, least_score)]
                    # On a busy machine a search takes longer, and so the next one comes later.
                    self.rest_s = REST_RATIO * (time.perf_counter() - start)
                    self._result = Search(self._number, sorted(found, key=lambda d: -d.score))
                    self.busy = False
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
