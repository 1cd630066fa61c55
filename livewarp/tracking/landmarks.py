"""The landmark model: dlib's 68-point predictor on an upright face crop of fixed scale.

The crop takes in-plane rotation and size away, so that tilted and big faces cost and behave the
same, and takes dlib's integer rounding down to a fraction of a pixel on small faces.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, GrayFrame, Landmarks
from livewarp.errors import ModelError
from livewarp.face68 import N_LANDMARKS, Pose

# Where dlib's detector puts its box, in face axes: median over 74 faces (40 photographs, 12 clips).
BOX_CENTRE_Y_IOD = 0.37
BOX_SIDE_IOD = 1.82

CROP_SIDE_PX = 320
# 200 px: below, dlib's rounding shows; a 448 px crop costs double for 10-30 % less jitter.
CROP_BOX_PX = 200
_CROP_IOD_PX = CROP_BOX_PX / BOX_SIDE_IOD
_CROP_CENTRE = (CROP_SIDE_PX - 1) / 2


def pose_from_box(x0: float, y0: float, x1: float, y1: float) -> Pose:
    """The pose of an upright frontal face that the detector would put this box around, px."""
    iod = (x1 - x0) / BOX_SIDE_IOD
    # Pixel centres are whole numbers, so the middle of a half-open box lies half a pixel lower.
    return Pose((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2 - BOX_CENTRE_Y_IOD * iod, iod, 0.0, 0.0, 0.0)


def crop_matrix(pose: Pose) -> NDArray[np.float64]:
    """(2, 3): frame px to crop px, for a crop in which the face is upright and of fixed size."""
    scale = _CROP_IOD_PX / pose.iod_px
    c, s = scale * math.cos(pose.roll), scale * math.sin(pose.roll)
    # The middle of the box goes to the middle of the crop.
    x = pose.x - BOX_CENTRE_Y_IOD * pose.iod_px * math.sin(pose.roll)
    y = pose.y + BOX_CENTRE_Y_IOD * pose.iod_px * math.cos(pose.roll)
    return np.array([[c, s, _CROP_CENTRE - c * x - s * y], [-s, c, _CROP_CENTRE + s * x - c * y]])


def crop_face(frame: BgrFrame, pose: Pose) -> GrayFrame:
    """The face upright, gray, (CROP_SIDE_PX, CROP_SIDE_PX); what lies outside the frame repeats its edge."""
    matrix = crop_matrix(pose)
    shrink = math.hypot(matrix[0, 0], matrix[1, 0])
    if shrink < 0.5:
        # Sampling a big face at every third pixel would alias: reduce the region first, by area.
        frame, matrix = _reduced_region(frame, matrix, shrink)
    crop = cv2.warpAffine(
        frame,
        matrix,
        (CROP_SIDE_PX, CROP_SIDE_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


def _reduced_region(
    frame: BgrFrame, matrix: NDArray[np.float64], shrink: float
) -> tuple[BgrFrame, NDArray[np.float64]]:
    """The part of the frame that the crop shows, reduced by a whole number, and the matrix for it."""
    factor = int(1 / shrink)
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [CROP_SIDE_PX, 0], [0, CROP_SIDE_PX], [CROP_SIDE_PX, CROP_SIDE_PX]])
    reach = corners @ inverse[:, :2].T + inverse[:, 2]
    h, w = frame.shape[:2]
    x0, y0 = np.clip(reach.min(0).astype(int) - factor, 0, (w - factor, h - factor))
    x1, y1 = np.clip(reach.max(0).astype(int) + factor, (x0 + factor, y0 + factor), (w, h))
    nw, nh = (x1 - x0) // factor, (y1 - y0) // factor
    region = frame[y0 : y0 + nh * factor, x0 : x0 + nw * factor]
    small = cv2.resize(region, (nw, nh), interpolation=cv2.INTER_AREA)
    # Pixel centres: small pixel i covers region pixels factor*i .. factor*i + factor - 1.
    to_frame = np.array([[factor, 0, x0 + (factor - 1) / 2], [0, factor, y0 + (factor - 1) / 2], [0, 0, 1.0]])
    return small, matrix @ to_frame  # type: ignore[return-value]


class DlibLandmarks:
    """dlib's `shape_predictor` (Kazemi and Sullivan 2014) behind the crop.

    Guarantees: one object may be used by several threads; each call holds the GIL for 1-4 ms.
    """

    def __init__(self, weights: Path) -> None:
        self._predictor = _load(weights)
        inner = (CROP_SIDE_PX - CROP_BOX_PX) // 2
        # dlib rectangles are inclusive on both sides.
        self._box = dlib.rectangle(inner, inner, inner + CROP_BOX_PX - 1, inner + CROP_BOX_PX - 1)

    def predict(self, crop: GrayFrame, pose: Pose) -> Landmarks:
        """Landmarks (68, 2), px of the full frame, of the face in a crop made by `crop_face` at `pose`."""
        shape = self._predictor(crop, self._box)
        points = np.empty((N_LANDMARKS, 2))
        for i in range(N_LANDMARKS):
            part = shape.part(i)
            points[i] = part.x, part.y
        inverse = cv2.invertAffineTransform(crop_matrix(pose))
        return (points @ inverse[:, :2].T + inverse[:, 2]).astype(np.float32)


@functools.lru_cache(maxsize=1)  # loading takes a second; predictors may be shared, also between threads
def _load(weights: Path) -> Any:
    try:
        return dlib.shape_predictor(str(weights))
    except RuntimeError as error:
        raise ModelError(f"landmark weights {weights}: dlib cannot read them: {error}") from error
