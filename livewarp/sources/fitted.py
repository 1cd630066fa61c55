"""A source brought to another frame size, whatever sizes it comes in."""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import Problem
from livewarp.sources.plan import Fit, Source


class FittedSource:
    """`source`, scaled to (height, width).

    Guarantees: a source that changes its size (`read` gives None, `width` and `height` are new ones)
    goes on at the same output size; one that has that size already costs nothing.

    Parameters
    ----------
    fit
        letterbox: the whole frame, black bars beside it. crop: no bars, what does not fit is cut
        off evenly. stretch: all of both, with other proportions.
    """

    def __init__(self, source: Source, width: int, height: int, fit: Fit = "letterbox") -> None:
        self._source = source
        self._fit = fit
        self.width, self.height = width, height
        self.fps: float = source.fps
        self.live: bool = source.live
        self._size = (0, 0)
        self._plan()

    @property
    def name(self) -> str:
        """The source's, and the size where that differs."""
        same = (self._source.width, self._source.height) == (self.width, self.height)
        return self._source.name if same else f"{self._source.name} as {self.width}x{self.height}"

    @property
    def device(self) -> str:
        """The stable path of the webcam that the source is; "": it is none, or has no path."""
        return getattr(self._source, "device", "")

    @property
    def problem(self) -> Problem | None:
        """Of the source, where it can have one."""
        return getattr(self._source, "problem", None)

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        return bool(self._source.ended)

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the next frame; its timestamp, s, or None where there was none."""
        if (self._source.width, self._source.height) != self._size:
            self._plan()
        if self._size == (self.width, self.height):
            return self._source.read(out)
        timestamp_s = self._source.read(self._buffer)
        if timestamp_s is not None:
            cv2.resize(self._buffer[self._from], self._to_size, dst=self._scaled, interpolation=self._interpolation)
            if self._scaled.shape != out.shape:
                out[:] = 0
            out[self._to] = self._scaled
        return timestamp_s

    def close(self) -> None:
        """Release the source; may be called more than once."""
        self._source.close()

    def _plan(self) -> None:
        """Which part of the source's frame goes where in ours."""
        self._size = w, h = self._source.width, self._source.height
        across, down = self.width / w, self.height / h
        taken, self._to_size = (w, h), (self.width, self.height)
        if self._fit == "crop":
            across = down = max(across, down)
            taken = min(w, max(1, round(self.width / across))), min(h, max(1, round(self.height / down)))
        elif self._fit == "letterbox":
            across = down = min(across, down)
            self._to_size = max(1, round(w * across)), max(1, round(h * down))
        self._from = _middle(taken, (w, h))
        self._to = _middle(self._to_size, (self.width, self.height))
        self._interpolation = cv2.INTER_AREA if min(across, down) < 0.5 else cv2.INTER_LINEAR
        self._buffer = np.empty((h, w, 3), np.uint8)
        self._scaled = np.empty((self._to_size[1], self._to_size[0], 3), np.uint8)


def _middle(size: tuple[int, ...], room: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of (width, height) in the middle of another one."""
    x, y = (room[0] - size[0]) // 2, (room[1] - size[1]) // 2
    return slice(y, y + size[1]), slice(x, x + size[0])
