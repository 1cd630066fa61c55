"""The cover for a whole frame, which needs nothing that is made before.

Guarantees: `cover` works at any moment, whatever else has failed, and leaves nothing that can be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2

from livewarp.arrays import BgrFrame
from livewarp.knobs import Value

_COLUMNS = 12  # of the colours that are left of a covered frame: no face, no letter, no furniture


def colour_of(values: Mapping[str, Value]) -> tuple[int, int, int]:
    """The background's colour: blue, green, red."""
    red, green, blue = bytes.fromhex(str(values["background_colour"])[1:])
    return blue, green, red


def cover(frame: BgrFrame, values: Mapping[str, Value]) -> None:
    """Hide the whole frame, in place: the colour where a colour or a picture is wanted, else a few soft blots."""
    if values["background"] in ("colour", "picture"):
        frame[:] = colour_of(values)
        return
    height, width = frame.shape[:2]
    rows = max(2, round(_COLUMNS * height / width))
    few = cv2.resize(frame, (_COLUMNS, rows), interpolation=cv2.INTER_AREA)
    few = cv2.GaussianBlur(few, (3, 3), 0)
    cv2.resize(few, (width, height), dst=frame, interpolation=cv2.INTER_LINEAR)
