"""Records from a thread of its own, so that the frame loop never waits for an encoder or a disk."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError, Problem
from livewarp.mailbox import Mailbox, Parcel

QUEUE_FRAMES = 8  # a quarter of a second: rides out an encoder's slow frames


class Recorder(Protocol):
    """What is slow."""

    name: str

    def send(self, pixels: BgrFrame) -> None:
        """Take one frame; may block. Raises `SinkError`."""

    def close(self) -> None:
        """Finish."""


class Sender:
    """A recorder behind a short queue.

    Guarantees: `send` copies the frame and returns; when the recorder falls behind, the oldest waiting
    frame is dropped and counted in `dropped`. A failure is raised by the next `send`: a recording that
    has a hole is not what was asked for.
    """

    records = True
    watched = True  # what is recorded is wanted

    def __init__(self, sink: Recorder, width: int, height: int) -> None:
        self.name = sink.name
        self._sink = sink
        self._mailbox = Mailbox((height, width, 3), QUEUE_FRAMES)
        self._error: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"sender {sink.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that the sink was too slow for."""
        return self._mailbox.dropped

    @property
    def problem(self) -> Problem | None:
        """What ended the recording; the next `send` raises it."""
        if self._error is None:
            return None
        if isinstance(self._error, LivewarpError):
            return self._error.problem
        return Problem(f"{self.name}: has failed: {self._error!r}", "restart livewarp")

    def send(self, pixels: BgrFrame) -> None:
        """Queue one frame (height, width, 3)."""
        if self._error is not None:
            raise self._error
        buffer = self._mailbox.take()
        np.copyto(buffer, pixels)
        self._mailbox.post(Parcel(buffer, 0.0, 0, 0.0))

    def close(self) -> None:
        """Send what is queued, then close the sink; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._mailbox.close()
        self._thread.join()
        self._sink.close()

    def _run(self) -> None:
        try:
            while (parcel := self._mailbox.receive(timeout_s=3600.0)) is not None or not self._mailbox.closed:
                if parcel is not None:
                    self._sink.send(parcel.pixels)
                    self._mailbox.give(parcel.pixels)
        except BaseException as error:  # surfaces in the engine's thread, by send
            self._error = error
