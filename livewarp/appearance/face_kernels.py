"""The inner loops that measure a face: the mesh to a map of it, the picture to its mean colours, colours to skin.

Convention: all of this is done on a *small* picture, whose pixel (i, j) is the mean of `shrink` x `shrink` pixels of
the frame, the first of which is `origin` (x, y). `maps` (h, w, 4) float32 hold, for each small pixel's middle: place in
the textures and regions (0 to 1 along x and y), how much of an effect there is, how deep lines are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray

LEAST = 0.004
"""Less of an effect than this changes no pixel by a level, and is left out."""

_F = np.float32
_SLACK = _F(1e-3)  # rounding must leave no gap between neighbours, small px


@njit(nogil=True, cache=True, fastmath=True)
def rasterise(placed: FloatArray, units: FloatArray, triangles: NDArray[np.int32], maps: FloatArray) -> None:
    """Fill `maps` from the mesh: `placed` (n, 4) as `mapping.place_mesh` gives it but in small px, `units` (n, 2).

    Where two triangles overlap, the one that shows more is seen.
    """
    height, width = maps.shape[:2]
    for i in range(height):
        for j in range(width):
            maps[i, j, 0] = maps[i, j, 1] = maps[i, j, 3] = _F(0.0)
            maps[i, j, 2] = _F(-1.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = placed[a, 0], placed[a, 1]
        bx, by = placed[b, 0], placed[b, 1]
        cx, cy = placed[c, 0], placed[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < _F(1e-6):
            continue
        inverse = _F(1.0) / area
        first = max(0, math.ceil(min(ay, by, cy) - _SLACK))
        last = min(height - 1, math.floor(max(ay, by, cy) + _SLACK))
        low = max(0, math.ceil(min(ax, bx, cx) - _SLACK))
        high = min(width - 1, math.floor(max(ax, bx, cx) + _SLACK))
        for i in range(first, last + 1):
            y = _F(i)
            for j in range(low, high + 1):
                x = _F(j)
                wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse
                wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) * inverse
                wa = _F(1.0) - wb - wc
                if min(wa, wb, wc) < -_SLACK:
                    continue
                amount = wa * placed[a, 2] + wb * placed[b, 2] + wc * placed[c, 2]
                if amount > maps[i, j, 2]:
                    maps[i, j, 0] = wa * units[a, 0] + wb * units[b, 0] + wc * units[c, 0]
                    maps[i, j, 1] = wa * units[a, 1] + wb * units[b, 1] + wc * units[c, 1]
                    maps[i, j, 2] = amount
                    maps[i, j, 3] = wa * placed[a, 3] + wb * placed[b, 3] + wc * placed[c, 3]
    for i in range(height):
        for j in range(width):
            if maps[i, j, 2] <= LEAST:
                maps[i, j, 2] = _F(0.0)


@njit(nogil=True, cache=True, fastmath=True)
def measure_small(
    frame: BgrFrame,
    origin: tuple[int, int],
    shrink: int,
    maps: FloatArray,
    region: FloatArray,
    small: FloatArray,
    features: FloatArray,
    likely: FloatArray,
) -> None:
    """The mean colours `small` (h, w, 3), levels, their `features` (h, w, 3), and how `likely` (h, w) each is skin.

    Features: red and green share of the sum, log luminance; a little is added so that black has no colour. Small
    pixels across the frame's border are the mean of what is inside. Likely is `region`'s weight times the amount.
    """
    height, width = small.shape[:2]
    x0, y0 = origin
    rows, columns = region.shape
    across = min(x0 + width * shrink, frame.shape[1]) - x0
    sums = np.zeros((width * shrink, 3), np.int32)
    for i in range(height):
        top, bottom = y0 + i * shrink, min(y0 + (i + 1) * shrink, frame.shape[0])
        for x in range(across):
            for k in range(3):
                sums[x, k] = frame[top, x0 + x, k]
        for y in range(top + 1, bottom):
            for x in range(across):
                for k in range(3):
                    sums[x, k] += frame[y, x0 + x, k]
        for j in range(width):
            left, right = j * shrink, min((j + 1) * shrink, across)
            blue, green, red = 0, 0, 0
            for x in range(left, right):
                blue += sums[x, 0]
                green += sums[x, 1]
                red += sums[x, 2]
            share = _F(1.0) / _F((bottom - top) * (right - left))
            b, g, r = _F(blue) * share, _F(green) * share, _F(red) * share
            small[i, j, 0], small[i, j, 1], small[i, j, 2] = b, g, r
            total = _F(1.0) / (b + g + r + _F(12.0))
            features[i, j, 0] = (r + _F(4.0)) * total
            features[i, j, 1] = (g + _F(4.0)) * total
            features[i, j, 2] = math.log(_F(0.114) * b + _F(0.587) * g + _F(0.299) * r + _F(4.0))
            v = min(int(maps[i, j, 1] * rows), rows - 1)
            u = min(int(maps[i, j, 0] * columns), columns - 1)
            likely[i, j] = region[v, u] * maps[i, j, 2]


@njit(nogil=True, cache=True, fastmath=True)
def weigh_skin(features: FloatArray, model: FloatArray, rule: FloatArray, weights: FloatArray) -> None:
    """`weights` (h, w), 0 to 1: how near the features are to the model's middle (3,), in its spreads (3,).

    `rule` (5,): how much chroma counts, darker and lighter luminance; squared distance of full and of no weight.
    """
    height, width = weights.shape
    scale = _F(1.0) / (rule[4] - rule[3])
    for i in range(height):
        for j in range(width):
            r = (features[i, j, 0] - model[0, 0]) / model[1, 0]
            g = (features[i, j, 1] - model[0, 1]) / model[1, 1]
            light = (features[i, j, 2] - model[0, 2]) / model[1, 2]
            distance = rule[0] * (r * r + g * g) + (rule[1] if light < 0.0 else rule[2]) * light * light
            weights[i, j] = min(max((rule[4] - distance) * scale, _F(0.0)), _F(1.0))
