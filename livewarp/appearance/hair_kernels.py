"""The inner loops of hair: what its colour is around each pixel, and the change of every strand.

Each has a twin of plain loops in tests/naive_hair.py.

Convention: luminance is 0.114 B + 0.587 G + 0.299 R, levels; the other two numbers of a colour are B and R less that.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame

_F = np.float32


@njit(nogil=True, cache=True)
def weigh_sides(small: BgrFrame, hair: GrayFrame, out: FloatArray) -> None:
    """`out` (h, w, 4): luminance times how much hair, how much hair, and the same of what is none.

    `small` (h, w, 3) and `hair` (h, w).
    """
    for y in range(hair.shape[0]):
        for x in range(hair.shape[1]):
            light = _F(0.114) * small[y, x, 0] + _F(0.587) * small[y, x, 1] + _F(0.299) * small[y, x, 2]
            share = _F(hair[y, x]) * _F(1.0 / 255.0)
            share *= share  # edges are mixtures: they say little about either side
            rest = _F(1.0) - _F(hair[y, x]) * _F(1.0 / 255.0)
            rest *= rest
            out[y, x, 0] = light * share
            out[y, x, 1] = share
            out[y, x, 2] = light * rest
            out[y, x, 3] = rest


@njit(nogil=True, cache=True)
def settle_sides(means: FloatArray, out: FloatArray) -> None:
    """`out` (h, w, 3): luminance of hair and of what is none, and how near an edge is, of means of `weigh_sides`."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x, 0] = means[y, x, 0] / (means[y, x, 1] + _F(1e-4))
            out[y, x, 1] = means[y, x, 2] / (means[y, x, 3] + _F(1e-4))
            out[y, x, 2] = min(means[y, x, 3] * _F(4.0), _F(1.0))


