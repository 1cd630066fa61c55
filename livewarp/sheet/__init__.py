"""`livewarp sheet`: every adjustment and effect on a face as a labelled contact sheet, to choose from by eye.

A card for each: the face at its minimum, at 0 and at its maximum (at 0, half and all of it, where it begins
at 0), and a straight grid through the same warp, over the faded face. An effect's card has a fourth picture instead.

Guarantees: `layout` and `drawing` are pure; the pictures are what the filter delivers, cut and scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from livewarp.errors import SettingsError
from livewarp.parameters import Parameters
from livewarp.sheet.drawing import contact_sheet, neutral
from livewarp.sheet.layout import DEFAULT_CELL_PX, DEFAULT_COLUMNS, Cell, Layout, chosen, lay_out
from livewarp.sheet.subject import find_face
from livewarp.sinks.imagefile import write_image
from livewarp.sources.image import is_image
from livewarp.system.paths import check_output, timed
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
    """Draw the sheet of the face in a file into an image file; how many adjustments and effects it shows.

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
        A name that is no adjustment or effect.
    SettingsError
        `path_out` exists and `force` is False, it is `path_in` itself, or no image by its suffix.
    SourceError, SinkError
        The one cannot be read or has no face, or the other cannot be written.
    """
    if not is_image(path_out):
        raise SettingsError(f"output {path_out}", got=f"suffix {path_out.suffix!r}", allowed=".png, .jpg, ...")
    path_out = timed(path_out)
    check_output(path_out, force, Path(path_in))
    shown = chosen(names)
    frame, face = find_face(path_in, at_s, tracker)
    write_image(path_out, contact_sheet(frame, face, names, strength, base, columns, cell_px))
    return len(shown)
