"""Lines and folds that this very face has, found in the picture and lightened; pores and the grain of skin stay.

A line is darker than what lies on both of its sides. Closing (the darkest of the lightest around) fills what is
narrower than its window, so what it adds to the luminance is how deep a line is there. That, smoothed, is given back to
the frame as a gain: what is finer than the smoothing, pores and hairs, keeps its contrast.

Convention: small pictures as in `livewarp.appearance.face_kernels`.
"""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray

# Of the IOD: what is finer is no line; widths of lines and of folds that are filled; how soft the gain is.
_FINE_IOD, _LINE_IOD, _FOLD_IOD, _SOFT_IOD = 0.007, 0.050, 0.150, 0.011
_OF_FOLDS = 0.55  # share of a fold that a line's share of 1 takes: more makes a face flat
_NOISE, _NOISE_SHARE = 0.8, 0.010  # levels, and share of the luminance: what is shallower is grain
_DEEPEST = 0.35  # of the luminance: what is deeper is a nostril, a lid or a shadow, and counts as that

_F = np.float32


def soften_lines(frame: BgrFrame, origin: tuple[int, int], shrink: int, weights: FloatArray, iod_px: float) -> None:
    """Lighten lines by `weights` (h, w) of the small picture, 0 to 1, in place."""
    rows, columns = weights.shape
    x0, y0 = origin
    part = frame[y0 : y0 + rows * shrink, x0 : x0 + columns * shrink]
    height, width = part.shape[:2]
    halved = max(1, shrink // 2)
    size = width // halved, height // halved
    gray: NDArray[Any] = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    if halved > 1:
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    px = iod_px / halved
    light: NDArray[Any] = cv2.GaussianBlur(gray, (0, 0), max(_FINE_IOD * px, 0.4))
    lines: NDArray[Any] = cv2.morphologyEx(light, cv2.MORPH_CLOSE, _window(_LINE_IOD * px))
    folds: NDArray[Any] = cv2.morphologyEx(light, cv2.MORPH_CLOSE, _window(_FOLD_IOD * px))
    depth = np.empty(light.shape, np.float32)
    measure_depth(light, lines, folds, depth)
    cv2.GaussianBlur(depth, (0, 0), max(_SOFT_IOD * px, 0.5), depth)
    depth *= cv2.resize(weights, (columns * shrink // halved, rows * shrink // halved))[: size[1], : size[0]]
    lighten(part, cast(FloatArray, cv2.resize(depth, (width, height))))


def _window(side: float) -> NDArray[Any]:
    across = 2 * max(1, round((side - 1) / 2)) + 1
    return cast(NDArray[Any], cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, across)))


@njit(nogil=True, cache=True, fastmath=True)
def measure_depth(
    light: NDArray[np.uint8], lines: NDArray[np.uint8], folds: NDArray[np.uint8], depth: FloatArray
) -> None:
    """How much lighter each pixel should be, as a share of its luminance, from what closing made of `light` (h, w)."""
    for i in range(light.shape[0]):
        for j in range(light.shape[1]):
            here = _F(light[i, j])
            line, fold = _F(lines[i, j]) - here, _F(folds[i, j]) - _F(lines[i, j])
            found = max(line + _F(_OF_FOLDS) * fold - _F(_NOISE) - _F(_NOISE_SHARE) * here, _F(0.0))
            depth[i, j] = min(found / (here + _F(8.0)), _F(_DEEPEST))


@njit(nogil=True, cache=True, fastmath=True)
def lighten(part: BgrFrame, gain: FloatArray) -> None:
    """Multiply a part of the frame by 1 plus the gain (h, w)."""
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            g = gain[i, j]
            if g > _F(0.002):
                for k in range(3):
                    part[i, j, k] = np.uint8(min(_F(part[i, j, k]) * (_F(1.0) + g) + _F(0.5), _F(255.0)))
