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


def alpha(fitted: Array, half: Array, low: float, high: float, trust: float) -> Array:
    """The planes' values, stretched between low and high, before they are rounded."""
    out = np.empty(fitted.shape[:2])
    for at in np.ndindex(out.shape):
        q = fitted[at][:3] @ (half[at] / 255) + fitted[at][3]
        out[at] = 255 * trust * min(max((q - low) / (high - low), 0.0), 1.0)
    return out


def weighed(small: Array, mask: Array, steepness: float, bloom: float, trust: float) -> Array:
    """Colours times weight, and the weight."""
    out = np.empty((*mask.shape, 4))
    for at in np.ndindex(mask.shape):
        b, g, r = (float(v) for v in small[at])
        light = (0.114 * b + 0.587 * g + 0.299 * r) / 255
        weight = max(1 - steepness * trust * mask[at] / 255, 0.0) * (1 + bloom * light**8)
        out[at] = b * weight, g * weight, r * weight, weight
    return out


def divided(near: Array, far: Array, share: float) -> Array:
    """Weighted means, before they are rounded."""
    out = np.empty((*near.shape[:2], 3))
    for at in np.ndindex(near.shape[:2]):
        n, f = near[at].astype(float), far[at].astype(float)
        for c in range(3):
            out[at][c] = min(max((n[c] + share * f[c]) / (n[3] + share * f[3] + 1e-6), 0.0), 255.0)
    return out


def blended(frame: Array, alpha: Array, behind: Array) -> Array:
    """The frame over what is behind it, in whole numbers."""
    out = frame.copy()
    for y, x, c in np.ndindex(frame.shape):
        a = int(alpha[y, x])
        out[y, x, c] = (int(frame[y, x, c]) * a + int(behind[y, x, c]) * (255 - a) + 127) // 255
    return out


def replaced(frame: Array, alpha: Array, behind: Array, room: Array, light: Array, apart: int, trust: float) -> Array:
    """The same with the room's share taken out of the edges, and a person's light from a table."""
    out = frame.copy()
    for y, x in np.ndindex(alpha.shape):
        a, share = int(alpha[y, x]), int(trust * 256 + 0.5)
        wall = room[y * room.shape[0] // alpha.shape[0], x * room.shape[1] // alpha.shape[1]].astype(int)
        colour = frame[y, x].astype(int)
        if 0 < a < 255 or (a and share < 256):
            away = int(np.abs(colour - wall).sum())
            if away < apart:
                a = max(a * (away * 65025 + (apart - away) * a * a) // (apart * 65025), 1)
            colour = np.clip(colour + min((255 - a) * 256 // a, 384) * (colour - wall) // 256, 0, 255)
        a = a * share // 256
        own = np.array([light[colour[c], c] for c in range(3)], int)
        out[y, x] = (own * a + behind[y, x].astype(int) * (255 - a) + 127) // 255
    return out
