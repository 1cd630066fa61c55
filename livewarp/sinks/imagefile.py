"""Files as output: whether a name may be written to, and images, which are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2

from livewarp.arrays import BgrFrame
from livewarp.errors import SettingsError, SinkError
from livewarp.system.atomic import replacing


def check_output(path_in: Path, path_out: Path, force: bool) -> None:
    """Raise `SettingsError` where `path_out` is the input itself, or exists and `force` is False."""
    if path_out.exists():
        if path_in.exists() and path_out.samefile(path_in):
            raise SettingsError(f"output {path_out}: is the input itself", allowed="another name")
        if not force:
            raise SettingsError(f"output {path_out}: exists", allowed="a new name, or --force to overwrite it")


def write_image(path: Path, pixels: BgrFrame) -> None:
    """Encode by the suffix; under another name, and renamed when it is complete.

    Raises
    ------
    SinkError
        The format does not take such a picture, or the file cannot be written.
    """
    try:
        done, data = cv2.imencode(path.suffix, pixels)
    except cv2.error:  # WebP, for one, ends at 16383 px
        done = False
    if not done:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise SinkError(f"image {path}: {size} cannot be encoded as {path.suffix}", allowed=".png, .jpg, ...")
    try:
        with replacing(path) as partial:
            partial.write_bytes(data.tobytes())
    except OSError as error:
        raise SinkError(
            f"image {path}: cannot be written: {error.strerror or error}",
            allowed="a file in a folder that you may write to",
        ) from error
