"""What the tracker found in one frame: faces, and masks where a network made some.

Convention: everything is in coordinates of the frame as it came, before the warp and before the mirror.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import Face

PERSON = 0  # the face id of a mask that belongs to no single face


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A weight per pixel, from a network.

    Attributes
    ----------
    weights
        (h, w) uint8, 255: fully inside. It covers the whole frame at a size of its own.
    timestamp_s
        Of the frame it was made from, which may be an older one.
    face_id
        Whose it is; `PERSON`: everybody's.
    """

    weights: NDArray[np.uint8]
    timestamp_s: float
    face_id: int = PERSON


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """The faces and masks of one frame."""

    faces: tuple[Face, ...] = ()
    masks: tuple[Mask, ...] = ()
