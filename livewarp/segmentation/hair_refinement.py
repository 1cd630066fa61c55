"""Draws the edge of a head's hair after the picture: strands against what is behind them.

The guided filter of `refinement`, around one head and with a radius of a few strands.
"""

from __future__ import annotations

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame
from livewarp.segmentation import mask_kernels as kernels

_RADIUS_IOD = 0.06
_EPSILON = 3e-4  # variance of a colour, 0 to 1, from which an edge of the picture counts: 4 grey levels
_SURE = 0.004  # of a mask, all around: nothing to refine
_EDGE = (0.12, 0.88)  # of the refined mask: none, all


class HairRefiner:
    """The filter with its buffers, which grow to the largest head; for one thread."""

    def __init__(self) -> None:
        self._room: dict[tuple[str, int], FloatArray] = {}

    def refine(self, frame: BgrFrame, origin_xy: tuple[int, int], mask: GrayFrame, iod_px: float) -> GrayFrame:
        """The refined mask, (h, w) uint8: a new array.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR.
        origin_xy, mask
            Where in the frame the mask (h, w) uint8 lies, px, and it, at half the frame's size.
        iod_px
            Of the head, px of the frame.
        """
        rows, columns = mask.shape
        x, y = origin_xy
        here = frame[y : y + 2 * rows, x : x + 2 * columns]
        half = np.asarray(cv2.resize(here, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
        fit_wh = max(2, columns // 2), max(2, rows // 2)
        colours = np.asarray(cv2.resize(half, fit_wh, interpolation=cv2.INTER_AREA), np.uint8)
        small = np.asarray(cv2.resize(mask, fit_wh, interpolation=cv2.INTER_AREA), np.uint8)
        moments, means = self._buffer("moments", fit_wh, 13), self._buffer("means", fit_wh, 13)
        planes, smooth = self._buffer("planes", fit_wh, 4), self._buffer("smooth", fit_wh, 4)
        radius = max(1, round(_RADIUS_IOD * iod_px / 4))
        side = (2 * radius + 1, 2 * radius + 1)
        kernels.fill_moments(colours, small, moments)
        cv2.boxFilter(moments, -1, side, dst=means)
        kernels.solve_planes(means, _EPSILON, _SURE, planes)
        cv2.boxFilter(planes, -1, side, dst=smooth)
        out, flat = np.empty(mask.shape, np.uint8), np.empty(small.shape, np.uint8)
        kernels.fill_alpha(smooth, half, *_EDGE, 1.0, flat, out)
        return out

    def _buffer(self, name: str, size_wh: tuple[int, int], channels: int) -> FloatArray:
        """(h, w, channels) float32, its content arbitrary."""
        width, height = size_wh
        need = width * height * channels
        room = self._room.get((name, channels))
        if room is None or room.size < need:
            room = self._room[name, channels] = np.empty(need * 5 // 4, np.float32)
        return room[:need].reshape(height, width, channels)
