"""The maps and inner loops of the built-in portrait: where the head goes, and its pixels after it.

Convention: head axes are x, y of `livewarp.face68` in the portrait as it was taken, IOD. Positions
in frame and layer are px, pixel centres. `turn` is the first two rows of the head's rotation.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.easing import smoothstep

PIVOT = (0.0, 1.15, 0.65)
"""The point about which the head turns, top of the spine: x, y, z in IOD."""

# The rotation fades out over the neck, from just below the chin to the collar, sooner to the sides, so that
# shoulders stay. IOD, IOD, 1 / IOD.
_NECK_TOP = 1.30
_NECK_LENGTH = 0.80
_SHOULDERS = 0.35

_SOLVER_STEPS = 40
_SOLVER_IOD = 1e-4  # 0.01 px at 1280x720; the truth is taken from the map as it was solved

# Two lerps of four channels at once: each is in the low byte of a 16-bit lane. A lane holds at most
# 255 * 256 + 128, so nothing is carried into its neighbour.
_LANES = np.uint64(0x00FF00FF00FF00FF)
_HALF = np.uint64(0x0080008000800080)
_ONE = np.uint64(256)
_BYTE = np.uint64(8)
_NEXT = np.uint64(1)
_GREEN, _RED, _ALPHA = np.uint64(16), np.uint64(32), np.uint64(48)
_OPAQUE, _HALF_OPAQUE = np.uint64(255), np.uint64(127)


@njit(nogil=True, cache=True)
def displaced(x: float, y: float, turn: NDArray[np.float64]) -> tuple[float, float]:
    """Where the point (x, y) of the portrait goes when the head turns; head axes, IOD.

    Depth is a dome with a nose, fitted to `face68.MEAN_FACE` and then deepened until `fit_pose` finds
    in the moved landmarks the angles that moved them. The body, below the neck, stays. Source: own
    derivation.
    """
    fade = (y + _SHOULDERS * x * x - _NECK_TOP) / _NECK_LENGTH
    if fade >= 1.0:
        return x, y
    q = (x / 0.76) ** 2 + ((y - 0.4) / 3.0) ** 2
    z = -0.41 + 0.27 * y + 1.27 * q / (1.0 + 0.4 * q) - 0.16 * math.exp(-((x / 0.2) ** 2) - ((y - 0.42) / 0.3) ** 2)
    head = 1.0 - smoothstep(fade)
    dx, dy, dz = x - PIVOT[0], y - PIVOT[1], z - PIVOT[2]
    moved_x = turn[0, 0] * dx + turn[0, 1] * dy + turn[0, 2] * dz + PIVOT[0]
    moved_y = turn[1, 0] * dx + turn[1, 1] * dy + turn[1, 2] * dz + PIVOT[1]
    return x + head * (moved_x - x), y + head * (moved_y - y)


@njit(nogil=True, cache=True)
def fill_map(
    grid: FloatArray,
    cell: int,
    x0: int,
    x1: int,
    iod_px: float,
    origin: NDArray[np.float64],
    turn: NDArray[np.float64],
    to_layer: NDArray[np.float64],
) -> None:
    """The backward map at the nodes that columns x0 to x1 need: `displaced`, inverted by iteration.

    `grid` (rows, columns, 2) holds layer px of the frame's px (column * cell, row * cell). The frame
    shows head axes at `origin` + `iod_px` * point, the layer at `to_layer` (x, y; factor, offset).
    """
    for row in range(grid.shape[0]):
        shift_x = 0.0
        shift_y = 0.0
        for column in range(x0 // cell, min(grid.shape[1], -(-x1 // cell) + 1)):
            goal_x = (column * cell - origin[0]) / iod_px
            goal_y = (row * cell - origin[1]) / iod_px
            for _ in range(_SOLVER_STEPS):
                x = goal_x - shift_x
                y = goal_y - shift_y
                at_x, at_y = displaced(x, y, turn)
                error = abs(at_x - goal_x) + abs(at_y - goal_y)
                shift_x = at_x - x
                shift_y = at_y - y
                if error < _SOLVER_IOD:
                    break
            grid[row, column, 0] = (goal_x - shift_x) * to_layer[0, 0] + to_layer[0, 1]
            grid[row, column, 1] = (goal_y - shift_y) * to_layer[1, 0] + to_layer[1, 1]


@njit(nogil=True, cache=True)
def composite(out: BgrFrame, layer: NDArray[np.uint64], grid: FloatArray, cell: int, x0: int, x1: int) -> None:
    """Draw the layer over `out`, columns x0 to x1, through the map: bilinear in grid and layer.

    `layer` (h, w): blue, green, red, alpha in 16-bit lanes, colours times alpha, transparent at its
    left, right and upper edge; its last row goes on below. Precondition: 0 <= x0 <= x1 <= width, x0 a
    multiple of `cell`.
    """
    rows, columns = layer.shape
    flat = layer.ravel()
    stride = np.uint64(columns)  # unsigned indices spare numba's test for negative ones: 10 %
    for y in range(out.shape[0]):
        row = y // cell
        lower = (y - row * cell) / cell
        upper = 1.0 - lower
        for column in range(x0 // cell, -(-x1 // cell)):
            right = column + 1
            u = grid[row, column, 0] * upper + grid[row + 1, column, 0] * lower
            v = grid[row, column, 1] * upper + grid[row + 1, column, 1] * lower
            u_end = grid[row, right, 0] * upper + grid[row + 1, right, 0] * lower
            v_end = grid[row, right, 1] * upper + grid[row + 1, right, 1] * lower
            if max(u, u_end) < 0.0 or min(u, u_end) >= columns - 1 or max(v, v_end) < 0.0:
                continue
            # 16 bits of fraction to step with; the lerps use the upper eight.
            step_u = int((u_end - u) / cell * 65536.0)
            step_v = int((v_end - v) / cell * 65536.0)
            at_u = int(u * 65536.0) + 128
            at_v = int(v * 65536.0) + 128
            for x in range(column * cell, min((column + 1) * cell, x1)):
                i = at_v >> 16
                j = at_u >> 16
                right_weight = np.uint64((at_u >> 8) & 255)
                lower_weight = np.uint64((at_v >> 8) & 255)
                at_u += step_u
                at_v += step_v
                if i < 0 or j < 0 or j >= columns - 1:
                    continue
                if i >= rows - 1:
                    i = rows - 2
                    lower_weight = _ONE
                left_weight = _ONE - right_weight
                k = np.uint64(i) * stride + np.uint64(j)
                above = (flat[k] * left_weight + flat[k + _NEXT] * right_weight + _HALF) >> _BYTE
                k += stride
                below = (flat[k] * left_weight + flat[k + _NEXT] * right_weight + _HALF) >> _BYTE
                above &= _LANES
                below &= _LANES
                p = ((above * (_ONE - lower_weight) + below * lower_weight + _HALF) >> _BYTE) & _LANES
                rest = _OPAQUE - (p >> _ALPHA)
                if rest == 0:
                    out[y, x, 0] = np.uint8(p)
                    out[y, x, 1] = np.uint8(p >> _GREEN)
                    out[y, x, 2] = np.uint8(p >> _RED)
                elif rest < _OPAQUE:
                    for c in range(3):
                        room = (np.uint64(out[y, x, c]) * rest + _HALF_OPAQUE) // _OPAQUE
                        colour = (p >> np.uint64(16 * c)) & _OPAQUE
                        out[y, x, c] = np.uint8(min(_OPAQUE, colour + room))


def invert(
    grid: FloatArray,
    cell: int,
    x0: int,
    x1: int,
    target: NDArray[np.float64],
    start: NDArray[np.float64],
    steps: int = 12,
) -> NDArray[np.float64]:
    """Frame px (n, 2) that the map of `composite` sends to the layer px `target` (n, 2).

    Newton's method on the very grid that draws the pixels, from `start` (n, 2); a point that lies
    where nothing is drawn keeps its start. Four steps reach 1e-4 px.
    """
    found = start.copy()
    last = np.array([min(grid.shape[1], -(-x1 // cell) + 1) - 2, grid.shape[0] - 2])
    first = np.array([x0 // cell, 0])
    if (last < first).any():
        return found
    inside = ((start >= first * cell) & (start <= (last + 1) * cell)).all(axis=1)
    for _ in range(steps):
        node = np.clip(np.floor(found / cell).astype(int), first, last)
        u, v = (found / cell - node).T[..., None]
        x, y = node.T
        a, b, c, d = (g.astype(np.float64) for g in (grid[y, x], grid[y, x + 1], grid[y + 1, x], grid[y + 1, x + 1]))
        value = (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v
        slopes = np.stack([(b - a) * (1 - v) + (d - c) * v, (c - a) * (1 - u) + (d - b) * u], axis=-1)
        step = np.linalg.solve(slopes[inside], (target - value)[inside][..., None])[..., 0] * cell
        found[inside] += step
    return found
