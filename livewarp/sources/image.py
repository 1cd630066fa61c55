"""A still image as a source that never ends; and the reading of images of every kind."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import SourceError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm"})


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
