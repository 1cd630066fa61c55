"""The inner loops that draw textures on skin.

Convention: small pictures and `maps` as in `livewarp.appearance.face_kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import LEAST
from livewarp.arrays import BgrFrame, FloatArray

GAIN_SIZE, GAIN_STEPS = 1024, 256.0
"""Of the table that `gain_table` makes: entries, and entries per unit of log gain; the middle one is 0."""

FULL = 8192.0
"""Of the joined texture: what stands for a log gain of 1, and for all the pigment there is."""

_F = np.float32
_ONE = np.uint32(1)


def gain_table() -> FloatArray:
    """(GAIN_SIZE, 3) gain of blue, green and red by log gain, compressed at both ends.

    Light that reaches skin from aside comes through it, red most of all: its shade is warm and not grey.
    """
    gain = (np.arange(GAIN_SIZE)[:, None] - GAIN_SIZE // 2) / GAIN_STEPS
    dark = np.exp(np.array([1.06, 0.95, 0.68]) * 0.9 * np.tanh(gain / 0.9))
    light = 1 + np.array([0.80, 0.83, 0.85]) * np.tanh(gain)
    return np.where(gain < 0, dark, light).astype(np.float32)


@njit(nogil=True, cache=True, fastmath=True)
def join_layers(texture: NDArray[np.uint8], weights: FloatArray, joined: NDArray[np.int16]) -> None:
    """A texture (h, w, 4), `weights` (4,) times what a step of each channel means, as (h, w, 2): log gain, pigment.

    Three channels add up to one gain, so that a frame takes two samples a pixel and not four.
    """
    full = _F(FULL)
    w0, w1, w2, w3 = weights[0] * full, weights[1] * full, weights[2] * full, weights[3] * full
    none = _F(128.0) * (w0 + w1 + w2)
    for i in range(texture.shape[0]):
        for j in range(texture.shape[1]):
            gain = texture[i, j, 0] * w0 + texture[i, j, 1] * w1 + texture[i, j, 2] * w2 - none
            joined[i, j, 0] = np.int16(min(max(gain, _F(-32000.0)), _F(32000.0)))
            joined[i, j, 1] = np.int16(min(texture[i, j, 3] * w3, full))


@njit(nogil=True, cache=True, fastmath=True)
def blend_texture(
    frame: BgrFrame,
    origin: tuple[int, int],
    shrink: int,
    maps: FloatArray,
    skin: FloatArray,
    joined: NDArray[np.int16],
    gain: FloatArray,
) -> None:
    """Draw a joined texture on `skin` (h, w), 0 to 1; `gain` as `gain_table` makes it.

    Lights weigh less on what is bright already: a highlight cannot become brighter.
    """
    height, width = skin.shape
    x0, y0 = origin
    rows, columns = joined.shape[0], joined.shape[1]
    nodes = np.empty((height, width, 4), np.float32)  # place in the texture, px; amount of pigment, of gain
    for i in range(height):
        for j in range(width):
            amount = maps[i, j, 2] * skin[i, j]
            amount = amount if amount > LEAST else _F(0.0)
            nodes[i, j, 0] = min(max(maps[i, j, 0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            nodes[i, j, 1] = min(max(maps[i, j, 1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            nodes[i, j, 2] = amount * _F(1.0 / FULL)
            nodes[i, j, 3] = amount * maps[i, j, 3] * _F(GAIN_STEPS / FULL)
    line = np.empty((width + 2, 4), np.float32)
    middle = _F(GAIN_SIZE // 2 + 0.5)
    inverse = _F(1.0 / shrink)
    first = _F(0.5) if shrink % 2 == 0 else _F(0.0)
    for y in range(y0, min(y0 + height * shrink, frame.shape[0])):
        place = min(max((_F(y - y0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(height - 1))
        above = int(place)
        below = min(above + 1, height - 1)
        share = place - _F(above)
        for j in range(width):
            for k in range(4):
                line[j + 1, k] = nodes[above, j, k] + share * (nodes[below, j, k] - nodes[above, j, k])
        line[0], line[width + 1] = line[1], line[width]
        for b in range(width + 1):
            if line[b, 2] + line[b + 1, 2] <= 0.0:
                continue
            start = x0 + (b - 1) * shrink + shrink // 2
            du, dv = (line[b + 1, 0] - line[b, 0]) * inverse, (line[b + 1, 1] - line[b, 1]) * inverse
            dp, dg = (line[b + 1, 2] - line[b, 2]) * inverse, (line[b + 1, 3] - line[b, 3]) * inverse
            u0, v0, p0, g0 = line[b, 0], line[b, 1], line[b, 2], line[b, 3]
            low, high = max(start, x0), min(start + shrink, x0 + width * shrink, frame.shape[1])
            for x in range(low, high):
                f = _F(x - start) + first
                u, v = u0 + f * du, v0 + f * dv
                tj, ti = np.uint32(u), np.uint32(v)  # unsigned: a negative index would cost a test for each sample
                q, p = u - _F(tj), v - _F(ti)
                w11 = p * q
                w10, w01 = p - w11, q - w11
                w00 = _F(1.0) - p - q + w11
                g = joined[ti, tj, 0] * w00 + joined[ti, tj + _ONE, 0] * w01
                g += joined[ti + _ONE, tj, 0] * w10 + joined[ti + _ONE, tj + _ONE, 0] * w11
                brown = joined[ti, tj, 1] * w00 + joined[ti, tj + _ONE, 1] * w01
                brown += joined[ti + _ONE, tj, 1] * w10 + joined[ti + _ONE, tj + _ONE, 1] * w11
                g *= g0 + f * dg
                brown *= p0 + f * dp
                blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
                if g > 0.0:
                    light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
                    g *= _F(1.0) - _F(0.75 / 90.0) * min(max(light - _F(150.0), _F(0.0)), _F(90.0))
                entry = np.uint32(min(max(g + middle, _F(0.0)), _F(GAIN_SIZE - 1)))
                blue *= gain[entry, 0] * (_F(1.0) - _F(0.62) * brown)
                green *= gain[entry, 1] * (_F(1.0) - _F(0.48) * brown)
                red *= gain[entry, 2] * (_F(1.0) - _F(0.32) * brown)
                frame[y, x, 0] = np.uint8(min(blue + _F(0.5), _F(255.0)))
                frame[y, x, 1] = np.uint8(min(green + _F(0.5), _F(255.0)))
                frame[y, x, 2] = np.uint8(min(red + _F(0.5), _F(255.0)))
