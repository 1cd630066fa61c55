"""What the tracker found in one frame: faces, and masks where a network made some.

Convention: everything is in coordinates of the frame as it came, before the warp and before the mirror.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, GrayFrame
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
    trust
        0 to 1: how much to believe it; less where it is old.
    """

    weights: NDArray[np.uint8]
    timestamp_s: float
    face_id: int = PERSON
    trust: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Hair:
    """The hair of one head.

    Attributes
    ----------
    weights
        (h, w) uint8, 255: fully hair, at half the frame's size, drawn after the picture's edges.
    origin_xy
        Of its first pixel's corner, px of the frame; both even.
    face_id
        Whose it is.
    trust
        0 to 1: how much to believe it; less where it is old, or the head has moved fast since.
    """

    weights: GrayFrame
    origin_xy: tuple[int, int]
    face_id: int
    trust: float


class Reduced(NamedTuple):
    """A frame in smaller copies, for whoever needs no more.

    Attributes
    ----------
    half, small, least
        (h, w, 3) uint8 BGR: of half the frame's size, of what a network looks at, and of half that: a mask's.
    gray
        (h, w) uint8: luminance, as small as the least.
    """

    half: BgrFrame
    small: BgrFrame
    least: BgrFrame
    gray: GrayFrame


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What there is in one frame.

    Attributes
    ----------
    faces, masks
        Those in it; no mask: none was wanted, or none can be trusted.
    timestamp_s
        When it was captured, s.
    reduced
        The frame in smaller copies, valid until the next one; None where no mask was wanted.
    hair
        Of those heads that have some; none where none was wanted.
    """

    faces: tuple[Face, ...] = ()
    masks: tuple[Mask, ...] = ()
    timestamp_s: float = 0.0
    reduced: Reduced | None = None
    hair: tuple[Hair, ...] = ()

    @property
    def people(self) -> Mask | None:
        """The mask of everybody; None: there is none that can be trusted."""
        return next((mask for mask in self.masks if mask.face_id == PERSON), None)
