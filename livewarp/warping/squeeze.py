"""Keeps the map from folding: strokes that squeeze the picture too much together are made weaker, where they do.

A stroke's squeeze at a place is how far the smallest stretch of its own backward map is below 1 there. The sum over
strokes bounds that of their sum, since the smallest eigenvalue of a sum of symmetric matrices is no smaller than the
sum of theirs. Up to SQUEEZE_FREE nothing is done. Where the sum B is above, all that take part give way: what
is left of stroke k is 1 - r·p(s), of its squeeze s, with p(s) = s / (s + SHARE), and r such that the sum is cap(B) <
SQUEEZE_MAX. A stroke that hardly squeezes there gives way hardly at all; one that does not reach the place,
not at all. What is left of a stroke is the least over all places, so the sum stays below SQUEEZE_MAX at each, and the
Jacobian above (1 - SQUEEZE_MAX)². Strokes are scaled as wholes, so no new slopes arise.

Where the field is weighted (`livewarp.warping.fading`), a weight w with slope g makes of a stroke's squeeze s, where
it moves the picture by d, w·s + d·g at most.

It never turns round: in any mix, more of a stroke leaves more of it, as s - r·s·p(s) rises with s for every r up
to 1, and r itself only falls with what is its own part. Source: own derivation.

Guarantees: these kernels hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import FloatArray
from livewarp.warping.field import (
    AX,
    AY,
    COS,
    CX,
    CY,
    INV_RX_HIGH,
    INV_RX_LOW,
    INV_RY,
    IS_SCALE,
    PART,
    PEAK,
    Q2,
    SIN,
    nodes_reached,
    reach_of,
    within,
)

SQUEEZE_FREE = 0.55
SQUEEZE_MAX = 0.75

SHARE = np.float32(0.03)
"""The squeeze at which a stroke gives way half as much as the largest."""

LOOK_IOD = 0.05
"""From one place that is looked at to the next, IOD: a sixth of the smallest radius."""

CELL = 4
"""Places to the side of a cell, over which the strokes' greatest squeezes are summed first: mostly that is enough."""

_STEEPEST_SHIFT = 1.69  # greatest slope of a shift's profile over its radius
_STEEPEST_SCALE = 1.28  # greatest t³ + 6·t²·s² at t = 1 - s², of a scale's
_ZERO, _HALF, _ONE, _FOUR, _SIX = (np.float32(v) for v in (0.0, 0.5, 1.0, 4.0, 6.0))


@njit(nogil=True, cache=True)
def cap(squeeze: float) -> float:
    """What a sum of squeezes is brought down to: itself up to SQUEEZE_FREE, below SQUEEZE_MAX always; C1, rising."""
    if squeeze <= SQUEEZE_FREE:
        return squeeze
    room = SQUEEZE_MAX - SQUEEZE_FREE
    return SQUEEZE_FREE + room * math.tanh((squeeze - SQUEEZE_FREE) / room)


