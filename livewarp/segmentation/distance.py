"""How far each place of a frame is from the nearest person: where the warp has to leave the world alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livewarp.arrays import FloatArray
from livewarp.face68 import Face
from livewarp.scene import Mask

_PERSON = 96  # of a mask's 255: who is more counts, so that strands and a doubtful edge move with the head
_SMOOTH = 2.0  # standard deviation, px of the mask: a distance has creases, which a field must not have


def away_from_people(mask: Mask, faces: Sequence[Face], frame_hw: tuple[int, int]) -> FloatArray | None:
    """How far it is to the nearest person, px of the frame, (h, w) float32 at the mask's size; None without a face.

    A face is somebody, whatever the mask says of it. The less the mask is trusted, the nearer everybody is.
    """
    if not faces:
        return None
    nobody = (mask.weights < _PERSON).astype(np.uint8)
    scale = np.divide(nobody.shape, frame_hw)[::-1]
    for face in faces:
        hull = cv2.convexHull(np.round(face.landmarks * scale - 0.5).astype(np.int32))
        cv2.fillConvexPoly(nobody, hull, (0,))
    far = cv2.distanceTransform(nobody, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.minimum(far, np.float32(sum(nobody.shape)), out=far)  # where there is nobody at all it is huge
    far = cv2.GaussianBlur(far, (0, 0), _SMOOTH)
    return np.asarray(far * np.float32(mask.trust * frame_hw[1] / nobody.shape[1]), np.float32)
