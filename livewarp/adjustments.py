"""The adjustments: every way in which livewarp reshapes a face, as data.

An adjustment is a name, bounds and a few *strokes*; none has code of its own. Adding one touches
this table alone: the config file, the control port, the command line and the tests derive from it.

Convention: strokes live in face axes (`livewarp.face68`): x towards the subject's left, y towards
the chin, lengths in inter-ocular distances (IOD). They are written for the subject's right side or
the middle; `paired` adds the mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Stroke:
    """One elementary warp.

    Attributes
    ----------
    kind
        "shift" moves what is at the anchor; "scale" grows what is around it.
    anchor
        Landmarks whose mean is the anchor.
    radius
        Half axes of the ellipse outside which nothing moves: (along x, along y), IOD.
    amount
        At parameter value 1. Shift: how far the picture at the anchor moves, IOD (x, y).
        Scale: how much the neighbourhood of the anchor grows along (x, y), as a fraction of its
        size; negative shrinks.
    offset
        Added to the anchor, IOD (x, y).
    outer
        Times the radius along x on the side away from the middle of the face: below 1, the pull on
        the background falls off faster than that on the face. Paired strokes only.
    paired
        Whether the mirror image of the stroke, on the other side of the face, belongs to it.
    """

    kind: Literal["shift", "scale"]
    anchor: tuple[int, ...]
    radius: tuple[float, float]
    amount: tuple[float, float]
    offset: tuple[float, float] = (0.0, 0.0)
    outer: float = 1.0
    paired: bool = True


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A live parameter that reshapes the face; at 0 it does nothing."""

    name: str
    help: str
    default: float
    minimum: float
    maximum: float
    strokes: tuple[Stroke, ...]


ADJUSTMENTS: Mapping[str, Adjustment] = {
    a.name: a
    for a in (
        Adjustment(
            "thin",
            "Face thinning: the cheeks and the jaw move towards the middle of the face.",
            default=0.35,
            minimum=0.0,
            maximum=1.0,
            strokes=(
                Stroke("shift", anchor=(2,), radius=(0.75, 0.68), amount=(0.06, 0.0)),
                Stroke("shift", anchor=(4,), radius=(0.75, 0.68), amount=(0.09, 0.0)),
                Stroke("shift", anchor=(6,), radius=(0.66, 0.60), amount=(0.07, -0.01)),
            ),
        ),
        Adjustment(
            "eyes",
            "Eye enlargement.",
            default=0.25,
            minimum=0.0,
            maximum=1.0,
            strokes=(Stroke("scale", anchor=(36, 39), radius=(0.42, 0.40), amount=(0.38, 0.38)),),
        ),
    )
}
"""Every adjustment by name, in the order in which people see them."""
