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

    Attributes
    ----------
    ends
        Words for its least and its most.
    keywords
        What people type who search for it, besides words of its name and help.
    """

    name: str
    area: Area
    help: str
    ends: tuple[str, str]
    keywords: tuple[str, ...]
    strokes: tuple[Stroke, ...]
    default: float = 0.0
    minimum: float = -1.0
    maximum: float = 1.0


# How the amounts and radii were found: benchmarks/effects.py measures what each adjustment does to real faces
# and to the measures of all others (tests/measures.py); sheets of faces, by eye, for the rest. A shift
# squeezes by 1.7 amount/radius; alone, every adjustment stays below the limit (SQUEEZE_FREE, warping/squeeze.py).
ADJUSTMENTS: dict[str, Adjustment] = {
    a.name: a
    for a in (
        # ------ face
        Adjustment(
            "thin",
            "face",
            "Face thinning: cheeks and jaw move towards the middle of the face.",
            ("as it is", "thinner"),
            ("slim face", "lose weight", "narrow face", "double chin", "v line"),
            (
                Stroke("shift", (2,), (0.56, 0.62), (0.055, 0.0), outer=0.75),
                Stroke("shift", (4,), (0.56, 0.62), (0.085, 0.0), outer=0.75),
                Stroke("shift", (6,), (0.50, 0.55), (0.065, 0.0)),
                # Holds the corners of the mouth against the pull on the cheeks.
                Stroke("shift", (48,), (0.34, 0.34), (-0.028, 0.0)),
            ),
            default=0.35,
            minimum=0.0,
            maximum=1.5,
        ),
        Adjustment(
            "head_size",
            "face",
            "Size of the whole head.",
            ("smaller", "larger"),
            ("big head", "small head", "tiny", "shrink", "zoom"),
            (
                Stroke("scale", (27, 28, 29, 30), (1.75, 2.0), (0.30, 0.30), paired=False),
                # Inside, less: else the nose would grow most.
                Stroke("scale", (27, 28, 29, 30), (0.95, 1.05), (-0.11, -0.11), paired=False),
            ),
        ),
        Adjustment(
            "face_length",
            "face",
            "Face length below the eyes.",
            ("shorter", "longer"),
            ("long face", "oval", "round face", "lower face"),
            (Stroke("shift", (8,), (1.15, 1.05), (0.0, 0.13), paired=False),),
        ),
        Adjustment(
            "forehead",
            "face",
            "Forehead height: where the hair line lies.",
            ("lower", "higher"),
            ("hairline", "big forehead", "fivehead", "brow"),
            (Stroke("shift", (36, 45), (0.95, 0.56), (0.0, -0.12), offset=(0.0, -0.80), paired=False),),
        ),
        Adjustment(
            "temples",
            "face",
            "Face width beside the brows.",
            ("narrower", "wider"),
            ("head width", "side of the head", "upper face"),
            (Stroke("shift", (0, 17), (0.42, 0.54), (-0.06, 0.0), offset=(-0.10, -0.22), outer=0.8),),
        ),
        Adjustment(
            "cheekbones",
            "face",
            "Face width below the eyes.",
            ("narrower", "wider"),
            ("high cheekbones", "zygoma", "contour", "model"),
            (Stroke("shift", (1,), (0.48, 0.48), (-0.08, 0.0), outer=0.75),),
        ),
        Adjustment(
            "cheeks",
            "face",
            "Cheek fullness beside nose and mouth.",
            ("hollower", "fuller"),
            ("chubby", "chipmunk", "puffy", "face fat", "buccal", "sunken"),
            (Stroke("shift", (3,), (0.48, 0.48), (-0.085, 0.0), outer=0.75),),
        ),
        Adjustment(
            "jaw",
            "face",
            "Jaw width.",
            ("narrower", "wider"),
            ("jawline", "square jaw", "masseter", "strong jaw", "v line"),
            (Stroke("shift", (5,), (0.48, 0.48), (-0.10, 0.0), offset=(-0.08, 0.03), outer=0.78),),
        ),
        Adjustment(
            "chin_width",
            "face",
            "Chin width.",
            ("V-shaped", "U-shaped"),
            ("pointed chin", "v line", "sharp", "square", "round", "double chin"),
            (Stroke("shift", (7,), (0.44, 0.43), (-0.068, 0.0), offset=(-0.06, 0.02)),),
        ),
        Adjustment(
            "chin_length",
            "face",
            "Chin length.",
            ("shorter", "longer"),
            ("weak chin", "strong chin", "long chin", "witch"),
            (Stroke("shift", (8,), (0.75, 0.50), (0.0, 0.12), offset=(0.0, 0.04), paired=False),),
        ),
        # ------ eyes: radii and anchors from the corners, which stay where they are in a blink
        Adjustment(
            "eyes",
            "eyes",
            "Eye enlargement.",
            ("as they are", "larger"),
            ("big eyes", "eye size", "bigger", "doll", "anime"),
            (Stroke("scale", (36, 39), (0.40, 0.38), (0.40, 0.40)),),
            default=0.25,
            minimum=0.0,
        ),
        Adjustment(
            "eye_width",
            "eyes",
            "Eye width, from corner to corner.",
            ("narrower", "wider"),
            ("long eyes", "almond", "round eyes"),
            (Stroke("scale", (36, 39), (0.39, 0.34), (0.42, 0.0)),),
        ),
        Adjustment(
            "eye_openness",
            "eyes",
            "Eye height, from lid to lid.",
            ("narrower", "wider open"),
            ("wide open", "sleepy", "tired", "squint", "awake", "lids"),
            (Stroke("scale", (36, 39), (0.38, 0.34), (0.0, 0.44)),),
        ),
        Adjustment(
            "eye_inner_corner",
            "eyes",
            "Inner corners of the eyes.",
            ("further out", "further in"),
            ("epicanthoplasty", "tear duct", "canthus", "open", "long eyes"),
            (Stroke("shift", (39,), (0.26, 0.25), (0.042, 0.0), offset=(0.035, 0.0)),),
        ),
        Adjustment(
            "eye_outer_corner",
            "eyes",
            "Outer corners of the eyes.",
            ("further in", "further out"),
            ("canthoplasty", "cat eye", "canthus", "open", "long eyes"),
            (Stroke("shift", (36,), (0.27, 0.27), (-0.045, 0.0), offset=(-0.035, 0.0)),),
        ),
        Adjustment(
            "eye_lower_lid",
            "eyes",
            "Lower lids.",
            ("higher", "lower"),
            ("dolly eyes", "puppy eyes", "droopy", "squint", "smize"),
            (Stroke("shift", (36, 39), (0.26, 0.25), (0.0, 0.050), offset=(0.0, 0.125)),),
        ),
        Adjustment(
            "pupils",
            "eyes",
            "Size of iris and pupil.",
            ("smaller", "larger"),
            ("iris", "contact lenses", "circle lenses", "big eyes", "doll", "anime"),
            (
                Stroke("scale", (36, 39), (0.25, 0.25), (0.50, 0.50)),
                # Holds the lids.
                Stroke("scale", (36, 39), (0.40, 0.30), (-0.14, -0.13)),
            ),
        ),
        Adjustment(
            "eye_distance",
            "eyes",
            "Distance between the eyes.",
            ("closer", "further apart"),
            ("spacing", "gap", "close set", "wide set"),
            (Stroke("shift", (36, 39), (0.38, 0.33), (-0.055, 0.0)),),
        ),
        Adjustment(
            "eye_height",
            "eyes",
            "Height of the eyes in the face.",
            ("lower", "higher"),
            ("eye position", "up", "down"),
            (Stroke("shift", (36, 39), (0.42, 0.32), (0.0, -0.05)),),
        ),
        Adjustment(
            "eye_tilt",
            "eyes",
            "Eye slant.",
            ("outer corners lower", "outer corners higher"),
            ("cat eye", "fox eye", "slanted", "droopy", "canthal tilt"),
            (
                Stroke("shift", (36,), (0.32, 0.29), (0.0, -0.04), offset=(0.0, 0.03)),
                Stroke("shift", (39,), (0.29, 0.29), (0.0, 0.04)),
            ),
        ),
        # ------ brows: anchored above them, so that the lids stay behind
        Adjustment(
            "brow_height",
            "brows",
            "Brow height.",
            ("lower", "higher"),
            ("eyebrows", "raise", "lift", "surprised", "angry"),
            (Stroke("shift", (17, 18, 19, 20, 21), (0.55, 0.35), (0.0, -0.075), offset=(0.0, -0.09)),),
        ),
        Adjustment(
            "brow_distance",
            "brows",
            "Distance between the brows.",
            ("closer", "further apart"),
            ("eyebrows", "gap", "spacing", "unibrow"),
            (Stroke("shift", (18, 19, 20, 21), (0.46, 0.34), (-0.070, 0.0), offset=(0.0, -0.06)),),
        ),
        Adjustment(
            "brow_tilt",
            "brows",
            "Brow slant.",
            ("outer ends lower", "outer ends higher"),
            ("eyebrows", "angry", "sad", "worried", "arch"),
            (
                Stroke("shift", (17, 18), (0.36, 0.32), (0.0, -0.06), offset=(0.0, -0.06)),
                Stroke("shift", (20, 21), (0.30, 0.30), (0.0, 0.04), offset=(0.0, -0.04)),
            ),
        ),
        Adjustment(
            "brow_thickness",
            "brows",
            "Brow thickness.",
            ("thinner", "thicker"),
            ("eyebrows", "bushy", "full", "pencil", "plucked"),
            (Stroke("scale", (18, 19, 20), (0.55, 0.25), (0.0, 0.42), offset=(0.0, -0.004)),),
        ),
        # ------ nose
        Adjustment(
            "nose_size",
            "nose",
            "Size of the whole nose.",
            ("smaller", "larger"),
            ("big nose", "small nose", "rhinoplasty", "button nose"),
            (Stroke("scale", (29, 30, 33), (0.46, 0.50), (0.34, 0.34), paired=False),),
        ),
        Adjustment(
            "nose_width",
            "nose",
            "Nose width, from the bridge to the nostrils.",
            ("narrower", "wider"),
            ("slim nose", "small nose", "big nose", "thin nose"),
            (
                Stroke("scale", (30, 33), (0.40, 0.36), (0.42, 0.0), paired=False),
                Stroke("scale", (28, 29), (0.30, 0.36), (0.15, 0.0), paired=False),
            ),
        ),
        Adjustment(
            "nose_length",
            "nose",
            "Nose length.",
            ("shorter", "longer"),
            ("small nose", "long nose", "big nose"),
            (Stroke("shift", (30, 33), (0.44, 0.37), (0.0, 0.065), offset=(0.0, 0.02), paired=False),),
        ),
        Adjustment(
            "nose_bridge",
            "nose",
            "Nose bridge width, between the eyes and below.",
            ("narrower", "wider"),
            ("nose contour", "slim nose", "top of the nose"),
            (Stroke("scale", (28, 29), (0.32, 0.38), (0.40, 0.0), paired=False),),
        ),
        Adjustment(
            "nose_tip",
            "nose",
            "Height of the nose tip above its base.",
            ("lower", "higher"),
            ("button nose", "upturned", "droopy", "rhinoplasty"),
            (
                Stroke("shift", (30,), (0.33, 0.32), (0.0, -0.06), offset=(0.0, -0.05), paired=False),
                Stroke("shift", (33,), (0.34, 0.29), (0.0, 0.032), paired=False),
            ),
        ),
        Adjustment(
            "nostrils",
            "nose",
            "Nostril width.",
            ("narrower", "wider"),
            ("nose wings", "alar", "flared", "base of the nose"),
            (Stroke("shift", (31,), (0.30, 0.28), (-0.042, 0.0), offset=(-0.03, -0.02)),),
        ),
        # ------ mouth: anchored at its corners where talking must not move the effect, else at the lips
        Adjustment(
            "mouth_size",
            "mouth",
            "Mouth size.",
            ("smaller", "larger"),
            ("big mouth", "small mouth", "big lips"),
            (Stroke("scale", (48, 54), (0.62, 0.37), (0.35, 0.35), paired=False),),
        ),
        Adjustment(
            "mouth_width",
            "mouth",
            "Mouth width.",
            ("narrower", "wider"),
            ("wide mouth", "small mouth", "lips"),
            (Stroke("shift", (48,), (0.40, 0.35), (-0.062, 0.0)),),
        ),
        Adjustment(
            "mouth_height",
            "mouth",
            "Height of the mouth in the face.",
            ("lower", "higher"),
            ("mouth position", "philtrum", "up", "down"),
            (Stroke("shift", (48, 54), (0.80, 0.36), (0.0, -0.07), paired=False),),
        ),
        Adjustment(
            "smile",
            "mouth",
            "Corners of the mouth.",
            ("lower", "higher"),
            ("happy", "sad", "grin", "frown", "mood", "lips"),
            (Stroke("shift", (48,), (0.36, 0.36), (-0.008, -0.063), offset=(-0.06, 0.0)),),
        ),
        Adjustment(
            "upper_lip",
            "mouth",
            "Upper lip fullness.",
            ("thinner", "fuller"),
            ("big lips", "lip filler", "plump", "pout", "cupid's bow"),
            (
                Stroke("scale", (50, 51, 52, 61, 62, 63), (0.42, 0.27), (0.0, 0.41), paired=False),
                # Holds the line between the lips.
                Stroke("shift", (50, 51, 52, 61, 62, 63), (0.42, 0.27), (0.0, -0.016), paired=False),
            ),
        ),
        Adjustment(
            "lower_lip",
            "mouth",
            "Lower lip fullness.",
            ("thinner", "fuller"),
            ("big lips", "lip filler", "plump", "pout", "bottom lip"),
            (
                Stroke("scale", (56, 57, 58, 65, 66, 67), (0.42, 0.28), (0.0, 0.48), paired=False),
                Stroke("shift", (56, 57, 58, 65, 66, 67), (0.42, 0.28), (0.0, 0.022), paired=False),
            ),
        ),
    )
}
"""Every adjustment by name, in the order in which people see them: by area."""
