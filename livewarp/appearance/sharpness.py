"""How sharp the picture of a face is: what is drawn on it must be no sharper.

The eyes have the strongest edges of a face. How much weaker these get when they are blurred a little more tells how
blurred they are already; source: re-blurring, Zhuo and Sim 2011, here between two blurs so that noise is no edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.face68 import Face

STEPS_PX = (0.0, 0.7, 1.1, 1.7, 2.5, 3.6, 5.0)
"""How much what is drawn is blurred, in px of the frame: a few steps, so that it is seldom drawn anew."""

_EVERY = 6  # frames between two measurements of a face
_SHARE = 0.35  # of a new measurement
_SHARP_PX = 1.0  # a camera's own blur, which drawn lines have as well
_FIRST_PX, _SECOND_PX = 0.8, 1.8  # the two blurs
_STRONG = 0.94  # quantile of the gradient from which it is an edge
_LEAST_LEVELS = 6.0  # per two px: weaker edges tell nothing
_LARGEST_PX = 6.0


@dataclass
class _Seen:
    frames: int
    blur_px: float
    step: int


class Sharpness:
    """How blurred faces are, steadily, for each face."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def keep(self, ids: set[int]) -> None:
        """Forget the faces that are not among these."""
        for gone in self._seen.keys() - ids:
            del self._seen[gone]

    def step(self, frame: BgrFrame, face: Face) -> int:
        """Which of `STEPS_PX` suits this face; call it once a frame."""
        seen = self._seen.get(face.id)
        if seen is None:
            found = blur_px(frame, face)
            seen = self._seen[face.id] = _Seen(0, found if found is not None else _SHARP_PX, 0)
            seen.step = _nearest(_missing(seen.blur_px))
            return seen.step
        seen.frames += 1
        if seen.frames % _EVERY == 0:
            found = blur_px(frame, face)
            if found is not None:
                seen.blur_px += _SHARE * (found - seen.blur_px)
            missing = _missing(seen.blur_px)
            nearest = _nearest(missing)
            # Half way between two steps it must not go to and fro.
            if abs(missing - STEPS_PX[nearest]) < 0.6 * abs(missing - STEPS_PX[seen.step]):
                seen.step = nearest
        return seen.step


def blur_px(frame: BgrFrame, face: Face) -> float | None:
    """The deviation of the blur of the eyes' edges, px; None: no edge is to be seen."""
    eyes, iod_px = face.landmarks[36:48], face.pose.iod_px
    x0, y0 = np.maximum(eyes.min(axis=0) - 0.1 * iod_px, 0).astype(int).tolist()
    x1, y1 = np.maximum(eyes.max(axis=0) + 0.1 * iod_px, 0).astype(int).tolist()
    green = frame[y0:y1, x0:x1, 1].astype(np.float32)
    if min(green.shape) < 8:
        return None
    first, second = (_gradient(cv2.GaussianBlur(green, (0, 0), px)) for px in (_FIRST_PX, _SECOND_PX))
    least = max(float(np.partition(first, int(_STRONG * first.size), axis=None)[int(_STRONG * first.size)]), 1e-3)
    strong = first >= max(least, _LEAST_LEVELS)
    if not strong.any():
        return None
    ratio = float(np.median(first[strong] / np.maximum(second[strong], 1e-3))) ** 2
    squared = (_SECOND_PX**2 - _FIRST_PX**2 * ratio) / max(ratio - 1.0, 1e-3)
    return min(float(np.sqrt(max(squared, 0.0))), _LARGEST_PX)


def _gradient(picture: NDArray[Any]) -> FloatArray:
    across, down = picture[1:-1, 2:] - picture[1:-1, :-2], picture[2:, 1:-1] - picture[:-2, 1:-1]
    return cast(FloatArray, np.hypot(across, down))


def _missing(blur: float) -> float:
    """The blur that drawn lines need to be as soft as the face."""
    return float(np.sqrt(max(blur**2 - _SHARP_PX**2, 0.0)))


def _nearest(missing: float) -> int:
    return int(np.argmin([abs(missing - step) for step in STEPS_PX]))
