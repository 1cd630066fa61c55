"""Video files as a source: their frames at their own times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.media.clip import Clip, Decoded

STANDING_S = 0.5  # a frame that is shown for longer comes again, so that nobody takes it for a source gone silent
_SAME_S = 1e-6  # times that differ by less are the same: the product of two rates may fall just short of it


class _Shown(NamedTuple):
    """A frame, when it is shown and until when, s."""

    decoded: Decoded
    from_s: float
    to_s: float


class VideoSource:
    """A video file, at its own times or another frame rate.

    Parameters
    ----------
    path
        The file.
    fps
        Frame rate to deliver; frames are repeated or left out to keep the speed. None: every frame at its own time.
    loop
        Start again when it ends.

    Raises
    ------
    SourceError
        The file is missing, is no video, or has no frame.
    """

    live = False

    def __init__(self, path: Path, fps: float | None = None, loop: bool = False) -> None:
        self._path = path
        self._loop = loop
        self._clip = Clip(path)
        self._resampled = fps is not None
        self.fps = float(self._clip.fps) if fps is None else fps
        self.width, self.height = self._clip.display_size
        self.name = f"video {path.name} ({self.width}x{self.height}, {self.fps:.5g} fps)"
        self.notes = tuple(self._clip.notes())
        self.ended = False
        self._timeline = self._play()
        self._current = next(self._timeline)
        self._next = next(self._timeline, None)
        self._wanted_s = self._current.from_s  # when the frame that `read` gives next is shown
        self._count = 0  # frames delivered
        self._pixels: BgrFrame | None = None  # the current frame, once it has been converted

    @property
    def damaged(self) -> int:
        """Places so far that could not be read."""
        return self._clip.damaged

    def frame_count(self) -> int | None:
        """How many frames `read` will deliver, as far as the file's header knows."""
        n = self._clip.frame_count()
        if n is None or self._loop:
            return None
        return round(n * self.fps / float(self._clip.fps)) if self._resampled else n

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; its time in the video, s. None at the end."""
        while not self.ended and self._next is not None and self._next.from_s <= self._wanted_s + _SAME_S:
            self._current, self._next, self._pixels = self._next, next(self._timeline, None), None
        is_over = self._next is None and self._wanted_s >= self._current.to_s - _SAME_S
        if self.ended or is_over or self._wanted_s == float("inf"):
            self.ended = True
            return None
        if self._pixels is None:
            self._pixels = self._convert(self._current.decoded)
        np.copyto(out, self._pixels)
        shown_s, self._count = self._wanted_s, self._count + 1
        if self._resampled:
            self._wanted_s = self._count / self.fps
        else:
            next_s = self._next.from_s if self._next is not None else float("inf")
            self._wanted_s = min(next_s, shown_s + STANDING_S) if self._next is not None else next_s
        return shown_s

    def close(self) -> None:
        """Release the file; may be called more than once."""
        self.ended = True
        self._clip.close()

    def _play(self) -> Iterator[_Shown]:
        """All frames with their times; again from the start where looping."""
        began_s = 0.0
        while True:
            unit_s, first_s, end_s = float(self._clip.time_base), None, began_s
            for decoded in self._clip.frames():
                if not isinstance(decoded, Decoded):
                    continue
                own_s = decoded.pts * unit_s
                if first_s is None:
                    first_s = own_s if began_s or self._resampled else 0.0
                from_s = began_s + own_s - first_s
                end_s = from_s + decoded.duration * unit_s
                yield _Shown(decoded, from_s, end_s)
            if not self._loop or self.ended:
                return
            self._clip.close()
            self._clip = Clip(self._path)  # seeking to 0 is not exact with every container
            began_s = end_s

    def _convert(self, decoded: Decoded) -> BgrFrame:
        """The frame in BGR, upright, with square pixels."""
        pixels, orientation = self._clip.bgr(decoded), self._clip.orientation
        if orientation.transposed:
            pixels = cv2.transpose(pixels)  # type: ignore[assignment]
        if orientation.rows_reversed or orientation.columns_reversed:
            both = orientation.rows_reversed and orientation.columns_reversed
            pixels = cv2.flip(pixels, -1 if both else int(orientation.columns_reversed))  # type: ignore[assignment]
        if pixels.shape[:2] != (self.height, self.width):
            pixels = cv2.resize(pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return pixels
