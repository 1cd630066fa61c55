"""Plain-loop twins of every kernel: the same arithmetic, one pixel and channel at a time, nothing compiled.

What is fixed point in a kernel is integer arithmetic here, and what is float32 there is rounded to float32
after every operation here, so that results are compared bit by bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from livewarp.warping.field import AX, AY, COS, CX, CY, INV_RX_HIGH, INV_RX_LOW, INV_RY, IS_SCALE, SIN

ONE = 65536  # positions and weights are counted in 1/65536
MAX_SHIFT = np.float32(8192.0)
ROUND = 131  # half a grey level in 1/256, and 3 for four truncations


def weights(t: float) -> NDArray[np.float32]:
    """(4,): Catmull-Rom, at t from the second node to the third."""
    return np.array(
        [
            0.5 * (((2.0 - t) * t - 1.0) * t),
            0.5 * ((3.0 * t - 5.0) * t * t + 2.0),
            0.5 * (((4.0 - 3.0 * t) * t + 1.0) * t),
            0.5 * ((t - 1.0) * t * t),
        ],
        np.float32,
    )


def four(w: NDArray[np.float32], nodes: NDArray[np.float32]) -> np.float32:
    """Sum of four weighted nodes, in the order of the kernels."""
    with np.errstate(invalid="ignore", over="ignore"):  # nodes may be infinite or not a number
        return np.float32((w[0] * nodes[0] + w[1] * nodes[1]) + (w[2] * nodes[2] + w[3] * nodes[3]))


def along(w: NDArray[np.float32], nodes: NDArray[np.float32]) -> np.float32:
    """Sum of four weighted nodes of one row, from left to right."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.float32(0.0)
        for weight, node in zip(w, nodes, strict=True):
            total = np.float32(total + np.float32(weight * node))
        return total


def bounded(value: np.float32) -> np.float32:
    """Within ±MAX_SHIFT; not a number becomes -MAX_SHIFT."""
    if not value > -MAX_SHIFT:
        return -MAX_SHIFT
    return value if value < MAX_SHIFT else MAX_SHIFT


def shift_row(grid: NDArray[np.float32], y: int, width: int, step: float) -> NDArray[np.float32]:
    """(2, width): displacement of row y (from the top of the ROI), 1/65536 px, from grid (gh, gw, 2), px."""
    result = np.empty((2, width), np.float32)
    j = int(y / step)
    down = np.float32(ONE) * weights(y / step - j)
    for x in range(width):
        k = int(x / step)
        w = weights(x / step - k)
        for c in range(2):
            rows = [bounded(along(w, grid[j + n, k : k + 4, c])) for n in range(4)]
            result[c, x] = four(down, np.array(rows, np.float32))
    return result


def mix(a: int, b: int, weight: int) -> int:
    """Between a and b (16 bits) by weight / 65536; each product loses its lower half."""
    return (a * (ONE - 1 - weight) >> 16) + (b * weight >> 16)


def pixel(source: NDArray[np.uint8], u: int, v: int) -> list[int]:
    """BGR at (u, v), 1/65536 px, clamped to the source; clamping ends 1/65536 px short of the last pixel."""
    height, width, _ = source.shape
    x, fx = divmod(min(max(u, 0), (width - 1) * ONE - 1), ONE)
    y, fy = divmod(min(max(v, 0), (height - 1) * ONE - 1), ONE)
    result = []
    for c in range(3):
        upper = mix(256 * int(source[y, x, c]), 256 * int(source[y, x + 1, c]), fx)
        lower = mix(256 * int(source[y + 1, x, c]), 256 * int(source[y + 1, x + 1, c]), fx)
        result.append((mix(upper, lower, fy) + ROUND) >> 8)
    return result


def sample(
    source: NDArray[np.uint8],
    out: NDArray[np.uint8],
    grids: list[NDArray[np.float32]],
    rois: list[tuple[int, int, int, int]],
    steps: list[float],
) -> None:
    """As `livewarp.warping.kernels.sample`; every pixel of the ROIs is written, also where nothing moves."""
    height, width, _ = out.shape
    shift, there = np.zeros((2, height, width), np.float32), np.zeros((height, width), bool)
    for grid, (x0, y0, x1, y1), step in zip(grids, rois, steps, strict=True):
        for y in range(y0, y1):
            shift[:, y, x0:x1] += shift_row(grid, y - y0, x1 - x0, step)
        there[y0:y1, x0:x1] = True
    for y, x in zip(*np.nonzero(there), strict=True):
        dx, dy = (int(shift[c, y, x]) for c in range(2))  # towards 0
        out[y, x] = pixel(source, int(x) * ONE + dx, int(y) * ONE + dy)


