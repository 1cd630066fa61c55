"""Plain-loop twins of the background's kernels: the same arithmetic, one pixel at a time, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def moments(gray: Array, mask: Array) -> Array:
    """I, p, I², Ip of every pixel."""
    out = np.empty((*gray.shape, 4))
    for at in np.ndindex(gray.shape):
        i, p = gray[at] / 255, mask[at] / 255
        out[at] = i, p, i * i, i * p
    return out


def lines(means: Array, epsilon: float) -> Array:
    """The least squares line of p over I about every pixel, with ridge `epsilon`."""
    out = np.empty((*means.shape[:2], 2))
    for at in np.ndindex(means.shape[:2]):
        i, p, ii, ip = means[at].astype(float)
        a = (ip - i * p) / (max(ii - i * i, 0.0) + epsilon)
        out[at] = a, p - a * i
    return out


def alpha(fitted: Array, gray: Array, low: float, high: float, trust: float) -> Array:
    """The lines' values, stretched between low and high, before they are rounded."""
    out = np.empty(gray.shape)
    for at in np.ndindex(gray.shape):
        q = fitted[at][0] * (gray[at] / 255) + fitted[at][1]
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
