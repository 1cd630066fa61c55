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


def rasterise(placed, units, triangles, maps):
    """Plain twin of `livewarp.appearance.face_kernels.rasterise`: barycentric coordinates of every pixel."""
    maps[:] = 0.0
    maps[2] = -1.0
    for corners in triangles:
        xy = placed[corners, :2].astype(np.float64)
        matrix = np.vstack([xy.T, np.ones(3)])
        if abs(np.linalg.det(matrix)) < 1e-6:
            continue
        inverse = np.linalg.inv(matrix)
        for i in range(maps.shape[1]):
            for j in range(maps.shape[2]):
                if not (
                    xy[:, 0].min() - 1 <= j <= xy[:, 0].max() + 1 and xy[:, 1].min() - 1 <= i <= xy[:, 1].max() + 1
                ):
                    continue
                weights = inverse @ [j, i, 1.0]
                if weights.min() < -1e-3:
                    continue
                amount = weights @ placed[corners, 2]
                if amount > maps[2, i, j]:
                    maps[:2, i, j] = weights @ units[corners]
                    maps[2:, i, j] = weights @ placed[corners, 2:]
    maps[2][maps[2] <= 0.004] = 0.0


def between(small, shrink, y, x):
    """(channels,): a small picture in the middle of pixel (y, x) of its part of the frame, bilinear, ends extended."""
    height, width = small.shape[:2]
    sy = min(max((y + 0.5) / shrink - 0.5, 0), height - 1)
    sx = min(max((x + 0.5) / shrink - 0.5, 0), width - 1)
    i, j = int(sy), int(sx)
    below, right = min(i + 1, height - 1), min(j + 1, width - 1)
    p, q = sy - i, sx - j
    upper = small[i, j] * (1 - q) + small[i, right] * q
    lower = small[below, j] * (1 - q) + small[below, right] * q
    return upper * (1 - p) + lower * p


def texel(picture, x, y):
    """(channels,): a picture at place x, y from 0 to 1, bilinear between the pixels' middles."""
    rows, columns = picture.shape[:2]
    u = min(max(x * columns - 0.5, 0), columns - 1.001)
    v = min(max(y * rows - 0.5, 0), rows - 1.001)
    j, i = int(u), int(v)
    q, p = u - j, v - i
    four = picture[i : i + 2, j : j + 2].astype(np.float64)
    return (four[0, 0] * (1 - q) + four[0, 1] * q) * (1 - p) + (four[1, 0] * (1 - q) + four[1, 1] * q) * p


def part_of(frame, origin, shrink, small):
    """The pixels of a small picture's part of the frame that there are: (y, x, y in the part, x in the part)."""
    x0, y0 = origin
    for y in range(y0, min(y0 + small.shape[0] * shrink, frame.shape[0])):
        for x in range(x0, min(x0 + small.shape[1] * shrink, frame.shape[1])):
            yield y, x, y - y0, x - x0


_LIGHT = np.array([0.114, 0.587, 0.299])


def measure_small(frame, origin, shrink, small):
    """Plain twin of `livewarp.appearance.face_kernels.measure_small`: its mean colours."""
    x0, y0 = origin
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            block = frame[y0 + i * shrink : y0 + (i + 1) * shrink, x0 + j * shrink : x0 + (j + 1) * shrink]
            small[i, j] = block.reshape(-1, 3).mean(axis=0)


def tone(colour, near, broad, spread, mean, c):
    """(3,) what smoothing and tones make of a colour (3,), step by step; `c` as the columns of `toning`."""
    least = 0.055 * mean + 2
    fine = min(c[0], 0.9) * (1 - spread / (spread + least**2))
    near_light, broad_light = near @ _LIGHT, broad @ _LIGHT
    shift = min(c[1], 0.9)
    if broad_light > near_light:
        shift = min(shift + c[2], 0.95)
    far = abs(broad_light - near_light) / (0.22 * broad_light + 6)
    shift *= max(0, 1 - 0.5 * far**2)
    colour = colour + fine * (near - colour) + shift * (broad - near)
    level = near_light + shift * (broad_light - near_light)
    gain = c[3] * max(0, 1 - (level / 255) ** 2) if c[3] > 0 else c[3]
    gain = 1 + gain + gain**2 / 2
    light = colour @ _LIGHT
    colour = light + (colour - light) * max(0.05, 1 + c[4])
    warm = c[5] * min(max(level / 140, 0.45), 1)
    return colour * gain * (1 + warm * np.array([-0.25, -0.45, 1.0]))


def tone_skin(frame, origin, shrink, lines):
    """Plain twin of `livewarp.appearance.toning.tone_skin`, not rounded."""
    out = frame.astype(np.float64)
    for y, x, i, j in part_of(frame, origin, shrink, lines[0]):
        line = between(np.moveaxis(lines, 0, -1).astype(np.float64), shrink, i, j)
        if line[7] > 0:
            colour = frame[y, x].astype(np.float64)
            out[y, x] = line[:3] * (colour + line[3] * (colour @ _LIGHT)) + line[4:7]
    return out.clip(0, 255)


