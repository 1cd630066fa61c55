"""The inner loops of the appearance: the mesh to a map of the face, and what is drawn through that map.

Convention: `maps` (h, w, 4) float32 belong to the part of the frame whose top left pixel is `origin` (x, y): place in
the textures and regions (0 to 1 along x and y), how much of an effect there is, how deep lines are. Small arrays are at
1/`shrink` of that part's size; their pixels' middles are those of `cv2.INTER_AREA`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray

LEAST = 0.004
"""Less of an effect than this changes no pixel by a level, and is left out."""

EXP_SIZE, EXP_STEPS = 1024, 256.0
"""Of the table that `exp_tables` makes: entries, and entries per unit of log gain; the middle one is 0."""

_F = np.float32


def exp_tables() -> FloatArray:
    """(EXP_SIZE, 3) gain of blue, green and red by log gain, compressed at both ends.

    Light that reaches skin from aside comes through it, red most of all: its shade is warm and not grey.
    """
    gain = (np.arange(EXP_SIZE)[:, None] - EXP_SIZE // 2) / EXP_STEPS
    dark = np.exp(np.array([1.06, 0.95, 0.68]) * 0.9 * np.tanh(gain / 0.9))
    light = 1 + np.array([0.80, 0.83, 0.85]) * np.tanh(gain)
    return np.where(gain < 0, dark, light).astype(np.float32)


@njit(nogil=True, cache=True, fastmath=True)
def rasterise(
    placed: FloatArray, units: FloatArray, triangles: NDArray[np.int32], x0: int, y0: int, maps: FloatArray
) -> None:
    """Fill `maps` from the mesh: `placed` (n, 4) as `mapping.place_mesh` gives it, `units` (n, 2), `triangles` (m, 3).

    A triangle none of whose corners shows anything is left out; where two overlap, the one that shows more is seen.
    """
    height, width = maps.shape[:2]
    maps[:] = _F(0.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if placed[a, 2] + placed[b, 2] + placed[c, 2] <= 0.0:
            continue
        ax, ay = placed[a, 0] - x0, placed[a, 1] - y0
        bx, by = placed[b, 0] - x0, placed[b, 1] - y0
        cx, cy = placed[c, 0] - x0, placed[c, 1] - y0
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if abs(area) < 1e-6:
            continue
        inverse = _F(1.0 / area)
        first = max(0, math.ceil(min(ay, by, cy)))
        last = min(height - 1, math.floor(max(ay, by, cy)))
        # Weights of b and c change by these from a pixel to the next on its right.
        step_b = (cy - ay) * inverse
        step_c = (ay - by) * inverse
        for i in range(first, last + 1):
            y = _F(i)
            low, high = _F(1e9), _F(-1e9)
            for k in range(3):
                if k == 0:
                    px, py, qx, qy = ax, ay, bx, by
                elif k == 1:
                    px, py, qx, qy = bx, by, cx, cy
                else:
                    px, py, qx, qy = cx, cy, ax, ay
                if (py <= y <= qy) or (qy <= y <= py):
                    if py == qy:
                        low, high = min(low, px, qx), max(high, px, qx)
                    else:
                        x = px + (y - py) / (qy - py) * (qx - px)
                        low, high = min(low, x), max(high, x)
            start = max(0, math.ceil(low))
            end = min(width - 1, math.floor(high))
            wb = ((_F(start) - ax) * (cy - ay) - (cx - ax) * (y - ay)) * inverse
            wc = ((bx - ax) * (y - ay) - (_F(start) - ax) * (by - ay)) * inverse
            for j in range(start, end + 1):
                wa = _F(1.0) - wb - wc
                amount = wa * placed[a, 2] + wb * placed[b, 2] + wc * placed[c, 2]
                if amount > maps[i, j, 2]:
                    maps[i, j, 0] = wa * units[a, 0] + wb * units[b, 0] + wc * units[c, 0]
                    maps[i, j, 1] = wa * units[a, 1] + wb * units[b, 1] + wc * units[c, 1]
                    maps[i, j, 2] = amount
                    maps[i, j, 3] = wa * placed[a, 3] + wb * placed[b, 3] + wc * placed[c, 3]
                wb += step_b
                wc += step_c


@njit(nogil=True, cache=True, fastmath=True)
def shrunk(region: FloatArray, maps: FloatArray, shrink: int, out: FloatArray) -> None:
    """`out` (h, w) small: a region's weight times how much of an effect there is, in the middle of each small pixel."""
    rows, columns = region.shape
    for i in range(out.shape[0]):
        y = min(i * shrink + shrink // 2, maps.shape[0] - 1)
        for j in range(out.shape[1]):
            x = min(j * shrink + shrink // 2, maps.shape[1] - 1)
            amount = maps[y, x, 2]
            if amount <= LEAST:
                out[i, j] = _F(0.0)
                continue
            v = min(int(maps[y, x, 1] * rows), rows - 1)
            u = min(int(maps[y, x, 0] * columns), columns - 1)
            out[i, j] = region[v, u] * amount


@njit(nogil=True, cache=True, fastmath=True)
def blend_texture(
    frame: BgrFrame,
    origin: tuple[int, int],
    maps: FloatArray,
    skin: FloatArray,
    shrink: int,
    texture: NDArray[np.uint8],
    weights: FloatArray,
    gain: FloatArray,
) -> None:
    """Draw a person's texture on skin: (h, w, 4) uint8, with `weights` (4,) times what a step of each channel means.

    `gain` as `exp_tables` makes it. `skin` is small, 0 to 1. Lights weigh less on what is
    bright already: a highlight cannot become brighter.
    """
    height, width = maps.shape[:2]
    x0, y0 = origin
    rows, columns = texture.shape[0], texture.shape[1]
    small_rows, small_columns = skin.shape
    inverse = _F(1.0 / shrink)
    middle = EXP_SIZE // 2
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    for i in range(height):
        sy = min(max((_F(i) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(small_rows - 1.001))
        si = int(sy)
        sp = sy - _F(si)
        for j in range(width):
            amount = maps[i, j, 2]
            if amount <= LEAST:
                continue
            sx = min(max((_F(j) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(small_columns - 1.001))
            sj = int(sx)
            sq = sx - _F(sj)
            upper = skin[si, sj] * (_F(1.0) - sq) + skin[si, sj + 1] * sq
            lower = skin[si + 1, sj] * (_F(1.0) - sq) + skin[si + 1, sj + 1] * sq
            amount *= upper * (_F(1.0) - sp) + lower * sp
            if amount <= LEAST:
                continue
            u = min(max(maps[i, j, 0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            v = min(max(maps[i, j, 1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            tj, ti = int(u), int(v)
            q, p = u - _F(tj), v - _F(ti)
            w11 = p * q
            w10 = p - w11
            w01 = q - w11
            w00 = _F(1.0) - p - q + w11
            t0 = texture[ti, tj, 0] * w00 + texture[ti, tj + 1, 0] * w01
            t0 += texture[ti + 1, tj, 0] * w10 + texture[ti + 1, tj + 1, 0] * w11 - _F(128.0)
            t1 = texture[ti, tj, 1] * w00 + texture[ti, tj + 1, 1] * w01
            t1 += texture[ti + 1, tj, 1] * w10 + texture[ti + 1, tj + 1, 1] * w11 - _F(128.0)
            t2 = texture[ti, tj, 2] * w00 + texture[ti, tj + 1, 2] * w01
            t2 += texture[ti + 1, tj, 2] * w10 + texture[ti + 1, tj + 1, 2] * w11 - _F(128.0)
            t3 = texture[ti, tj, 3] * w00 + texture[ti, tj + 1, 3] * w01
            t3 += texture[ti + 1, tj, 3] * w10 + texture[ti + 1, tj + 1, 3] * w11

            y, x = y0 + i, x0 + j
            blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
            g = (t0 * w0 * maps[i, j, 3] + t1 * w1 + t2 * w2) * amount
            if g > 0.0:
                light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
                if light > 150.0:
                    g *= _F(1.0) - _F(0.75 / 90.0) * min(light - _F(150.0), _F(90.0))
            k = min(max(int(g * _F(EXP_STEPS) + _F(middle + 0.5)), 0), EXP_SIZE - 1)
            brown = min(t3 * w3 * amount, _F(1.0))
            blue *= gain[k, 0] * (_F(1.0) - _F(0.62) * brown)
            green *= gain[k, 1] * (_F(1.0) - _F(0.48) * brown)
            red *= gain[k, 2] * (_F(1.0) - _F(0.32) * brown)
            frame[y, x, 0] = np.uint8(min(blue + _F(0.5), _F(255.0)))
            frame[y, x, 1] = np.uint8(min(green + _F(0.5), _F(255.0)))
            frame[y, x, 2] = np.uint8(min(red + _F(0.5), _F(255.0)))
