"""The compiled inner loops of the warp; every @njit function of the package's warp lives here.

Guarantees: they hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from livewarp.arrays import BgrFrame, DisplacementField, FloatArray

# A shift's profile is Gustafsson's k(s) = ((1 - s²) / (1 - s² + q²))ⁿ, s the distance over the radius,
# at a fixed ratio q of offset and radius: the offset is what strength scales. q = 0.6 is flat on top.
# n = 3 instead of his 2 makes the second derivative continuous at the rim, too: with 2, a grid
# interpolated between its nodes is four times as far off there.
_Q2 = 0.6**2
_PEAK = (1.0 + _Q2) ** 3  # 1 / k(0): an amount is the shift at the anchor itself


@njit(nogil=True, cache=True, fastmath=True)
def add_strokes(
    strokes: FloatArray, field: DisplacementField, squeeze: FloatArray, x0: float, y0: float, step: float
) -> None:
    """Add strokes (n, 10) to a field (h, w, 2) and to the bound (h, w) of how much it squeezes.

    Node (j, i) lies at (x0 + i·step, y0 + j·step), px. `squeeze` gains, per stroke, how far the
    smallest stretch of its own backward map is below 1, where it is.
    """
    h, w = squeeze.shape
    for n in range(strokes.shape[0]):
        cx, cy, cos, sin = strokes[n, 0], strokes[n, 1], strokes[n, 2], strokes[n, 3]
        inv_low, inv_high, inv_y = strokes[n, 4], strokes[n, 5], strokes[n, 6]
        ax, ay = strokes[n, 7], strokes[n, 8]
        is_scale = strokes[n, 9] != 0.0
        rx = 1.0 / min(inv_low, inv_high)
        ry = 1.0 / inv_y
        reach_x = math.sqrt((rx * cos) ** 2 + (ry * sin) ** 2)
        reach_y = math.sqrt((rx * sin) ** 2 + (ry * cos) ** 2)
        i0 = max(0, math.ceil((cx - reach_x - x0) / step))
        i1 = min(w, math.floor((cx + reach_x - x0) / step) + 1)
        j0 = max(0, math.ceil((cy - reach_y - y0) / step))
        j1 = min(h, math.floor((cy + reach_y - y0) / step) + 1)
        for j in range(j0, j1):
            dy = y0 + j * step - cy
            for i in range(i0, i1):
                dx = x0 + i * step - cx
                fx = cos * dx + sin * dy
                fy = cos * dy - sin * dx
                inv_x = inv_low if fx < 0.0 else inv_high
                nx = fx * inv_x
                ny = fy * inv_y
                s2 = nx * nx + ny * ny
                if s2 >= 1.0:
                    continue
                # Gradient of the profile k in face axes: g = (dk/ds²)·2·(nx/rx, ny/ry).
                t = 1.0 - s2
                if is_scale:
                    k = t * t * t
                    slope = -6.0 * t * t  # 2·dk/ds²
                else:
                    ratio = t / (t + _Q2)
                    k = _PEAK * ratio * ratio * ratio
                    slope = -6.0 * _PEAK * ratio * ratio * _Q2 / ((t + _Q2) * (t + _Q2))
                gx = slope * nx * inv_x
                gy = slope * ny * inv_y
                if is_scale:
                    ux, uy = -ax * fx * k, -ay * fy * k
                    jxx = -ax * (k + fx * gx)
                    jxy = -0.5 * (ax * fx * gy + ay * fy * gx)
                    jyy = -ay * (k + fy * gy)
                else:
                    ux, uy = -ax * k, -ay * k
                    jxx = -ax * gx
                    jxy = -0.5 * (ax * gy + ay * gx)
                    jyy = -ay * gy
                # Smallest eigenvalue of the symmetric part.
                low = 0.5 * (jxx + jyy - math.sqrt((jxx - jyy) ** 2 + 4.0 * jxy * jxy))
                if low < 0.0:
                    squeeze[j, i] -= low
                field[j, i, 0] += cos * ux - sin * uy
                field[j, i, 1] += sin * ux + cos * uy


@njit(nogil=True, cache=True)
def sample(
    frame: BgrFrame, out: BgrFrame, field: DisplacementField, x0: int, y0: int, x1: int, y1: int, step: int
) -> None:
    """out[y, x] = frame at (x, y) + field, bilinear, for the ROI; the edge repeats outside.

    `field` (h, w, 2) has its node (1, 1) at (x0, y0) and a margin of a node all around, cubic
    (Catmull-Rom) in between. `frame` and `out` are (H, W, 3) and do not overlap.
    """
    height, width = frame.shape[:2]
    gw = field.shape[1]
    row = np.empty((gw, 2), np.float32)
    for y in range(y0, y1):
        j = (y - y0) // step
        t = np.float32((y - y0) % step) / np.float32(step)
        w0, w1, w2, w3 = _cubic(t)
        for i in range(gw):
            for c in range(2):
                row[i, c] = (
                    w0 * field[j, i, c] + w1 * field[j + 1, i, c] + w2 * field[j + 2, i, c] + w3 * field[j + 3, i, c]
                )
        for x in range(x0, x1):
            i = (x - x0) // step
            t = np.float32((x - x0) % step) / np.float32(step)
            w0, w1, w2, w3 = _cubic(t)
            sx = x + w0 * row[i, 0] + w1 * row[i + 1, 0] + w2 * row[i + 2, 0] + w3 * row[i + 3, 0]
            sy = y + w0 * row[i, 1] + w1 * row[i + 1, 1] + w2 * row[i + 2, 1] + w3 * row[i + 3, 1]
            sx = min(max(sx, np.float32(0)), np.float32(width - 1))
            sy = min(max(sy, np.float32(0)), np.float32(height - 1))
            ix = int(sx)
            iy = int(sy)
            fx = sx - ix
            fy = sy - iy
            jx = min(ix + 1, width - 1)
            jy = min(iy + 1, height - 1)
            for c in range(3):
                top = frame[iy, ix, c] + fx * (np.float32(frame[iy, jx, c]) - frame[iy, ix, c])
                low = frame[jy, ix, c] + fx * (np.float32(frame[jy, jx, c]) - frame[jy, ix, c])
                out[y, x, c] = np.uint8(top + fy * (low - top) + np.float32(0.5))


@njit(nogil=True, cache=True, inline="always")
def _cubic(t):  # type: ignore[no-untyped-def]
    """Catmull-Rom weights of the four nodes around a point a share t past the second."""
    one = np.float32(1)
    half = np.float32(0.5)
    u = one - t
    return -half * t * u * u, one + half * t * t * (3 * t - 5), one + half * u * u * (3 * u - 5), -half * u * t * t