@njit(nogil=True, cache=True, fastmath=True)
def dye(
    frame: BgrFrame,
    origin: tuple[int, int],
    hair: GrayFrame,
    sides: FloatArray,
    table: FloatArray,
    own: FloatArray,
    grey: float,
    to_face: FloatArray,
    amount: float,
) -> None:
    """Change the colour of hair, in place.

    `origin` is the corner of `hair` (h, w), which has half the frame's size, px of the frame. `sides` (h2, w2, 3), of
    any size: as of `settle_sides`. `table` (256, 6), by luminance: luminance and both others of dyed hair, then of
    grey hair. `own` (3): both others of this hair's middle colour, and what share of how strands differ from it stays.
    `grey`, 0 to 1: how much of it turns grey, the temples first; `to_face` (2, 3): from px of the frame to face axes.
    `amount`: 0 to 1, of all.
    """
    rows, columns = hair.shape
    x0, y0 = origin
    sh, sw = sides.shape[0], sides.shape[1]
    one, zero, half = _F(1.0), _F(0.0), _F(0.5)
    most, some_grey = _F(amount), _F(grey)
    own_u, own_v, own_kept = own[0], own[1], own[2]
    line = np.empty(columns + 1, np.float32)  # of the mask, 0 to 1
    around = np.empty((sw + 1, 3), np.float32)  # of the sides
    step = _F(sw / (2.0 * columns))
    for y in range(2 * rows):
        place = min(max(_F(y) * half - _F(0.25), zero), _F(rows - 1))
        i = min(int(place), rows - 2)
        low = place - _F(i)
        any_hair = False
        for j in range(columns):
            upper, lower = _F(hair[i, j]), _F(hair[i + 1, j])
            line[j] = (upper + low * (lower - upper)) * _F(1.0 / 255.0)
            any_hair |= line[j] > zero
        if not any_hair:
            continue
        line[columns] = line[columns - 1]
        at = min(max((_F(y) + half) * _F(sh / (2.0 * rows)) - half, zero), _F(sh - 1))
        si = min(int(at), sh - 2)
        slow = at - _F(si)
        for j in range(sw):
            for c in range(3):
                around[j, c] = sides[si, j, c] + slow * (sides[si + 1, j, c] - sides[si, j, c])
        around[sw] = around[sw - 1]
        across_y = to_face[0, 1] * _F(y0 + y) + to_face[0, 2]
        down_y = to_face[1, 1] * _F(y0 + y) + to_face[1, 2]
        for x in range(2 * columns):
            place = max(_F(x) * half - _F(0.25), zero)
            j = int(place)
            share = line[j] + (place - _F(j)) * (line[j + 1] - line[j])
            if share <= _F(0.004):
                continue
            at = max((_F(x) + half) * step - half, zero)
            sj = int(at)
            right = at - _F(sj)
            mine = around[sj, 0] + right * (around[sj + 1, 0] - around[sj, 0])
            edge = around[sj, 2] + right * (around[sj + 1, 2] - around[sj, 2])
            blue, green, red = _F(frame[y0 + y, x0 + x, 0]), _F(frame[y0 + y, x0 + x, 1]), _F(frame[y0 + y, x0 + x, 2])
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            strand = one
            if edge > zero:
                # Near an edge, where one side is lighter than the other, luminance itself tells how much is hair.
                theirs = around[sj, 1] + right * (around[sj + 1, 1] - around[sj, 1])
                apart = theirs - mine
                if abs(apart) > _F(16.0):
                    told = min(max((theirs - light) / apart, zero), one)
                    sure = min((abs(apart) - _F(16.0)) * _F(1.0 / 48.0), one) * edge
                    share -= sure * max(share - told, zero)
                strand = share + (one - edge) * (one - share)
            # What a mixed pixel has of hair is the hair around it.
            light_hair = mine + strand * (light - mine)
            level = min(max(light_hair, zero), _F(254.99))
            k = int(level)
            t = level - _F(k)
            new = table[k, 0] + t * (table[k + 1, 0] - table[k, 0])
            du = table[k, 1] + t * (table[k + 1, 1] - table[k, 1])
            dv = table[k, 2] + t * (table[k + 1, 2] - table[k, 2])
            kept = own_kept
            if some_grey > zero:
                across = abs(to_face[0, 0] * _F(x0 + x) + across_y)
                down = to_face[1, 0] * _F(x0 + x) + down_y
                temple = min(max(_F(2.0) * across - _F(0.9), zero), one)
                temple *= min(max(_F(1.2) - abs(down + _F(0.1)), zero), one)
                g = some_grey * (_F(0.75) + _F(0.25) * some_grey + _F(0.6) * temple * (one - some_grey))
                # Salt and pepper: strands that catch the light turn first.
                lit = min(max((light_hair + _F(4.0)) / (mine + _F(4.0)) - _F(0.55), zero), one)
                lit += edge * (_F(0.45) - lit)  # but there it may be skin that is light
                g = min(max(g * _F(1.7) - (one - lit) * _F(0.7), zero), one)
                new += g * (table[k, 3] + t * (table[k + 1, 3] - table[k, 3]) - new)
                du += g * (table[k, 4] - du)
                dv += g * (table[k, 5] - dv)
                kept *= one - g
            share *= most
            u, v = blue - light, red - light
            u_off, v_off = strand * (u - own_u), strand * (v - own_v)
            # What is added is what the hair's own share of the pixel changes by.
            light_new = light + share * (new - light_hair)
            u += share * (du + kept * u_off - own_u - u_off)
            v += share * (dv + kept * v_off - own_v - v_off)
            blue = light_new + u
            red = light_new + v
            green = light_new - (_F(0.114) * u + _F(0.299) * v) * _F(1.0 / 0.587)
            frame[y0 + y, x0 + x, 0] = np.uint8(min(max(blue + half, zero), _F(255.0)))
            frame[y0 + y, x0 + x, 1] = np.uint8(min(max(green + half, zero), _F(255.0)))
            frame[y0 + y, x0 + x, 2] = np.uint8(min(max(red + half, zero), _F(255.0)))
