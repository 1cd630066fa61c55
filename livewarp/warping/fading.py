"""What a displacement field is multiplied by from place to place, and how steep that is.

Each function multiplies onto a weight (h, w), 0 to 1, and its slope (h, w), 1/px, at nodes as in
`livewarp.warping.field`; `livewarp.warping.squeeze` takes the slope into account, so that a weighted field folds as
little as any. A weight has to be smooth: what lies between the nodes is interpolated cubically.

Guarantees: these kernels hold no GIL, keep no state and check nothing: `livewarp.warping.warp` has.
"""

from __future__ import annotations

import math

from numba import njit

from livewarp.arrays import FloatArray

STEEPEST_FADE = 2.7
"""Times 1/reach: `fade_at_border` is no steeper than this; 15/8 along each axis."""

STEEPEST_AWAY = 1.9
"""The same of `fade_away`: 15/8."""


@njit(nogil=True, cache=True)
def fade_at_border(
    weight: FloatArray, slope: FloatArray, x0: float, y0: float, step: float, height: int, width: int, reach: float
) -> None:
    """A weight that falls to 0 over `reach` px before the border of a frame of that size."""
    for j in range(weight.shape[0]):
        y = y0 + j * step
        wy, gy = _rise(min(y, height - 1 - y) / reach)
        for i in range(weight.shape[1]):
            x = x0 + i * step
            wx, gx = _rise(min(x, width - 1 - x) / reach)
            if wx == 1.0 and wy == 1.0:
                continue
            # (v·w)' = v·w' + w·v'
            slope[j, i] = wx * wy * slope[j, i] + weight[j, i] * math.hypot(gx * wy, gy * wx) / reach
            weight[j, i] *= wx * wy


@njit(nogil=True, cache=True)
def fade_away(
    weight: FloatArray,
    slope: FloatArray,
    x0: float,
    y0: float,
    step: float,
    away: FloatArray,
    scale: tuple[float, float],
    edge: float,
    reach: float,
) -> None:
    """A weight that falls to 0 over `reach` px from `edge` px outside of people on.

    away: (h, w), how far it is to the nearest, px, no steeper than 1; scale: its columns and rows to a px of the frame.
    """
    rows, columns = away.shape
    for j in range(weight.shape[0]):
        y = min(max((y0 + j * step + 0.5) * scale[1] - 0.5, 0.0), rows - 1.0)
        n = int(y)
        below, fy = min(n + 1, rows - 1), y - n
        for i in range(weight.shape[1]):
            x = min(max((x0 + i * step + 0.5) * scale[0] - 0.5, 0.0), columns - 1.0)
            m = int(x)
            right, fx = min(m + 1, columns - 1), x - m
            top = away[n, m] * (1.0 - fx) + away[n, right] * fx
            bottom = away[below, m] * (1.0 - fx) + away[below, right] * fx
            w, g = _rise(1.0 - (top * (1.0 - fy) + bottom * fy - edge) / reach)
            if w < 1.0:
                slope[j, i] = w * slope[j, i] + weight[j, i] * g / reach
                weight[j, i] *= w


@njit(nogil=True, cache=True, forceinline=True)
def _rise(t: float) -> tuple[float, float]:
    """From 0 to 1 for t from 0 to 1, flat to the second derivative at both ends, and its slope."""
    if t <= 0.0:
        return 0.0, 0.0
    if t >= 1.0:
        return 1.0, 0.0
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0), 30.0 * t * t * (t - 1.0) * (t - 1.0)
