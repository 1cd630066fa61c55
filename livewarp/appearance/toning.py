"""The inner loop of smoothing and tones: detail, blotches, light and colour of regions, in one pass over the face.

Convention: as in `livewarp.appearance.face_kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from livewarp.appearance.face_kernels import LEAST
from livewarp.arrays import BgrFrame, FloatArray

FINE, BROAD, LIFT, LIGHT, COLOUR, WARM = range(6)
"""Columns of the coefficients of skin."""

ALL_LIGHT, ALL_COLOUR, DARK_LIGHT, DARK_COLOUR, WHITE_LIGHT, WHITE_COLOUR = range(6)
"""Columns of the coefficients of what is not skin, by what is picked; see `regions.Pick`."""

_F = np.float32


@njit(nogil=True, cache=True, fastmath=True)
def tone_skin(
    frame: BgrFrame, origin: tuple[int, int], maps: FloatArray, small: FloatArray, shrink: int, coefficients: FloatArray
) -> None:
    """Smooth and tone the skin.

    `small` (h, w, 8): the near mean of blue, green, red, the broad mean of the three, what detail is an edge (0 to 1),
    and the weight of skin. `coefficients` (rows, columns, 6) in face axes, as FINE to WARM name them.
    """
    height, width = maps.shape[:2]
    x0, y0 = origin
    rows, columns = coefficients.shape[0], coefficients.shape[1]
    small_rows, small_columns = small.shape[0], small.shape[1]
    inverse = _F(1.0 / shrink)
    c = np.empty(6, np.float32)
    s = np.empty(8, np.float32)
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
            s11 = sp * sq
            s10 = sp - s11
            s01 = sq - s11
            s00 = _F(1.0) - sp - sq + s11
            skin = small[si, sj, 7] * s00 + small[si, sj + 1, 7] * s01
            skin += small[si + 1, sj, 7] * s10 + small[si + 1, sj + 1, 7] * s11
            amount *= skin
            if amount <= LEAST:
                continue
            u = min(max(maps[i, j, 0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            v = min(max(maps[i, j, 1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            tj, ti = int(u), int(v)
            q, p = u - _F(tj), v - _F(ti)
            w11 = p * q * amount
            w10 = p * amount - w11
            w01 = q * amount - w11
            w00 = amount - p * amount - q * amount + w11
            any_ = _F(0.0)
            for k in range(6):
                c[k] = coefficients[ti, tj, k] * w00 + coefficients[ti, tj + 1, k] * w01
                c[k] += coefficients[ti + 1, tj, k] * w10 + coefficients[ti + 1, tj + 1, k] * w11
                any_ += abs(c[k])
            if any_ <= _F(0.002):
                continue
            for k in range(7):
                s[k] = small[si, sj, k] * s00 + small[si, sj + 1, k] * s01
                s[k] += small[si + 1, sj, k] * s10 + small[si + 1, sj + 1, k] * s11
            y, x = y0 + i, x0 + j
            blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
            fine = min(c[FINE], _F(0.9)) * (_F(1.0) - s[6])
            near = _F(0.114) * s[0] + _F(0.587) * s[1] + _F(0.299) * s[2]
            broad = _F(0.114) * s[3] + _F(0.587) * s[4] + _F(0.299) * s[5]
            shift = min(c[BROAD], _F(0.9))
            if broad > near:
                shift = min(shift + c[LIFT], _F(0.95))
            # Far from the broad mean it is a feature or a shadow, not a blotch.
            far = abs(broad - near) / (_F(0.22) * broad + _F(6.0))
            shift *= max(_F(0.0), _F(1.0) - _F(0.5) * far * far)
            blue += fine * (s[0] - blue) + shift * (s[3] - s[0])
            green += fine * (s[1] - green) + shift * (s[4] - s[1])
            red += fine * (s[2] - red) + shift * (s[5] - s[2])
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            g = c[LIGHT]
            if g > 0.0:
                g *= max(_F(0.0), _F(1.0) - (light / _F(255.0)) ** 2)
            g = _F(1.0) + g + _F(0.5) * g * g
            more = _F(1.0) + c[COLOUR]
            warm = c[WARM] * min(max(light * _F(1.0 / 140.0), _F(0.45)), _F(1.0))  # dark skin takes less red
            blue = (light + (blue - light) * more) * g * (_F(1.0) - _F(0.25) * warm)
            green = (light + (green - light) * more) * g * (_F(1.0) - _F(0.45) * warm)
            red = (light + (red - light) * more) * g * (_F(1.0) + warm)
            frame[y, x, 0] = np.uint8(min(max(blue + _F(0.5), _F(0.0)), _F(255.0)))
            frame[y, x, 1] = np.uint8(min(max(green + _F(0.5), _F(0.0)), _F(255.0)))
            frame[y, x, 2] = np.uint8(min(max(red + _F(0.5), _F(0.0)), _F(255.0)))


@njit(nogil=True, cache=True, fastmath=True)
def tone_parts(
    frame: BgrFrame, origin: tuple[int, int], maps: FloatArray, broad: FloatArray, coefficients: FloatArray
) -> None:
    """Tone lips, brows, eyes and teeth.

    `broad` (3,): the mean colour of this face's skin, levels, that brows are darker than. `coefficients` (rows,
    columns, 6) in face axes, as ALL_LIGHT to WHITE_COLOUR name them.
    """
    height, width = maps.shape[:2]
    x0, y0 = origin
    rows, columns = coefficients.shape[0], coefficients.shape[1]
    skin = _F(0.114) * broad[0] + _F(0.587) * broad[1] + _F(0.299) * broad[2] + _F(1.0)
    c = np.empty(6, np.float32)
    for i in range(height):
        for j in range(width):
            amount = maps[i, j, 2]
            if amount <= LEAST:
                continue
            u = min(max(maps[i, j, 0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            v = min(max(maps[i, j, 1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            tj, ti = int(u), int(v)
            q, p = u - _F(tj), v - _F(ti)
            w11 = p * q * amount
            w10 = p * amount - w11
            w01 = q * amount - w11
            w00 = amount - p * amount - q * amount + w11
            any_ = _F(0.0)
            for k in range(6):
                c[k] = coefficients[ti, tj, k] * w00 + coefficients[ti, tj + 1, k] * w01
                c[k] += coefficients[ti + 1, tj, k] * w10 + coefficients[ti + 1, tj + 1, k] * w11
                any_ += abs(c[k])
            if any_ <= _F(0.002):
                continue
            y, x = y0 + i, x0 + j
            blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            most, least = max(blue, green, red), min(blue, green, red)
            dark = min(max((_F(0.92) * skin - light) / (_F(0.35) * skin), _F(0.0)), _F(1.0))
            white = min(max((light / skin - _F(0.30)) * _F(2.5), _F(0.0)), _F(1.0))
            white *= min(max((_F(0.62) - (most - least) / (most + _F(1.0))) * _F(3.0), _F(0.0)), _F(1.0))
            g = c[ALL_LIGHT] + dark * c[DARK_LIGHT] + white * c[WHITE_LIGHT] * (_F(1.0) - (light / _F(255.0)) ** 2)
            g = _F(1.0) + g + _F(0.5) * g * g
            more = max(_F(0.0), _F(1.0) + c[ALL_COLOUR] + dark * c[DARK_COLOUR] + white * c[WHITE_COLOUR])
            blue = (light + (blue - light) * more) * g
            green = (light + (green - light) * more) * g
            red = (light + (red - light) * more) * g
            frame[y, x, 0] = np.uint8(min(max(blue + _F(0.5), _F(0.0)), _F(255.0)))
            frame[y, x, 1] = np.uint8(min(max(green + _F(0.5), _F(0.0)), _F(255.0)))
            frame[y, x, 2] = np.uint8(min(max(red + _F(0.5), _F(0.0)), _F(255.0)))
