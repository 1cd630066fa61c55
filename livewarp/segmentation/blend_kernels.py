"""Compiled loops of what stands behind people: what enters the blur, discs of light, and the blending of pixels.

Each has a twin of plain loops in tests/naive_background.py. Whoever is certainly a person, or certainly none, is dealt
with in runs of whole words: most of a frame is.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame

_APART = 48  # grey levels of three channels together: less, and an uncertain pixel looks as the room does
WORD = 8  # bytes of an alpha that are compared at once
_FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_BYTE, _LAST = np.uint64(0xFF), np.uint64(56)
_NONE, _SOME, _ALL = 0, 1, 2

Words = NDArray[np.uint64]


@njit(nogil=True, cache=True)
def weigh_background(
    small: BgrFrame, mask: GrayFrame, steepness: float, bloom: float, trust: float, out: FloatArray
) -> None:
    """`out` (h, w, 4): sums of colours × weight, and of weight, of `small` where it is background by `mask` (h, w).

    What is as bright as it can be weighs up to 1 + `bloom` times as much, so that a lamp becomes a bright disc.
    """
    scale, one = np.float32(1.0 / 255.0), np.float32(1.0)
    steep, glow = np.float32(steepness * trust / 255.0), np.float32(bloom)
    (height, width), (rows, columns) = mask.shape, small.shape[:2]
    for y in range(height):
        top, bottom = y * rows // height, max((y + 1) * rows // height, y * rows // height + 1)
        for x in range(width):
            left, right = x * columns // width, max((x + 1) * columns // width, x * columns // width + 1)
            seen = max(one - steep * np.float32(mask[y, x]), np.float32(0.0))
            b = g = r = total = np.float32(0.0)
            for v in range(top, bottom):
                for u in range(left, right):
                    light = np.float32(max(small[v, u, 0], small[v, u, 1], small[v, u, 2])) * scale
                    light *= light
                    light *= light
                    light *= light
                    weight = seen * (one + glow * light * light)
                    b += np.float32(small[v, u, 0]) * weight
                    g += np.float32(small[v, u, 1]) * weight
                    r += np.float32(small[v, u, 2]) * weight
                    total += weight
            out[y, x, 0], out[y, x, 1], out[y, x, 2], out[y, x, 3] = b, g, r, total


@njit(nogil=True, cache=True)
def blur_discs(weighed: FloatArray, radius: float, sums: FloatArray, out: FloatArray) -> None:
    """`out` (h, w, 4): the sums of `weighed` (h, w, 4) over discs of any radius, px; nothing is outside.

    `sums` is scratch, (h, 4 (w + 2 (⌊radius⌋ + 2))) at least.
    """
    height, width = weighed.shape[:2]
    whole, length = int(radius), 4 * width
    pad = whole + 2
    for y in range(height):
        row = sums[y]
        s0 = s1 = s2 = s3 = np.float32(0.0)
        row[: 4 * pad] = s0
        k = 4 * pad
        for x in range(width + pad):
            if x < width:
                s0 += weighed[y, x, 0]
                s1 += weighed[y, x, 1]
                s2 += weighed[y, x, 2]
                s3 += weighed[y, x, 3]
            row[k], row[k + 1], row[k + 2], row[k + 3] = s0, s1, s2, s3
            k += 4
    for y in range(height):
        result = out[y].reshape(length)
        result[:] = np.float32(0.0)
        for d in range(max(-whole, -y), min(whole, height - 1 - y) + 1):
            reach = np.sqrt(max(radius * radius - d * d, 0.0))
            m = int(max(reach - 0.5, 0.0))  # so many whole pixels to each side, and a part of the next
            more = np.float32(max(reach - 0.5 - m, 0.0))
            less = np.float32(min(2.0 * reach, 1.0)) - more
            row = sums[y + d]
            # Slices, without which LLVM does not vectorise: ten times as long.
            right, farther = row[4 * (pad + m) :][:length], row[4 * (pad + m + 1) :][:length]
            left, before = row[4 * (pad - m - 1) :][:length], row[4 * (pad - m - 2) :][:length]
            for x in range(length):
                result[x] += less * (right[x] - left[x]) + more * (farther[x] - before[x])


@njit(nogil=True, cache=True, forceinline=True)
def lit(level: np.float32, light: np.float32) -> np.float32:
    """A level, 0 to 255, in another light, to be cut off: black stays black, white white, and most is in the middle."""
    return level + light * level * (np.float32(1.0) - level * level * np.float32(1.0 / 65025.0)) + np.float32(0.5)


@njit(nogil=True, cache=True)
def divide_sums(near: FloatArray, far: FloatArray, share: float, out: FloatArray) -> None:
    """`out` (h, w, 3), 0 to 255: weighted means of sums (h, w, 4); where nearly nothing is near, of the `far` ones."""
    part, one, least, most = np.float32(share), np.float32(1.0), np.float32(1e-6), np.float32(255.0)
    for y in range(near.shape[0]):
        for x in range(near.shape[1]):
            weight = one / (near[y, x, 3] + part * far[y, x, 3] + least)
            for c in range(3):
                value = (near[y, x, c] + part * far[y, x, c]) * weight
                out[y, x, c] = min(max(value, np.float32(0.0)), most)


@njit(nogil=True, cache=True)
def _mark(words: Words, k: int, together: Words, common: Words, out: GrayFrame) -> None:
    """`out` (words,): what each word of row k of an alpha and all pixels around it say: `_NONE`, `_ALL` or `_SOME`.

    `together` and `common` (words,) are scratch.
    """
    above, own, below = words[max(k - 1, 0)], words[k], words[min(k + 1, words.shape[0] - 1)]
    for i in range(own.size):
        together[i] = above[i] | own[i] | below[i]
        common[i] = above[i] & own[i] & below[i]
    last = own.size - 1
    for i in range(own.size):  # the first pixel of a word is its lowest byte
        left, right = max(i - 1, 0), min(i + 1, last)
        beside = (together[left] >> _LAST) if i else np.uint64(0)
        beside |= (together[right] & _BYTE) if i < last else np.uint64(0)
        shared = (common[left] >> _LAST) if i else _BYTE
        shared &= (common[right] & _BYTE) if i < last else _BYTE
        if together[i] | beside == np.uint64(0):
            out[i] = _NONE
        else:
            out[i] = _ALL if common[i] == _FULL and shared == _BYTE else _SOME


@njit(nogil=True, cache=True)
def _alpha_at(alpha: GrayFrame, width: int, k: int, other: int, x: int) -> int:
    """A half-size alpha at a pixel of the frame: bilinear between row k, which is nearer, and another."""
    i = min(x // 2, width - 1)
    beside = min(max(x // 2 - 1 + 2 * (x & 1), 0), width - 1)
    near = 3 * int(np.int64(alpha[k, i])) + int(np.int64(alpha[k, beside]))
    return (3 * near + 3 * int(np.int64(alpha[other, i])) + int(np.int64(alpha[other, beside])) + 8) >> 4


@njit(nogil=True, cache=True)
def blend_blurred(frame: GrayFrame, alpha: GrayFrame, words: Words, half_width: int, columns: FloatArray) -> None:
    """`frame` where the alpha is 255, the background where it is 0, both in between; in place.

    `frame` (H, 3W): B, G and R of each pixel. `alpha` (h, w): of every second pixel and `half_width` wide, what is
    beyond is 128; `words`: the same memory. `columns` (rows, 3W): the background, of which the rows are bilinear.
    """
    height, length = frame.shape
    rows, count, last = columns.shape[0], words.shape[1], alpha.shape[0] - 1
    one, half = np.float32(1.0), np.float32(0.5)
    together, common = np.empty(count, np.uint64), np.empty(count, np.uint64)
    kinds = np.empty(count, np.uint8)
    for k in range(last + 1):
        _mark(words, k, together, common, kinds)
        for y in range(2 * k, height if k == last else 2 * k + 2):
            other = min(max(y // 2 - 1 + 2 * (y & 1), 0), last)
            at = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
            j = min(int(at), rows - 2)
            v = np.float32(at - j)
            w = one - v
            above, below = columns[j], columns[j + 1]
            end = 0
            while end < count:
                begin, kind = end, kinds[end]
                while end < count and kinds[end] == kind:
                    end += 1
                if kind == _ALL:
                    continue
                begin, stop = 6 * WORD * begin, length if end == count else 6 * WORD * end
                own, first, second = frame[y, begin:stop], above[begin:stop], below[begin:stop]
                if kind == _NONE:
                    for x in range(stop - begin):
                        own[x] = np.uint8(np.int32(first[x] * w + second[x] * v + half))
                    continue
                for x in range((stop - begin) // 3):
                    a = _alpha_at(alpha, half_width, k, other, begin // 3 + x)
                    if a == 255:
                        continue
                    for c in range(3 * x, 3 * x + 3):
                        there = int(first[c] * w + second[c] * v + half)
                        if a == 0:
                            own[c] = there
                            continue
                        own[c] = (int(np.int64(own[c])) * a + there * (255 - a) + 127) // 255


@njit(nogil=True, cache=True)
def replace_behind(
    frame: GrayFrame,
    alpha: GrayFrame,
    words: Words,
    half_width: int,
    behind: GrayFrame,
    room: BgrFrame,
    light: FloatArray,
    trust: float,
) -> None:
    """As `blend_blurred`, before `behind` (H, 3W), with the light on the person changed: `light` (3,), see `lit`.

    The room is taken out of the edges. `room` (h, w, 3), of any size: the background as it would be without the person.
    An edge pixel is a mixture of both: the person's share is C + (1 - α) / α × (C - room), and bounded, as both colours
    are estimates.
    """
    height, length = frame.shape
    width, count, last = length // 3, words.shape[1], alpha.shape[0] - 1
    rows, columns = room.shape[:2]
    share = int(np.int64(trust * 256.0 + 0.5))
    is_lit = light[0] != 0 or light[1] != 0 or light[2] != 0
    lights = np.empty(length, np.float32)
    for x in range(length):
        lights[x] = light[x % 3]
    together, common = np.empty(count, np.uint64), np.empty(count, np.uint64)
    kinds = np.empty(count, np.uint8)
    for k in range(last + 1):
        _mark(words, k, together, common, kinds)
        for y in range(2 * k, height if k == last else 2 * k + 2):
            other = min(max(y // 2 - 1 + 2 * (y & 1), 0), last)
            row = y * rows // height
            end = 0
            while end < count:
                begin, kind = end, kinds[end]
                while end < count and kinds[end] == kind:
                    end += 1
                begin, stop = 6 * WORD * begin, length if end == count else 6 * WORD * end
                own, there, more = frame[y, begin:stop], behind[y, begin:stop], lights[begin:stop]
                if kind == _NONE:
                    for x in range(stop - begin):
                        own[x] = there[x]
                    continue
                if kind == _ALL and share == 256:
                    if is_lit:
                        for x in range(stop - begin):
                            own[x] = np.uint8(np.int32(lit(np.float32(own[x]), more[x])))
                    continue
                for x in range((stop - begin) // 3):
                    a = _alpha_at(alpha, half_width, k, other, begin // 3 + x)
                    if a == 0:
                        for c in range(3 * x, 3 * x + 3):
                            own[c] = there[c]
                        continue
                    column = (begin // 3 + x) * columns // width
                    if a < 255 or share < 256:
                        apart = 0
                        for c in range(3):
                            apart += abs(int(np.int64(own[3 * x + c])) - int(np.int64(room[row, column, c])))
                        if apart < _APART:
                            a = max(a * (apart * 65025 + (_APART - apart) * a * a) // (_APART * 65025), 1)
                    seen = a * share // 256
                    for c in range(3):
                        colour = int(np.int64(own[3 * x + c]))
                        if a < 255:
                            away = colour - int(np.int64(room[row, column, c]))
                            colour = min(max(colour + min((255 - a) * 256 // a, 384) * away // 256, 0), 255)
                        mine = int(lit(np.float32(colour), more[3 * x + c]))
                        own[3 * x + c] = (mine * seen + int(np.int64(there[3 * x + c])) * (255 - seen) + 127) // 255
