"""Planes of an 8-bit 4:2:0 frame: upright, of another size, and changed in one place only.

Convention: a plane is (H, W) uint8; chroma has half the rows and columns, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.media.colour import Converter

Plane = NDArray[np.uint8]

_EDGE_PX = 2  # converted beside what has changed, as chroma is filtered


class Planes(NamedTuple):
    """Luma (h, w) and two planes of chroma ((h + 1) // 2, (w + 1) // 2)."""

    y: Plane
    u: Plane
    v: Plane


class Orientation(NamedTuple):
    """What makes a picture upright: the rows for the columns, then each of them backwards."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def apply(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of (H, W) or (H, W, 3), upright."""
        if self.transposed:
            plane = plane.swapaxes(0, 1)
        return plane[:: -1 if self.rows_reversed else 1, :: -1 if self.columns_reversed else 1]


UPRIGHT = Orientation()


def orientation_of(matrix: Sequence[int]) -> Orientation:
    """The quarter turns and mirrors of a display matrix, nine numbers: x' = a x + c y, y' = b x + d y."""
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, d < 0, a < 0)
    return Orientation(True, b < 0, c < 0)


def planes_of(frame: VideoFrame) -> Planes:
    """Views of the planes of a yuv420p frame."""
    return Planes(*(_plane(frame, i, -(-frame.height // n), -(-frame.width // n)) for i, n in enumerate((1, 2, 2))))


def _plane(frame: VideoFrame, index: int, height: int, width: int) -> Plane:
    plane: Any = frame.planes[index]
    rows: Plane = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def oriented(frame: VideoFrame, orientation: Orientation) -> VideoFrame:
    """A yuv420p frame upright."""
    if orientation == UPRIGHT:
        return frame
    return packed(Planes(*(orientation.apply(plane) for plane in planes_of(frame))))


def packed(planes: Planes, height: int | None = None, width: int | None = None) -> VideoFrame:
    """A new yuv420p frame of these planes; a larger one repeats the last row or column."""
    height, width = height or planes.y.shape[0], width or planes.y.shape[1]
    frame = VideoFrame(width, height, "yuv420p")
    for plane, target in zip(planes, planes_of(frame), strict=True):
        h, w = min(plane.shape[0], target.shape[0]), min(plane.shape[1], target.shape[1])
        target[:h, :w] = plane[:h, :w]
        target[h:, :w] = target[h - 1 : h, :w]
        target[:, w:] = target[:, w - 1 : w]
    return frame


def letterboxed(frame: VideoFrame, size: tuple[int, int], full: bool) -> VideoFrame:
    """A yuv420p frame in the middle of a black one of (width, height)."""
    result = VideoFrame(*size, "yuv420p")
    for plane, target, black in zip(planes_of(frame), planes_of(result), (0 if full else 16, 128, 128), strict=True):
        target[:] = black
        y, x = (target.shape[0] - plane.shape[0]) // 2, (target.shape[1] - plane.shape[1]) // 2
        target[y : y + plane.shape[0], x : x + plane.shape[1]] = plane
    return result


def changed_box(before: BgrFrame, after: BgrFrame) -> tuple[int, int, int, int] | None:
    """The smallest (x0, y0, x1, y1), half-open, that holds every pixel that differs; None: none does."""
    height, width = before.shape[:2]
    row_bytes = width * 3
    kind = np.uint64 if row_bytes % 8 == 0 else np.uint8  # eight bytes at once
    a, b = (pixels.reshape(height, row_bytes).view(kind) for pixels in (before, after))
    rows = np.flatnonzero((a != b).any(axis=1))
    if not len(rows):
        return None
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero((before[y0:y1].reshape(y1 - y0, -1) != after[y0:y1].reshape(y1 - y0, -1)).any(axis=0))
    return int(columns[0]) // 3, y0, int(columns[-1]) // 3 + 1, y1


def patched(frame: VideoFrame, before: BgrFrame, after: BgrFrame, converter: Converter) -> VideoFrame:
    """`frame`, yuv420p, with what differs between two BGR pictures of it converted; the rest keeps its very numbers."""
    box = changed_box(before, after)
    if box is None:
        return frame
    height, width = after.shape[:2]
    x0, y0 = (max(0, edge - _EDGE_PX) // 2 * 2 for edge in box[:2])
    x1, y1 = (min(size, -(-(edge + _EDGE_PX) // 2) * 2) for edge, size in ((box[2], width), (box[3], height)))
    result = packed(planes_of(frame))
    piece = planes_of(converter.from_bgr(after[y0:y1, x0:x1]))
    for target, plane, n in zip(planes_of(result), piece, (1, 2, 2), strict=True):
        target[y0 // n : y0 // n + plane.shape[0], x0 // n : x0 // n + plane.shape[1]] = plane
    return result
