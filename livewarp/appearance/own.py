"""A person's own textures: unwrapped pictures in face axes, kept as files of their own, drawn on skin.

One file holds one texture: what it lightens and darkens (shade), its colours and where they are (paint), and which of
the two is drawn. Files are read once and shared; adding or removing one swaps the table whole.

Guarantees: a file that is damaged, too large or a link is not read; nothing in a file is executed.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.appearance.face_kernels import LEAST
from livewarp.appearance.spreading import ON_SKIN, PLACE_X, PLACE_Y, locate, mix_rows, rows_at, sample_plane
from livewarp.arrays import FloatArray
from livewarp.errors import SettingsError
from livewarp.system.atomic import replacing

WIDTH, HEIGHT = 640, 800  # of a texture: 320 px an IOD over `mapping.EXTENT_IOD`
SHADE_SCALE = 1.2  # log gain that 255 stands for, 128 for none
SUFFIX = ".npz"
_LEVELS = 4
_MAX_BYTES = 8_000_000  # of a file; the arrays are 2.6 MB before they are packed

Blend = Literal["shade", "paint", "both"]
BLENDS: tuple[Blend, ...] = ("shade", "paint", "both")
"""Light and dark alone, as wrinkles; colour in the light of the face, as face paint; both, as freckles and scars."""


@dataclass(frozen=True, eq=False)
class OwnTexture:
    """A texture of a person's own.

    Attributes
    ----------
    picture
        (HEIGHT, WIDTH, 5) uint8: blue, green, red of the paint, how much of it covers, shade (128: none).
    blend
        What of it is drawn.
    levels
        `picture` and its halves, quarters, eighths, (5, h, w) each.
    """

    picture: NDArray[np.uint8]
    blend: Blend
    levels: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(cls, picture: NDArray[np.uint8], blend: Blend) -> OwnTexture:
        """With its levels."""
        levels = [np.ascontiguousarray(picture)]
        for _ in range(_LEVELS - 1):
            half = cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            levels.append(cast(NDArray[np.uint8], half))
        return cls(levels[0], blend, tuple(np.ascontiguousarray(np.moveaxis(level, 2, 0)) for level in levels))

    def level_for(self, iod_px: float) -> NDArray[np.uint8]:
        """The level whose pixels are about as large as the frame's."""
        ratio = np.log2(max(WIDTH / 2.0 / iod_px, 1e-6)) + 0.35
        return self.levels[int(np.clip(np.floor(ratio), 0, _LEVELS - 1))]


def write(path: Path, texture: OwnTexture) -> None:
    """Keep it as a file, whole or not at all. Raises `OSError`."""
    with io.BytesIO() as packed:
        np.savez_compressed(packed, picture=texture.picture, blend=np.array(texture.blend))
        with replacing(path) as partial:
            partial.write_bytes(packed.getvalue())


def read(path: Path) -> OwnTexture:
    """What `write` kept.

    Raises
    ------
    SettingsError
        The file is missing, a link, too large or no texture.
    """
    what = f"texture {path.stem}"
    try:
        with open_plain(path) as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        with zipfile.ZipFile(io.BytesIO(data)) as names:
            if sum(entry.file_size for entry in names.infolist()) > 2 * WIDTH * HEIGHT * 5:
                raise ValueError("too much in it")
        with np.load(io.BytesIO(data), allow_pickle=False) as packed:
            picture, blend = packed["picture"], str(packed["blend"])
        if picture.shape != (HEIGHT, WIDTH, 5) or picture.dtype != np.uint8 or blend not in BLENDS:
            raise ValueError("other arrays")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"{what}: cannot be read ({why})", remedy="remove it and add it again") from error
    return OwnTexture.of(picture, blend)


