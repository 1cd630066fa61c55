"""Face detection: what a detector is, and two that search with it, in place or in a thread of their own.

Guarantees: every `FaceFinder` has a detector of its own; sharing one between threads aborts the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from livewarp.arrays import BgrFrame

# What dlib's template is trained on: a window's scale makes the least face that is wanted so large.
SMALLEST_FACE_PX = 80

# The thread rests this many times as long as a search took: a fifth of a core at most.
REST_RATIO = 4.0


class Detection(NamedTuple):
    """A face box (half-open, px of the full frame), the score (0: barely a face, 2: clear) and the roll, radians."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    roll: float = 0.0


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


class Detector(Protocol):
    """Finds faces in windows of frames, in two steps."""

    def shrink(self, frame: BgrFrame, window: Window) -> Any:
        """Copies of what `find` needs to see of a window; quick, and not in the thread of `find`."""

    def find(self, picture: Any, window: Window, least_score: float = 0.0) -> list[Detection]:
        """The faces in what `shrink` made of a window, of at least this score, best first."""


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

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._result: Search | None = None
        self._number = 0

    def submit(self, frame: BgrFrame, windows: Sequence[Window], least_score: float = 0.0) -> int:
        """Search now."""
        self._number += 1
        found = [d for w in windows for d in self._detector.find(self._detector.shrink(frame, w), w, least_score)]
        self._result = Search(self._number, sorted(found, key=lambda d: -d.score))
        return self._number

    def poll(self) -> Search | None:
        """The result of the last `submit`, once."""
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Nothing to end."""


class ThreadedFinder:
    """Searches in a thread of its own; detectors let go of the GIL meanwhile.

    Guarantees: `submit` and `poll` never wait; one search at a time; the windows are reduced into
    small copies in the caller's thread, so the frame may be overwritten after the call.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.rest_s = 0.0
        self._work: tuple[list[tuple[Any, Window]], float] | None = None
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
        self._work = [(self._detector.shrink(frame, w), w) for w in windows], least_score
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
            while True:
                self._wake.wait()
                self._wake.clear()
                if self._stop:
                    return
                if self._work is not None:
                    (pictures, least_score), self._work = self._work, None
                    start = time.perf_counter()
                    found = [d for picture, w in pictures for d in self._detector.find(picture, w, least_score)]
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
