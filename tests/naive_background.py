"""Plain-loop twins of the background's kernels: the same arithmetic, one pixel at a time, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def moments(small: Array, mask: Array) -> Array:
    """I, p, p I and the products of I, of every pixel."""
    out = np.empty((*mask.shape, 13))
    for at in np.ndindex(mask.shape):
        i, p = small[at] / 255, mask[at] / 255
        out[at] = *i, p, *(p * i), *np.outer(i, i)[np.triu_indices(3)]
    return out


def planes(means: Array, epsilon: float, sure: float) -> Array:
    """The least squares plane of p over I about every pixel, with ridge `epsilon`."""
    out = np.empty((*means.shape[:2], 4))
    for at in np.ndindex(means.shape[:2]):
        m = means[at].astype(float)
        i, p = m[:3], m[3]
        if p <= sure or p >= 1 - sure:
            out[at] = 0, 0, 0, p
            continue
        square = np.zeros((3, 3))
        square[np.triu_indices(3)] = m[7:]
        square += np.triu(square, 1).T
        a = np.linalg.solve(square - np.outer(i, i) + epsilon * np.eye(3), m[4:7] - p * i)
        out[at] = *a, p - a @ i
    return out


def between(values: Array, y: float, x: float) -> Any:
    """Bilinear, at pixel coordinates that are cut off at the borders."""
    y, x = (min(max(v, 0.0), n - 1.0) for v, n in zip((y, x), values.shape[:2], strict=True))
    j, i = (min(int(v), max(n - 2, 0)) for v, n in zip((y, x), values.shape[:2], strict=True))
    n, m = min(j + 1, values.shape[0] - 1), min(i + 1, values.shape[1] - 1)
    u, v = x - i, y - j
    top = values[j, i] * (1 - u) + values[j, m] * u
    return top * (1 - v) + (values[n, i] * (1 - u) + values[n, m] * u) * v


def spread(values: Array, height: int, width: int) -> Array:
    """The same picture at another size."""
    rows, columns = values.shape[:2]
    out = np.empty((height, width, *values.shape[2:]))
    for y, x in np.ndindex(height, width):
        out[y, x] = between(values, (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5)
    return out


def alpha(fitted: Array, half: Array, low: float, high: float, trust: float) -> Array:
    """The planes' values, stretched between low and high, before they are rounded."""
    out = np.empty(half.shape[:2])
    wide = spread(fitted.astype(float), *out.shape)
    for at in np.ndindex(out.shape):
        q = wide[at][:3] @ (half[at] / 255) + wide[at][3]
        out[at] = 255 * trust * min(max((q - low) / (high - low), 0.0), 1.0)
    return out


def weighed(small: Array, mask: Array, steepness: float, bloom: float, trust: float) -> Array:
    """Sums of colours times weight, and of the weight, over the pixels of each of the mask's."""
    out = np.zeros((*mask.shape, 4))
    for y, x in np.ndindex(small.shape[:2]):
        at = y * mask.shape[0] // small.shape[0], x * mask.shape[1] // small.shape[1]
        colour = small[y, x].astype(float)
        weight = max(1 - steepness * trust * mask[at] / 255, 0.0) * (1 + bloom * (colour.max() / 255) ** 16)
        out[at] += *(colour * weight), weight
    return out


def discs(values: Array, radius: float) -> Array:
    """Sums over discs of whole rows, whose ends may be parts of a pixel."""
    out = np.zeros(values.shape)
    for y, x in np.ndindex(out.shape[:2]):
        for d in range(-int(radius), int(radius) + 1):
            reach = (radius**2 - d**2) ** 0.5
            for e in range(-int(reach) - 1, int(reach) + 2):
                if 0 <= y + d < out.shape[0] and 0 <= x + e < out.shape[1]:
                    inside = min(reach, e + 0.5) - max(-reach, e - 0.5)
                    out[y, x] += values[y + d, x + e] * max(inside, 0.0)
    return out


def divided(near: Array, far: Array, share: float) -> Array:
    """Weighted means."""
    out = np.empty((*near.shape[:2], 3))
    for at in np.ndindex(near.shape[:2]):
        n, f = near[at].astype(float), far[at].astype(float)
        for c in range(3):
            out[at][c] = min(max((n[c] + share * f[c]) / (n[3] + share * f[3] + 1e-6), 0.0), 255.0)
    return out


def whole_alpha(half: Array, height: int, width: int) -> Array:
    """An alpha of every second pixel, of every one: bilinear."""
    out = np.empty((height, width), int)
    for y, x in np.ndindex(height, width):
        out[y, x] = int(between(half.astype(float), (y + 0.5) / 2 - 0.5, (x + 0.5) / 2 - 0.5) + 0.5)
    return out


def blurred(frame: Array, half: Array, columns: Array) -> Array:
    """The frame over a background of which there are some rows."""
    a = whole_alpha(half, *frame.shape[:2])[..., None]
    behind = spread(columns.astype(float), *frame.shape[:2])
    return np.asarray((frame * a + behind * (255 - a)) / 255)


def replaced(frame: Array, half: Array, behind: Array, room: Array, light: Array, apart: int, trust: float) -> Array:
    """The frame over a picture, the room's share taken out of the edges, and the light on people changed."""
    out = frame.astype(int)
    alphas = whole_alpha(half, *frame.shape[:2])
    for y, x in np.ndindex(alphas.shape):
        a, share = int(alphas[y, x]), int(trust * 256 + 0.5)
        wall = room[y * room.shape[0] // alphas.shape[0], x * room.shape[1] // alphas.shape[1]].astype(int)
        colour = frame[y, x].astype(int)
        if a > 0 and (a < 255 or share < 256):
            away = int(np.abs(colour - wall).sum())
            if away < apart:
                a = max(a * (away * 65025 + (apart - away) * a * a) // (apart * 65025), 1)
        if 0 < a < 255:
            colour = np.clip(colour + min((255 - a) * 256 // a, 384) * (colour - wall) // 256, 0, 255)
        own = (colour + light * colour * (1 - (colour / 255) ** 2) + 0.5).astype(int)
        a = a * share // 256
        out[y, x] = (own * a + behind[y, x].astype(int) * (255 - a) + 127) // 255
    return out
