"""MediaPipe's selfie segmentation: who is person and who is background in a small picture, by OpenCV alone.

Two networks of one kind: a square one, and one for wide pictures at half the cost, for machines that are too slow.

Guarantees: an object is used by one thread at a time, and lets go of the GIL while it computes.
Source: "MediaPipe Selfie Segmentation", model card, Google 2021; tools/convert_person.py says what was changed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.segmentation.mask_kernels import remember
from livewarp.tracking.network import open_network
from livewarp.tracking.weights import PERSON, PERSON_WIDE

_SIZES_WH = {PERSON: (256, 256), PERSON_WIDE: (256, 144)}
MASK_SIDE = 256  # of what `find` gives, whichever network it was

# How much of an uncertain value the mask before decides: a still person's edge flickers less, and what is certain
# is taken over at once. MediaPipe's own graph smooths its masks in this way.
_MEMORY = 0.7

_PART = 64  # what is more belongs to a part
_SURE, _SURE_SHARE = 204, 0.4  # so much of a person is sure; of the lamp of a test clip, nothing
_LEAST_AREA = 0.002  # of the picture: a hand


class PersonNetwork:
    """Both networks, each loaded when it is first used."""

    def __init__(self) -> None:
        self._nets: dict[str, cv2.dnn.Net] = {}

    def find(self, picture: BgrFrame, before: NDArray[np.uint8] | None, wide: bool = False) -> NDArray[np.uint8]:
        """Where people are.

        Parameters
        ----------
        picture
            (h, w, 3) uint8 BGR, some hundred px wide.
        before
            (MASK_SIDE, MASK_SIDE) uint8: where they were expected in this picture; None: nobody knows.
        wide
            Take the cheaper network.

        Returns
        -------
        (MASK_SIDE, MASK_SIDE) uint8
            255: certainly a person; it covers the whole picture.

        Raises
        ------
        ModelError
            The network's file is missing, damaged, or OpenCV cannot read it.
        """
        weights = PERSON_WIDE if wide else PERSON
        if weights.file not in self._nets:
            self._nets[weights.file] = open_network(weights)
        net = self._nets[weights.file]
        net.setInput(cv2.dnn.blobFromImage(picture, 1 / 255, _SIZES_WH[weights], swapRB=True))
        mask = net.forward()[0, 0]
        if mask.shape != (MASK_SIDE, MASK_SIDE):
            mask = cv2.resize(mask, (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_LINEAR)
        out = np.empty((MASK_SIDE, MASK_SIDE), np.uint8)
        remember(mask, out if before is None else before, 0.0 if before is None else _MEMORY, out)
        return without_weak_parts(out)


def without_weak_parts(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask without those parts that stand alone and are sure nowhere: a lamp, a chair's back, a coat on its hook."""
    few = cv2.resize(mask, (MASK_SIDE // 2, MASK_SIDE // 2), interpolation=cv2.INTER_AREA)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((few > _PART).astype(np.uint8), connectivity=8)
    areas = boxes[:, cv2.CC_STAT_AREA]
    sure = np.bincount(labels[few > _SURE], minlength=len(areas))
    keep = (areas >= _LEAST_AREA * few.size) & (sure >= _SURE_SHARE * areas)
    keep[0] = False
    near = cv2.dilate(keep[labels].astype(np.uint8) * 255, np.ones((5, 5), np.uint8))
    near = cv2.resize(near, mask.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.bitwise_and(mask, near), np.uint8)