def open_plain(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading; links, devices and pipes are refused. Raises `OSError`."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise OSError(0, "it is a link")
    handle = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


_textures: Mapping[str, OwnTexture] = MappingProxyType({})


def own_textures() -> Mapping[str, OwnTexture]:
    """Those there are, by the name of their knob; never changed, but swapped whole."""
    return _textures


def publish(textures: Mapping[str, OwnTexture]) -> None:
    """From now on these."""
    global _textures
    _textures = MappingProxyType(dict(textures))


_F = np.float32


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def draw_own(
    flat: NDArray[np.uint8],
    origin: tuple[int, int],
    shrink: int,
    wide: FloatArray,
    spans: NDArray[np.int32],
    picture: NDArray[np.uint8],
    columns: int,
    weights: tuple[float, float, float, float, float],
) -> None:
    """Draw a texture (5, rows * `columns`) on skin; all else as in `livewarp.appearance.blending.blend_texture`.

    `weights`: how much of it; log gain of a step of the last channel, the shade; paint, the share of its colour in the
    light of the face; chroma, the share of its colour at the face's own luminance; the face's mean light.
    """
    height, width = wide.shape[1:]
    x0, y0 = origin
    width = min(width, flat.shape[1] // 3 - x0)
    rows = picture.shape[1] // columns
    lines = np.empty((10, width), np.float32)
    indices = np.empty(width, np.int32)
    for y in range(y0, min(y0 + height * shrink, flat.shape[0])):
        above, below, share = rows_at(y - y0, shrink, height)
        low, high = min(spans[above, 0], spans[below, 0]), min(max(spans[above, 1], spans[below, 1]), width)
        if high <= low:
            continue
        n = high - low
        u, v, amount, right, down = lines[0, :n], lines[1, :n], lines[2, :n], lines[3, :n], lines[4, :n]
        mix_rows(wide[PLACE_X, above, low:high], wide[PLACE_X, below, low:high], share, u)
        mix_rows(wide[PLACE_Y, above, low:high], wide[PLACE_Y, below, low:high], share, v)
        mix_rows(wide[ON_SKIN, above, low:high], wide[ON_SKIN, below, low:high], share, amount)
        at = indices[:n]
        locate(u, v, rows, columns, at, right, down)
        for k in range(5):
            sample_plane(picture[k], columns, at, right, down, lines[5 + k, :n])
        _draw(flat[y, 3 * (x0 + low) : 3 * (x0 + high)], amount, lines, weights)


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _draw(
    row: NDArray[np.uint8], amounts: FloatArray, lines: FloatArray, weights: tuple[float, float, float, float, float]
) -> None:
    amount_of, shade, paint, chroma, mean = weights
    for x in range(amounts.size):
        amount = amounts[x] * _F(amount_of)
        if amount <= LEAST:
            continue
        blue, green, red = _F(row[3 * x]), _F(row[3 * x + 1]), _F(row[3 * x + 2])
        own_blue, own_green, own_red = lines[5, x], lines[6, x], lines[7, x]
        g = (lines[9, x] - _F(128.0)) * _F(shade) * amount
        g = _F(np.exp(g)) if g < 0.0 else _F(1.0) + g
        blue, green, red = blue * g, green * g, red * g
        cover = lines[8, x] * _F(1.0 / 255.0) * amount
        if cover > LEAST:
            light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
            own = _F(0.114) * own_blue + _F(0.587) * own_green + _F(0.299) * own_red + _F(1.0)
            lit = min(light / _F(mean), _F(1.8)) * _F(paint) + light / own * _F(chroma)
            cover *= _F(paint) + _F(chroma)
            blue += cover * (own_blue * lit - blue)
            green += cover * (own_green * lit - green)
            red += cover * (own_red * lit - red)
        row[3 * x] = np.uint8(min(blue + _F(0.5), _F(255.0)))
        row[3 * x + 1] = np.uint8(min(green + _F(0.5), _F(255.0)))
        row[3 * x + 2] = np.uint8(min(red + _F(0.5), _F(255.0)))


WEIGHTS: Mapping[Blend, tuple[float, float, float]] = {
    "shade": (SHADE_SCALE / 127, 0.0, 0.0),
    "paint": (0.0, 1.0, 0.0),
    "both": (SHADE_SCALE / 127, 0.0, 1.0),
}
"""Shade, paint and chroma of `draw_own`, by the blend."""
