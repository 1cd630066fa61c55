"""The inner loops that measure a face: the mesh to a map of it, the picture to its mean colours, colours to skin.

Convention: all of this is done on a *small* picture, whose pixel (i, j) is the mean of `shrink` x `shrink` pixels of
the frame, the first of which is `origin` (x, y). `maps` (4, h, w) float32 hold, for each small pixel's middle: place in
the textures and regions (0 to 1 along x and y), how much of an effect there is, how deep lines are. `flat` is the frame
as (H, W * 3): with three bytes a pixel known to the compiler, its loops become vectors.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import FloatArray

LEAST = 0.004
"""Less of an effect than this changes no pixel by a level, and is left out."""

_F = np.float32
_SLACK = _F(1e-3)  # rounding must leave no gap between neighbours, small px


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def rasterise(placed: FloatArray, units: FloatArray, triangles: NDArray[np.int32], maps: FloatArray) -> None:
    """Fill `maps` from the mesh: `placed` (n, 4) as `mapping.place_mesh` gives it but in small px, `units` (n, 2).

    Where two triangles overlap, the one that shows more is seen.
    """
    height, width = maps.shape[1:]
    for i in range(height):
        for j in range(width):
            maps[0, i, j] = maps[1, i, j] = maps[3, i, j] = _F(0.0)
            maps[2, i, j] = _F(-1.0)
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
                if amount > maps[2, i, j]:
                    maps[0, i, j] = wa * units[a, 0] + wb * units[b, 0] + wc * units[c, 0]
                    maps[1, i, j] = wa * units[a, 1] + wb * units[b, 1] + wc * units[c, 1]
                    maps[2, i, j] = amount
                    maps[3, i, j] = wa * placed[a, 3] + wb * placed[b, 3] + wc * placed[c, 3]
    for i in range(height):
        for j in range(width):
            if maps[2, i, j] <= LEAST:
                maps[2, i, j] = _F(0.0)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def measure_small(
    flat: NDArray[np.uint8],
    origin: tuple[int, int],
    shrink: int,
    maps: FloatArray,
    region: FloatArray,
    small: FloatArray,
    features: FloatArray,
    likely: FloatArray,
) -> None:
    """The mean colours `small` (h, w, 3), levels, their `features` (h, w, 3), and how `likely` (h, w) each is skin.

    Features, where there is anything of an effect: red and green share of the sum, log luminance; a little is added so
    that black has no colour. Small pixels across the frame's border are the mean of what is inside. Likely is
    `region`'s weight times the amount.
    """
    height, width = small.shape[:2]
    x0, y0 = origin
    rows, columns = region.shape
    across = min(x0 + width * shrink, flat.shape[1] // 3) - x0
    sums = np.zeros(3 * width * shrink, np.int32)
    inside = sums[: 3 * across]
    for i in range(height):
        top, bottom = y0 + i * shrink, min(y0 + (i + 1) * shrink, flat.shape[0])
        inside[:] = 0
        for y in range(top, bottom):
            row = flat[y, 3 * x0 : 3 * (x0 + across)]
            for x in range(row.size):
                inside[x] += row[x]
        for j in range(width):
            count = min(shrink, across - j * shrink)
            blue, green, red = 0, 0, 0
            for x in range(count):
                at = 3 * (j * shrink + x)
                blue += sums[at]
                green += sums[at + 1]
                red += sums[at + 2]
            share = _F(1.0) / _F((bottom - top) * count)
            b, g, r = _F(blue) * share, _F(green) * share, _F(red) * share
            small[i, j, 0], small[i, j, 1], small[i, j, 2] = b, g, r
            if maps[2, i, j] <= _F(0.0):
                features[i, j, 0] = features[i, j, 1] = features[i, j, 2] = likely[i, j] = _F(0.0)
                continue
            total = _F(1.0) / (b + g + r + _F(12.0))
            features[i, j, 0] = (r + _F(4.0)) * total
            features[i, j, 1] = (g + _F(4.0)) * total
            features[i, j, 2] = math.log(_F(0.114) * b + _F(0.587) * g + _F(0.299) * r + _F(4.0))
            v = min(int(maps[1, i, j] * rows), rows - 1)
            u = min(int(maps[0, i, j] * columns), columns - 1)
            likely[i, j] = region[v, u] * maps[2, i, j]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
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


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def find_spans(amount: FloatArray, shrink: int, spans: NDArray[np.int32]) -> None:
    """`spans` (h, 2): from which to before which pixel an amount (h, w) above 0 reaches between small pixels."""
    height, width = amount.shape
    for i in range(height):
        first, last = width, -1
        for j in range(width):
            if amount[i, j] > _F(0.0):
                first, last = min(first, j), j
        spans[i, 0] = max((first - 1) * shrink + shrink // 2, 0)
        spans[i, 1] = min((last + 1) * shrink + (shrink + 1) // 2, width * shrink) if last >= 0 else 0
