"""Draws the edge of a small mask after the picture's edges: the guided filter, its planes fitted at half a mask's size.

Its guide is the colour: hair and a wall of one luminance are told apart.
Source: He, Sun, Tang, "Guided Image Filtering", TPAMI 2013; He, Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.
"""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import GrayFrame
from livewarp.scene import Mask, Reduced
from livewarp.segmentation import mask_kernels as kernels
from livewarp.segmentation.blend_kernels import WORD, Words

_RADIUS = 1 / 64  # of the long side: 10 px of the half picture's 640
_EPSILON = 2e-4  # variance of a colour, 0 to 1, from which an edge of the picture counts: 4 grey levels
_SURE = 0.01  # of a mask, all around: nothing to refine
_BEYOND = 0x8080_8080_8080_8080  # what no pixel has is no run
# From no person to a whole one. Before a blur the edge feathers outwards, where it shows the room that is there anyway;
# before another picture it must not.
SOFT, TIGHT = (0.22, 0.65), (0.35, 0.8)


class Refiner:
    """Refines masks of one size; for one thread.

    Parameters
    ----------
    half_hw, least_hw
        Of the smaller copies of the frames, px.

    Attributes
    ----------
    alpha
        (h, w) uint8: the newest mask that was refined, of half the frame's size and a little wider: whole words.
    words
        The same memory.
    """

    def __init__(self, half_hw: tuple[int, int], least_hw: tuple[int, int]) -> None:
        self._half_width = half_hw[1]
        self._moments = np.empty((*least_hw, 13), np.float32)
        self._means = np.empty_like(self._moments)
        self._planes = np.empty((*least_hw, 4), np.float32)
        self._smooth = np.empty_like(self._planes)
        self._flat: GrayFrame = np.empty(least_hw, np.uint8)
        self.words: Words = np.full((half_hw[0], -(-half_hw[1] // WORD)), _BEYOND, np.uint64)
        self.alpha: GrayFrame = self.words.view(np.uint8)

    def refine(self, mask: Mask, reduced: Reduced, edge: tuple[float, float], trust: float) -> GrayFrame:
        """How much of each pixel is person, (h, w) uint8 at half the size; `edge`: `SOFT` or `TIGHT`; `trust`: 0 to 1.

        `mask` is of the least size. Valid until the next call.
        """
        assert mask.weights.shape == self._flat.shape == reduced.gray.shape  # the kernels check nothing
        radius = max(1, round(_RADIUS * max(self._flat.shape)))
        side = (2 * radius + 1, 2 * radius + 1)
        kernels.fill_moments(reduced.least, mask.weights, self._moments)
        cv2.boxFilter(self._moments, -1, side, dst=self._means)
        kernels.solve_planes(self._means, _EPSILON, _SURE, self._planes)
        cv2.boxFilter(self._planes, -1, side, dst=self._smooth)
        kernels.fill_alpha(self._smooth, reduced.half, *edge, trust, self._flat, self.alpha)
        return self.alpha[:, : self._half_width]
