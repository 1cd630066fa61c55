"""Blurs what is behind people, and nothing of themselves: a mean of those pixels alone that are surely background."""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, GrayFrame
from livewarp.segmentation import mask_kernels as kernels

_LEAST, _MOST = 0.012, 0.05  # standard deviation, shares of the frame's height, at an amount of 0 and 1
_STEEPNESS = 4.0  # what is a quarter person is none of the background
_BLOOM = 6.0  # how much more a white pixel weighs than a grey one
_FAR = 5  # times the radius: for places with nothing but person around
_FAR_SHARE = 1e-3
_PASSES = 2  # of the box filter


class Blur:
    """Blurs backgrounds of one size; for one thread.

    Parameters
    ----------
    small_hw
        Of the small copies of the frames, px.
    """

    def __init__(self, small_hw: tuple[int, int]) -> None:
        self._weighed = np.empty((*small_hw, 4), np.float32)
        self._near = np.empty_like(self._weighed)
        self._far = np.empty_like(self._weighed)
        self._out: BgrFrame = np.empty((*small_hw, 3), np.uint8)

    def blur(self, small: BgrFrame, mask: GrayFrame | None, amount: float, trust: float) -> BgrFrame:
        """The background, (h, w, 3) uint8 BGR at the small size; valid until the next call.

        Parameters
        ----------
        small
            (h, w, 3) uint8 BGR.
        mask
            (h, w) uint8: who is person; None: nobody.
        amount
            0 to 1.
        trust
            0 to 1: how much of the mask counts.
        """
        height, width = small.shape[:2]
        if mask is None:
            mask, trust = self._out[..., 0], 0.0
        kernels.weigh_background(small, np.ascontiguousarray(mask), _STEEPNESS, _BLOOM, trust, self._weighed)
        sigma = (_LEAST + (_MOST - _LEAST) * amount) * height
        # A box of side n has a variance of (n² - 1) / 12.
        side = 2 * round((np.sqrt(12.0 * sigma**2 / _PASSES + 1.0) - 1.0) / 2.0) + 1
        cv2.boxFilter(self._weighed, -1, (side, side), dst=self._far)
        cv2.boxFilter(self._far, -1, (side, side), dst=self._near)
        wide = min(_FAR * side, height, width) | 1
        cv2.boxFilter(self._near, -1, (wide, wide), dst=self._far)
        kernels.divide_sums(self._near, self._far, _FAR_SHARE, self._out)
        return self._out
