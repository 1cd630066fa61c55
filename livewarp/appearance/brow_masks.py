"""The brows as a mask, for grey hair has grey ones: near their landmarks, what is darker than the skin around."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.face68 import LEFT_BROW, RIGHT_BROW, Face
from livewarp.scene import Hair

_LIGHT = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green, red
_ABOVE_IOD, _BELOW_IOD = 0.03, 0.085  # how far brows reach: the landmarks lie along their upper edge
_AROUND_IOD, _SOFT_IOD = 0.16, 0.02
_SKIN_PERCENT = 85  # of the pixels near a brow: so light is the skin there
_LEAST_PX = 12


def brows_of(frame: BgrFrame, face: Face, trust: float) -> Hair | None:
    """Both brows, as a mask of half the frame's size; None: too small or beyond the frame.

    Parameters
    ----------
    frame
        (H, W, 3) uint8 BGR.
    trust
        0 to 1: of the hair of this head.
    """
    iod_px = face.pose.iod_px
    down = face.pose.rotation()[:2, 1] * iod_px
    both = [face.landmarks[part] for part in (RIGHT_BROW, LEFT_BROW)]
    points = np.concatenate(both)
    low, high = points.min(axis=0) - _AROUND_IOD * iod_px, points.max(axis=0) + _AROUND_IOD * iod_px
    left, top = (max(0, int(v) // 2 * 2) for v in low)
    right, bottom = (min(n // 2 * 2, int(v) // 2 * 2) for n, v in zip(frame.shape[1::-1], high, strict=True))
    width, height = (right - left) // 2, (bottom - top) // 2
    if min(width, height) < 6:
        return None
    here = cv2.resize(frame[top:bottom, left:right], (width, height), interpolation=cv2.INTER_AREA)
    light = here @ _LIGHT
    inside = np.zeros((height, width), np.uint8)
    for upper in both:
        outline = np.r_[upper - down * _ABOVE_IOD, (upper + down * _BELOW_IOD)[::-1]]
        inner = np.round((outline - (left, top) - 0.5) / 2 * 8).astype(np.int32)
        cv2.fillPoly(inside, [inner], 255, cv2.LINE_AA, shift=3)
    near = cv2.dilate(inside, np.ones((3, 3), np.uint8)) > 0
    if near.sum() < _LEAST_PX:
        return None
    skin = float(np.percentile(light[near], _SKIN_PERCENT))
    dark: FloatArray = np.clip((0.90 * skin - light) / (0.25 * skin), 0.0, 1.0)
    soft: NDArray[Any] = cv2.GaussianBlur(inside, (0, 0), max(0.6, _SOFT_IOD * iod_px / 2))
    return Hair((soft * dark).astype(np.uint8), (left, top), face.id, trust)
