"""Draws the edge of a small mask after the picture's edges: the guided filter, its planes fitted at half a mask's size.

Its guide is the colour: hair and a wall of one luminance are told apart.
Source: He, Sun, Tang, "Guided Image Filtering", TPAMI 2013; He, Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.
"""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.scene import Mask, Reduced
from livewarp.segmentation import mask_kernels as kernels

_RADIUS = 1 / 64  # of the long side: 10 px of the half picture's 640
_EPSILON = 2e-4  # variance of a colour, 0 to 1, from which an edge of the picture counts: 4 grey levels
_SURE = 0.01  # of a mask, all around: nothing to refine
# From no person to a whole one. Before a blur the edge feathers outwards, where it shows the room that is there anyway;
# before another picture it must not.
SOFT, TIGHT = (0.22, 0.65), (0.35, 0.8)


class Refiner:
    """Refines masks of one size; for one thread.

    Parameters
    ----------
    half_hw, small_hw
        Of the smaller copies of the frames, px.
    """

    def __init__(self, half_hw: tuple[int, int], small_hw: tuple[int, int]) -> None:
        fit_hw = max(1, small_hw[0] // 2), max(1, small_hw[1] // 2)
        self._colours: BgrFrame = np.empty((*fit_hw, 3), np.uint8)
        self._mask: GrayFrame = np.empty(fit_hw, np.uint8)
        self._moments = np.empty((*fit_hw, 13), np.float32)
        self._means = np.empty_like(self._moments)
        self._planes = np.empty((*fit_hw, 4), np.float32)
        self._smooth = np.empty_like(self._planes)
        self._wide = np.empty((*half_hw, 4), np.float32)
        self._alpha: GrayFrame = np.empty(half_hw, np.uint8)

    def refine(self, mask: Mask, reduced: Reduced, edge: tuple[float, float], trust: float) -> GrayFrame:
        """How much of each pixel is person, (h, w) uint8 at half the size; `edge`: `SOFT` or `TIGHT`; `trust`: 0 to 1.

        Valid until the next call.
        """
        radius = max(1, round(_RADIUS * max(self._mask.shape)))
        side = (2 * radius + 1, 2 * radius + 1)
        size_wh = self._mask.shape[::-1]
        cv2.resize(reduced.small, size_wh, dst=self._colours, interpolation=cv2.INTER_AREA)
        cv2.resize(mask.weights, size_wh, dst=self._mask, interpolation=cv2.INTER_AREA)
        kernels.fill_moments(self._colours, self._mask, self._moments)
        cv2.boxFilter(self._moments, -1, side, dst=self._means)
        kernels.solve_planes(self._means, _EPSILON, _SURE, self._planes)
        cv2.boxFilter(self._planes, -1, side, dst=self._smooth)
        cv2.resize(self._smooth, self._alpha.shape[::-1], dst=self._wide, interpolation=cv2.INTER_LINEAR)
        kernels.fill_alpha(self._wide, reduced.half, *edge, trust, self._alpha)
        return self._alpha
