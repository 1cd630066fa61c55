"""Blurs what is behind people, and nothing of themselves: a mean over discs of those pixels that are surely background.

A lens that is out of focus makes a disc of every point of light, with an edge: so do these.
"""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame
from livewarp.segmentation import blend_kernels as kernels

_LEAST, _MOST = 0.02, 0.1  # radius of the discs, shares of the frame's height, at an amount of 0 and 1
_STEEPNESS = 4.0  # what is a quarter person is none of the background
_BLOOM = 40.0  # how much more what is as bright as it can be weighs: lamps, whose light no picture holds
_FAR = 4  # times the radius, to each side: for places with nothing but person around
_FAR_SHARE = 1e-3


class Blur:
    """Blurs backgrounds of one size; for one thread.

    Parameters
    ----------
    least_hw
        Of the least copies of the frames, px.
    """

    def __init__(self, least_hw: tuple[int, int]) -> None:
        height, width = least_hw
        self._weighed = np.empty((*least_hw, 4), np.float32)
        self._near = np.empty_like(self._weighed)
        self._far = np.empty_like(self._weighed)
        self._sums = np.empty((height, 4 * (width + 2 * (int(_MOST * height) + 2))), np.float32)
        self._nobody: GrayFrame = np.zeros(least_hw, np.uint8)
        self._out: FloatArray = np.empty((*least_hw, 3), np.float32)

    def blur(self, small: BgrFrame, mask: GrayFrame | None, amount: float, trust: float) -> FloatArray:
        """The background, (h, w, 3) float32 BGR, 0 to 255, at the least size; valid until the next call.

        Parameters
        ----------
        small
            (H, W, 3) uint8 BGR: of the least size or larger.
        mask
            (h, w) uint8, of the least size: who is person; None: nobody.
        amount
            0 to 1.
        trust
            0 to 1: how much of the mask counts.
        """
        height, width = self._nobody.shape
        mask = self._nobody if mask is None else mask
        radius = (_LEAST + (_MOST - _LEAST) * amount) * height
        kernels.weigh_background(small, mask, _STEEPNESS, _BLOOM, trust, self._weighed)
        kernels.blur_discs(self._weighed, radius, self._sums, self._far)
        cv2.boxFilter(self._far, -1, (3, 3), dst=self._near)  # the rims of discs have no steps
        wide = min(2 * round(_FAR * radius) + 1, height, width) | 1
        cv2.boxFilter(self._near, -1, (wide, wide), dst=self._far)
        kernels.divide_sums(self._near, self._far, _FAR_SHARE, self._out)
        return self._out
