"""Compiled loops of masks: the guided filter's sums and values, and how a mask is moved and remembered.

Each has a twin of plain loops in tests/naive_background.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame

_FLAT = 1e-3  # of a plane's slope: what colours change is less than a level
_NOBODY, _WHOLE, _MIXED = 0, 1, 2  # what planes say of every colour


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
def fill_alpha(
    planes: FloatArray, half: BgrFrame, low: float, high: float, trust: float, flat: GrayFrame, out: GrayFrame
) -> None:
    """`out` (h, w) or wider: a · I + b, 0 up to `low` and 255 × trust from `high`, of colours I: `half` (h, w, 3).

    The planes (ph, pw, 4), a and b, cover the same picture and are bilinear; `flat` (ph, pw) is scratch.
    """
    zero, scale, start, rounded = np.float32(0.0), np.float32(1.0 / 255.0), np.float32(low), np.float32(0.5)
    slope, most = np.float32(255.0 * trust / (high - low)), np.float32(255.0 * trust)
    rows, columns = flat.shape
    for j in range(rows):
        for i in range(columns):
            q = planes[j, i, 3]
            steep = abs(planes[j, i, 0]) + abs(planes[j, i, 1]) + abs(planes[j, i, 2]) > _FLAT
            flat[j, i] = _MIXED if steep or low < q < high else _NOBODY if q <= low else _WHOLE
    whole = np.uint8(most + rounded)
    height, width = half.shape[:2]
    row = np.empty(4 * columns, np.float32)  # of planes, between two
    for y in range(height):
        at = min(max((np.float32(y) + rounded) * np.float32(rows / height) - rounded, zero), np.float32(rows - 1))
        j = min(int(at), rows - 2)
        v = at - np.float32(j)
        above, below = planes[j].reshape(4 * columns), planes[j + 1].reshape(4 * columns)
        for i in range(4 * columns):
            row[i] = above[i] + (below[i] - above[i]) * v
        end = 0
        for i in range(columns - 1):
            begin = end
            end = width if i == columns - 2 else int(np.ceil((i + 1.5) * width / columns - 0.5))
            kind = flat[j, i]
            if kind != _MIXED and kind == flat[j, i + 1] and kind == flat[j + 1, i] and kind == flat[j + 1, i + 1]:
                for x in range(begin, end):
                    out[y, x] = whole if kind == _WHOLE else np.uint8(0)
                continue
            a = row[4 * i : 4 * i + 8]
            for x in range(begin, end):
                at = (np.float32(x) + rounded) * np.float32(columns / width) - rounded
                u = min(max(at, zero), np.float32(columns - 1)) - np.float32(i)
                q = (a[0] + (a[4] - a[0]) * u) * half[y, x, 0]
                q += (a[1] + (a[5] - a[1]) * u) * half[y, x, 1]
                q += (a[2] + (a[6] - a[2]) * u) * half[y, x, 2]
                q = q * scale + a[3] + (a[7] - a[3]) * u
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
