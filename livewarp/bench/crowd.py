"""Several of the built-in portrait side by side, each moving in her own time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.sources.headmotion import HeadPose, Motion, natural
from livewarp.sources.portrait import PortraitSource

APART_S = 7.3  # one is so far ahead of the other: nobody moves in step
_ASPECT = 600 / 720  # of the frame that the portrait fills


class CrowdSource:
    """A frame cut into tiles, a portrait in each of the first `faces`.

    Guarantees: deterministic. Nobody leaves the picture, so that all faces are there in every frame.

    Parameters
    ----------
    faces
        1 or more.
    """

    live = False
    ended = False

    def __init__(self, faces: int, width: int = 1280, height: int = 720, fps: float = 30.0) -> None:
        self.width, self.height, self.fps, self.faces = width, height, fps, faces
        self.name = "portrait" if faces == 1 else f"portrait × {faces}"
        self._next = 0
        columns = _columns(faces, width, height)
        rows = -(-faces // columns)
        x, y = (np.linspace(0, side, n + 1).astype(int) for side, n in ((width, columns), (height, rows)))
        self._tiles: list[tuple[slice, slice, PortraitSource, BgrFrame]] = []
        for tile in range(columns * rows):
            j, i = divmod(tile, columns)
            h, w = int(y[j + 1] - y[j]), int(x[i + 1] - x[i])
            motion = _staying(tile * APART_S) if tile < faces else lambda t: HeadPose(exit=1.0)
            sitter = PortraitSource(w, h, fps, motion)
            view = slice(int(y[j]), int(y[j + 1])), slice(int(x[i]), int(x[i + 1]))
            self._tiles.append((*view, sitter, np.empty((h, w, 3), np.uint8)))

    def read(self, out: BgrFrame) -> float | None:
        """The next frame into `out` (height, width, 3); its time, s from the first."""
        for rows, columns, sitter, pixels in self._tiles:
            sitter.render(self._next, pixels)
            out[rows, columns] = pixels
        self._next += 1
        return (self._next - 1) / self.fps

    def close(self) -> None:
        """Nothing to release."""


def _columns(faces: int, width: int, height: int) -> int:
    """How many columns make the faces largest."""
    return max(range(1, faces + 1), key=lambda n: min(height / -(-faces // n), width / n / _ASPECT))


def _staying(ahead_s: float) -> Motion:
    """The natural motion of somebody who stays, so much later."""

    def motion(t: float) -> HeadPose:
        return replace(natural(t + ahead_s), exit=0.0)

    return motion
