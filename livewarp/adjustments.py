"""The adjustments: every way in which livewarp reshapes a face, as data.

An adjustment is a name, bounds and a few *strokes*; none has code of its own. Adding one touches
this table alone: the config file, the control port, the command line and the tests derive from it.

Convention: strokes live in face axes (`livewarp.face68`): x towards the subject's left, y towards
the chin, lengths in inter-ocular distances (IOD). They are written for the subject's right side or
the middle; `paired` adds the mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Area = Literal["face", "eyes", "brows", "nose", "mouth"]
"""The part of the face that an adjustment belongs to; people see them grouped by it, in this order."""


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
    """A live parameter that reshapes the face; at 0 it does nothing.

    A positive value gives more of what the name says: wider, longer, higher, larger, further apart.
    """

    name: str
    area: Area
    help: str
    strokes: tuple[Stroke, ...]
    default: float = 0.0
    minimum: float = -1.0
    maximum: float = 1.0


# How the amounts and radii were found: benchmarks/effects.py measures what each adjustment does to real faces
# and to the measures of all others (tests/measures.py); sheets of faces were looked at for the rest. A shift
# squeezes by 1.7 amount/radius; alone, every adjustment stays below the limit (SQUEEZE_FREE, warping/warp.py).
ADJUSTMENTS: dict[str, Adjustment] = {
    a.name: a
    for a in (
        # ------ face
        Adjustment(
            "thin",
            "face",
            "Face thinning: the cheeks and the jaw move towards the middle of the face.",
            (
                Stroke("shift", (2,), (0.56, 0.62), (0.055, 0.0), outer=0.75),
                Stroke("shift", (4,), (0.56, 0.62), (0.085, 0.0), outer=0.75),
                Stroke("shift", (6,), (0.50, 0.55), (0.065, 0.0)),
                # Holds the corners of the mouth against the pull on the cheeks.
                Stroke("shift", (48,), (0.34, 0.34), (-0.028, 0.0)),
            ),
            default=0.35,
            minimum=0.0,
        ),
        Adjustment(
            "face_length",
            "face",
            "Length of the face below the eyes.",
            (Stroke("shift", (8,), (1.15, 1.05), (0.0, 0.13), paired=False),),
        ),
        Adjustment(
            "forehead",
            "face",
            "Height of the forehead: the hair line moves up.",
            (Stroke("shift", (36, 45), (0.95, 0.56), (0.0, -0.12), offset=(0.0, -0.80), paired=False),),
        ),
        Adjustment(
            "temples",
            "face",
            "Width of the face beside the brows.",
            (Stroke("shift", (0, 17), (0.42, 0.54), (-0.06, 0.0), offset=(-0.10, -0.22), outer=0.8),),
        ),
        Adjustment(
            "cheekbones",
            "face",
            "Width of the face below the eyes.",
            (Stroke("shift", (1,), (0.48, 0.48), (-0.08, 0.0), outer=0.75),),
        ),
        Adjustment(
            "cheeks",
            "face",
            "Fullness of the cheeks: the width of the face beside nose and mouth.",
            (Stroke("shift", (3,), (0.48, 0.48), (-0.085, 0.0), outer=0.75),),
        ),
        Adjustment(
            "jaw",
            "face",
            "Width of the jaw, below its angles.",
            (Stroke("shift", (5,), (0.48, 0.48), (-0.10, 0.0), offset=(-0.08, 0.03), outer=0.78),),
        ),
        Adjustment(
            "chin_width",
            "face",
            "Width of the chin: less makes the face a V, more a U.",
            (Stroke("shift", (7,), (0.44, 0.43), (-0.068, 0.0), offset=(-0.06, 0.02)),),
        ),
        Adjustment(
            "chin_length",
            "face",
            "Length of the chin, below the mouth.",
            (Stroke("shift", (8,), (0.75, 0.50), (0.0, 0.12), offset=(0.0, 0.04), paired=False),),
        ),
        # ------ eyes: radii and anchors from the corners, which stay where they are in a blink
        Adjustment(
            "eyes",
            "eyes",
            "Eye enlargement.",
            (Stroke("scale", (36, 39), (0.40, 0.38), (0.40, 0.40)),),
            default=0.25,
            minimum=0.0,
        ),
        Adjustment(
            "eye_width",
            "eyes",
            "Width of the eyes, from corner to corner.",
            (Stroke("scale", (36, 39), (0.39, 0.34), (0.42, 0.0)),),
        ),
        Adjustment(
            "eye_openness",
            "eyes",
            "Height of the eyes, from lid to lid.",
            (Stroke("scale", (36, 39), (0.38, 0.34), (0.0, 0.44)),),
        ),
        Adjustment(
            "eye_distance",
            "eyes",
            "Distance between the eyes.",
            (Stroke("shift", (36, 39), (0.38, 0.33), (-0.055, 0.0)),),
        ),
        Adjustment(
            "eye_height",
            "eyes",
            "How high the eyes lie in the face.",
            (Stroke("shift", (36, 39), (0.42, 0.32), (0.0, -0.05)),),
        ),
        Adjustment(
            "eye_tilt",
            "eyes",
            "Slant of the eyes: their outer corners move up, the inner ones down.",
            (
                Stroke("shift", (36,), (0.32, 0.29), (0.0, -0.04), offset=(0.0, 0.03)),
                Stroke("shift", (39,), (0.29, 0.29), (0.0, 0.04)),
            ),
        ),
        # ------ brows: anchored above them, so that the lids stay behind
        Adjustment(
            "brow_height",
            "brows",
            "How high the brows lie.",
            (Stroke("shift", (17, 18, 19, 20, 21), (0.55, 0.35), (0.0, -0.075), offset=(0.0, -0.09)),),
        ),
        Adjustment(
            "brow_distance",
            "brows",
            "Distance between the brows.",
            (Stroke("shift", (18, 19, 20, 21), (0.46, 0.34), (-0.070, 0.0), offset=(0.0, -0.06)),),
        ),
        Adjustment(
            "brow_tilt",
            "brows",
            "Slant of the brows: their outer ends move up, the inner ones down.",
            (
                Stroke("shift", (17, 18), (0.36, 0.32), (0.0, -0.06), offset=(0.0, -0.06)),
                Stroke("shift", (20, 21), (0.30, 0.30), (0.0, 0.04), offset=(0.0, -0.04)),
            ),
        ),
        # ------ nose
        Adjustment(
            "nose_width",
            "nose",
            "Width of the nose, from the bridge to the nostrils.",
            (
                Stroke("scale", (30, 33), (0.40, 0.36), (0.42, 0.0), paired=False),
                Stroke("scale", (28, 29), (0.30, 0.36), (0.15, 0.0), paired=False),
            ),
        ),
        Adjustment(
            "nose_length",
            "nose",
            "Length of the nose: its tip and base move down.",
            (Stroke("shift", (30, 33), (0.44, 0.37), (0.0, 0.065), offset=(0.0, 0.02), paired=False),),
        ),
        Adjustment(
            "nose_bridge",
            "nose",
            "Width of the nose bridge, between the eyes and below.",
            (Stroke("scale", (28, 29), (0.32, 0.38), (0.40, 0.0), paired=False),),
        ),
        Adjustment(
            "nose_tip",
            "nose",
            "Height of the tip of the nose above its base.",
            (
                Stroke("shift", (30,), (0.33, 0.32), (0.0, -0.06), offset=(0.0, -0.05), paired=False),
                Stroke("shift", (33,), (0.34, 0.29), (0.0, 0.032), paired=False),
            ),
        ),
        Adjustment(
            "nostrils",
            "nose",
            "Width of the nostrils.",
            (Stroke("shift", (31,), (0.30, 0.28), (-0.042, 0.0), offset=(-0.03, -0.02)),),
        ),
        # ------ mouth: anchored at its corners where talking must not move the effect, else at the lips
        Adjustment(
            "mouth_size",
            "mouth",
            "Size of the mouth.",
            (Stroke("scale", (48, 54), (0.62, 0.37), (0.35, 0.35), paired=False),),
        ),
        Adjustment(
            "mouth_width",
            "mouth",
            "Width of the mouth.",
            (Stroke("shift", (48,), (0.40, 0.35), (-0.062, 0.0)),),
        ),
        Adjustment(
            "mouth_height",
            "mouth",
            "How high the mouth lies in the face.",
            (Stroke("shift", (48, 54), (0.80, 0.36), (0.0, -0.07), paired=False),),
        ),
        Adjustment(
            "smile",
            "mouth",
            "The corners of the mouth move up; below 0, down.",
            (Stroke("shift", (48,), (0.36, 0.36), (-0.008, -0.063), offset=(-0.06, 0.0)),),
        ),
        Adjustment(
            "upper_lip",
            "mouth",
            "Fullness of the upper lip.",
            (
                Stroke("scale", (50, 51, 52, 61, 62, 63), (0.42, 0.27), (0.0, 0.41), paired=False),
                # Holds the line between the lips.
                Stroke("shift", (50, 51, 52, 61, 62, 63), (0.42, 0.27), (0.0, -0.016), paired=False),
            ),
        ),
        Adjustment(
            "lower_lip",
            "mouth",
            "Fullness of the lower lip.",
            (
                Stroke("scale", (56, 57, 58, 65, 66, 67), (0.42, 0.28), (0.0, 0.48), paired=False),
                Stroke("shift", (56, 57, 58, 65, 66, 67), (0.42, 0.28), (0.0, 0.022), paired=False),
            ),
        ),
    )
}
"""Every adjustment by name, in the order in which people see them: by area."""
