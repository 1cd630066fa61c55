"""`livewarp sheet`: every adjustment on a face as a labelled contact sheet, to choose from by eye.

A card per adjustment: the face at its minimum, at 0 and at its maximum (at 0, half and all of it, where it begins
at 0), and a straight grid through the same warp, over the faded face.

Guarantees: `layout` and `drawing` are pure; the pictures are what the filter delivers, cut and scaled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2

from livewarp.arrays import BgrFrame
from livewarp.errors import SettingsError, SinkError
from livewarp.parameters import Parameters
from livewarp.sheet.drawing import contact_sheet, neutral
from livewarp.sheet.finding import find_face
from livewarp.sheet.layout import DEFAULT_CELL_PX, DEFAULT_COLUMNS, Cell, Layout, chosen, lay_out
from livewarp.sources.image import is_image
from livewarp.tracking import FaceTracker

__all__ = ["Cell", "Layout", "contact_sheet", "find_face", "lay_out", "neutral", "sheet_file"]


def sheet_file(
    path_in: str | Path,
    path_out: Path,
    names: Sequence[str] | None = None,
    strength: float = 1.0,
    base: Parameters | None = None,
    columns: int = DEFAULT_COLUMNS,
    cell_px: int = DEFAULT_CELL_PX,
    at_s: float | None = None,
    tracker: FaceTracker | None = None,
    force: bool = False,
) -> int:
    """Draw the sheet of the face in a file into an image file; how many adjustments it shows.

    Parameters
    ----------
    path_in, at_s, tracker
        As in `find_face`.
    path_out
        An image, by its suffix.
    names, strength, base, columns, cell_px
        As in `contact_sheet`.
    force
        Overwrite `path_out`.

    Raises
    ------
    ParameterError
        A name that is no adjustment.
    SettingsError
        `path_out` exists and `force` is False, it is `path_in` itself, or no image by its suffix.
    SourceError, SinkError
        The one cannot be read or has no face, or the other cannot be written.
    """
    if not is_image(path_out):
        raise SettingsError(f"output {path_out}: got suffix {path_out.suffix!r}, allowed: .png, .jpg, ...")
    if path_out.exists():
        if Path(path_in).exists() and path_out.samefile(path_in):
            raise SettingsError(f"output {path_out}: is the input itself; allowed: another name")
        if not force:
            raise SettingsError(f"output {path_out}: exists; allowed: a new name, or --force to overwrite it")
    shown = chosen(names)
    frame, face = find_face(path_in, at_s, tracker)
    _write_image(path_out, contact_sheet(frame, face, names, strength, base, columns, cell_px))
    return len(shown)


def _write_image(path: Path, pixels: BgrFrame) -> None:
    """Encode by the suffix; under another name, and renamed when it is complete."""
    try:
        done, data = cv2.imencode(path.suffix, pixels)
    except cv2.error:  # WebP, for one, ends at 16383 px
        done = False
    if not done:
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise SinkError(f"image {path}: {size} cannot be encoded as {path.suffix}; allowed: .png, .jpg, ...")
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        raise SinkError(f"image {path}: cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
