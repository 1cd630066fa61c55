"""The preview: the newest frame as a JPEG, for whoever watches.

Guarantees: the engine never waits for the preview; a frame is copied only when someone watches and
the encoder is free, and encoded once for all viewers, at most `MAX_FPS` times a second.

While the camera is blanked, a frame of it that is already under way must not be shown: each JPEG says
whether it is of the camera.

Compare viewers get one image with the frame as it came above the frame as it is sent: two streams would never
show the same frame at the same time. A placeholder has no such upper half.

The buffers have one owner at a time: the engine, while `_wanted` is True; the preview thread,
otherwise. Only the thread gives them to the engine, and only the engine gives them back, so that no
lock is needed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from queue import SimpleQueue
from typing import NamedTuple

import cv2
import numpy as np

from livewarp.arrays import BgrFrame

MAX_FPS = 30
MAX_WIDTH_PX = 1280
JPEG_QUALITY = 80
GAP_S = 0.5  # compare viewers keep the last pair this long, s

_INTERVAL_S = 1 / MAX_FPS
_SHARE = 0.25  # of a core at most: on a slow or busy machine fewer pictures are shown, and frames do not wait
_NICENESS = 10  # of its thread: where cores are short the frames come first
_JOIN_S = 2.0  # an encoding of the largest frame takes less

log = logging.getLogger(__name__)


class _Note(Enum):
    """Messages to the preview thread."""

    WATCHED = auto()  # someone began to watch
    FRAME = auto()  # the buffer holds a frame
    CLOSE = auto()


class Picture(NamedTuple):
    """What viewers get.

    Attributes
    ----------
    camera
        Whether it is of the camera; else it is a placeholder.
    halves
        2: the frame as it came above the frame as it is sent; 1: the latter alone.
    hidden
        Whether the room is hidden in the frame as it is sent.
    """

    jpeg: bytes
    camera: bool = True
    halves: int = 1
    hidden: bool = False


def _ignore(picture: Picture) -> None:
    """What happens to a picture while nobody has asked for it."""


class Preview:
    """Encodes the newest frame in a thread of its own, only while someone watches.

    Parameters
    ----------
    on_picture
        Gets each picture, in the preview thread; may be set later, too.
    on_split
        The same for those who compare: two halves, where there is something to compare.

    Attributes
    ----------
    failure
        Why the newest picture could not be encoded or handed on, or None. The next frame is tried again.
    """

    def __init__(
        self,
        on_picture: Callable[[Picture], None] = _ignore,
        on_split: Callable[[Picture], None] = _ignore,
    ) -> None:
        self.on_picture = on_picture
        self.on_split = on_split
        self.failure: Exception | None = None
        self._wanted = False
        self._buffer: BgrFrame = np.empty((0, 0, 3), np.uint8)
        self._before: BgrFrame = np.empty((0, 0, 3), np.uint8)
        self._pair: bool | None = None  # of the frame under way: taken; missed; None: has no such half
        self._paired = False  # whether the buffers hold a pair
        self._gap = False  # whether those who compare do without this picture
        self._paired_s = -math.inf  # when the last pair was encoded
        self._camera = True  # whether the buffer holds a frame of the camera
        self._hidden = False  # whether the room is hidden in it
        self._notes: SimpleQueue[_Note] = SimpleQueue()
        self._plain = 0
        self._split = 0
        self._counting = threading.Lock()  # between viewers; the engine never takes it
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many watch, those who compare among them."""
        return self._plain + self._split

    def start(self) -> None:
        """Start the thread; more than once is as good as once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; may be called more than once. No JPEG comes afterwards."""
        self._notes.put(_Note.CLOSE)
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def watch(self, split: bool = False) -> None:
        """Count one more viewer; `split`: one who compares."""
        self._count(1, split)
        self._notes.put(_Note.WATCHED)

    def unwatch(self, split: bool = False) -> None:
        """Count one viewer less."""
        self._count(-1, split)

    def _count(self, change: int, split: bool) -> None:
        with self._counting:
            if split:
                self._split += change
            else:
                self._plain += change

    def offer_before(self, pixels: BgrFrame) -> None:
        """Take a frame as it came, if somebody compares; `offer` of the same frame must follow, from the same thread.

        Never called with what the sinks must not get: while blanked, nothing of the camera is offered.
        """
        if not self._split:
            return
        self._pair = self._wanted
        if self._pair:
            if self._before.shape != pixels.shape:
                self._before = np.empty_like(pixels)
            np.copyto(self._before, pixels)

    def forget_before(self) -> None:
        """Drop what `offer_before` took: another picture than that frame is sent."""
        self._pair = None

    def offer(self, pixels: BgrFrame, camera: bool = True, hidden: bool = False) -> None:
        """Take a frame, (H, W, 3) uint8 BGR, if the preview has use for one; from one thread only.

        Parameters
        ----------
        camera
            Whether it is of the camera; else it is a placeholder.
        hidden
            Whether the room is hidden in it.
        """
        pair, self._pair = self._pair, None
        if not self._wanted or pair is False:  # wanted only since `offer_before`: the next one is whole
            return
        # A frame that is sent again to fill a gap has no half of its own: the last pair may stand meanwhile.
        gap = camera and pair is None and time.monotonic() - self._paired_s < GAP_S
        if gap and not self._plain:
            return
        self._wanted = False
        self._gap = gap
        self._paired = pair is True
        self._camera, self._hidden = camera, hidden
        if self._buffer.shape != pixels.shape:
            self._buffer = np.empty_like(pixels)
        np.copyto(self._buffer, pixels)
        self._notes.put(_Note.FRAME)

    def _run(self) -> None:
        """Thread: encode what comes, and begin anew after a failure, which is logged once an episode."""
        if sys.platform.startswith("linux"):  # elsewhere that would be the whole process's
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        while True:
            try:
                self._encode_while_watched()
                return
            except Exception as error:
                if self.failure is None:
                    log.exception("the preview has failed; the filter goes on, and the next frame is tried again")
                self.failure = error
                self._notes.put(_Note.WATCHED)  # ask for another frame

    def _encode_while_watched(self) -> None:
        mine = True  # whether this thread owns the buffer
        due_s = 0.0
        while (note := self._notes.get()) is not _Note.CLOSE:
            mine = mine or note is _Note.FRAME
            if note is _Note.FRAME and self.viewers:
                due_s = max(due_s, time.monotonic()) + _INTERVAL_S
                began_s = time.monotonic()
                self._encode()
                due_s = max(due_s, began_s + (time.monotonic() - began_s) / _SHARE)
                if self.failure is not None:
                    self.failure = None
                    log.info("the preview works again")
                # Half an interval of grace: of a camera at just this rate no frame is lost to jitter.
                time.sleep(max(due_s - _INTERVAL_S / 2 - time.monotonic(), 0.0))
            if mine and self.viewers:
                mine = False
                self._wanted = True

    def _encode(self) -> None:
        """One picture for each kind of viewer that there is; one for both where there is no pair."""
        single = self._split > 0 and not self._paired and not self._gap
        if self._plain or single:
            picture = Picture(encode(self._buffer), self._camera, hidden=self._hidden)
            self.on_picture(picture)
            if single:
                self.on_split(picture)
        if self._split and self._paired:
            self._paired_s = time.monotonic()
            self.on_split(Picture(encode(np.vstack([self._before, self._buffer]), 2), self._camera, 2, self._hidden))


def encode(pixels: BgrFrame, halves: int = 1) -> bytes:
    """A frame, or several above each other, (H, W, 3) uint8 BGR, as JPEG; reduced to `MAX_WIDTH_PX` where wider."""
    height, width = pixels.shape[:2]
    if width > MAX_WIDTH_PX:
        size = (MAX_WIDTH_PX, halves * max(1, round(height / halves * MAX_WIDTH_PX / width)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, jpeg = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    assert done  # imencode raises where it cannot; False is for encoders that are not built in
    return jpeg.tobytes()
