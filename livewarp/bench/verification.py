"""Verifies that the filter does its work: work that is not done is not timed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError
from livewarp.face68 import Face

# Strokes reach less than this far from the middle of the face, in IOD.
REACH_IOD = 2.5
CERTAIN = 0.5  # confidence from which a face must have changed


class Verification:
    """Compares frames before and after the filter.

    Parameters
    ----------
    source
        What they come from, for people.
    everywhere
        Whether the filter may change pixels that no face is near: it hides the room.
    """

    def __init__(self, source: str, everywhere: bool = False) -> None:
        self._source = source
        self._everywhere = everywhere
        self._changes: list[float] = []
        self._frames = 0

    def add(self, before: BgrFrame, after: BgrFrame, faces: Sequence[Face]) -> None:
        """One frame, before and after.

        Raises
        ------
        LivewarpError
            Pixels changed that no face is near.
        """
        self._frames += 1
        difference = np.abs(after.astype(np.int16) - before)
        near = _near(before.shape[:2], faces)
        if not self._everywhere and difference[~near].any():
            raise LivewarpError("bench: pixels far from every face changed: the warp is broken, figures would be void")
        if faces and min(face.confidence for face in faces) > CERTAIN:
            self._changes.append(float(difference[near].mean()))

    def changed(self) -> float:
        """Mean change within the faces, grey levels.

        Raises
        ------
        LivewarpError
            No frame had a face, or none of them changed.
        """
        if not self._changes:
            raise LivewarpError(
                f"bench: no face in {self._frames} frames of {self._source}", allowed="a source that shows one"
            )
        if max(self._changes) == 0.0:
            raise LivewarpError(
                "bench: the warp changed no pixel", allowed="parameters that do something (--set thin=0.5)"
            )
        return float(np.mean(self._changes))


def _near(shape_hw: tuple[int, ...], faces: Sequence[Face]) -> NDArray[np.bool_]:
    """(H, W): within reach of some face."""
    y, x = np.ogrid[: shape_hw[0], : shape_hw[1]]
    near = np.zeros(shape_hw, np.bool_)
    for face in faces:
        centre = face.landmarks.mean(axis=0)
        near |= (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (REACH_IOD * face.pose.iod_px) ** 2
    return near