@njit(nogil=True, cache=True)
def crowded(
    strokes: FloatArray,
    runs: NDArray[np.int64],
    x0: float,
    y0: float,
    step: float,
    w: int,
    h: int,
    steepest: float,
) -> tuple[float, float, int, int]:
    """The part of a grid outside which no sum of squeezes can pass SQUEEZE_FREE: its first node, its width and height.

    Of strokes and runs as in `hold`, on a grid (h, w); steepest: no weight is steeper, 1/px.
    """
    side = CELL * step
    sums = np.zeros((-(-h // CELL), -(-w // CELL)), np.float32)
    for run in range(runs.shape[0]):
        for n in range(runs[run, 0], runs[run, 1]):
            most, (reach_x, reach_y) = _greatest(strokes[n], steepest), reach_of(strokes[n])
            x, y = (strokes[n, CX] - x0) / side, (strokes[n, CY] - y0) / side
            reach_x, reach_y = reach_x / side, reach_y / side
            for j in range(max(0, math.floor(y - reach_y)), min(sums.shape[0], math.floor(y + reach_y) + 1)):
                for i in range(max(0, math.floor(x - reach_x)), min(sums.shape[1], math.floor(x + reach_x) + 1)):
                    sums[j, i] += most
    i0, i1, j0, j1 = w, 0, h, 0
    for j in range(sums.shape[0]):
        for i in range(sums.shape[1]):
            if sums[j, i] > SQUEEZE_FREE:
                i0, i1 = min(i0, CELL * i), max(i1, min(w, CELL * (i + 1)))
                j0, j1 = min(j0, CELL * j), max(j1, min(h, CELL * (j + 1)))
    return x0 + i0 * step, y0 + j0 * step, max(0, i1 - i0), max(0, j1 - j0)


@njit(nogil=True, cache=True)
def hold(
    strokes: FloatArray,
    runs: NDArray[np.int64],
    x0: float,
    y0: float,
    step: float,
    weight: FloatArray,
    slope: FloatArray,
    left: FloatArray,
) -> None:
    """Lower what is left (n,) of strokes (n, N_COLUMNS) until their squeezes on this grid stay below SQUEEZE_MAX.

    runs: (k, 2), first stroke and end of those to look at; weight, slope: (h, w), what the field is to be
    multiplied by at the nodes, and how steep that is, 1/px.
    """
    h, w = weight.shape
    total, giving = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    row, moved = np.empty(w, np.float32), np.empty(w, np.float32)
    size = 0
    for run in range(runs.shape[0]):
        for n in range(runs[run, 0], runs[run, 1]):
            i0, i1, j0, j1 = nodes_reached(strokes[n], x0, y0, step, h, w)
            size += (i1 - i0) * (j1 - j0)
    squeezes = np.empty(size, np.float32)  # of one stroke after the other, at the nodes that it reaches
    at = 0
    for run in range(runs.shape[0]):
        for n in range(runs[run, 0], runs[run, 1]):
            stroke = strokes[n]
            i0, i1, j0, j1 = nodes_reached(stroke, x0, y0, step, h, w)
            for j in range(j0, j1):
                to = squeezes[at : at + i1 - i0]
                squeeze_row(stroke, x0 + i0 * step, y0 + j * step, step, to.size, row, moved)
                _add_row(row, moved, weight[j, i0:i1], slope[j, i0:i1], to, total[j, i0:i1], giving[j, i0:i1])
                at += to.size
    first, last = h, -1
    for j in range(h):  # of total becomes what all keep, of giving the r of this file's head
        for i in range(w):
            sum_, can = float(total[j, i]), float(giving[j, i])
            total[j, i], giving[j, i] = 1.0, 0.0
            if sum_ <= SQUEEZE_FREE:
                continue
            first, last = min(first, j), j
            wanted = cap(sum_)
            if sum_ - wanted <= can:
                giving[j, i] = (sum_ - wanted) / can
            else:  # a great many that hardly squeeze: beyond that all give way alike
                total[j, i], giving[j, i] = wanted / (sum_ - can), 1.0
    at = 0
    for run in range(runs.shape[0]):
        for n in range(runs[run, 0], runs[run, 1]):
            i0, i1, j0, j1 = nodes_reached(strokes[n], x0, y0, step, h, w)
            for j in range(j0, j1):
                if first <= j <= last:
                    own = squeezes[at : at + i1 - i0]
                    left[n] = min(left[n], _least_left(own, total[j, i0:i1], giving[j, i0:i1]))
                at += i1 - i0


@njit(nogil=True, cache=True)
def weaken(strokes: FloatArray, left: FloatArray, parts: FloatArray, kept: FloatArray) -> None:
    """Scale the strokes (n, N_COLUMNS) of a face by what is left of them (n,).

    The strokes of one adjustment on one side keep their proportions: the least counts for all. parts:
    (3·adjustments,), working memory; kept: (adjustments,), lowered to what is left of each.
    """
    parts[:] = 1.0
    for n in range(strokes.shape[0]):
        part = int(strokes[n, PART])
        parts[part] = min(parts[part], left[n])
    for n in range(strokes.shape[0]):
        part = int(strokes[n, PART])
        strokes[n, AX] *= parts[part]
        strokes[n, AY] *= parts[part]
        kept[part // 3] = min(kept[part // 3], parts[part])


@njit(nogil=True, cache=True, forceinline=True)
def _greatest(stroke: FloatArray, steepest: float) -> float:
    """More than a stroke squeezes anywhere, under a weight no steeper than that."""
    low, high = min(stroke[INV_RX_LOW], stroke[INV_RX_HIGH]), max(stroke[INV_RX_LOW], stroke[INV_RX_HIGH])
    narrow = max(high, stroke[INV_RY])
    if stroke[IS_SCALE] == 0.0:
        return float(math.hypot(stroke[AX], stroke[AY]) * (_STEEPEST_SHIFT * narrow + steepest))
    wide = min(low, stroke[INV_RY])
    return float(max(abs(stroke[AX]), abs(stroke[AY])) * (_STEEPEST_SCALE * narrow + steepest) / wide)


# One row of nodes of one stroke; see `livewarp.warping.field` on how these are written.


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _add_row(
    row: FloatArray,
    moved: FloatArray,
    weight: FloatArray,
    slope: FloatArray,
    own: FloatArray,
    total: FloatArray,
    giving: FloatArray,
) -> None:
    for i in range(own.size):
        s = weight[i] * row[i] + slope[i] * moved[i]
        own[i] = s
        total[i] += s
        giving[i] += s * (s / (s + SHARE))


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _least_left(own: FloatArray, kept: FloatArray, r: FloatArray) -> np.float32:
    least = np.float32(1.0)
    for i in range(own.size):
        s = own[i]
        least = min(least, kept[i] * (np.float32(1.0) - r[i] * (s / (s + SHARE))))
    return least


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def squeeze_row(
    stroke: FloatArray, x: float, y: float, step: float, count: int, squeeze: FloatArray, moved: FloatArray
) -> None:
    """How much a stroke squeezes at nodes from (x, y) on to the right, and how far it moves them, px."""
    cos, sin, ax, ay = stroke[COS], stroke[SIN], stroke[AX], stroke[AY]
    inv_low, inv_high, inv_y = stroke[INV_RX_LOW], stroke[INV_RX_HIGH], stroke[INV_RY]
    dx0, dy, further = np.float32(x - stroke[CX]), np.float32(y - stroke[CY]), np.float32(step)
    if stroke[IS_SCALE] != 0.0:
        for i in range(count):
            fx, fy, nx, ny, inv_x, t = within(dx0 + np.float32(i) * further, dy, cos, sin, inv_low, inv_high, inv_y)
            k = t * t * t
            slope = -_SIX * t * t
            gx, gy = slope * nx * inv_x, slope * ny * inv_y
            squeeze[i] = _squeezed(-ax * (k + fx * gx), -_HALF * (ax * fx * gy + ay * fy * gx), -ay * (k + fy * gy))
            moved[i] = k * np.sqrt(ax * ax * fx * fx + ay * ay * fy * fy)
    else:
        amount = np.sqrt(ax * ax + ay * ay)
        for i in range(count):
            _, _, nx, ny, inv_x, t = within(dx0 + np.float32(i) * further, dy, cos, sin, inv_low, inv_high, inv_y)
            inv = _ONE / (t + Q2)
            ratio = t * inv
            # Gradient of the profile k in face axes: g = (dk/ds²)·2·(nx/rx, ny/ry).
            slope = -_SIX * PEAK * ratio * ratio * Q2 * inv * inv  # 2·dk/ds²
            gx, gy = slope * nx * inv_x, slope * ny * inv_y
            squeeze[i] = _squeezed(-ax * gx, -_HALF * (ax * gy + ay * gx), -ay * gy)
            moved[i] = amount * PEAK * ratio * ratio * ratio


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _squeezed(jxx: np.float32, jxy: np.float32, jyy: np.float32) -> np.float32:
    """How far below 0 the smaller eigenvalue of a symmetric matrix is."""
    d = jxx - jyy
    return max(_HALF * (np.sqrt(d * d + _FOUR * jxy * jxy) - jxx - jyy), _ZERO)
