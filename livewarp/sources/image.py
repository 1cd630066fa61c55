"""A still image as a source that never ends; and the reading of images of every kind."""

from __future__ import annotations

import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm"})

GIVEN_BYTES, GIVEN_PIXELS = 32_000_000, 40_000_000
"""The most that a picture may have that somebody gives: of its file, and of pixels."""


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is a still image."""
    return path.suffix.lower() in SUFFIXES


def read_image(path: Path) -> BgrFrame:
    """A still image as (H, W, 3) uint8 BGR; gray and 16-bit ones are converted, transparency is dropped.

    Raises
    ------
    SourceError
        The file is missing or is no image.
    """
    try:
        data = np.fromfile(path, np.uint8)  # imread cannot open every name on Windows
    except OSError as error:
        raise SourceError(f"image {path}: {error.strerror or error}", allowed="a readable image file") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_BGR) if data.size else None
    except cv2.error:
        image = None
    if image is None:
        raise SourceError(f"image {path}: cannot be decoded", allowed=", ".join(sorted(SUFFIXES)))
    return np.ascontiguousarray(image)


def read_given(path: Path) -> NDArray[np.uint8]:
    """A picture that somebody gives to be drawn with, (H, W, 4) uint8 BGRA; one without transparency is opaque.

    It may come from anywhere: its size is read from its header before anything is decoded, and a link, a pipe, a file
    of more than 32 MB or a picture of more than 40 megapixels is refused.

    Raises
    ------
    SourceError
        It is such, is missing, or is no PNG, JPEG or WebP.
    """
    what = f"picture {path}"
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise SourceError(f"{what}: is {'a link' if stat.S_ISLNK(mode) else 'no regular file'}", allowed="a file")
        with path.open("rb") as file:
            data = file.read(GIVEN_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{what}: {error.strerror or error}", allowed="a readable image file") from error
    if len(data) > GIVEN_BYTES:
        raise SourceError(f"{what}: is too large", allowed=f"up to {GIVEN_BYTES // 1_000_000} MB")
    size = _size_in_header(data)
    if size is None:
        raise SourceError(f"{what}: cannot be decoded", allowed="a PNG, JPEG or WebP file")
    width, height = size
    if min(size) < 16 or width * height > GIVEN_PIXELS:
        raise SourceError(
            f"{what}: has a size of {width}x{height}", allowed=f"16 px a side to {GIVEN_PIXELS // 1_000_000} megapixels"
        )
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    if picture is None or max(picture.shape[0] * picture.shape[1], 1) > GIVEN_PIXELS:
        raise SourceError(f"{what}: cannot be decoded", allowed="a PNG, JPEG or WebP file")
    if picture.dtype == np.uint16:
        picture = (picture // 256).astype(np.uint8)
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGRA)
    elif picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
    return np.ascontiguousarray(picture, np.uint8)


def _size_in_header(data: bytes) -> tuple[int, int] | None:
    """Width and height, px, that a PNG, JPEG or WebP file says it has; None: it is none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        if data[12:16] == b"VP8 ":
            return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
        if data[12:16] == b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if data[12:16] == b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        return None
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 1 if marker == 0xFF else 2 + max(length, 2)
    return None


class ImageSource:
    """One image, over and over.

    Raises
    ------
    SourceError
        The file is missing or is no image.
    """

    live = False
    ended = False

    def __init__(self, path: Path, fps: float = 30.0) -> None:
        self._image = read_image(path)
        self.height, self.width = self._image.shape[:2]
        self.fps = fps
        self.name = f"image {path.name} ({self.width}x{self.height})"
        self._count = 0

    def read(self, out: BgrFrame) -> float | None:
        """Fill `out` (height, width, 3) with the image; the frame's time, s."""
        np.copyto(out, self._image)
        self._count += 1
        return (self._count - 1) / self.fps

    def close(self) -> None:
        """Nothing to release."""
