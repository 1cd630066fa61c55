"""A still image with what belongs to its pixels: profile, transparency, and what its camera wrote."""

from __future__ import annotations

from typing import NamedTuple

from livewarp.arrays import BgrFrame, GrayFrame

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".webp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm", ".avif", ".gif"}
)
"""Of images that can be read and written; a moving GIF is a video."""


class Still(NamedTuple):
    """A decoded image, upright.

    Attributes
    ----------
    pixels
        (H, W, 3) uint8 BGR, in the numbers of its profile.
    alpha
        (H, W) uint8; None: opaque.
    profile
        Its ICC profile; None: sRGB.
    exif
        What its camera wrote; None: nothing.
    gray
        Whether it has no colour, and `profile` is of that kind.
    notes
        What could not be kept, for people.
    """

    pixels: BgrFrame
    alpha: GrayFrame | None = None
    profile: bytes | None = None
    exif: bytes | None = None
    gray: bool = False
    notes: tuple[str, ...] = ()
