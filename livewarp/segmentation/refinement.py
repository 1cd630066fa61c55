"""Draws the edge of a small mask after the edges of the picture: the guided filter, its lines fitted at a mask's size.

Source: He, Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.
"""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import GrayFrame
from livewarp.scene import Mask, Reduced
from livewarp.segmentation import mask_kernels as kernels

_RADIUS = 1 / 64  # of the small picture's long side: 5 px of 320
_EPSILON = 4e-4  # variance of luminance, 0 to 1, from which an edge of the picture counts: 5 grey levels
LOW, HIGH = 0.15, 0.6  # the person is whole at half a mask: what is uncertain lies outside the contour


class Refiner:
    """Refines masks of one size; for one thread.

    Parameters
    ----------
    half_hw, small_hw
        Of the smaller copies of the frames, px.
    """

    def __init__(self, half_hw: tuple[int, int], small_hw: tuple[int, int]) -> None:
        self._moments = np.empty((*small_hw, 4), np.float32)
        self._means = np.empty_like(self._moments)
        self._lines = np.empty((*small_hw, 2), np.float32)
        self._smooth = np.empty_like(self._lines)
        self._wide = np.empty((*half_hw, 2), np.float32)
        self._alpha: GrayFrame = np.empty(half_hw, np.uint8)

    def refine(self, mask: Mask, reduced: Reduced) -> GrayFrame:
        """How much of each pixel is person, (h, w) uint8 at half the frame's size; valid until the next call."""
        radius = max(1, round(_RADIUS * max(mask.weights.shape)))
        side = (2 * radius + 1, 2 * radius + 1)
        kernels.fill_moments(reduced.small_gray, mask.weights, self._moments)
        cv2.boxFilter(self._moments, -1, side, dst=self._means)
        kernels.solve_lines(self._means, _EPSILON, self._lines)
        cv2.boxFilter(self._lines, -1, side, dst=self._smooth)
        cv2.resize(self._smooth, self._alpha.shape[::-1], dst=self._wide, interpolation=cv2.INTER_LINEAR)
        kernels.fill_alpha(self._wide, reduced.half_gray, LOW, HIGH, mask.trust, self._alpha)
        return self._alpha
