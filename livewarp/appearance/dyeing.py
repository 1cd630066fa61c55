"""The inner loops of make-up: triangles to weights, the colours there, and a dye on each pixel.

Convention: a window is a part of the frame whose first pixel is `corner` (x, y).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import LEAST
from livewarp.arrays import BgrFrame, FloatArray

BLUE, GREEN, RED, GAIN, COVER, GLOSS, LIGHT, ANYWAY = range(8)
"""Of a dye: its colour at a luminance of 1; gain of luminance; share of the colour that is replaced; share of the
shine that stays; luminance from which light is shine, levels; share that falls on what is not meant."""

MIDDLE, LOW, HIGH, SOFT = range(4)
"""Rows of which pixels are meant, by red share, green share and luminance as a share of LIGHT: full from the middle
plus low to the middle plus high, nothing beyond by more than soft."""

_F = np.float32


@njit(nogil=True, cache=True, fastmath=True)
def fill_triangles(points: FloatArray, amounts: FloatArray, triangles: NDArray[np.int32], weights: FloatArray) -> None:
    """`weights` (h, w) from corners (n, 2), px of it, and their amounts (n,), interpolated; the greatest where many."""
    height, width = weights.shape
    weights[:] = _F(0.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if amounts[a] + amounts[b] + amounts[c] <= 0.0:
            continue
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < _F(1e-6):
            continue
        inverse = _F(1.0) / area
        first, last = max(0, math.ceil(min(ay, by, cy))), min(height - 1, math.floor(max(ay, by, cy)))
        low, high = max(0, math.ceil(min(ax, bx, cx))), min(width - 1, math.floor(max(ax, bx, cx)))
        for i in range(first, last + 1):
            for j in range(low, high + 1):
                x, y = _F(j), _F(i)
                wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse
                wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse
                wa = _F(1.0) - wb - wc
                if min(wa, wb, wc) >= _F(-1e-4):
                    weights[i, j] = max(weights[i, j], wa * amounts[a] + wb * amounts[b] + wc * amounts[c])


@njit(nogil=True, cache=True, fastmath=True, inline="always")
def _share(value: Any, low: Any, high: Any, sharp: Any) -> Any:
    """1 between two bounds, falling off beyond."""
    return min(max(_F(1.0) - max(low - value, value - high) * sharp, _F(0.0)), _F(1.0))


@njit(nogil=True, cache=True, fastmath=True)
def weigh_colours(
    frame: BgrFrame, corner: tuple[int, int], weights: FloatArray, dye: FloatArray, window: FloatArray, step: int
) -> tuple[Any, Any, Any, Any]:
    """Lower `weights` (h, w) where the colour is not meant, to the share ANYWAY of the dye.

    With a `step` above 0 they stay, and each step-th pixel of each step-th row that is well inside (weight above 0.9)
    is measured: the share that is meant, and these' mean red share, green share and light.
    """
    height, width = weights.shape
    x0, y0 = corner
    low_r, high_r = window[MIDDLE, 0] + window[LOW, 0], window[MIDDLE, 0] + window[HIGH, 0]
    low_g, high_g = window[MIDDLE, 1] + window[LOW, 1], window[MIDDLE, 1] + window[HIGH, 1]
    low_y, high_y = window[MIDDLE, 2] + window[LOW, 2], window[MIDDLE, 2] + window[HIGH, 2]
    sharp_r, sharp_g, sharp_y = _F(1.0) / window[SOFT, 0], _F(1.0) / window[SOFT, 1], _F(1.0) / window[SOFT, 2]
    unit = _F(1.0) / (dye[LIGHT] + _F(4.0))
    anyway, rest = dye[ANYWAY], _F(1.0) - dye[ANYWAY]
    least, stride = (_F(0.9), step) if step > 0 else (_F(0.0), 1)
    total, meant = _F(0.0), _F(0.0)
    sum_r, sum_g, sum_y = _F(0.0), _F(0.0), _F(0.0)
    for i in range(0, height, stride):
        line, row = frame[y0 + i], weights[i]
        for j in range(0, width, stride):
            if row[j] <= least:
                continue
            blue, green, red = _F(line[x0 + j, 0]), _F(line[x0 + j, 1]), _F(line[x0 + j, 2])
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            inverse = _F(1.0) / (red + green + blue + _F(12.0))
            r, g = (red + _F(4.0)) * inverse, (green + _F(4.0)) * inverse
            share = _share(r, low_r, high_r, sharp_r) * _share(g, low_g, high_g, sharp_g)
            share *= _share((light + _F(4.0)) * unit, low_y, high_y, sharp_y)
            if step == 0:
                row[j] *= anyway + rest * share
                continue
            total += _F(1.0)
            meant += share
            sum_r += share * r
            sum_g += share * g
            sum_y += share * light
    if meant < _F(4.0):
        return _F(0.0), _F(0.0), _F(0.0), _F(0.0)
    return meant / total, sum_r / meant, sum_g / meant, sum_y / meant


@njit(nogil=True, cache=True, fastmath=True)
def dye_pixels(frame: BgrFrame, corner: tuple[int, int], weights: FloatArray, dye: FloatArray) -> None:
    """Dye the frame by `weights` (h, w).

    Light up to LIGHT is what the surface sends back, and takes the dye's colour; what is above is shine, and keeps its
    own.
    """
    height, width = weights.shape
    x0, y0 = corner
    most, cover_all, gloss, more = dye[LIGHT], dye[COVER], dye[GLOSS], dye[GAIN] - _F(1.0)
    dye_blue, dye_green, dye_red = dye[BLUE], dye[GREEN], dye[RED]
    for i in range(height):
        line, row = frame[y0 + i], weights[i]
        for j in range(width):
            weight = row[j]
            if weight <= LEAST:
                continue
            blue, green, red = _F(line[x0 + j, 0]), _F(line[x0 + j, 1]), _F(line[x0 + j, 2])
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            base = min(light, most)
            shine = light - base
            base *= _F(1.0) + weight * more
            cover = weight * cover_all
            scale = (_F(1.0) - cover) * (base + shine) / (light + _F(1e-3))
            base *= cover
            white = cover * shine * gloss + _F(0.5)
            blue = scale * blue + base * dye_blue + white
            green = scale * green + base * dye_green + white
            red = scale * red + base * dye_red + white
            line[x0 + j, 0] = np.uint8(min(blue, _F(255.0)))
            line[x0 + j, 1] = np.uint8(min(green, _F(255.0)))
            line[x0 + j, 2] = np.uint8(min(red, _F(255.0)))
