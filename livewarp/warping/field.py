"""Strokes to a displacement field: they are placed on a face, and summed on a grid of nodes.

What keeps the map from folding has been done to the strokes before: see `livewarp.warping.squeeze`.

Guarantees: these kernels hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import DisplacementField, FloatArray, Landmarks

# A shift's profile is Gustafsson's k(s) = ((1 - s²) / (1 - s² + q²))ⁿ, s the distance over the radius,
# at a fixed ratio q = 1 of offset and radius: the offset is what strength scales.
# n = 3 instead of his 2 makes the second derivative continuous at the rim, too: with 2, a grid
# interpolated between its nodes is four times as far off there.
Q2 = np.float32(1.0)
PEAK = (np.float32(1.0) + Q2) ** 3  # 1 / k(0): an amount is the shift at the anchor itself
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)

# The columns of a placed stroke. numba compiles their values into its kernels, and compiles these again when this
# file changes, but not those of squeeze.py: after a change here, empty its cache (the `__pycache__` folders).
CX, CY, COS, SIN, INV_RX_LOW, INV_RX_HIGH, INV_RY, AX, AY, IS_SCALE, PART = range(11)
N_COLUMNS = 11

Start = tuple[np.float32, np.float32, np.float32]
"""The first node of a row from a stroke's anchor, x and y, and from one node to the next, px."""


@njit(nogil=True, cache=True)
def place_strokes(
    table: NDArray[np.float64],
    anchors: NDArray[np.int64],
    gains: NDArray[np.float64],
    side_gains: tuple[float, float, float],
    landmarks: Landmarks,
    iod: float,
    roll: float,
) -> FloatArray:
    """Strokes (n, N_COLUMNS) of table rows (see `livewarp.warping.strokes`) on a face; those without effect left out.

    anchors: (rows, k), landmarks to average, -1 where there are fewer; gains: of each adjustment; side_gains:
    of strokes in the middle, on the subject's left and on the right.
    """
    placed = np.empty((table.shape[0], N_COLUMNS), np.float32)
    c, s = math.cos(roll), math.sin(roll)
    n = 0
    for row in range(table.shape[0]):
        adjustment, side, is_scale, outer, offset_x, offset_y, amount_x, amount_y, radius_x, radius_y = table[row]
        gain = gains[int(adjustment)] * side_gains[int(side)]
        if gain == 0.0:
            continue
        x, y, count = 0.0, 0.0, 0
        for point in anchors[row]:
            if point >= 0:
                x, y, count = x + landmarks[point, 0], y + landmarks[point, 1], count + 1
        placed[n, CX] = x / count + iod * (c * offset_x - s * offset_y)
        placed[n, CY] = y / count + iod * (s * offset_x + c * offset_y)
        placed[n, COS], placed[n, SIN] = c, s
        placed[n, INV_RX_LOW] = 1.0 / (iod * radius_x * (outer if side < 0.0 else 1.0))
        placed[n, INV_RX_HIGH] = 1.0 / (iod * radius_x * (outer if side > 0.0 else 1.0))
        placed[n, INV_RY] = 1.0 / (iod * radius_y)
        unit = 1.0 if is_scale != 0.0 else iod
        placed[n, AX], placed[n, AY] = unit * gain * amount_x, unit * gain * amount_y
        placed[n, IS_SCALE] = is_scale
        placed[n, PART] = 3.0 * adjustment + side + 1.0
        n += 1
    return placed[:n]


@njit(nogil=True, cache=True, forceinline=True)
def reach_of(stroke: FloatArray) -> tuple[float, float]:
    """How far a stroke (N_COLUMNS,) reaches along picture x and y, px."""
    rx, ry = 1.0 / min(stroke[INV_RX_LOW], stroke[INV_RX_HIGH]), 1.0 / stroke[INV_RY]
    cos, sin = stroke[COS], stroke[SIN]
    return math.sqrt((rx * cos) ** 2 + (ry * sin) ** 2), math.sqrt((rx * sin) ** 2 + (ry * cos) ** 2)


@njit(nogil=True, cache=True)
def reached(strokes: FloatArray) -> tuple[float, float, float, float]:
    """Smallest and largest x, then y, that strokes (n, N_COLUMNS) can move, px."""
    x0, y0, x1, y1 = math.inf, math.inf, -math.inf, -math.inf
    for n in range(strokes.shape[0]):
        reach_x, reach_y = reach_of(strokes[n])
        x0, x1 = min(x0, strokes[n, CX] - reach_x), max(x1, strokes[n, CX] + reach_x)
        y0, y1 = min(y0, strokes[n, CY] - reach_y), max(y1, strokes[n, CY] + reach_y)
    return x0, y0, x1, y1


