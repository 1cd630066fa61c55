"""Images as output, which are written whole or not at all, with what belongs to their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from livewarp.arrays import BgrFrame
from livewarp.errors import SinkError
from livewarp.media.picture import Still
from livewarp.system.atomic import replacing

DEFAULT_QUALITY = 95.0  # nobody tells it from the original

_ALPHA = frozenset({"PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "GIF"})
_PROFILE = frozenset({"PNG", "JPEG", "WEBP", "TIFF", "AVIF", "JPEG2000"})
_EXIF = frozenset({"PNG", "JPEG", "WEBP", "TIFF", "AVIF"})


def write_image(
    path: Path, pixels: BgrFrame, like: Still | None = None, quality: float | None = None
) -> tuple[str, ...]:
    """Encode by the suffix; under another name, and renamed when it is complete.

    Parameters
    ----------
    pixels
        (H, W, 3) uint8 BGR.
    like
        What it was made from: its profile, transparency and EXIF are kept where the format has room.
    quality
        1 to 100, of formats that lose something; None: nobody sees it.

    Returns
    -------
    tuple of str
        What could not be kept, for people.

    Raises
    ------
    SinkError
        The format does not take such a picture, or the file cannot be written.
    """
    like = like if like is not None else Still(pixels)
    Image.init()
    kind = Image.EXTENSION.get(path.suffix.lower(), "")
    image, notes = _image(pixels, like, kind)
    options = _options(kind, like, quality, image.mode)
    if like.profile is not None and "icc_profile" not in options:
        notes.append(f"{kind} holds no colour profile: the colours may look different")
    try:
        with replacing(path, keep_mode=True) as partial:
            try:
                image.save(partial, format=kind, **options)
            except (ValueError, KeyError, SystemError, MemoryError) as error:
                raise _not_encoded(path, pixels) from error
            except OSError as error:
                if error.errno is None:  # the encoder's: WebP, for one, ends at 16383 px
                    raise _not_encoded(path, pixels) from error
                raise
    except OSError as error:
        raise SinkError(
            f"image {path}: cannot be written: {error.strerror or error}",
            allowed="a file in a folder that you may write to",
        ) from error
    return tuple(notes)


def _image(pixels: BgrFrame, like: Still, kind: str) -> tuple[Image.Image, list[str]]:
    notes: list[str] = []
    rgb = np.ascontiguousarray(pixels[:, :, ::-1])
    if like.alpha is not None and kind in _ALPHA:
        return Image.fromarray(np.dstack([rgb, like.alpha])), notes
    if like.alpha is not None:
        alpha = like.alpha[:, :, None].astype(np.uint16)
        rgb = ((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        notes.append(f"{kind} holds no transparency: it became white")
    is_gray = bool((rgb[:, :, 0] == rgb[:, :, 1]).all() and (rgb[:, :, 1] == rgb[:, :, 2]).all())
    if (like.gray and is_gray) or kind == "PGM":
        return Image.fromarray(np.ascontiguousarray(rgb[:, :, 0])), notes
    return Image.fromarray(rgb), notes


def _options(kind: str, like: Still, quality: float | None, mode: str) -> dict[str, Any]:
    wanted = round(DEFAULT_QUALITY if quality is None else quality)
    options: dict[str, Any] = {}
    if kind == "JPEG":
        options = {"quality": wanted, "subsampling": 0}
    elif kind in {"WEBP", "AVIF"}:
        options = {"quality": wanted}
    elif kind == "TIFF":
        options = {"compression": "tiff_deflate"}
    if like.profile is not None and kind in _PROFILE and like.gray == (mode == "L"):
        options["icc_profile"] = like.profile
    if like.exif is not None and kind in _EXIF:
        options["exif"] = like.exif
    return options


def _not_encoded(path: Path, pixels: BgrFrame) -> SinkError:
    size = f"{pixels.shape[1]}x{pixels.shape[0]}"
    return SinkError(f"image {path}: {size} cannot be encoded as {path.suffix}", allowed=".png, .jpg, ...")
