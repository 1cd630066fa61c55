"""Hands frames from one thread to another: newest wins, nothing is allocated, nobody waits for the other.

A fixed set of buffers goes round: `take` an empty one, fill it, `post` it; the reader `receive`s the
newest and `give`s the buffer back. What was posted and not fetched in time is dropped and counted.
"""

from __future__ import annotations

import math
import queue
import time
from collections import deque
from typing import NamedTuple

import numpy as np

from livewarp.arrays import BgrFrame


class Parcel(NamedTuple):
    """A frame on its way, with what is known of it."""

    pixels: BgrFrame
    timestamp_s: float  # monotonic clock
    number: int  # counts the frames of the source from 0
    read_s: float  # what reading it took
    since_s: float | None = None  # timestamp of the first frame since the source's last silence; `post` fills it in


class Mailbox:
    """One writer, one reader.

    Guarantees: no lock is held while the other side works; deque and SimpleQueue operations are atomic.

    Parameters
    ----------
    shape
        Of a frame, (H, W, 3).
    depth
        How many frames may wait; beyond, the oldest is dropped.
    kept
        How many frames the reader may keep beside the one it works on.
    silence_s
        More time than this between two frames is a silence of their source. It is measured where they are
        posted: frames that the reader was too slow to fetch were there all the same.
    """

    def __init__(self, shape: tuple[int, int, int], depth: int = 1, kept: int = 0, silence_s: float = math.inf) -> None:
        self._shape = shape
        # One being written, one being read, `depth` waiting.
        self._free: deque[BgrFrame] = deque(np.zeros(shape, np.uint8) for _ in range(depth + kept + 2))
        self._waiting: deque[Parcel] = deque()
        self._depth = depth
        self._silence_s = silence_s
        self._posted_s: float | None = None  # timestamp of the newest frame
        self._since_s = 0.0
        self._bell: queue.SimpleQueue[bool] = queue.SimpleQueue()  # True: `ring`
        self.dropped = 0
        self.closed = False

    @property
    def waiting(self) -> int:
        """How many frames wait."""
        return len(self._waiting)

    def take(self) -> BgrFrame:
        """An empty buffer (H, W, 3) to fill; drops the oldest waiting frame where there is none."""
        while True:
            try:
                return self._free.popleft()
            except IndexError:
                self._drop_oldest()

    def post(self, parcel: Parcel) -> None:
        """Make a filled buffer the newest frame."""
        while len(self._waiting) >= self._depth:
            self._drop_oldest()
        now_s = parcel.timestamp_s
        if self._posted_s is None or not 0.0 < now_s - self._posted_s <= self._silence_s:
            self._since_s = now_s
        self._posted_s = now_s
        self._waiting.append(parcel._replace(since_s=self._since_s))
        self._bell.put(False)

    def give(self, pixels: BgrFrame) -> None:
        """Return a buffer that was taken or received."""
        self._free.append(pixels)

    def replace(self) -> None:
        """Make up for a buffer whose writer will never return it."""
        self._free.append(np.zeros(self._shape, np.uint8))

    def receive(self, timeout_s: float) -> Parcel | None:
        """The oldest waiting frame (with depth 1 also the newest).

        None when `timeout_s` pass, when it is closed, or when somebody called `ring`.
        """
        end_s = time.monotonic() + timeout_s
        while self._waiting or not self.closed:
            try:
                rung = self._bell.get(timeout=max(end_s - time.monotonic(), 0.0))
            except queue.Empty:
                return None
            try:
                return self._waiting.popleft()
            except IndexError:
                if rung:
                    return None  # else for a frame that has been dropped since, or for the end
        return None

    def ring(self) -> None:
        """Let a reader that waits look up."""
        self._bell.put(True)

    def clear(self) -> None:
        """Forget the frames that wait; they do not count as dropped. For the reader."""
        while self._waiting:
            try:
                self._free.append(self._waiting.popleft().pixels)
            except IndexError:
                return  # the writer has just dropped it

    def close(self) -> None:
        """Tell the reader that no more frames come; what waits can still be received."""
        self.closed = True
        self._bell.put(False)

    def _drop_oldest(self) -> None:
        try:
            self._free.append(self._waiting.popleft().pixels)
            self.dropped += 1
        except IndexError:
            pass  # the reader has just taken it
