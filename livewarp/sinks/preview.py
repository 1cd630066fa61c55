"""The preview: the newest frame as a JPEG, for whoever watches.

Guarantees: the engine never waits for the preview; a frame is copied only when someone watches and
the encoder is free, and encoded once for all viewers, at most `MAX_FPS` times a second.

The buffer has one owner at a time: the engine, while `_wanted` is True; the preview thread,
otherwise. Only the thread gives it to the engine, and only the engine gives it back, so that no lock
is needed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from queue import SimpleQueue

import cv2
import numpy as np

from livewarp.arrays import BgrFrame

MAX_FPS = 30
MAX_WIDTH_PX = 1280
JPEG_QUALITY = 80

_INTERVAL_S = 1 / MAX_FPS
_JOIN_S = 2.0  # an encoding of the largest frame takes less

log = logging.getLogger(__name__)


class _Note(Enum):
    """What the other threads tell the preview thread."""

    WATCHED = auto()  # someone began to watch
    FRAME = auto()  # the buffer holds a frame
    CLOSE = auto()


def _ignore(jpeg: bytes) -> None:
    """What happens to a picture while nobody has asked for it."""


class Preview:
    """Encodes the newest frame in a thread of its own, only while someone watches.

    Parameters
    ----------
    on_jpeg
        Gets each JPEG, in the preview thread; may be set later, too.

    Attributes
    ----------
    failure
        What ended the thread although nobody closed it, else None.
    """

    def __init__(self, on_jpeg: Callable[[bytes], None] = _ignore) -> None:
        self.on_jpeg = on_jpeg
        self.failure: Exception | None = None
        self._wanted = False
        self._buffer: BgrFrame = np.empty((0, 0, 3), np.uint8)
        self._notes: SimpleQueue[_Note] = SimpleQueue()
        self._viewers = 0
        self._counting = threading.Lock()  # between viewers; the engine never takes it
        self._thread: threading.Thread | None = None

    @property
    def viewers(self) -> int:
        """How many watch."""
        return self._viewers

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

    def watch(self) -> None:
        """Count one more viewer."""
        with self._counting:
            self._viewers += 1
        self._notes.put(_Note.WATCHED)

    def unwatch(self) -> None:
        """Count one viewer less."""
        with self._counting:
            self._viewers -= 1

    def offer(self, pixels: BgrFrame) -> None:
        """Take a frame, (H, W, 3) uint8 BGR, if the preview has use for one; from one thread only."""
        if not self._wanted:
            return
        self._wanted = False
        if self._buffer.shape != pixels.shape:
            self._buffer = np.empty_like(pixels)
        np.copyto(self._buffer, pixels)
        self._notes.put(_Note.FRAME)

    def _run(self) -> None:
        try:
            self._encode_while_watched()
        except Exception as error:
            log.exception("the preview has failed; the filter goes on without it")
            self.failure = error

    def _encode_while_watched(self) -> None:
        mine = True  # whether this thread owns the buffer
        due_s = 0.0
        while (note := self._notes.get()) is not _Note.CLOSE:
            mine = mine or note is _Note.FRAME
            if note is _Note.FRAME and self._viewers:
                due_s = max(due_s, time.monotonic()) + _INTERVAL_S
                self.on_jpeg(encode(self._buffer))
                # Half an interval of grace: of a camera at just this rate no frame is lost to jitter.
                time.sleep(max(due_s - _INTERVAL_S / 2 - time.monotonic(), 0.0))
            if mine and self._viewers:
                mine = False
                self._wanted = True


def encode(pixels: BgrFrame) -> bytes:
    """A frame, (H, W, 3) uint8 BGR, as JPEG; reduced to `MAX_WIDTH_PX` where it is wider."""
    height, width = pixels.shape[:2]
    if width > MAX_WIDTH_PX:
        size = (MAX_WIDTH_PX, max(1, round(height * MAX_WIDTH_PX / width)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, jpeg = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    assert done  # imencode raises where it cannot; False is for encoders that are not built in
    return jpeg.tobytes()
