"""Where and when to search for newcomers: only where the picture has changed, and small faces less often.

A detector's cost grows with the area and with the square of the scale. Nobody comes into a picture
that stays as it is, so what was searched is remembered as a thumbnail, and only the window around
what differs from it is searched again, beside a sweep of everything now and then.

Guarantees: pure policy; what is searched depends on the thumbnails, the times and the faces alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.tracking import picture_kernels as kernels
from livewarp.tracking.detector import SMALLEST_FACE_PX, FloatBox, Window

Thumbnail: TypeAlias = NDArray[np.float32]
"""(rows, columns) float32, gray levels: means over cells of the frame."""

THUMBNAIL_COLUMNS = 20  # 64 px a cell at 720p: half of a small face
_TAKEN = 5  # of each cell's side so many pixels are read: the mean of 25 takes noise down to a fifth

CHANGED_LEVELS = 6.0  # a cell differs by more, or nothing happened: five times the noise that a bad camera makes
CUT_LEVELS = 10.0  # by more in ...
CUT_SHARE = 0.4  # ... this share of the cells at once: another scene, or a blow to the camera

# Face boxes by the short side of the frame: at 720p 110 and 90 px.
NEAR_FACE = 110 / 720
FAR_FACE = 90 / 720
LEAST_FACE_PX = 64.0  # whatever the frame: smaller ones have too few pixels to find landmarks on
# dlib's box for a face is somewhat larger than the face that just fits its template.
_SURE = 1.05

NEAR_S, FAR_S = 0.5, 2.5  # from search to search while a face is followed
NEAR_EMPTY_S, FAR_EMPTY_S = 0.2, 1.0  # while none is
SWEEP_S = 10.0  # whatever has changed, everything is searched after so long
# What moves here is taken for a followed person's own head, shoulders and hands, which the search for small
# faces covers: face boxes to each side and above, and all below.
_BODY_SIDE, _BODY_ABOVE = 0.9, 0.8
_COARSE = 0.35  # of the scale: a second search, for large faces
_WHOLE_SHARE = 0.7  # of the frame: a window that large is made the whole


def thumbnail(frame: BgrFrame) -> Thumbnail:
    """Cells of the frame as their mean levels of green, from a part of their pixels (0.02 ms)."""
    h, w = frame.shape[:2]
    columns = min(THUMBNAIL_COLUMNS, w)
    cells = np.empty((max(1, min(h, round(columns * h / w))), columns), np.float32)
    kernels.sample_cells(frame, _TAKEN, cells)
    return cells


def is_cut(before: Thumbnail, now: Thumbnail) -> bool:
    """Whether two consecutive frames show different scenes."""
    return before.shape != now.shape or kernels.share_changed(before, now, CUT_LEVELS) > CUT_SHARE


class _Level:
    """Searches at one scale."""

    def __init__(self, scale: float, every_s: float, every_empty_s: float, bodies: bool) -> None:
        self.scale = scale
        self.bodies = bodies
        """Where followed people move is searched, too."""
        self.every_s = every_s
        self.every_empty_s = every_empty_s
        self.searched_s = -math.inf
        self.swept_s = -math.inf
        self.searched: Thumbnail | None = None


class SearchPlan:
    """What to search next.

    Parameters
    ----------
    detect_scale
        Search at this scale, px of the searched picture per px of the frame; None: at two scales, for
        faces of at least 90 px at 720p seldom and of at least 110 px more often.
    """

    def __init__(self, detect_scale: float | None = None) -> None:
        self._detect_scale = detect_scale
        self._shape_hw: tuple[int, int] | None = None
        self._levels: list[_Level] = []

    def forget(self) -> None:
        """All is new: the next search is of the whole picture."""
        self._shape_hw = None

    def next(
        self, shape_hw: tuple[int, int], now: Thumbnail, now_s: float, faces: Sequence[FloatBox], pace: float
    ) -> list[Window]:
        """The windows to search now, if any; they count as searched.

        Parameters
        ----------
        shape_hw
            Of the frame, px.
        now
            Its thumbnail.
        now_s
            Its time.
        faces
            Boxes of the faces that are followed: what changes inside them needs no search.
        pace
            Times the intervals: 3 searches at a third of the rate, 0 whenever something has changed.
        """
        if shape_hw != self._shape_hw:
            self._shape_hw = shape_hw
            self._levels = self._make_levels(shape_hw)
        for i, level in enumerate(self._levels):
            every_s = pace * (level.every_s if faces else level.every_empty_s)
            if now_s - level.searched_s < every_s:
                continue
            level.searched_s = now_s
            window = self._window(level, shape_hw, now, now_s, faces)
            if window is not None:
                for larger in self._levels[i + 1 :]:
                    # What finds small faces finds large ones.
                    larger.searched_s, larger.swept_s, larger.searched = now_s, level.swept_s, now.copy()
                # A large face that fails at one scale may well pass at another, which costs a tenth of it.
                coarse = window._replace(scale=_COARSE * window.scale)
                return [window, coarse]
        return []

    def _make_levels(self, shape_hw: tuple[int, int]) -> list[_Level]:
        if self._detect_scale is not None:
            return [_Level(self._detect_scale, 2 * NEAR_S, NEAR_EMPTY_S, bodies=True)]
        far, near = (
            _SURE * SMALLEST_FACE_PX / max(LEAST_FACE_PX, share * min(shape_hw)) for share in (FAR_FACE, NEAR_FACE)
        )
        return [_Level(far, FAR_S, FAR_EMPTY_S, bodies=True), _Level(near, NEAR_S, NEAR_EMPTY_S, bodies=False)]

    def _window(
        self, level: _Level, shape_hw: tuple[int, int], now: Thumbnail, now_s: float, faces: Sequence[FloatBox]
    ) -> Window | None:
        h, w = shape_hw
        rows, columns = now.shape
        if level.searched is None or level.searched.shape != now.shape or now_s - level.swept_s >= SWEEP_S:
            level.swept_s = now_s
            level.searched = now.copy()
            return Window(0, 0, w, h, level.scale)
        changed = np.abs(now - level.searched) > CHANGED_LEVELS
        for x0, y0, x1, y1 in faces:
            if not level.bodies:
                side = x1 - x0
                x0, x1, y0, y1 = x0 - _BODY_SIDE * side, x1 + _BODY_SIDE * side, y0 - _BODY_ABOVE * side, h
            # Cells that lie in the face as a whole.
            c0, c1 = math.ceil(x0 / w * columns), math.floor(x1 / w * columns)
            r0, r1 = math.ceil(y0 / h * rows), math.floor(y1 / h * rows)
            changed[max(0, r0) : max(0, r1), max(0, c0) : max(0, c1)] = False
        ys, xs = np.nonzero(changed)
        if ys.size == 0:
            return None
        # A face may reach beyond the cells in which it shows.
        margin = SMALLEST_FACE_PX / level.scale
        left = max(0, math.floor(xs.min() * w / columns - margin))
        top = max(0, math.floor(ys.min() * h / rows - margin))
        right = min(w, math.ceil((xs.max() + 1) * w / columns + margin))
        bottom = min(h, math.ceil((ys.max() + 1) * h / rows + margin))
        if (right - left) * (bottom - top) > _WHOLE_SHARE * w * h:
            left, top, right, bottom = 0, 0, w, h
            level.swept_s = now_s
        level.searched[changed] = now[changed]
        return Window(left, top, right, bottom, level.scale)


def window_around(box: FloatBox, shape_hw: tuple[int, int], reach: float, face_px: float = 100.0) -> Window | None:
    """The part of a frame (h, w) within `reach` box sides of a box, at a scale that makes the box `face_px` px."""
    h, w = shape_hw
    side = max(box[2] - box[0], 1.0)
    x0, y0 = max(0, math.floor(box[0] - reach * side)), max(0, math.floor(box[1] - reach * side))
    x1, y1 = min(w, math.ceil(box[2] + reach * side)), min(h, math.ceil(box[3] + reach * side))
    if x1 - x0 < side / 2 or y1 - y0 < side / 2:
        return None
    return Window(x0, y0, x1, y1, min(2.0, face_px / side))