def blend_texture(frame, origin, shrink, planes, texture, weights, gain):
    """Plain twin of `join_layers` and `blend_texture` of `livewarp.appearance.blending`, not rounded."""
    step = texture.astype(np.float64) - [128, 128, 128, 0]
    entry = ((step[..., :3] @ weights[:3]) * 256 + len(gain) // 2 + 0.5).astype(int).clip(0, len(gain) - 1)
    brown = (step[..., 3] * weights[3])[..., None]
    factors = (gain[entry] * (1 - brown * np.array([0.62, 0.48, 0.32])) - 1).clip(-1, 511 / 512)
    out = frame.astype(np.float64)
    nodes = np.moveaxis(planes, 0, -1).astype(np.float64)
    for y, x, i, j in part_of(frame, origin, shrink, planes[0]):
        u, v, _, _, amount, _ = between(nodes, shrink, i, j)
        colour = frame[y, x].astype(np.float64)
        factor = texel(factors, u, v)
        light = colour @ _LIGHT
        if factor[1] > 0:
            amount *= 1 - 0.75 * min(max(light - 150, 0), 90) / 90
        else:
            amount *= 1 - 0.88 * min(max(light - 200, 0), 50) / 50
        coloured = min((colour.max() - colour.min()) * 5 / (colour.max() + 1), 1)
        out[y, x] = colour * (1 + (factor[1] + coloured * (factor - factor[1])) * amount)
    return out.clip(0, 255)


def tone_parts(frame, origin, shrink, planes, skin_light, coefficients):
    """Plain twin of `livewarp.appearance.toning.tone_parts`, not rounded."""
    out = frame.astype(np.float64)
    skin = skin_light + 1
    nodes = np.moveaxis(planes, 0, -1).astype(np.float64)
    for y, x, i, j in part_of(frame, origin, shrink, planes[0]):
        u, v, amount, _, _, beside = between(nodes, shrink, i, j)
        c = texel(coefficients, u, v) * amount
        colour = frame[y, x].astype(np.float64)
        light, high, low = colour @ _LIGHT, colour.max(), colour.min()
        dark = beside * np.clip((0.92 * skin - light) / (0.35 * skin), 0, 1)
        white = np.clip((light / skin - 0.30) * 2.5, 0, 1) * np.clip((0.62 - (high - low) / (high + 1)) * 3, 0, 1)
        gain = c[0] + dark * c[2] + white * c[4] * (1 - (light / 255) ** 2)
        more = max(0, 1 + c[1] + dark * c[3] + white * c[5])
        out[y, x] = (light + (colour - light) * more) * (1 + gain + gain**2 / 2)
    return out.clip(0, 255)


def fill_triangles(points, amounts, triangles, shape):  # type: ignore[no-untyped-def]
    """Twin of `livewarp.appearance.dyeing.fill_triangles`."""
    weights = np.zeros(shape)
    for t in triangles:
        system = np.vstack([points[t].T, np.ones(3)])
        if abs(np.linalg.det(system)) < 1e-6:
            continue
        for y, x in np.ndindex(*shape):
            shares = np.linalg.solve(system, [x, y, 1.0])
            if shares.min() >= -1e-4:
                weights[y, x] = max(weights[y, x], shares @ amounts[t])
    return weights


def meant(part, dye, window):  # type: ignore[no-untyped-def]
    """Which share of each pixel `livewarp.appearance.dyeing.weigh_colours` means, of a picture (h, w, 3)."""
    total = part.sum(axis=2) + 12.0
    light = part @ [0.114, 0.587, 0.299]
    values = np.dstack([(part[..., 2] + 4) / total, (part[..., 1] + 4) / total, (light + 4) / (dye[6] + 4)])
    middle, low, high, soft = window
    over = np.maximum(middle + low - values, values - middle - high)
    return np.clip(1 - over / soft, 0, 1).prod(axis=2)


def dye_pixels(frame, corner, weights, dye):  # type: ignore[no-untyped-def]
    """Twin of `livewarp.appearance.dyeing.dye_pixels`."""
    out = frame.astype(np.float64)
    for i, j in np.ndindex(*weights.shape):
        y, x = corner[1] + i, corner[0] + j
        light = out[y, x] @ [0.114, 0.587, 0.299]
        base = min(light, dye[6])
        shine = light - base
        base *= 1 + weights[i, j] * (dye[3] - 1)
        pixel = out[y, x] * (base + shine) / (light + 1e-3)
        out[y, x] = pixel + weights[i, j] * dye[4] * (base * dye[:3] + shine * dye[5] - pixel)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)
