"""Compiled loops of the background: the guided filter's sums, what enters the blur, and the blending of pixels.

Each has a twin of plain loops in tests/naive_background.py.
"""

from __future__ import annotations

from numba import njit

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame


@njit(nogil=True, cache=True)
def fill_moments(gray: GrayFrame, mask: GrayFrame, out: FloatArray) -> None:
    """`out` (h, w, 4): I, p, I², Ip of luminance and mask (h, w), both 0 to 1."""
    scale = 1.0 / 255.0
    for y in range(gray.shape[0]):
        for x in range(gray.shape[1]):
            i, p = gray[y, x] * scale, mask[y, x] * scale
            out[y, x, 0] = i
            out[y, x, 1] = p
            out[y, x, 2] = i * i
            out[y, x, 3] = i * p


@njit(nogil=True, cache=True)
def solve_lines(means: FloatArray, epsilon: float, out: FloatArray) -> None:
    """`out` (h, w, 2): a, b of p ≈ a I + b from the means (h, w, 4) of `fill_moments`."""
    for y in range(means.shape[0]):
        for x in range(means.shape[1]):
            i, p = means[y, x, 0], means[y, x, 1]
            a = (means[y, x, 3] - i * p) / (max(means[y, x, 2] - i * i, 0.0) + epsilon)
            out[y, x, 0] = a
            out[y, x, 1] = p - a * i


@njit(nogil=True, cache=True)
def fill_alpha(lines: FloatArray, gray: GrayFrame, low: float, high: float, trust: float, out: GrayFrame) -> None:
    """`out` (h, w): a I + b, 0 up to `low` and 255 × trust from `high`, of lines (h, w, 2) and luminance (h, w)."""
    scale, slope, most = 1.0 / 255.0, 255.0 * trust / (high - low), 255.0 * trust
    for y in range(gray.shape[0]):
        for x in range(gray.shape[1]):
            q = lines[y, x, 0] * (gray[y, x] * scale) + lines[y, x, 1]
            out[y, x] = int(min(max((q - low) * slope, 0.0), most) + 0.5)


@njit(nogil=True, cache=True)
def weigh_background(
    small: BgrFrame, mask: GrayFrame, steepness: float, bloom: float, trust: float, out: FloatArray
) -> None:
    """`out` (h, w, 4): colours × weight, and weight, of pixels (h, w, 3) that are surely background by `mask` (h, w).

    Highlights weigh up to 1 + `bloom` times as much, so that a lamp becomes a bright disc, as behind a lens.
    """
    scale = 1.0 / 255.0
    for y in range(small.shape[0]):
        for x in range(small.shape[1]):
            weight = max(1.0 - steepness * trust * mask[y, x] * scale, 0.0)
            b, g, r = float(small[y, x, 0]), float(small[y, x, 1]), float(small[y, x, 2])
            light = (0.114 * b + 0.587 * g + 0.299 * r) * scale
            light *= light
            light *= light
            weight *= 1.0 + bloom * light * light
            out[y, x, 0] = b * weight
            out[y, x, 1] = g * weight
            out[y, x, 2] = r * weight
            out[y, x, 3] = weight


@njit(nogil=True, cache=True)
def divide_sums(near: FloatArray, far: FloatArray, share: float, out: BgrFrame) -> None:
    """`out` (h, w, 3): weighted means of sums (h, w, 4); where nearly nothing is near, those of the `far` ones."""
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            weight = 1.0 / (near[y, x, 3] + share * far[y, x, 3] + 1e-6)
            for c in range(3):
                value = (near[y, x, c] + share * far[y, x, c]) * weight
                out[y, x, c] = int(min(max(value, 0.0), 255.0) + 0.5)


@njit(nogil=True, cache=True)
def blend_behind(frame: BgrFrame, alpha: GrayFrame, behind: BgrFrame) -> None:
    """`frame` where `alpha` (H, W) is 255, `behind` (H, W, 3) where it is 0, both in between; in place."""
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            a = int(alpha[y, x])
            if a == 255:
                continue
            if a == 0:
                frame[y, x, 0] = behind[y, x, 0]
                frame[y, x, 1] = behind[y, x, 1]
                frame[y, x, 2] = behind[y, x, 2]
            else:
                for c in range(3):
                    frame[y, x, c] = (frame[y, x, c] * a + behind[y, x, c] * (255 - a) + 127) // 255
