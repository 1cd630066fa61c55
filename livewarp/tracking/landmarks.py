"""Landmark models: what they are given, what they answer, and dlib's own predictor as the oracle.

A model sees an upright gray crop of fixed scale, so that tilted and big faces cost and behave the
same, and answers with 68 points and how sure it is of them. The tracker depends on nothing else.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, GrayFrame, Landmarks
from livewarp.face68 import N_LANDMARKS, Pose
from livewarp.tracking.weights import LANDMARKS_68

# Where dlib's detector puts its box, in face axes: median over 74 faces (40 photographs, 12 clips).
BOX_CENTRE_Y_IOD = 0.37
BOX_SIDE_IOD = 1.82


@dataclass(frozen=True)
class CropSpec:
    """The picture that a model wants.

    Attributes
    ----------
    side_px
        Of the square crop.
    iod_px
        Inter-ocular distance of a frontal face in it.
    centre_y_iod
        The point of the face's middle line that is shown in the middle, IOD below the eyes.
    blur_px
        Standard deviation of a blur of the crop, px; 0: none.
    colour
        BGR, (side, side, 3); else gray, (side, side).
    """

    side_px: int
    iod_px: float
    centre_y_iod: float = BOX_CENTRE_Y_IOD
    blur_px: float = 0.0
    colour: bool = False


class Prediction(NamedTuple):
    """A model's answer about a crop."""

    landmarks: Landmarks
    """(68, 2), px of the full frame."""
    evidence: float | None
    """How sure it is that they lie on a face: 0 to 1; None: it cannot tell."""
    pose: Pose | None = None
    """The head's pose where the model measures more than the 68 points; None: it does not."""


class LandmarkModel(Protocol):
    """Finds 68 landmarks in an upright crop of a face."""

    @property
    def crop(self) -> CropSpec:
        """What `crop_face` is to make for it."""

    @property
    def tells_faces(self) -> bool:
        """Whether its evidence tells a face from a wall, so that no detector needs to be asked."""

    def predict(self, crop: NDArray[np.uint8], pose: Pose) -> Prediction:
        """The landmarks of the face in a crop made by `crop_face` at `pose`, and their evidence."""


_BAND_PX = 1 << 16  # from twice as many on OpenCV shares the work among threads

# dlib's model. 160 px: at 140 px the points of 40 photographs were 0.05 % of the IOD worse, at 200 px no better.
CROP_BOX_PX = 160
CROP_SIDE_PX = 240
# The blur halves the jitter of the points and costs 0.05 % of the IOD in accuracy; twice as much costs 0.3 %.
DLIB_CROP = CropSpec(CROP_SIDE_PX, CROP_BOX_PX / BOX_SIDE_IOD, blur_px=0.8)


