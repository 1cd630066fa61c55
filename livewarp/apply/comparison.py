"""A frame and what became of it, in one picture."""

from __future__ import annotations

import numpy as np

from livewarp.apply.job import Compare
from livewarp.arrays import BgrFrame

WIPE_S = 4.0  # for the line to cross the picture and come back
LINE = 255, 255, 255


def compared_width(width: int, compare: Compare | None) -> int:
    """How wide the picture gets, px."""
    return 2 * width if compare == "side" else width


def compared(before: BgrFrame, after: BgrFrame, compare: Compare, time_s: float | None) -> BgrFrame:
    """Both pictures as one; the original is on the left. `time_s`: in a video, None in an image."""
    if compare == "side":
        return np.concatenate([before, after], axis=1)
    width = before.shape[1]
    part = 0.5
    if compare == "wipe" and time_s is not None:
        part = abs(1 - 2 * ((time_s / WIPE_S + 0.25) % 1))
    x = round(part * width)
    half = max(1, width // 640)
    result = after.copy()
    result[:, :x] = before[:, :x]
    result[:, max(0, x - half) : x + half] = LINE
    return result
