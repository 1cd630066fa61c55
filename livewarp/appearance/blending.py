"""The inner loops that draw textures on skin.

Convention: small pictures, `flat` and `wide` as in `livewarp.appearance.spreading`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.spreading import IN_LINES, PLACE_X, PLACE_Y, gather_packed, locate, mix_rows, rows_at, unpack
from livewarp.arrays import FloatArray

GAIN_SIZE, GAIN_STEPS = 1024, 256.0
"""Of the table that `gain_table` makes: entries, and entries per unit of log gain; the middle one is 0."""

FULL = 512.0
"""Of the joined texture: what stands for a gain of 1, that is twice the light."""

_F, _I = np.float32, np.int32


def gain_table() -> FloatArray:
    """(GAIN_SIZE, 3) gain of blue, green and red by log gain, compressed at both ends.

    Light that reaches skin from aside comes through it, red most of all: its shade is warm and not grey.
    """
    gain = (np.arange(GAIN_SIZE)[:, None] - GAIN_SIZE // 2) / GAIN_STEPS
    dark = np.exp(np.array([1.02, 0.95, 0.78]) * 0.9 * np.tanh(gain / 0.9))
    light = 1 + np.array([0.80, 0.83, 0.85]) * np.tanh(gain)
    return np.where(gain < 0, dark, light).astype(np.float32)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def join_layers(texture: NDArray[np.uint8], weights: FloatArray, gain: FloatArray, joined: NDArray[np.int32]) -> None:
    """A texture (h, w, 4), `weights` (4,) times what a step of each channel means, as packed gains (h, w).

    Each is three times ten bits: what blue, green and red are multiplied by, less 1, from the lowest bits on. So a
    frame takes one sample a pixel and not four.
    """
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    none = _F(128.0) * (w0 + w1 + w2)
    middle, steps = _F(GAIN_SIZE // 2 + 0.5), _F(GAIN_STEPS)
    half = _F(FULL + 0.5)
    for i in range(texture.shape[0]):
        for j in range(texture.shape[1]):
            log_gain = texture[i, j, 0] * w0 + texture[i, j, 1] * w1 + texture[i, j, 2] * w2 - none
            entry = int(min(max(log_gain * steps + middle, _F(0.0)), _F(GAIN_SIZE - 1)))
            brown = min(texture[i, j, 3] * w3, _F(1.0))
            blue = (gain[entry, 0] * (_F(1.0) - _F(0.62) * brown) - _F(1.0)) * _F(FULL) + half
            green = (gain[entry, 1] * (_F(1.0) - _F(0.48) * brown) - _F(1.0)) * _F(FULL) + half
            red = (gain[entry, 2] * (_F(1.0) - _F(0.32) * brown) - _F(1.0)) * _F(FULL) + half
            most = _F(1023.0)
            packed = _I(min(max(red, _F(0.0)), most)) << 20
            packed |= _I(min(max(green, _F(0.0)), most)) << 10
            joined[i, j] = packed | _I(min(max(blue, _F(0.0)), most))


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def blend_texture(
    flat: NDArray[np.uint8],
    origin: tuple[int, int],
    shrink: int,
    wide: FloatArray,
    spans: NDArray[np.int32],
    joined: NDArray[np.int32],
    columns: int,
) -> None:
    """Draw a joined texture, one row of rows of `columns`.

    `spans` (h, 2): as `find_spans` gives them for skin. Lights weigh less on what is bright already: a highlight cannot
    become brighter. Shades weigh less where the picture is overexposed: it has no colour that could show through.
    Where there is no colour, nor has the shade.
    """
    height, width = wide.shape[1:]
    x0, y0 = origin
    width = min(width, flat.shape[1] // 3 - x0)
    rows = joined.size // columns
    lines = np.empty((8, width), np.float32)
    indices = np.empty((5, width), np.int32)
    for y in range(y0, min(y0 + height * shrink, flat.shape[0])):
        above, below, share = rows_at(y - y0, shrink, height)
        low, high = min(spans[above, 0], spans[below, 0]), min(max(spans[above, 1], spans[below, 1]), width)
        if high <= low:
            continue
        n = high - low
        u, v, amount, right, down = lines[0, :n], lines[1, :n], lines[2, :n], lines[3, :n], lines[4, :n]
        mix_rows(wide[PLACE_X, above, low:high], wide[PLACE_X, below, low:high], share, u)
        mix_rows(wide[PLACE_Y, above, low:high], wide[PLACE_Y, below, low:high], share, v)
        mix_rows(wide[IN_LINES, above, low:high], wide[IN_LINES, below, low:high], share, amount)
        at = indices[4, :n]
        locate(u, v, rows, columns, at, right, down)
        gather_packed(joined, columns, at, indices)
        blues, greens, reds = lines[5, :n], lines[6, :n], lines[7, :n]
        unpack(indices, 0, right, down, blues)
        unpack(indices, 10, right, down, greens)
        unpack(indices, 20, right, down, reds)
        _draw(flat[y, 3 * (x0 + low) : 3 * (x0 + high)], amount, blues, greens, reds)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _draw(row: NDArray[np.uint8], amount: FloatArray, blues: FloatArray, greens: FloatArray, reds: FloatArray) -> None:
    for x in range(amount.size):
        blue, green, red = _F(row[3 * x]), _F(row[3 * x + 1]), _F(row[3 * x + 2])
        light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
        lighter = _F(1.0) - _F(0.75 / 90.0) * min(max(light - _F(150.0), _F(0.0)), _F(90.0))
        darker = _F(1.0) - _F(0.88 / 50.0) * min(max(light - _F(200.0), _F(0.0)), _F(50.0))
        share = amount[x] * _F(1.0 / FULL) * (lighter if greens[x] > _F(0.0) else darker)
        high, low = max(max(blue, green), red), min(min(blue, green), red)
        colour = min((high - low) * _F(5.0) / (high + _F(1.0)), _F(1.0))
        grey = greens[x]
        blue += blue * share * (grey + colour * (blues[x] - grey)) + _F(0.5)
        green += green * share * grey + _F(0.5)
        red += red * share * (grey + colour * (reds[x] - grey)) + _F(0.5)
        row[3 * x] = np.uint8(_I(min(max(blue, _F(0.0)), _F(255.0))))
        row[3 * x + 1] = np.uint8(_I(min(max(green, _F(0.0)), _F(255.0))))
        row[3 * x + 2] = np.uint8(_I(min(max(red, _F(0.0)), _F(255.0))))
