"""The inner loops of smoothing and tones: detail, blotches, light and colour of regions.

What is done to skin is smooth from pixel to pixel, so it is worked out on the small picture, as a straight line for
each channel, and the frame is passed once. Lips, eyes and teeth have edges: they are worked out pixel by pixel.

Convention: small pictures and `maps` as in `livewarp.appearance.face_kernels`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import LEAST
from livewarp.arrays import BgrFrame, FloatArray

FINE, BROAD, LIFT, LIGHT, COLOUR, WARM = range(6)
"""Columns of the coefficients of skin."""

ALL_LIGHT, ALL_COLOUR, DARK_LIGHT, DARK_COLOUR, WHITE_LIGHT, WHITE_COLOUR = range(6)
"""Columns of the coefficients of what is not skin, by what is picked; see `regions.Pick`."""

_F = np.float32


@njit(nogil=True, cache=True, fastmath=True)
def line_up(
    maps: FloatArray,
    skin: FloatArray,
    near: FloatArray,
    broad: FloatArray,
    moments: FloatArray,
    edge_spread: float,
    coefficients: FloatArray,
    lines: FloatArray,
) -> None:
    """What smoothing and tones do to each small pixel's surroundings, as `lines` (h, w, 8).

    A channel c becomes lines[c] * (itself + lines[3] * luminance) + lines[4 + c]; lines[7] is 1 where that is
    anything. `near` (h, w, 3) is the mean that detail is measured against, `broad` (h, w, 4) the sum of skin's
    colours around and of its weights, `moments` (h, w, 2) the means of luminance and of its square: detail that
    spreads by `edge_spread` of the luminance and more is an edge. `coefficients` (rows, columns, 6) are in face axes.
    """
    height, width = skin.shape
    rows, columns = coefficients.shape[0], coefficients.shape[1]
    c = np.empty(6, np.float32)
    for i in range(height):
        for j in range(width):
            for k in range(8):
                lines[i, j, k] = _F(1.0) if k < 3 else _F(0.0)
            amount = maps[i, j, 2] * skin[i, j]
            if amount <= LEAST:
                continue
            u = min(max(maps[i, j, 0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            v = min(max(maps[i, j, 1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            tj, ti = int(u), int(v)
            q, p = u - _F(tj), v - _F(ti)
            w11 = p * q * amount
            w10, w01 = p * amount - w11, q * amount - w11
            w00 = amount - p * amount - q * amount + w11
            most = _F(0.0)
            for k in range(6):
                c[k] = coefficients[ti, tj, k] * w00 + coefficients[ti, tj + 1, k] * w01
                c[k] += coefficients[ti + 1, tj, k] * w10 + coefficients[ti + 1, tj + 1, k] * w11
                most = max(most, abs(c[k]))
            if most <= _F(0.002):
                continue
            mean, square = moments[i, j, 0], moments[i, j, 1]
            spread = max(square - mean * mean, _F(0.0))
            least = _F(edge_spread) * mean + _F(2.0)
            fine = min(c[FINE], _F(0.9)) * (_F(1.0) - spread / (spread + least * least))
            weight = _F(1.0) / (broad[i, j, 3] + _F(1e-6))
            near_light = _F(0.114) * near[i, j, 0] + _F(0.587) * near[i, j, 1] + _F(0.299) * near[i, j, 2]
            broad_light = _F(0.114) * broad[i, j, 0] + _F(0.587) * broad[i, j, 1] + _F(0.299) * broad[i, j, 2]
            broad_light *= weight
            shift = min(c[BROAD], _F(0.9))
            if broad_light > near_light:
                shift = min(shift + c[LIFT], _F(0.95))
            # Far from the broad mean it is a feature or a shadow, not a blotch.
            far = abs(broad_light - near_light) / (_F(0.22) * broad_light + _F(6.0))
            shift *= max(_F(0.0), _F(1.0) - _F(0.5) * far * far)
            light = near_light + shift * (broad_light - near_light)
            g = c[LIGHT]
            if g > 0.0:
                g *= max(_F(0.0), _F(1.0) - (light / _F(255.0)) ** 2)
            g = _F(1.0) + g + _F(0.5) * g * g
            more = max(_F(1.0) + c[COLOUR], _F(0.05))
            warm = c[WARM] * min(max(light * _F(1.0 / 140.0), _F(0.45)), _F(1.0))  # dark skin takes less red
            light_moved = fine * near_light + shift * (broad_light - near_light)
            for k in range(3):
                tint = _F(-0.25) if k == 0 else _F(-0.45) if k == 1 else _F(1.0)
                gain = g * (_F(1.0) + tint * warm)
                moved = fine * near[i, j, k] + shift * (broad[i, j, k] * weight - near[i, j, k])
                lines[i, j, k] = gain * more * (_F(1.0) - fine)
                lines[i, j, 4 + k] = gain * (more * moved + (_F(1.0) - more) * light_moved)
            lines[i, j, 3] = (_F(1.0) - more) / more
            lines[i, j, 7] = _F(1.0)


@njit(nogil=True, cache=True, fastmath=True)
def tone_skin(frame: BgrFrame, origin: tuple[int, int], shrink: int, lines: FloatArray) -> None:
    """Change the frame by `lines` (h, w, 8), interpolated between the small pixels' middles."""
    height, width = lines.shape[:2]
    x0, y0 = origin
    line = np.empty((width + 2, 8), np.float32)
    inverse = _F(1.0 / shrink)
    first = _F(0.5) if shrink % 2 == 0 else _F(0.0)
    for y in range(y0, min(y0 + height * shrink, frame.shape[0])):
        place = min(max((_F(y - y0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(height - 1))
        above = int(place)
        below = min(above + 1, height - 1)
        share = place - _F(above)
        for j in range(width):
            for k in range(8):
                line[j + 1, k] = lines[above, j, k] + share * (lines[below, j, k] - lines[above, j, k])
        line[0], line[width + 1] = line[1], line[width]
        for b in range(width + 1):
            if line[b, 7] + line[b + 1, 7] <= 0.0:
                continue
            start = x0 + (b - 1) * shrink + shrink // 2
            low, high = max(start, x0), min(start + shrink, x0 + width * shrink, frame.shape[1])
            n, o = line[b + 1], line[b]
            d0, d1, d2 = (n[0] - o[0]) * inverse, (n[1] - o[1]) * inverse, (n[2] - o[2]) * inverse
            d3, d4, d5 = (n[3] - o[3]) * inverse, (n[4] - o[4]) * inverse, (n[5] - o[5]) * inverse
            d6 = (n[6] - o[6]) * inverse
            o0, o1, o2, o3, o4, o5, o6 = o[0], o[1], o[2], o[3], o[4], o[5], o[6]
            for x in range(low, high):
                f = _F(x - start) + first
                blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
                light = (o3 + f * d3) * (_F(0.114) * blue + _F(0.587) * green + _F(0.299) * red)
                blue = (o0 + f * d0) * (blue + light) + (o4 + f * d4) + _F(0.5)
                green = (o1 + f * d1) * (green + light) + (o5 + f * d5) + _F(0.5)
                red = (o2 + f * d2) * (red + light) + (o6 + f * d6) + _F(0.5)
                frame[y, x, 0] = np.uint8(min(max(blue, _F(0.0)), _F(255.0)))
                frame[y, x, 1] = np.uint8(min(max(green, _F(0.0)), _F(255.0)))
                frame[y, x, 2] = np.uint8(min(max(red, _F(0.0)), _F(255.0)))


@njit(nogil=True, cache=True, fastmath=True)
def tone_parts(
    frame: BgrFrame,
    origin: tuple[int, int],
    shrink: int,
    maps: FloatArray,
    reach: NDArray[np.bool_],
    skin_light: float,
    coefficients: FloatArray,
) -> None:
    """Tone lips, brows, eyes and teeth.

    `reach` (coarse rows, columns) in face axes: where there is anything to do. `skin_light` is the mean luminance of
    this face's skin, levels, that brows are darker than. `coefficients` (rows, columns, 6) in face axes, as ALL_LIGHT
    to WHITE_COLOUR name them.
    """
    height, width = maps.shape[:2]
    x0, y0 = origin
    rows, columns = coefficients.shape[0], coefficients.shape[1]
    inverse = _F(1.0 / shrink)
    skin = _F(skin_light) + _F(1.0)
    c = np.empty(6, np.float32)
    right, bottom = min(x0 + width * shrink, frame.shape[1]), min(y0 + height * shrink, frame.shape[0])
    for i in range(height):
        for j in range(width):
            if maps[i, j, 2] <= 0.0:
                continue
            ri = min(int(maps[i, j, 1] * reach.shape[0]), reach.shape[0] - 1)
            rj = min(int(maps[i, j, 0] * reach.shape[1]), reach.shape[1] - 1)
            if not reach[ri, rj]:
                continue
            for y in range(y0 + i * shrink, min(y0 + (i + 1) * shrink, bottom)):
                sy = min(max((_F(y - y0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(height - 1.001))
                si = int(sy)
                sp = sy - _F(si)
                for x in range(x0 + j * shrink, min(x0 + (j + 1) * shrink, right)):
                    sx = min(max((_F(x - x0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(width - 1.001))
                    sj = int(sx)
                    sq = sx - _F(sj)
                    for k in range(3):
                        upper = maps[si, sj, k] + sq * (maps[si, sj + 1, k] - maps[si, sj, k])
                        lower = maps[si + 1, sj, k] + sq * (maps[si + 1, sj + 1, k] - maps[si + 1, sj, k])
                        c[k] = upper + sp * (lower - upper)
                    amount = c[2]
                    u = min(max(c[0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
                    v = min(max(c[1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
                    tj, ti = int(u), int(v)
                    q, p = u - _F(tj), v - _F(ti)
                    w11 = p * q * amount
                    w10, w01 = p * amount - w11, q * amount - w11
                    w00 = amount - p * amount - q * amount + w11
                    most = _F(0.0)
                    for k in range(6):
                        c[k] = coefficients[ti, tj, k] * w00 + coefficients[ti, tj + 1, k] * w01
                        c[k] += coefficients[ti + 1, tj, k] * w10 + coefficients[ti + 1, tj + 1, k] * w11
                        most = max(most, abs(c[k]))
                    if most <= _F(0.002):
                        continue
                    blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
                    light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
                    high, low = max(blue, green, red), min(blue, green, red)
                    dark = min(max((_F(0.92) * skin - light) / (_F(0.35) * skin), _F(0.0)), _F(1.0))
                    white = min(max((light / skin - _F(0.30)) * _F(2.5), _F(0.0)), _F(1.0))
                    white *= min(max((_F(0.62) - (high - low) / (high + _F(1.0))) * _F(3.0), _F(0.0)), _F(1.0))
                    g = c[ALL_LIGHT] + dark * c[DARK_LIGHT]
                    g += white * c[WHITE_LIGHT] * (_F(1.0) - (light / _F(255.0)) ** 2)
                    g = _F(1.0) + g + _F(0.5) * g * g
                    more = max(_F(0.0), _F(1.0) + c[ALL_COLOUR] + dark * c[DARK_COLOUR] + white * c[WHITE_COLOUR])
                    blue = (light + (blue - light) * more) * g + _F(0.5)
                    green = (light + (green - light) * more) * g + _F(0.5)
                    red = (light + (red - light) * more) * g + _F(0.5)
                    frame[y, x, 0] = np.uint8(min(max(blue, _F(0.0)), _F(255.0)))
                    frame[y, x, 1] = np.uint8(min(max(green, _F(0.0)), _F(255.0)))
                    frame[y, x, 2] = np.uint8(min(max(red, _F(0.0)), _F(255.0)))
