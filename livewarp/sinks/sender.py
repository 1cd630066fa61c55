"""Records from a thread of its own, so that the frame loop never waits for an encoder or a disk."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError, Problem, SinkError
from livewarp.mailbox import Mailbox, Parcel
from livewarp.sinks.camera import BLOCKED_S, wrong_size

QUEUE_FRAMES = 8  # a quarter of a second: rides out an encoder's slow frames
CLOSE_S = 10.0  # for what is queued and the file's index; systemd kills a service that takes 15 s to stop

RECORD_AGAIN = "what was recorded before is kept; restart livewarp to record again"

_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """What is slow."""

    name: str

    def send(self, pixels: BgrFrame, at_s: float) -> None:
        """Take one frame, sent at that time, s; may block. Raises `SinkError`."""

    def close(self) -> None:
        """Finish."""


class Sender:
    """A recorder behind a short queue.

    Guarantees: `send` copies the frame and returns; when the recorder falls behind, the oldest waiting
    frame is dropped and counted in `dropped`. A recording that cannot go on is closed at once, so that what
    it holds can be played; it is a `problem` from then on, and every later frame counts as dropped. The thread
    owns the recorder: it alone sends to it and closes it, so nobody waits for a disk that hangs.
    """

    records = True

    def __init__(self, sink: Recorder, width: int, height: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = sink.name
        self._sink = sink
        self._clock = clock
        self._size_hw = (height, width)
        self._mailbox = Mailbox((height, width, 3), QUEUE_FRAMES)
        self._lost: Problem | None = None
        self._lost_frames = 0
        self._close_error: BaseException | None = None
        self._sending_since = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"sender {sink.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that the recorder was too slow for, or that came when it could not go on."""
        return self._mailbox.dropped + self._lost_frames

    @property
    def watched(self) -> bool:
        """Whether it still records: what is recorded is wanted."""
        return self._lost is None

    @property
    def problem(self) -> Problem | None:
        """Why the recording has ended, or that it takes no frames for now."""
        if self._lost is None and self._clock() - self._sending_since > BLOCKED_S:
            return Problem(f"{self.name}: takes no frames", "see whether its disk answers and has room")
        return self._lost

    def send(self, pixels: BgrFrame) -> None:
        """Queue one frame (height, width, 3)."""
        if pixels.shape[:2] != self._size_hw:
            raise wrong_size(self.name, pixels, self._size_hw)
        if self._lost is not None:
            self._lost_frames += 1
            return
        buffer = self._mailbox.take()
        np.copyto(buffer, pixels)
        self._mailbox.post(Parcel(buffer, time.monotonic(), 0, 0.0))

    def close(self) -> None:
        """Send what is queued, then close the recorder; may be called more than once.

        Raises
        ------
        SinkError
            The recording could not be finished, or the recorder does not return within `CLOSE_S`.
        """
        if self._closed:
            return
        self._closed = True
        self._mailbox.close()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            raise SinkError(
                f"{self.name}: does not return and is left behind", remedy="see whether its disk answers and has room"
            )
        if self._close_error is not None:
            raise self._close_error

    def _run(self) -> None:
        """Thread: send what comes, and close in any case."""
        try:
            while (parcel := self._mailbox.receive(timeout_s=3600.0)) is not None or not self._mailbox.closed:
                if parcel is not None:
                    self._sending_since = self._clock()
                    self._sink.send(parcel.pixels, parcel.timestamp_s)
                    self._sending_since = float("inf")
                    self._mailbox.give(parcel.pixels)
        except BaseException as error:  # the top of this thread
            self._lose(error)
        try:
            self._sink.close()
        except BaseException as error:  # the top of this thread
            self._close_error = error
            if self._lost is not None:
                what = f"{self._lost.what}; and it could not be finished: {error}"
                self._lost = Problem(what, "restart livewarp to record again")

    def _lose(self, error: BaseException) -> None:
        if isinstance(error, LivewarpError):
            self._lost = Problem(error.problem.what, error.remedy or RECORD_AGAIN)
            _log.error("%s; the recording ends, all else goes on", self._lost)
        else:
            self._lost = Problem(f"{self.name}: has failed: {error!r}", RECORD_AGAIN)
            _log.error("%s; the recording ends, all else goes on", self._lost, exc_info=error)
        self._sending_since = float("inf")
