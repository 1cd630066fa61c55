"""What a person looks like, as far as that tells people apart: grey levels of the face, colours of the head.

Both are of an upright cut of the frame at the face's pose, so that they do not depend on the landmark model. Of one
person several looks are kept, as a head that is turned looks unlike one that is not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose

CHIP_PX = 72  # of a square around the face, three IOD a side: hair, neck and collar, too
_IOD_PX = 24
_FACE = slice(12, 60)  # rows and columns of the chip where the face is
_CELLS = 12  # a side, of the grey levels
_COLOURS = 6  # a side, of the colours
_LIGHTNESS = 0.25  # its part in a colour: light changes more than what it falls on
_FLAT = 2.0  # grey levels: less contrast than this is noise

# Two looks of one person and of two people, over 18 clips of 14 people (GRID, ASL, a webcam): grey levels differ by
# at most 0.52 and at least 0.70, colours by at most 2.1 and at least 3.9 (95 % of the pairs on either side).
_GREY_UNIT = 0.65  # RMS, of levels of variance 1
_COLOUR_UNIT = 4.0  # RMS, levels of Lab
SAME = 1.25  # below this distance two looks are of one person

_MOST = 5  # looks of one person
_NEW = 0.6  # a look that differs by more from all that are kept is kept, too
_SHARE = 0.1  # of a look in the one that it is like


class Looks(NamedTuple):
    """One look of a person.

    Attributes
    ----------
    grey
        (12, 12) float32 of the face, mean 0, variance 1.
    colours
        (6, 6, 3) float32, Lab of the head, lightness relative to its mean and scaled down.
    """

    grey: NDArray[np.float32]
    colours: NDArray[np.float32]

    def distance(self, other: Looks) -> float:
        """How unlike two looks are: below `SAME`, they are of one person."""
        grey = math.sqrt(float(np.mean(np.square(self.grey - other.grey))))
        colours = math.sqrt(float(np.mean(np.square(self.colours - other.colours))))
        return math.hypot(grey / _GREY_UNIT, colours / _COLOUR_UNIT)


def looks_of(frame: BgrFrame, pose: Pose) -> Looks:
    """What the face at a pose looks like (0.1 ms)."""
    scale = _IOD_PX / pose.iod_px
    # Large faces are reduced in two steps: without the mean over pixels their noise and pores would count.
    larger = min(8, max(1, math.ceil(0.5 / scale)))
    scale, side = larger * scale, larger * CHIP_PX
    c, s = scale * math.cos(pose.roll), scale * math.sin(pose.roll)
    x, y = side / 2 - c * pose.x - s * pose.y, side / 2 + s * pose.x - c * pose.y
    matrix = np.array([[c, s, x], [-s, c, y]], np.float64)
    chip = cv2.warpAffine(frame, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    chip = cv2.resize(chip, (CHIP_PX, CHIP_PX), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY)[_FACE, _FACE]
    levels = cv2.resize(grey, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
    levels = (levels - levels.mean()) / max(_FLAT, float(levels.std()))
    lab = cv2.cvtColor(chip, cv2.COLOR_BGR2LAB).astype(np.float32)
    colours = cv2.resize(lab, (_COLOURS, _COLOURS), interpolation=cv2.INTER_AREA)
    colours[..., 0] = _LIGHTNESS * (colours[..., 0] - colours[..., 0].mean())
    return Looks(levels, np.asarray(colours, np.float32))


class Gallery:
    """The looks of one person, the oldest first; those of the engine thread."""

    def __init__(self) -> None:
        self.looks: list[Looks] = []

    def add(self, looks: Looks) -> None:
        """Note what the person looks like now: in the look that it is like, or beside the others."""
        nearest = min(self.looks, key=looks.distance, default=None)
        if nearest is None or looks.distance(nearest) > _NEW:
            self.looks.append(looks)
            if len(self.looks) > _MOST:
                del self.looks[1]  # the first is from the time when the face was found
            return
        for mine, now in zip(nearest, looks, strict=True):
            mine += _SHARE * (now - mine)

    def distance(self, looks: Looks) -> float:
        """How unlike a look is to the one that it is most like; infinite where there is none."""
        return min((looks.distance(mine) for mine in self.looks), default=math.inf)
