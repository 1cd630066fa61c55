"""Face detection: what a detector is, what it finds, and how boxes overlap."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

from livewarp.arrays import BgrFrame

# What dlib's template is trained on: a window's scale makes the least face that is wanted so large.
SMALLEST_FACE_PX = 80

FloatBox: TypeAlias = tuple[float, float, float, float]
"""(x0, y0, x1, y1), px, half-open, need not be whole."""


class Detection(NamedTuple):
    """A face box (half-open, px of the full frame), the score (0: barely a face, 2: clear) and the roll, radians."""

    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    roll: float = 0.0


class Window(NamedTuple):
    """A part of a frame to search: a half-open box, px, and how many px of the searched picture are one px of it."""

    x0: int
    y0: int
    x1: int
    y1: int
    scale: float


class Detector(Protocol):
    """Finds faces in windows of frames, in two steps."""

    def shrink(self, frame: BgrFrame, window: Window) -> Any:
        """Copies of what `find` needs to see of a window; quick, and not in the thread of `find`."""

    def find(self, picture: Any, window: Window, least_score: float = 0.0) -> list[Detection]:
        """The faces in what `shrink` made of a window, of at least this score, best first."""


def overlap(a: Detection | tuple[float, ...], b: Detection | tuple[float, ...]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1, ...)."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
