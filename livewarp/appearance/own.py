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
from livewarp.arrays import BgrFrame, FloatArray
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
        `picture` and its halves, quarters, eighths.
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
        return cls(levels[0], blend, tuple(levels))

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


@njit(nogil=True, cache=True, fastmath=True)
def draw_own(
    frame: BgrFrame,
    origin: tuple[int, int],
    shrink: int,
    maps: FloatArray,
    skin: FloatArray,
    picture: NDArray[np.uint8],
    amount_of: float,
    shade: float,
    paint: float,
    chroma: float,
    mean: float,
) -> None:
    """Draw a texture (h, w, 5) on skin; `maps`, `skin` and `shrink` as in `livewarp.appearance.face_kernels`.

    `shade`: log gain of a step of the last channel. `paint`: share of its colour, in the light of the face. `chroma`:
    share of its colour at the face's own luminance. `mean`: luminance of this face's skin, levels.
    """
    rows, columns = picture.shape[0], picture.shape[1]
    height, width = skin.shape
    x0, y0 = origin
    inverse = _F(1.0 / shrink)
    t = np.empty(5, np.float32)
    m = np.empty(3, np.float32)
    for y in range(y0, min(y0 + height * shrink, frame.shape[0])):
        sy = min(max((_F(y - y0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(height - 1.001))
        si = int(sy)
        sp = sy - _F(si)
        for x in range(x0, min(x0 + width * shrink, frame.shape[1])):
            sx = min(max((_F(x - x0) + _F(0.5)) * inverse - _F(0.5), _F(0.0)), _F(width - 1.001))
            sj = int(sx)
            sq = sx - _F(sj)
            for k in range(3):
                upper = maps[si, sj, k] + sq * (maps[si, sj + 1, k] - maps[si, sj, k])
                lower = maps[si + 1, sj, k] + sq * (maps[si + 1, sj + 1, k] - maps[si + 1, sj, k])
                m[k] = upper + sp * (lower - upper)
            upper = skin[si, sj] + sq * (skin[si, sj + 1] - skin[si, sj])
            lower = skin[si + 1, sj] + sq * (skin[si + 1, sj + 1] - skin[si + 1, sj])
            amount = m[2] * (upper + sp * (lower - upper)) * _F(amount_of)
            if amount <= LEAST:
                continue
            u = min(max(m[0] * _F(columns) - _F(0.5), _F(0.0)), _F(columns - 1.001))
            v = min(max(m[1] * _F(rows) - _F(0.5), _F(0.0)), _F(rows - 1.001))
            tj, ti = int(u), int(v)
            q, p = u - _F(tj), v - _F(ti)
            for k in range(5):
                upper = picture[ti, tj, k] * (_F(1.0) - q) + picture[ti, tj + 1, k] * q
                lower = picture[ti + 1, tj, k] * (_F(1.0) - q) + picture[ti + 1, tj + 1, k] * q
                t[k] = upper * (_F(1.0) - p) + lower * p
            blue, green, red = _F(frame[y, x, 0]), _F(frame[y, x, 1]), _F(frame[y, x, 2])
            g = (t[4] - _F(128.0)) * _F(shade) * amount
            g = _F(np.exp(g)) if g < 0.0 else _F(1.0) + g
            blue, green, red = blue * g, green * g, red * g
            cover = t[3] * _F(1.0 / 255.0) * amount
            if cover > LEAST:
                light = _F(0.114) * blue + _F(0.587) * green + _F(0.299) * red
                own = _F(0.114) * t[0] + _F(0.587) * t[1] + _F(0.299) * t[2] + _F(1.0)
                lit = min(light / _F(mean), _F(1.8)) * _F(paint) + light / own * _F(chroma)
                cover *= _F(paint) + _F(chroma)
                blue += cover * (t[0] * lit - blue)
                green += cover * (t[1] * lit - green)
                red += cover * (t[2] * lit - red)
            frame[y, x, 0] = np.uint8(min(blue + _F(0.5), _F(255.0)))
            frame[y, x, 1] = np.uint8(min(green + _F(0.5), _F(255.0)))
            frame[y, x, 2] = np.uint8(min(red + _F(0.5), _F(255.0)))


WEIGHTS: Mapping[Blend, tuple[float, float, float]] = {
    "shade": (SHADE_SCALE / 127, 0.0, 0.0),
    "paint": (0.0, 1.0, 0.0),
    "both": (SHADE_SCALE / 127, 0.0, 1.0),
}
"""Shade, paint and chroma of `draw_own`, by the blend."""
