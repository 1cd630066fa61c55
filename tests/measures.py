"""What each adjustment is meant to change, as data: one measure an adjustment, over points of the face.

A measure is a direction for each of some points: its value is how far they went along them, on average. All
measures are thus in the same unit and can be compared: an adjustment's own measure should move, others
should not. Points 0..67 are the landmarks; where those do not reach, marks (68..) are drawn on the face.

Convention: face axes (`livewarp.face68`) of the *untouched* face, also for what became of it, so that no
adjustment moves its own yardstick; lengths in IOD.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import MIRROR, N_LANDMARKS

MARKS = np.array(
    [
        (-0.30, -0.80), (0.00, -0.85), (0.30, -0.80),  # forehead, below the hair line
        (-0.80, -0.25), (0.80, -0.25),  # temples
        (-0.10, 0.20), (0.10, 0.20),  # sides of the nose bridge
        (-0.42, -0.30), (0.42, -0.30), (-0.42, -0.20), (0.42, -0.20),  # upper and lower edge of the brows
        (-0.415, 0.00), (0.415, 0.00), (-0.295, 0.00), (0.295, 0.00),  # sides of the iris
    ]
)  # fmt: skip
"""(n, 2), face axes: where marks are drawn; index in a measure: 68 and on."""

HAIR_LINE, TEMPLE, BRIDGE, BROW_TOP, BROW_BOTTOM, IRIS_OUT, IRIS_IN = (68, 69, 70), 71, 73, 75, 77, 79, 81
_MIRROR = {**dict(enumerate(MIRROR)), 68: 70, 69: 69, 70: 68} | {i: i + 1 if i % 2 else i - 1 for i in range(71, 83)}

Direction = tuple[float, float]
UP, DOWN, OUT, IN = (0.0, -1.0), (0.0, 1.0), (-1.0, 0.0), (1.0, 0.0)
"""Directions for points of the subject's right half; the other half takes their mirror images."""


def _mean(directions: Mapping[Direction, Iterable[int]]) -> NDArray[np.float64]:
    """Weights (points, 2) of the mean displacement of these points and of their mirror images."""
    weights = np.zeros((N_LANDMARKS + len(MARKS), 2))
    for (x, y), points in directions.items():
        for i in points:
            weights[i] += x, y
            weights[_MIRROR[i]] += -x, y
    return weights / np.abs(weights).sum()


MEASURES: Mapping[str, NDArray[np.float64]] = {
    "head_size": _mean({OUT: (2, 4), DOWN: (8,), UP: HAIR_LINE}),
    "thin": _mean({IN: (2, 3, 4, 5, 6)}),
    "face_length": _mean({DOWN: (7, 8)}),
    "forehead": _mean({UP: HAIR_LINE}),
    "temples": _mean({OUT: (TEMPLE,)}),
    "cheekbones": _mean({OUT: (1,)}),
    "cheeks": _mean({OUT: (3,)}),
    "jaw": _mean({OUT: (5,)}),
    "chin_width": _mean({OUT: (7,)}),
    "chin_length": _mean({DOWN: (8,)}),
    "eyes": _mean({OUT: (36,), IN: (39,), UP: (37, 38), DOWN: (40, 41)}),
    "eye_width": _mean({OUT: (36,), IN: (39,)}),
    "eye_openness": _mean({UP: (37, 38), DOWN: (40, 41)}),
    "eye_inner_corner": _mean({IN: (39,)}),
    "eye_outer_corner": _mean({OUT: (36,)}),
    "eye_lower_lid": _mean({DOWN: (40, 41)}),
    "pupils": _mean({OUT: (IRIS_OUT,), IN: (IRIS_IN,)}),
    "eye_distance": _mean({OUT: (36, 39)}),
    "eye_height": _mean({UP: (36, 39)}),
    "eye_tilt": _mean({UP: (36,), DOWN: (39,)}),
    "brow_height": _mean({UP: (17, 18, 19, 20, 21)}),
    "brow_distance": _mean({OUT: (17, 18, 19, 20, 21)}),
    "brow_tilt": _mean({UP: (17, 18), DOWN: (20, 21)}),
    "brow_thickness": _mean({UP: (BROW_TOP,), DOWN: (BROW_BOTTOM,)}),
    "nose_size": _mean({OUT: (31,), DOWN: (32, 33)}),
    "nose_width": _mean({OUT: (31,)}),
    "nose_length": _mean({DOWN: (31, 32, 33)}),
    "nose_bridge": _mean({OUT: (BRIDGE,)}),
    "nose_tip": _mean({UP: (30,)}) - _mean({UP: (32, 33)}),
    "nostrils": _mean({OUT: (31,)}),
    "mouth_size": _mean({OUT: (48,), UP: (51,), DOWN: (57,)}),
    "mouth_width": _mean({OUT: (48,)}),
    "mouth_height": _mean({UP: (61, 62, 66, 67)}),
    "smile": _mean({UP: (48,)}) - _mean({UP: (62, 66)}),
    "upper_lip": _mean({UP: (50, 51)}) - _mean({UP: (61, 62)}),
    "lower_lip": _mean({DOWN: (57, 58)}) - _mean({DOWN: (66, 67)}),
}
"""By adjustment: weights (points, 2) of displacements: a mean, or what it is more than another one."""

SHARED: tuple[tuple[str, ...], ...] = (
    tuple(MEASURES),  # of which the first is the whole head
    ("thin", "cheekbones", "cheeks", "jaw", "chin_width"),
    ("face_length", "chin_length"),
    ("eyes", "eye_width", "eye_openness", "eye_inner_corner", "eye_outer_corner", "eye_lower_lid", "pupils"),
    ("eye_width", "eye_inner_corner", "eye_outer_corner", "pupils"),
    ("eye_openness", "eye_lower_lid"),
    ("eye_distance", "eye_inner_corner", "eye_outer_corner"),
    ("nose_size", "nose_width", "nose_bridge", "nostrils", "nose_length", "nose_tip"),
    ("nose_width", "nose_bridge", "nostrils"),
    ("mouth_size", "mouth_width", "upper_lip", "lower_lip"),
)
"""The first of each group does what the others do, together: their measures must move with it, and it with theirs."""


def shared(one: str, other: str) -> bool:
    """Whether the two adjustments move the same points by definition."""
    return any(one in group and other in group and group[0] in {one, other} for group in SHARED)


def values(displacements: NDArray[np.float64]) -> dict[str, float]:
    """Every measure of displacements (points, 2), face axes, IOD; those of marks may be missing (nan)."""
    # A measure that does not look at a point must not become nan by it.
    used = {name: w != 0.0 for name, w in MEASURES.items()}
    return {name: float((w * displacements)[used[name]].sum()) for name, w in MEASURES.items()}
