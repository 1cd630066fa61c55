"""Carries a mask from the frame that it was made from to a later one, by how the picture and the heads moved.

The heads' poses tell where large motion went, which no comparison of two pictures finds by itself; the optical
flow, which starts from there, tells the rest: hands, shoulders, hair.
Source: Kroeger, Timofte, Dai, Van Gool, "Fast Optical Flow using Dense Inverse Search", ECCV 2016 (OpenCV's).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import FloatArray, GrayFrame
from livewarp.face68 import Face, Pose
from livewarp.segmentation.mask_kernels import move_mask

_FAR_IOD = 0.1  # a head that has moved less is left to the flow
_HEAD_IOD = 1.6  # what moves with a head: as far to the side, and twice as far below


class Carrier:
    """Moves masks between frames of one size; for one thread.

    Parameters
    ----------
    frame_hw
        Of the frames, px.
    least_hw
        Of their least copies and of the masks that come out, px.

    Attributes
    ----------
    frame_hw
        As given.
    """

    def __init__(self, frame_hw: tuple[int, int], least_hw: tuple[int, int]) -> None:
        self.frame_hw = frame_hw
        self._least_hw = least_hw
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        y, x = np.mgrid[: least_hw[0], : least_hw[1]].astype(np.float32)
        self._grid = np.dstack([x, y])
        self._still = np.zeros_like(self._grid)

    def carry(
        self,
        mask: NDArray[np.uint8],
        looks: tuple[GrayFrame, GrayFrame] | None,
        faces: tuple[Sequence[Face], Sequence[Face]] = ((), ()),
    ) -> NDArray[np.uint8]:
        """A mask where its content is by now.

        Parameters
        ----------
        mask
            (h, w) uint8 of any size: it covers the whole frame.
        looks
            Luminance of the mask's frame and of the one that it is wanted for, of the least size; None: nothing has
            moved.
        faces
            Of both frames.

        Returns
        -------
        (h, w) uint8
            Of the least size.
        """
        if looks is None:
            return np.asarray(cv2.resize(mask, self._least_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        before, now = looks
        flow = self._dis.calc(now, before, self._motion_of_heads(*faces))  # which it starts from
        out = np.empty(self._least_hw, np.uint8)
        move_mask(mask, np.asarray(flow, np.float32), out)
        return out

    def _motion_of_heads(self, before: Sequence[Face], now: Sequence[Face]) -> FloatArray:
        """The flow as far as the heads tell, (h, w, 2), px of the flow's size."""
        then = {face.id: face.pose for face in before}
        pairs = [(then[face.id], face.pose) for face in now if face.id in then]
        if not any(math.hypot(a.x - b.x, a.y - b.y) > _FAR_IOD * b.iod_px for a, b in pairs):
            return self._still.copy()
        scale = self._least_hw[1] / self.frame_hw[1]
        flow, total = np.zeros_like(self._grid), np.full(self._least_hw, 1e-3, np.float32)
        for a, b in pairs:
            offset = self._grid - np.array([b.x * scale, b.y * scale], np.float32)
            reach = np.float32(_HEAD_IOD * b.iod_px * scale)
            down = np.where(offset[..., 1] > 0, np.float32(0.5), np.float32(1.0))
            weight = np.exp(-((offset[..., 0] / reach) ** 2) - (offset[..., 1] * down / reach) ** 2)
            turned = offset @ _similarity(a, b).T
            shift = turned - offset + np.array([(a.x - b.x) * scale, (a.y - b.y) * scale], np.float32)
            flow += shift * weight[..., None]
            total = np.maximum(total, weight) if len(pairs) == 1 else total + weight
        return np.ascontiguousarray(flow / np.maximum(total, 1.0)[..., None], np.float32)


def _similarity(a: Pose, b: Pose) -> FloatArray:
    """(2, 2): an offset from the face at pose `b` as one at pose `a`."""
    size, roll = a.iod_px / b.iod_px, a.roll - b.roll
    c, s = size * math.cos(roll), size * math.sin(roll)
    return np.array([[c, -s], [s, c]], np.float32)