@njit(nogil=True, cache=True, fastmath=True)
def add_strokes(strokes: FloatArray, field: DisplacementField, x0: float, y0: float, step: float) -> None:
    """Add strokes (n, N_COLUMNS) to a field (h, w, 2), px; node (j, i) lies at (x0 + i·step, y0 + j·step), px."""
    h, w, _ = field.shape
    rows = np.zeros((h, 2, w), np.float32)  # x and y apart: what is adjacent is done at once
    for n in range(strokes.shape[0]):
        stroke = strokes[n]
        i0, i1, j0, j1 = nodes_reached(stroke, x0, y0, step, h, w)
        left = np.float32(x0 + i0 * step - stroke[CX])
        for j in range(j0, j1):
            start = left, np.float32(y0 + j * step - stroke[CY]), np.float32(step)
            if stroke[IS_SCALE] != 0.0:
                _add_scale(stroke, start, rows[j, 0, i0:i1], rows[j, 1, i0:i1])
            else:
                _add_shift(stroke, start, rows[j, 0, i0:i1], rows[j, 1, i0:i1])
    for j in range(h):
        for i in range(w):
            field[j, i, 0] += rows[j, 0, i]
            field[j, i, 1] += rows[j, 1, i]


@njit(nogil=True, cache=True, forceinline=True)
def nodes_reached(stroke: FloatArray, x0: float, y0: float, step: float, h: int, w: int) -> tuple[int, int, int, int]:
    """First column and end, first row and end of the nodes that a stroke may move, within (h, w); may be none."""
    reach_x, reach_y = reach_of(stroke)
    i0 = max(0, math.ceil((stroke[CX] - reach_x - x0) / step))
    i1 = max(i0, min(w, math.floor((stroke[CX] + reach_x - x0) / step) + 1))
    j0 = max(0, math.ceil((stroke[CY] - reach_y - y0) / step))
    j1 = max(j0, min(h, math.floor((stroke[CY] + reach_y - y0) / step) + 1))
    return i0, i1, j0, j1 if i0 < i1 else j0


# One row of nodes of one stroke. No branches, and nothing wider than float32, so that the compiler takes eight
# nodes at a time (six times faster); error_model="numpy", since a division that may raise is a branch, too.
# Outside the stroke t is 0, and so is all that is added.


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _add_shift(stroke: FloatArray, start: Start, x: FloatArray, y: FloatArray) -> None:
    cos, sin, ax, ay = stroke[COS], stroke[SIN], stroke[AX], stroke[AY]
    inv_low, inv_high, inv_y = stroke[INV_RX_LOW], stroke[INV_RX_HIGH], stroke[INV_RY]
    dx0, dy, step = start
    for i in range(x.size):
        _, _, _, _, _, t = within(dx0 + np.float32(i) * step, dy, cos, sin, inv_low, inv_high, inv_y)
        ratio = t / (t + Q2)
        k = PEAK * ratio * ratio * ratio
        x[i] -= (cos * ax - sin * ay) * k
        y[i] -= (sin * ax + cos * ay) * k


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def _add_scale(stroke: FloatArray, start: Start, x: FloatArray, y: FloatArray) -> None:
    cos, sin, ax, ay = stroke[COS], stroke[SIN], stroke[AX], stroke[AY]
    inv_low, inv_high, inv_y = stroke[INV_RX_LOW], stroke[INV_RX_HIGH], stroke[INV_RY]
    dx0, dy, step = start
    for i in range(x.size):
        fx, fy, _, _, _, t = within(dx0 + np.float32(i) * step, dy, cos, sin, inv_low, inv_high, inv_y)
        k = t * t * t
        ux, uy = -ax * fx * k, -ay * fy * k
        x[i] += cos * ux - sin * uy
        y[i] += sin * ux + cos * uy


@njit(nogil=True, fastmath=True, error_model="numpy", forceinline=True)
def within(
    dx: np.float32,
    dy: np.float32,
    cos: np.float32,
    sin: np.float32,
    inv_low: np.float32,
    inv_high: np.float32,
    inv_y: np.float32,
) -> tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]:
    """A node at (dx, dy) from the anchor: in face axes, px and over the radii; 1/radius along x; 1 - distance²."""
    fx, fy = cos * dx + sin * dy, cos * dy - sin * dx
    inv_x = inv_low if fx < _ZERO else inv_high
    nx, ny = fx * inv_x, fy * inv_y
    return fx, fy, nx, ny, inv_x, max(_ONE - nx * nx - ny * ny, _ZERO)
