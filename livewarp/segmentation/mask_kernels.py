"""Compiled loops of the background: the guided filter's sums, what enters the blur, and the blending of pixels.

Each has a twin of plain loops in tests/naive_background.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame

_APART = 48  # grey levels of three channels together: less, and an uncertain pixel looks as the room does


@njit(nogil=True, cache=True)
def fill_moments(small: BgrFrame, mask: GrayFrame, out: FloatArray) -> None:
    """`out` (h, w, 13): the colour I, p, p I and the six products of I of (h, w, 3) and mask (h, w), all 0 to 1."""
    scale = np.float32(1.0 / 255.0)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            b, g, r, p = small[y, x, 0] * scale, small[y, x, 1] * scale, small[y, x, 2] * scale, mask[y, x] * scale
            out[y, x, 0] = b
            out[y, x, 1] = g
            out[y, x, 2] = r
            out[y, x, 3] = p
            out[y, x, 4] = p * b
            out[y, x, 5] = p * g
            out[y, x, 6] = p * r
            out[y, x, 7] = b * b
            out[y, x, 8] = b * g
            out[y, x, 9] = b * r
            out[y, x, 10] = g * g
            out[y, x, 11] = g * r
            out[y, x, 12] = r * r


@njit(nogil=True, cache=True)
def solve_planes(means: FloatArray, epsilon: float, sure: float, out: FloatArray) -> None:
    """`out` (h, w, 4): a (3) and b of p ≈ a · I + b from the means (h, w, 13) of `fill_moments`.

    Where p is within `sure` of 0 or 1 all around, it is taken as it is: a is 0.
    """
    for y in range(means.shape[0]):
        for x in range(means.shape[1]):
            m = means[y, x]
            p = m[3]
            if p <= sure or p >= 1.0 - sure:
                out[y, x, 0] = 0.0
                out[y, x, 1] = 0.0
                out[y, x, 2] = 0.0
                out[y, x, 3] = p
                continue
            b, g, r = m[0], m[1], m[2]
            bb, bg, br = m[7] - b * b + epsilon, m[8] - b * g, m[9] - b * r
            gg, gr, rr = m[10] - g * g + epsilon, m[11] - g * r, m[12] - r * r + epsilon
            pb, pg, pr = m[4] - p * b, m[5] - p * g, m[6] - p * r
            # The inverse of a symmetric matrix by its cofactors.
            c00, c01, c02 = gg * rr - gr * gr, br * gr - bg * rr, bg * gr - br * gg
            c11, c12, c22 = bb * rr - br * br, br * bg - bb * gr, bb * gg - bg * bg
            whole = 1.0 / (bb * c00 + bg * c01 + br * c02)
            a0 = (c00 * pb + c01 * pg + c02 * pr) * whole
            a1 = (c01 * pb + c11 * pg + c12 * pr) * whole
            a2 = (c02 * pb + c12 * pg + c22 * pr) * whole
            out[y, x, 0] = a0
            out[y, x, 1] = a1
            out[y, x, 2] = a2
            out[y, x, 3] = p - a0 * b - a1 * g - a2 * r


@njit(nogil=True, cache=True)
def fill_alpha(planes: FloatArray, half: BgrFrame, low: float, high: float, trust: float, out: GrayFrame) -> None:
    """`out` (h, w): a · I + b, 0 up to `low` and 255 × trust from `high`, of planes (h, w, 4) and colours (h, w, 3)."""
    zero, scale, start, rounded = np.float32(0.0), np.float32(1.0 / 255.0), np.float32(low), np.float32(0.5)
    slope, most = np.float32(255.0 * trust / (high - low)), np.float32(255.0 * trust)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            a0, a1, a2, q = planes[y, x, 0], planes[y, x, 1], planes[y, x, 2], planes[y, x, 3]
            q += (a0 * half[y, x, 0] + a1 * half[y, x, 1] + a2 * half[y, x, 2]) * scale
            out[y, x] = np.uint8(min(max((q - start) * slope, zero), most) + rounded)


@njit(nogil=True, cache=True)
def move_mask(mask: GrayFrame, flow: FloatArray, out: GrayFrame) -> None:
    """`out` (h, w): `mask`, of any size, at the places that `flow` (fh, fw, 2) points to, px of its own size; bilinear.

    All three cover the same frame.
    """
    h, w = out.shape
    mh, mw = mask.shape
    fh, fw = flow.shape[:2]
    half, zero = np.float32(0.5), np.float32(0.0)
    for y in range(h):
        at = min(max((np.float32(y) + half) * np.float32(fh / h) - half, zero), np.float32(fh - 1))
        j = min(int(at), fh - 2)
        low = at - np.float32(j)
        for x in range(w):
            at = min(max((np.float32(x) + half) * np.float32(fw / w) - half, zero), np.float32(fw - 1))
            i = min(int(at), fw - 2)
            right = at - np.float32(i)
            a, b, c = (1 - low) * (1 - right), (1 - low) * right, low * (1 - right)
            d = low * right
            u = a * flow[j, i, 0] + b * flow[j, i + 1, 0] + c * flow[j + 1, i, 0] + d * flow[j + 1, i + 1, 0]
            v = a * flow[j, i, 1] + b * flow[j, i + 1, 1] + c * flow[j + 1, i, 1] + d * flow[j + 1, i + 1, 1]
            px = (np.float32(x) + half) * np.float32(mw / w) - half + u * np.float32(mw / fw)
            py = (np.float32(y) + half) * np.float32(mh / h) - half + v * np.float32(mh / fh)
            px = min(max(px, zero), np.float32(mw - 1))
            py = min(max(py, zero), np.float32(mh - 1))
            m, n = min(int(py), mh - 2), min(int(px), mw - 2)
            fy, fx = py - np.float32(m), px - np.float32(n)
            top = mask[m, n] * (1 - fx) + mask[m, n + 1] * fx
            bottom = mask[m + 1, n] * (1 - fx) + mask[m + 1, n + 1] * fx
            out[y, x] = np.uint8(top * (1 - fy) + bottom * fy + half)


@njit(nogil=True, cache=True)
def remember(mask: FloatArray, before: GrayFrame, memory: float, out: GrayFrame) -> None:
    """`out` (h, w): a mask of 0 to 1 as bytes; where it is uncertain, `memory` of it is what was expected before."""
    one, two, scale = np.float32(1.0), np.float32(2.0), np.float32(1.0 / 255.0)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            p = mask[y, x]
            p += (before[y, x] * scale - p) * (one - abs(two * p - one)) * np.float32(memory)
            out[y, x] = np.uint8(min(max(p, np.float32(0.0)), one) * np.float32(255.0) + np.float32(0.5))


@njit(nogil=True, cache=True)
def weigh_background(
    small: BgrFrame, mask: GrayFrame, steepness: float, bloom: float, trust: float, out: FloatArray
) -> None:
    """`out` (h, w, 4): colours × weight, and weight, of pixels (h, w, 3) that are surely background by `mask` (h, w).

    Highlights weigh up to 1 + `bloom` times as much, so that a lamp becomes a bright disc, as behind a lens.
    """
    scale, one = np.float32(1.0 / 255.0), np.float32(1.0)
    steep, glow = np.float32(steepness * trust / 255.0), np.float32(bloom)
    for y in range(small.shape[0]):
        for x in range(small.shape[1]):
            b, g, r = np.float32(small[y, x, 0]), np.float32(small[y, x, 1]), np.float32(small[y, x, 2])
            light = (np.float32(0.114) * b + np.float32(0.587) * g + np.float32(0.299) * r) * scale
            light *= light
            light *= light
            weight = max(one - steep * np.float32(mask[y, x]), np.float32(0.0)) * (one + glow * light * light)
            out[y, x, 0] = b * weight
            out[y, x, 1] = g * weight
            out[y, x, 2] = r * weight
            out[y, x, 3] = weight


@njit(nogil=True, cache=True)
def divide_sums(near: FloatArray, far: FloatArray, share: float, out: BgrFrame) -> None:
    """`out` (h, w, 3): weighted means of sums (h, w, 4); where nearly nothing is near, those of the `far` ones."""
    part, one, least, half = np.float32(share), np.float32(1.0), np.float32(1e-6), np.float32(0.5)
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            weight = one / (near[y, x, 3] + part * far[y, x, 3] + least)
            for c in range(3):
                value = (near[y, x, c] + part * far[y, x, c]) * weight + half
                out[y, x, c] = np.uint8(min(max(value, np.float32(0.0)), np.float32(255.0)))


@njit(nogil=True, cache=True)
def replace_behind(
    frame: BgrFrame, alpha: GrayFrame, behind: BgrFrame, room: BgrFrame, light: BgrFrame, trust: float
) -> None:
    """As `blend_behind`, with the person's colours taken from `light` (256, 3), and the room's out of the edges.

    `room` (h, w, 3), of any size: the background as it would be without the person. An edge pixel is a mixture of both:
    the person's share is C + (1 - α) / α × (C - room), and bounded, as both colours are estimates.
    """
    height, width = frame.shape[:2]
    rows, columns = room.shape[:2]
    share = int(np.int64(trust * 256.0 + 0.5))
    for y in range(height):
        row = y * rows // height
        for x in range(width):
            a = int(np.int64(alpha[y, x]))
            if a == 0:
                frame[y, x, 0] = behind[y, x, 0]
                frame[y, x, 1] = behind[y, x, 1]
                frame[y, x, 2] = behind[y, x, 2]
            elif a == 255 and share == 256:
                frame[y, x, 0] = light[frame[y, x, 0], 0]
                frame[y, x, 1] = light[frame[y, x, 1], 1]
                frame[y, x, 2] = light[frame[y, x, 2], 2]
            else:
                column = x * columns // width
                apart = 0
                for c in range(3):
                    apart += abs(int(np.int64(frame[y, x, c])) - int(np.int64(room[row, column, c])))
                if apart < _APART:
                    a = max(a * (apart * 65025 + (_APART - apart) * a * a) // (_APART * 65025), 1)
                seen = a * share // 256
                for c in range(3):
                    colour = int(np.int64(frame[y, x, c]))
                    away = min((255 - a) * 256 // a, 384) * (colour - int(np.int64(room[row, column, c]))) // 256
                    own = int(np.int64(light[min(max(colour + away, 0), 255), c]))
                    frame[y, x, c] = (own * seen + int(np.int64(behind[y, x, c])) * (255 - seen) + 127) // 255


@njit(nogil=True, cache=True)
def blend_behind(frame: BgrFrame, alpha: GrayFrame, behind: BgrFrame) -> None:
    """`frame` where `alpha` (H, W) is 255, `behind` (H, W, 3) where it is 0, both in between; in place."""
    for y in range(frame.shape[0]):
        for x in range(frame.shape[1]):
            a = int(np.int64(alpha[y, x]))
            if a == 255:
                continue
            if a == 0:
                frame[y, x, 0] = behind[y, x, 0]
                frame[y, x, 1] = behind[y, x, 1]
                frame[y, x, 2] = behind[y, x, 2]
            else:
                for c in range(3):
                    own, other = int(np.int64(frame[y, x, c])), int(np.int64(behind[y, x, c]))
                    frame[y, x, c] = (own * a + other * (255 - a) + 127) // 255
