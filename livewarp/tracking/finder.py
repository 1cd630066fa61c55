"""Searches windows of frames for faces with a detector, beside the loop or in place.

Guarantees: each detector is used by the worker alone; sharing one between threads aborts the process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from livewarp.arrays import BgrFrame
from livewarp.tracking.detector import Detection, Detector, Window
from livewarp.worker import Task, Worker

# The finder rests this many times as long as a search took: a fifth of a core at most.
REST_RATIO = 4.0


@dataclass(frozen=True)
class _Order:
    """What to search: windows of one frame, as the detector's own copies of them."""

    number: int
    pictures: tuple[tuple[Any, Window], ...]
    least_score: float


@dataclass(frozen=True)
class _Result:
    """What was found, best first, and how long it took."""

    number: int
    found: tuple[Detection, ...]
    took_s: float


class Finder:
    """One search after another, with a rest in between where they go on beside other work.

    Guarantees: where the worker has a thread, no call waits for a search; the windows are reduced into small
    copies at once, so the frame may be overwritten after `submit`.
    """

    def __init__(self, detector: Detector, worker: Worker) -> None:
        self._detector = detector
        self._worker = worker
        self._task: Task[_Order, _Result] | None = None  # only while it is used
        # In place nothing waits for the machine: the finder needs no rest, and nothing depends on a clock.
        self._clock = time.perf_counter if not worker.synchronous else lambda: 0.0
        self._number = 0  # of the newest search
        self._least_number = 0  # an older one was of another scene
        self._is_pending = False  # a result has yet to be polled
        self._next_s = -math.inf
        self._submitted_s = -math.inf

    def is_ready(self, now_s: float) -> bool:
        """Whether a search may begin: none is under way, and the machine has had time for the rest of its work."""
        return not self._is_pending and now_s >= self._next_s

    def submit(self, frame: BgrFrame, windows: Sequence[Window], now_s: float, least_score: float = 0.0) -> None:
        """Search these windows of a frame for faces of at least this score, when no other search is under way."""
        self._number += 1
        self._is_pending = True
        self._submitted_s = now_s
        if self._task is None:
            self._task = self._worker.add(self._search)
        pictures = tuple((self._detector.shrink(frame, window), window) for window in windows)
        self._task.submit(_Order(self._number, pictures, least_score))

    def poll(self) -> tuple[Detection, ...] | None:
        """The faces found by a search that has ended since the last call, best first; None: there was none.

        Raises
        ------
        BaseException
            What the search raised.
        """
        result = self._task.poll() if self._task is not None else None
        if result is None:
            return None
        self._is_pending = False
        # On a busy machine a search takes longer, and so the next one comes later.
        self._next_s = self._submitted_s + REST_RATIO * result.took_s
        return result.found if result.number >= self._least_number else None

    def forget(self) -> None:
        """Another scene begins: drop the result of a search under way, and let the next one begin at once."""
        self._least_number = self._number + 1
        self._next_s = self._submitted_s = -math.inf

    def close(self) -> None:
        """Search no more until the next `submit`; does not wait. What is under way ends unheard."""
        if self._task is not None:
            self._worker.remove(self._task)
        self._task, self._is_pending = None, False
        self.forget()

    def _search(self, order: _Order) -> _Result:
        """What the worker does."""
        began_s = self._clock()
        found: list[Detection] = []
        for picture, window in order.pictures:
            found += self._detector.find(picture, window, order.least_score)
        took_s = self._clock() - began_s
        return _Result(order.number, tuple(sorted(found, key=lambda d: -d.score)), took_s)