def bilinear(source: NDArray[np.uint8], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact bilinear interpolation of (H, W, 3) at u, v (h, w), px, clamped to the source."""
    height, width, _ = source.shape
    u, v = np.clip(u, 0, width - 1), np.clip(v, 0, height - 1)
    x, y = np.minimum(u.astype(int), width - 2), np.minimum(v.astype(int), height - 2)
    fx, fy = (u - x)[..., None], (v - y)[..., None]
    exact = source.astype(np.float64)
    upper = exact[y, x] * (1 - fx) + exact[y, x + 1] * fx
    lower = exact[y + 1, x] * (1 - fx) + exact[y + 1, x + 1] * fx
    return upper * (1 - fy) + lower * fy


def dense(grid: NDArray[np.float32], width: int, height: int, step: int) -> NDArray[np.float64]:
    """(height, width, 2): the gridded field at every pixel, px, in float64."""

    def along(nodes: NDArray[np.float64], n: int) -> NDArray[np.float64]:
        position = np.arange(n) / step
        k = position.astype(int)
        t = (position - k)[:, None, None]
        w = (
            0.5 * ((2 - t) * t - 1) * t,
            0.5 * ((3 * t - 5) * t * t + 2),
            0.5 * ((4 - 3 * t) * t + 1) * t,
            0.5 * (t - 1) * t * t,
        )
        return sum(w[m] * nodes[k + m] for m in range(4))

    return along(along(grid.astype(np.float64), height).transpose(1, 0, 2), width).transpose(1, 0, 2)


Q2 = 1.0  # square of the ratio of offset and radius


def displacement(strokes: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """The exact summed displacement of placed strokes (n, N_COLUMNS) at one point, px."""
    total_x = total_y = 0.0
    for stroke in strokes.astype(float):
        cos, sin, ax, ay = stroke[COS], stroke[SIN], stroke[AX], stroke[AY]
        fx = cos * (x - stroke[CX]) + sin * (y - stroke[CY])
        fy = cos * (y - stroke[CY]) - sin * (x - stroke[CX])
        inv_x = stroke[INV_RX_LOW] if fx < 0 else stroke[INV_RX_HIGH]
        s2 = (fx * inv_x) ** 2 + (fy * stroke[INV_RY]) ** 2
        if s2 >= 1:
            continue
        if stroke[IS_SCALE]:
            k = (1 - s2) ** 3
            ux, uy = -ax * fx * k, -ay * fy * k
        else:
            k = ((1 - s2) / (1 - s2 + Q2)) ** 3 / (1 / (1 + Q2)) ** 3
            ux, uy = -ax * k, -ay * k
        total_x += cos * ux - sin * uy
        total_y += sin * ux + cos * uy
    return total_x, total_y


def field(strokes: np.ndarray, h: int, w: int, x0: float, y0: float, step: float) -> np.ndarray:
    """The exact field on a grid of nodes, (h, w, 2)."""
    out = np.zeros((h, w, 2))
    for j in range(h):
        for i in range(w):
            out[j, i] = displacement(strokes, x0 + i * step, y0 + j * step)
    return out


def rasterise(placed, units, triangles, x0, y0, maps):
    """Plain twin of `livewarp.appearance.face_kernels.rasterise`: barycentric coordinates of every pixel."""
    maps[:] = 0.0
    for corners in triangles:
        if placed[corners, 2].sum() <= 0:
            continue
        xy = placed[corners, :2].astype(np.float64) - [x0, y0]
        matrix = np.vstack([xy.T, np.ones(3)])
        if abs(np.linalg.det(matrix)) < 1e-6:
            continue
        inverse = np.linalg.inv(matrix)
        for i in range(maps.shape[0]):
            for j in range(maps.shape[1]):
                if not (
                    xy[:, 0].min() - 1 <= j <= xy[:, 0].max() + 1 and xy[:, 1].min() - 1 <= i <= xy[:, 1].max() + 1
                ):
                    continue
                weights = inverse @ [j, i, 1.0]
                if weights.min() < -1e-7:
                    continue
                amount = weights @ placed[corners, 2]
                if amount > maps[i, j, 2]:
                    maps[i, j, :2] = weights @ units[corners]
                    maps[i, j, 2:] = weights @ placed[corners, 2:]
