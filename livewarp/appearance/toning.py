"""The inner loops of smoothing and tones: detail, blotches, light and colour of regions.

What is done to skin is smooth from pixel to pixel, so it is worked out on the small picture, as a straight line for
each channel, and the frame is passed once. Lips, eyes and teeth have edges: they are worked out pixel by pixel.

Convention: small pictures, `maps`, `flat` and `wide` as in `livewarp.appearance.spreading`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import LEAST
from livewarp.appearance.spreading import (
    ANYWHERE,
    BESIDE_SKIN,
    PLACE_X,
    PLACE_Y,
    locate,
    mix_rows,
    rows_at,
    sample_plane,
)
from livewarp.arrays import FloatArray

FINE, BROAD, LIFT, LIGHT, COLOUR, WARM = range(6)
"""Columns of the coefficients of skin."""

ALL_LIGHT, ALL_COLOUR, DARK_LIGHT, DARK_COLOUR, WHITE_LIGHT, WHITE_COLOUR = range(6)
"""Columns of the coefficients of what is not skin, by what is picked; see `regions.Pick`."""

_F, _I = np.float32, np.int32


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
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
    """What smoothing and tones do to each small pixel's surroundings, as `lines` (8, h, w).

    A channel c becomes lines[c] * (itself + lines[3] * luminance) + lines[4 + c]; lines[7] is 1 where that is
    anything. `near` (h, w, 3) is the mean that detail is measured against, `broad` (h, w, 4) the sum of skin's
    colours around and of its weights, `moments` (h, w, 2) the means of luminance and of its square: detail that
    spreads by `edge_spread` of the luminance and more is an edge. `coefficients` (rows, columns, 6) are in face axes.
    """
    height, width = skin.shape
    rows, columns = coefficients.shape[0], coefficients.shape[1]
    lines[:3], lines[3:] = _F(1.0), _F(0.0)
    for i in range(height):
        for j in range(width):
            amount = maps[2, i, j] * skin[i, j]
            if amount <= LEAST:
                continue
            ti, tj = int(maps[1, i, j] * _F(rows)), int(maps[0, i, j] * _F(columns))
            c = coefficients[min(max(ti, 0), rows - 1), min(max(tj, 0), columns - 1)]
            fine, shift, lift = min(c[FINE] * amount, _F(0.9)), min(c[BROAD] * amount, _F(0.9)), c[LIFT] * amount
            g, colour, warm = c[LIGHT] * amount, c[COLOUR] * amount, c[WARM] * amount
            if abs(fine) + abs(shift) + abs(lift) + abs(g) + abs(colour) + abs(warm) <= _F(0.002):
                continue
            near_light = _F(0.114) * near[i, j, 0] + _F(0.587) * near[i, j, 1] + _F(0.299) * near[i, j, 2]
            if fine > _F(0.0):
                mean = moments[i, j, 0]
                spread = max(moments[i, j, 1] - mean * mean, _F(0.0))
                least = _F(edge_spread) * mean + _F(2.0)
                fine *= least * least / (spread + least * least)
            light_shift, blue, green, red = _F(0.0), _F(0.0), _F(0.0), _F(0.0)
            if shift + lift > _F(0.0):
                weight = _F(1.0) / (broad[i, j, 3] + _F(1e-6))
                blue, green, red = broad[i, j, 0] * weight, broad[i, j, 1] * weight, broad[i, j, 2] * weight
                broad_light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
                if broad_light > near_light:
                    shift = min(shift + lift, _F(0.95))
                # Far from the broad mean it is a feature or a shadow, not a blotch.
                far = (broad_light - near_light) / (_F(0.22) * broad_light + _F(6.0))
                shift *= max(_F(0.0), _F(1.0) - _F(0.5) * far * far)
                light_shift = shift * (broad_light - near_light)
                blue = shift * (blue - near[i, j, 0])
                green = shift * (green - near[i, j, 1])
                red = shift * (red - near[i, j, 2])
            light = near_light + light_shift
            if g > _F(0.0):
                g *= max(_F(0.0), _F(1.0) - light * light * _F(1.0 / 65025.0))
            g = _F(1.0) + g + _F(0.5) * g * g
            more = max(_F(1.0) + colour, _F(0.05))
            warm *= min(max(light * _F(1.0 / 140.0), _F(0.45)), _F(1.0))  # dark skin takes less red
            rest = (_F(1.0) - more) * (fine * near_light + light_shift)
            detail = more * (_F(1.0) - fine)
            gain = g * (_F(1.0) - _F(0.25) * warm)
            lines[0, i, j], lines[4, i, j] = gain * detail, gain * (more * (fine * near[i, j, 0] + blue) + rest)
            gain = g * (_F(1.0) - _F(0.45) * warm)
            lines[1, i, j], lines[5, i, j] = gain * detail, gain * (more * (fine * near[i, j, 1] + green) + rest)
            gain = g * (_F(1.0) + warm)
            lines[2, i, j], lines[6, i, j] = gain * detail, gain * (more * (fine * near[i, j, 2] + red) + rest)
            lines[3, i, j] = _F(1.0) / more - _F(1.0)
            lines[7, i, j] = _F(1.0)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def tone_skin(
    flat: NDArray[np.uint8], origin: tuple[int, int], shrink: int, wide: FloatArray, spans: NDArray[np.int32]
) -> None:
    """Change the frame by lines, spread as `wide` (8, h, W); `spans` (h, 2) as `find_spans` gives them for the last."""
    height, width = wide.shape[1:]
    x0, y0 = origin
    width = min(width, flat.shape[1] // 3 - x0)
    lines = np.empty((7, width), np.float32)
    for y in range(y0, min(y0 + height * shrink, flat.shape[0])):
        above, below, share = rows_at(y - y0, shrink, height)
        low, high = min(spans[above, 0], spans[below, 0]), min(max(spans[above, 1], spans[below, 1]), width)
        if high <= low:
            continue
        for k in range(7):
            mix_rows(wide[k, above, low:high], wide[k, below, low:high], share, lines[k, : high - low])
        _draw_lines(flat[y, 3 * (x0 + low) : 3 * (x0 + high)], lines, high - low)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _draw_lines(row: NDArray[np.uint8], lines: FloatArray, n: int) -> None:
    blues, greens, reds, lights = lines[0], lines[1], lines[2], lines[3]
    more_blue, more_green, more_red = lines[4], lines[5], lines[6]
    for x in range(n):
        blue, green, red = _F(row[3 * x]), _F(row[3 * x + 1]), _F(row[3 * x + 2])
        light = lights[x] * (_F(0.114) * blue + _F(0.587) * green + _F(0.299) * red)
        blue = blues[x] * (blue + light) + more_blue[x] + _F(0.5)
        green = greens[x] * (green + light) + more_green[x] + _F(0.5)
        red = reds[x] * (red + light) + more_red[x] + _F(0.5)
        row[3 * x] = np.uint8(_I(min(max(blue, _F(0.0)), _F(255.0))))
        row[3 * x + 1] = np.uint8(_I(min(max(green, _F(0.0)), _F(255.0))))
        row[3 * x + 2] = np.uint8(_I(min(max(red, _F(0.0)), _F(255.0))))


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def tone_parts(
    flat: NDArray[np.uint8],
    origin: tuple[int, int],
    shrink: int,
    wide: FloatArray,
    maps: FloatArray,
    reach: NDArray[np.bool_],
    skin_light: float,
    coefficients: FloatArray,
    columns: int,
    used: int,
) -> None:
    """Tone lips, brows, eyes and teeth.

    `reach` (coarse rows, columns) in face axes: where there is anything to do. `skin_light` is the mean luminance of
    this face's skin, levels, that brows are darker than. `coefficients` (6, rows * `columns`) in face axes, as
    ALL_LIGHT to WHITE_COLOUR name them; those whose bits `used` has not are all 0.
    """
    height, width = maps.shape[1:]
    x0, y0 = origin
    right, bottom = min(x0 + width * shrink, flat.shape[1] // 3), min(y0 + height * shrink, flat.shape[0])
    rows = coefficients.shape[1] // columns
    lines = np.empty((12, width * shrink), np.float32)
    indices = np.empty(width * shrink, np.int32)
    for k in range(6):
        lines[5 + k] = _F(0.0)
    for i in range(height):
        j = 0
        while j < width:
            # From here on to where the reach ends, all in one.
            begin = j
            while j < width and _is_reached(maps, reach, i, j):
                j += 1
            if j == begin:
                j += 1
                continue
            low, high = begin * shrink, min(j * shrink, right - x0)
            n = high - low
            if n <= 0:
                continue
            u, v, amount, beyond, down = lines[0, :n], lines[1, :n], lines[2, :n], lines[3, :n], lines[4, :n]
            at = indices[:n]
            for y in range(y0 + i * shrink, min(y0 + (i + 1) * shrink, bottom)):
                above, below, share = rows_at(y - y0, shrink, height)
                mix_rows(wide[PLACE_X, above, low:high], wide[PLACE_X, below, low:high], share, u)
                mix_rows(wide[PLACE_Y, above, low:high], wide[PLACE_Y, below, low:high], share, v)
                mix_rows(wide[ANYWHERE, above, low:high], wide[ANYWHERE, below, low:high], share, amount)
                mix_rows(wide[BESIDE_SKIN, above, low:high], wide[BESIDE_SKIN, below, low:high], share, lines[11, :n])
                locate(u, v, rows, columns, at, beyond, down)
                for k in range(6):
                    if used & (1 << k):
                        sample_plane(coefficients[k], columns, at, beyond, down, lines[5 + k, :n])
                _draw_parts(flat[y, 3 * (x0 + low) : 3 * (x0 + high)], amount, lines, skin_light)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _is_reached(maps: FloatArray, reach: NDArray[np.bool_], i: int, j: int) -> bool:
    if maps[2, i, j] <= _F(0.0):
        return False
    ri, rj = int(maps[1, i, j] * reach.shape[0]), int(maps[0, i, j] * reach.shape[1])
    return bool(reach[min(ri, reach.shape[0] - 1), min(rj, reach.shape[1] - 1)])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _draw_parts(row: NDArray[np.uint8], amount: FloatArray, lines: FloatArray, skin_light: float) -> None:
    skin = _F(skin_light) + _F(1.0)
    dark_scale, white_scale = _F(1.0) / (_F(0.35) * skin), _F(2.5) / skin
    all_light, all_colour = lines[5], lines[6]
    dark_light, dark_colour, white_light, white_colour = lines[7], lines[8], lines[9], lines[10]
    beside = lines[11]
    for x in range(amount.size):
        blue, green, red = _F(row[3 * x]), _F(row[3 * x + 1]), _F(row[3 * x + 2])
        light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
        high, low = max(max(blue, green), red), min(min(blue, green), red)
        dark = beside[x] * min(max((_F(0.92) * skin - light) * dark_scale, _F(0.0)), _F(1.0))
        white = min(max(light * white_scale - _F(0.75), _F(0.0)), _F(1.0))
        white *= min(max((_F(0.62) - (high - low) / (high + _F(1.0))) * _F(3.0), _F(0.0)), _F(1.0))
        weight = amount[x]
        g = all_light[x] + dark * dark_light[x]
        g += white * white_light[x] * (_F(1.0) - light * light * _F(1.0 / 65025.0))
        g *= weight
        g = _F(1.0) + g + _F(0.5) * g * g
        more = all_colour[x] + dark * dark_colour[x] + white * white_colour[x]
        more = max(_F(0.0), _F(1.0) + weight * more)
        blue = (light + (blue - light) * more) * g + _F(0.5)
        green = (light + (green - light) * more) * g + _F(0.5)
        red = (light + (red - light) * more) * g + _F(0.5)
        row[3 * x] = np.uint8(_I(min(max(blue, _F(0.0)), _F(255.0))))
        row[3 * x + 1] = np.uint8(_I(min(max(green, _F(0.0)), _F(255.0))))
        row[3 * x + 2] = np.uint8(_I(min(max(red, _F(0.0)), _F(255.0))))
