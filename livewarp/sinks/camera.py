"""A camera that programs watch, kept up: frames go to it from a thread of its own, and it heals by itself.

Guarantees: `send` converts the frame and returns, whatever the camera does; the newest frame wins; a camera
that fails, vanishes or is taken away is opened again with back-off, logged once, and is a `problem`
while it lasts. What nobody foresaw ends the thread, and the next `send` raises it. The thread owns the
camera: it alone writes to it and closes it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem, SinkError
from livewarp.mailbox import Mailbox, Parcel

CHECK_S = 0.5  # how often a camera is asked whether it is still what it was
FIRST_RETRY_S = 0.25
LONGEST_RETRY_S = 2.0
BLOCKED_S = 2.0  # a write that takes longer is a problem
JOIN_S = 3.0

_log = logging.getLogger(__name__)


class OpenCamera(Protocol):
    """An opened camera; its thread's own, but for `pack` and what is only read."""

    name: str
    visible_to: str  # which programs find it, for people
    label: str  # what they call it
    size_hw: tuple[int, int]  # of the frames that `pack` takes
    packed_shape: tuple[int, int, int]  # of what it makes of them

    @property
    def wanted(self) -> bool:
        """Whether a frame would be of use to anyone."""

    @property
    def watched(self) -> bool | None:
        """Whether someone watches; None: the camera cannot say."""

    def pack(self, pixels: BgrFrame, buffer: BgrFrame) -> None:
        """Convert a frame into a buffer of `packed_shape`; in the caller's thread."""

    def write(self, buffer: BgrFrame) -> None:
        """Send what was packed; may block. Raises `SinkError`."""

    def check(self) -> None:
        """Raise `SinkError` where the camera is not any more what was opened."""

    def close(self) -> None:
        """Release it; may be called more than once."""


class CameraSink:
    """A sink that heals.

    Parameters
    ----------
    open_camera
        Opens the camera; gets the one that was lost, or None the first time. What it opens later has the same
        shapes.
    clock
        Seconds, monotonic.

    Raises
    ------
    SinkError
        It cannot be opened now.
    """

    def __init__(
        self, open_camera: Callable[[OpenCamera | None], OpenCamera], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open = open_camera
        self._clock = clock
        self._camera = self._shown = open_camera(None)
        self._lost = False
        self._proven = True  # whether it has worked since it was opened
        self._lost_frames = 0
        self._problem: Problem | None = None
        self._failure: BaseException | None = None
        self._writing_since = float("inf")
        self._retry_s = FIRST_RETRY_S
        self._retry_at = 0.0
        self._check_at = 0.0
        self._closed = False
        self._mailbox = Mailbox(self._shown.packed_shape)
        self._thread = threading.Thread(target=self._run, name=f"sender {self.name}", daemon=True)
        self._thread.start()

    records = False

    @property
    def name(self) -> str:
        """The camera, for people."""
        return self._shown.name

    @property
    def visible_to(self) -> str:
        """Which programs find it, for people."""
        return self._shown.visible_to

    @property
    def label(self) -> str:
        """What programs call it; "": that is not known."""
        return self._shown.label

    @property
    def dropped(self) -> int:
        """Frames that it was too slow for, or that came while it was gone."""
        return self._mailbox.dropped + self._lost_frames

    @property
    def problem(self) -> Problem | None:
        """What is wrong while it lasts."""
        if self._problem is None and self._clock() - self._writing_since > BLOCKED_S:
            return Problem(f"{self.name}: takes no frames", "close the programs that use it")
        return self._problem

    @property
    def watched(self) -> bool | None:
        """Whether someone watches; nobody can watch what is gone."""
        return False if self._lost else self._shown.watched

    def send(self, pixels: BgrFrame) -> None:
        """Hand one frame over; the array may be changed after the call."""
        if self._failure is not None:
            raise SinkError(f"{self.name}: has failed: {self._failure!r}", remedy="restart livewarp") from self._failure
        if pixels.shape[:2] != self._shown.size_hw:
            raise wrong_size(self.name, pixels, self._shown.size_hw)
        if self._lost:
            self._lost_frames += 1
        elif self._shown.wanted:
            buffer = self._mailbox.take()
            self._shown.pack(pixels, buffer)
            self._mailbox.post(Parcel(buffer, 0.0, 0, 0.0))

    def close(self) -> None:
        """End the thread and release the camera; may be called more than once."""
        if self._closed:
            return
        self._closed = True
        self._mailbox.close()
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            _log.warning("%s: is left behind: it takes no frames and does not return", self.name)

    def _run(self) -> None:
        """Thread: write what comes, check the camera in between."""
        try:
            while not self._mailbox.closed:
                if self._lost:
                    self._retry()
                else:
                    self._serve()
        except BaseException as error:  # the top of this thread
            _log.exception("%s: its thread has failed", self.name)
            self._failure = error
        finally:
            self._camera.close()

    def _serve(self) -> None:
        """Write the next frame, if one comes, and check the camera now and then."""
        parcel = self._mailbox.receive(CHECK_S)
        try:
            if parcel is not None:
                self._write(parcel.pixels)
                self._prove()
            if self._clock() >= self._check_at:
                self._camera.check()
                self._check_at = self._clock() + CHECK_S
                self._prove()
        except (SinkError, OSError) as error:
            self._lose(_problem_of(error))

    def _write(self, buffer: BgrFrame) -> None:
        self._writing_since = self._clock()
        try:
            self._camera.write(buffer)
        except (SinkError, OSError):
            self._lost_frames += 1
            raise
        finally:
            self._writing_since = float("inf")
            self._mailbox.give(buffer)

    def _prove(self) -> None:
        if not self._proven:
            self._proven = True
            self._problem = None
            _log.info("%s: is back", self.name)

    def _lose(self, why: Problem) -> None:
        self._lost = True
        self._problem = why
        try:
            self._camera.close()
        except (SinkError, OSError, RuntimeError) as error:  # of what is lost, nothing more can be had
            _log.debug("closing %s: %s", self.name, error)
        if self._proven:  # once an episode
            _log.warning("%s", why)
            self._retry_s = FIRST_RETRY_S
        self._proven = False
        self._put_off()

    def _put_off(self) -> None:
        self._retry_at = self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)

    def _retry(self) -> None:
        """Open it again once the time has come."""
        parcel = self._mailbox.receive(max(self._retry_at - self._clock(), 0.0))
        if parcel is not None:  # it was under way when the camera was lost
            self._mailbox.give(parcel.pixels)
            self._lost_frames += 1
        if self._mailbox.closed or self._clock() < self._retry_at:
            return
        try:
            self._camera = self._shown = self._open(self._shown)
        except (SinkError, OSError) as error:
            self._problem = _problem_of(error)
            self._put_off()
        else:
            self._check_at = self._clock() + CHECK_S
            self._lost = False


def wrong_size(name: str, pixels: BgrFrame, size_hw: tuple[int, int]) -> SinkError:
    """The error of a sink that gets a frame of another size than it was opened with."""
    return SinkError(f"{name}: frame size", got=pixels.shape[:2], allowed=f"{size_hw} (h, w)")


def _problem_of(error: SinkError | OSError) -> Problem:
    return error.problem if isinstance(error, SinkError) else Problem(str(error))
