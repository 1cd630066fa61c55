"""MediaPipe's hair segmentation: where the hair is in an upright picture of one head, by OpenCV alone.

Guarantees: an object is used by one thread at a time, and lets go of the GIL while it computes.
Source: Tkachenka et al., "Real-time Hair Segmentation and Recoloring on Mobile GPUs", arXiv 1907.06740, 2019;
`livewarp.fetch` says where the network comes from and what was changed.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.segmentation.mask_kernels import remember
from livewarp.tracking.weights import HAIR, HAIR_SMALL, find_weights

# How much of an uncertain value the mask before decides, so that a still head's edge does not flicker.
_MEMORY = 0.5


class HairNetwork:
    """Both sizes of the network, each loaded when it is first used."""

    def __init__(self) -> None:
        self._nets: dict[str, cv2.dnn.Net] = {}

    def find(self, picture: BgrFrame, before: GrayFrame | None) -> NDArray[np.uint8]:
        """Where hair is.

        Parameters
        ----------
        picture
            (n, n, 3) uint8 BGR, a head upright in it; n is 320, or 256 for the cheaper network.
        before
            Of any size: where hair was expected in this picture; None: nobody knows.

        Returns
        -------
        (n, n) uint8
            255: certainly hair.

        Raises
        ------
        ModelError
            The network's file is missing, damaged, or OpenCV cannot read it.
        """
        side = picture.shape[0]
        batch = np.zeros((1, 4, side, side), np.float32)
        batch[:, :3] = cv2.dnn.blobFromImage(picture, 1 / 255, swapRB=True)
        if before is not None:
            before = np.asarray(cv2.resize(before, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
            np.multiply(before, np.float32(1 / 255), out=batch[0, 3])
        net = self._net(side)
        net.setInput(batch)
        share = 1.0 / (1.0 + np.exp(-net.forward()[0, 0]))
        out = np.empty((side, side), np.uint8)
        remember(share, out if before is None else before, 0.0 if before is None else _MEMORY, out)
        return out

    def _net(self, side: int) -> cv2.dnn.Net:
        weights = {320: HAIR, 256: HAIR_SMALL}[side]
        if weights.file not in self._nets:
            path = find_weights(weights=weights)
            cv2.setNumThreads(1)
            try:
                # The new engine of OpenCV 5.0.0 fails where pooled values go back to their places.
                self._nets[weights.file] = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
            except cv2.error as error:
                raise weights.error(f"OpenCV cannot read it: {' '.join(str(error).split())}", path) from error
        return self._nets[weights.file]
