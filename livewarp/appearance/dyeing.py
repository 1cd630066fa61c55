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
def bound(points: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    """First x and y, and the size, px, of the part of a frame (width, height) that points (n, 2) are in."""
    low_x, high_x, low_y, high_y = points[0, 0], points[0, 0], points[0, 1], points[0, 1]
    for k in range(points.shape[0]):
        low_x, high_x = min(low_x, points[k, 0]), max(high_x, points[k, 0])
        low_y, high_y = min(low_y, points[k, 1]), max(high_y, points[k, 1])
    x0, y0 = max(0, math.floor(low_x)), max(0, math.floor(low_y))
    return x0, y0, min(width, math.ceil(high_x) + 1) - x0, min(height, math.ceil(high_y) + 1) - y0


@njit(nogil=True, cache=True, fastmath=True)
def see_skin(
    points: FloatArray, skin: FloatArray, origin: tuple[int, int], shrink: int, hidden: float, seen: float
) -> tuple[float, float]:
    """How far skin is seen at the first and at the second half of points (n, 2), px: 0 at `hidden`, 1 from `seen` on.

    `skin` (rows, columns) is that of the small picture of `livewarp.appearance.face_kernels`.
    """
    half = points.shape[0] // 2
    first, second = 0.0, 0.0
    for k in range(points.shape[0]):
        j = math.floor((points[k, 0] - origin[0] + 0.5) / shrink)
        i = math.floor((points[k, 1] - origin[1] + 0.5) / shrink)
        if 0 <= i < skin.shape[0] and 0 <= j < skin.shape[1]:
            if k < half:
                first += skin[i, j]
            else:
                second += skin[i, j]
    first = min(max((first / half - hidden) / (seen - hidden), 0.0), 1.0)
    second = min(max((second / half - hidden) / (seen - hidden), 0.0), 1.0)
    return first * first * (3.0 - 2.0 * first), second * second * (3.0 - 2.0 * second)


@njit(nogil=True, cache=True, fastmath=True)
def fill_triangles(
    points: FloatArray,
    corner: tuple[int, int],
    scale: float,
    amounts: FloatArray,
    sides: tuple[float, float],
    triangles: NDArray[np.int32],
    weights: FloatArray,
) -> None:
    """`weights` (h, w) from corners (n, 2) and their amounts (n,), interpolated; the greatest where there are many.

    Corners are in px of the frame; `weights` has `scale` pixels for each, from `corner` on. `sides`: times the amounts
    of the first and of the second half of the corners.
    """
    height, width = weights.shape
    half = points.shape[0] // 2
    weights[:] = _F(0.0)
    x0, y0, across = _F(corner[0]), _F(corner[1]), _F(scale)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        side = _F(sides[0]) if a < half else _F(sides[1])
        wa, wb, wc = amounts[a] * side, amounts[b] * side, amounts[c] * side
        if wa + wb + wc <= 0.0:
            continue
        ax, ay = (points[a, 0] - x0 + _F(0.5)) * across - _F(0.5), (points[a, 1] - y0 + _F(0.5)) * across - _F(0.5)
        bx, by = (points[b, 0] - x0 + _F(0.5)) * across - _F(0.5), (points[b, 1] - y0 + _F(0.5)) * across - _F(0.5)
        cx, cy = (points[c, 0] - x0 + _F(0.5)) * across - _F(0.5), (points[c, 1] - y0 + _F(0.5)) * across - _F(0.5)
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < _F(1e-6):
            continue
        inverse = _F(1.0) / area
        first, last = max(0, math.ceil(min(ay, by, cy))), min(height - 1, math.floor(max(ay, by, cy)))
        low, high = max(0, math.ceil(min(ax, bx, cx))), min(width - 1, math.floor(max(ax, bx, cx)))
        for i in range(first, last + 1):
            for j in range(low, high + 1):
                x, y = _F(j), _F(i)
                sb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse
                sc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse
                sa = _F(1.0) - sb - sc
                if min(sa, sb, sc) >= _F(-1e-4):
                    weights[i, j] = max(weights[i, j], sa * wa + sb * wb + sc * wc)


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