def pose_from_box(x0: float, y0: float, x1: float, y1: float, roll: float = 0.0) -> Pose:
    """The pose of a frontal face of this roll that the detector would put this box around, px."""
    iod = (x1 - x0) / BOX_SIDE_IOD
    # Pixel centres are whole numbers, so the middle of a half-open box lies half a pixel lower.
    x, y = (x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2
    down = BOX_CENTRE_Y_IOD * iod
    return Pose(x + down * math.sin(roll), y - down * math.cos(roll), iod, roll, 0.0, 0.0)


def box_of(pose: Pose) -> tuple[float, float, float, float]:
    """Where the detector would put its box around a face, px; `pose_from_box` of an upright one undoes it."""
    x = pose.x - BOX_CENTRE_Y_IOD * pose.iod_px * math.sin(pose.roll)
    y = pose.y + BOX_CENTRE_Y_IOD * pose.iod_px * math.cos(pose.roll)
    half = BOX_SIDE_IOD * pose.iod_px / 2
    return x - half + 0.5, y - half + 0.5, x + half + 0.5, y + half + 0.5


def turn_of(pose: Pose, spec: CropSpec) -> tuple[float, float, float, float]:
    """(cos, sin, x0, y0): frame px (u, v) are crop px (cos·u + sin·v + x0, cos·v - sin·u + y0)."""
    scale = spec.iod_px / pose.iod_px
    cos, sin = math.cos(pose.roll), math.sin(pose.roll)
    x = pose.x - spec.centre_y_iod * pose.iod_px * sin
    y = pose.y + spec.centre_y_iod * pose.iod_px * cos
    c, s, middle = scale * cos, scale * sin, (spec.side_px - 1) / 2
    return c, s, middle - c * x - s * y, middle + s * x - c * y


def crop_matrix(pose: Pose, spec: CropSpec = DLIB_CROP) -> NDArray[np.float64]:
    """(2, 3): frame px to crop px, for a crop in which the face is upright and of fixed size."""
    c, s, x0, y0 = turn_of(pose, spec)
    return np.array([[c, s, x0], [-s, c, y0]])


def to_frame(points: NDArray[np.float64], pose: Pose, spec: CropSpec = DLIB_CROP) -> Landmarks:
    """Crop px (n, 2) as frame px, for a crop made at `pose`."""
    c, s, x0, y0 = turn_of(pose, spec)
    inverse = np.array([[c, s], [-s, c]]) / (c * c + s * s)
    return ((points - (x0, y0)) @ inverse).astype(np.float32)


def crop_face(frame: BgrFrame, pose: Pose, spec: CropSpec = DLIB_CROP) -> NDArray[np.uint8]:
    """The face upright, (side, side) gray or (side, side, 3); what lies outside the frame repeats its edge."""
    matrix = crop_matrix(pose, spec)
    region, x0, y0 = _region(frame, pose, spec)
    if not spec.colour:
        # A region in gray is sampled in a third of the time of one in colour.
        region = _gray(region)
    matrix[:, 2] += matrix[:, :2] @ (x0, y0)
    factor = min(int(pose.iod_px / spec.iod_px), *region.shape[:2])
    if factor > 1:
        # Sampling a big face at every third pixel would alias: reduce the region first, by area.
        h, w = region.shape[0] // factor, region.shape[1] // factor
        region = cv2.resize(region[: h * factor, : w * factor], (w, h), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        # Pixel centres: small pixel i covers region pixels factor*i .. factor*i + factor - 1.
        matrix[:, 2] += matrix[:, :2].sum(axis=1) * ((factor - 1) / 2)
        matrix[:, :2] *= factor
    side = (spec.side_px, spec.side_px)
    crop = cv2.warpAffine(region, matrix, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if spec.blur_px > 0.0:
        crop = cv2.GaussianBlur(crop, (3, 3) if spec.blur_px < 1.0 else (0, 0), spec.blur_px)
    return cast("NDArray[np.uint8]", crop)  # as text: to build the type takes 6 µs a frame


def _gray(region: BgrFrame) -> GrayFrame:
    """The region in gray, a band at a time: larger ones wake OpenCV's threads, which then spin for a millisecond."""
    h, w = region.shape[:2]
    gray: GrayFrame = np.empty((h, w), np.uint8)
    rows = max(1, _BAND_PX // w)
    for y in range(0, h, rows):
        cv2.cvtColor(region[y : y + rows], cv2.COLOR_BGR2GRAY, dst=gray[y : y + rows])
    return gray


def _region(frame: BgrFrame, pose: Pose, spec: CropSpec) -> tuple[BgrFrame, int, int]:
    """The part of the frame that the crop shows, and its left and top, px; never empty."""
    h, w = frame.shape[:2]
    scale = pose.iod_px / spec.iod_px
    half = scale * spec.side_px / 2 * (abs(math.cos(pose.roll)) + abs(math.sin(pose.roll)))
    half += 2.0 + scale  # what interpolation and reducing read beyond
    x = pose.x - spec.centre_y_iod * pose.iod_px * math.sin(pose.roll)
    y = pose.y + spec.centre_y_iod * pose.iod_px * math.cos(pose.roll)
    least = int(scale) + 1
    x0 = min(max(0, math.floor(x - half)), max(0, w - least))
    y0 = min(max(0, math.floor(y - half)), max(0, h - least))
    x1 = min(w, max(x0 + least, math.ceil(x + half)))
    y1 = min(h, max(y0 + least, math.ceil(y + half)))
    return frame[y0:y1, x0:x1], x0, y0


class DlibLandmarks:
    """dlib's `shape_predictor` (Kazemi and Sullivan 2014) behind the crop: what `forest` is tested against.

    Guarantees: one object may be used by several threads; each call holds the GIL for 1-4 ms.
    """

    crop = DLIB_CROP
    tells_faces = False

    def __init__(self, weights: Path) -> None:
        import dlib

        self._predictor = _load(weights)
        inner = (CROP_SIDE_PX - CROP_BOX_PX) // 2
        # dlib rectangles are inclusive on both sides.
        self._box = dlib.rectangle(inner, inner, inner + CROP_BOX_PX - 1, inner + CROP_BOX_PX - 1)

    def predict(self, crop: GrayFrame, pose: Pose) -> Prediction:
        """Landmarks of the face in a crop made by `crop_face` at `pose`; dlib has no evidence of its own."""
        shape = self._predictor(crop, self._box)
        points = np.empty((N_LANDMARKS, 2))
        for i in range(N_LANDMARKS):
            part = shape.part(i)
            points[i] = part.x, part.y
        return Prediction(to_frame(points, pose), None)


@functools.lru_cache(maxsize=1)  # loading takes a second; predictors may be shared, also between threads
def _load(weights: Path) -> Any:
    import dlib

    try:
        return dlib.shape_predictor(str(weights))
    except RuntimeError as error:
        raise LANDMARKS_68.error(f"dlib cannot read them: {error}", weights) from error
