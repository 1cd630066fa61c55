"""From a small picture to the frame's rows: its values between the middles of small pixels, as vectors of floats.

A loop over a row does one thing after the other to short arrays; each of these steps becomes vector instructions, which
one long step with a texture's sample in it does not.

Convention: as in `livewarp.appearance.face_kernels`. `wide` (planes, h, W) are planes of the small picture, spread
along x to the frame's pixels; along y two rows are mixed.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import FloatArray

PLACE_X, PLACE_Y, ANYWHERE, ON_SKIN, IN_LINES, BESIDE_SKIN = range(6)
"""Planes: place in textures and regions, 0 to 1; how much of an effect there is at all, on skin, and of its lines; how
far skin is close, as it is to brows and not to hair."""

_F, _I, _U = np.float32, np.int32, np.uint32
_ONE = _U(1)


class Spreader:
    """Spreads planes along x, into buffers that stay."""

    def __init__(self) -> None:
        self._buffers: dict[int, FloatArray] = {}

    def spread(self, planes: FloatArray, shrink: int) -> FloatArray:
        """(n, h, w * shrink) of planes (n, h, w): linear between the small pixels' middles, the ends as they are.

        The result is overwritten when as many planes are spread again.
        """
        n, height, width = planes.shape
        size = n * height * width * shrink
        buffer = self._buffers.get(n)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[n] = np.empty(size + size // 4, np.float32)
        wide = buffer[:size].reshape(n * height, width * shrink)
        result: NDArray[Any] = cv2.resize(
            planes.reshape(n * height, width), (width * shrink, n * height), wide, interpolation=cv2.INTER_LINEAR
        )
        return result.reshape(n, height, width * shrink)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def rows_at(y: int, shrink: int, height: int) -> tuple[int, int, float]:
    """The small rows above and below the frame's row y, counted from the origin, and how much of the lower there is."""
    place = min(max((_F(y) + _F(0.5)) / _F(shrink) - _F(0.5), _F(0.0)), _F(height - 1))
    above = int(place)
    return above, min(above + 1, height - 1), place - _F(above)  # type: ignore[return-value]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def mix_rows(upper: FloatArray, lower: FloatArray, share: float, line: FloatArray) -> None:
    """`line` becomes what lies between two rows of its length."""
    lower_share = _F(share)
    for x in range(line.size):
        line[x] = upper[x] + lower_share * (lower[x] - upper[x])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def locate(
    u: FloatArray, v: FloatArray, rows: int, columns: int, at: NDArray[np.int32], right: FloatArray, down: FloatArray
) -> None:
    """Places (0 to 1) in a texture: the texel `at` their left and above, counted along rows, and how far beyond it."""
    across, high = _F(columns), _F(rows)
    for x in range(at.size):
        a = min(max(u[x] * across - _F(0.5), _F(0.0)), across - _F(1.001))
        b = min(max(v[x] * high - _F(0.5), _F(0.0)), high - _F(1.001))
        j, i = _I(a), _I(b)
        right[x], down[x] = a - _F(j), b - _F(i)
        at[x] = _I(_I(i * _I(columns)) + j)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def gather_packed(texture: NDArray[np.int32], columns: int, at: NDArray[np.int32], texels: NDArray[np.int32]) -> None:
    """`texels` (4, n) of a texture that is one row of rows: those at, right of, below, and below and right of."""
    first, second, third, fourth = texels[0], texels[1], texels[2], texels[3]
    for x in range(at.size):
        here = _U(at[x])
        below = _U(here + _U(columns))
        first[x], second[x] = texture[here], texture[_U(here + _ONE)]
        third[x], fourth[x] = texture[below], texture[_U(below + _ONE)]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def sample_plane(
    plane: FloatArray | NDArray[np.uint8],
    columns: int,
    at: NDArray[np.int32],
    right: FloatArray,
    down: FloatArray,
    line: FloatArray,
) -> None:
    """`line` becomes a plane, one row of rows, between its texels as `locate` found them."""
    for x in range(line.size):
        here = _U(at[x])
        below = _U(here + _U(columns))
        a, b = _F(plane[here]), _F(plane[_U(here + _ONE)])
        c, d = _F(plane[below]), _F(plane[_U(below + _ONE)])
        upper = a + right[x] * (b - a)
        lower = c + right[x] * (d - c)
        line[x] = upper + down[x] * (lower - upper)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def unpack(texels: NDArray[np.int32], shift: int, right: FloatArray, down: FloatArray, line: FloatArray) -> None:
    """`line` becomes the ten bits from `shift` on of four texels, -512 to 511, between them."""
    first, second, third, fourth = texels[0], texels[1], texels[2], texels[3]
    by, mask = _I(shift), _I(1023)
    for x in range(line.size):
        a, b = _F(_I(_I(first[x] >> by) & mask)), _F(_I(_I(second[x] >> by) & mask))
        c, d = _F(_I(_I(third[x] >> by) & mask)), _F(_I(_I(fourth[x] >> by) & mask))
        upper = a + right[x] * (b - a)
        line[x] = upper + down[x] * (c + right[x] * (d - c) - upper) - _F(512.0)
