"""The iBUG 68-point scheme, the mean face in it, and Face, which tracking hands to warping.

Left and right are the *subject's*: the right eye (36-41) is on the left of an unmirrored picture.

Convention: face axes. Origin midway between the outer eye corners, x towards the subject's left
(picture right), y towards the chin, z away from the camera; unit: inter-ocular distance (IOD).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import Landmarks

N_LANDMARKS = 68

JAW = slice(0, 17)
RIGHT_BROW = slice(17, 22)
LEFT_BROW = slice(22, 27)
NOSE = slice(27, 36)
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)

MIRROR: tuple[int, ...] = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner lips
)
"""MIRROR[i] is the point that landmark i becomes when the picture is mirrored."""

# x, y: mean of dlib's points on 35 frontal pictures of 13 people (GRID corpus speakers and the two
# portraits), eyes level, IOD 1, made symmetric. z: depth of the same points by MediaPipe's face
# mesh (Apache-2.0) on the same pictures. The right half; the left one is its mirror image.
_RIGHT_HALF = {
    0: (-0.803, +0.026, +0.642),
    1: (-0.784, +0.250, +0.652),
    2: (-0.753, +0.472, +0.626),
    3: (-0.717, +0.692, +0.562),
    4: (-0.656, +0.902, +0.448),
    5: (-0.551, +1.090, +0.321),
    6: (-0.400, +1.244, +0.220),
    7: (-0.215, +1.356, +0.141),
    8: (+0.000, +1.392, -0.017),
    17: (-0.666, -0.162, +0.003),
    18: (-0.567, -0.264, -0.098),
    19: (-0.419, -0.289, -0.176),
    20: (-0.269, -0.261, -0.245),
    21: (-0.128, -0.200, -0.280),
    27: (+0.000, -0.039, -0.260),
    28: (+0.000, +0.101, -0.308),
    29: (+0.000, +0.239, -0.364),
    30: (+0.000, +0.386, -0.489),
    31: (-0.165, +0.509, -0.169),
    32: (-0.086, +0.537, -0.211),
    33: (+0.000, +0.559, -0.304),
    36: (-0.500, +0.000, +0.000),
    37: (-0.413, -0.050, -0.080),
    38: (-0.306, -0.051, -0.101),
    39: (-0.209, +0.014, -0.061),
    40: (-0.309, +0.040, -0.085),
    41: (-0.417, +0.043, -0.064),
    48: (-0.290, +0.839, -0.068),
    49: (-0.185, +0.775, -0.194),
    50: (-0.077, +0.738, -0.293),
    51: (+0.000, +0.759, -0.303),
    57: (+0.000, +0.981, -0.225),
    58: (-0.083, +0.972, -0.221),
    59: (-0.188, +0.932, -0.155),
    60: (-0.239, +0.838, -0.091),
    61: (-0.078, +0.811, -0.200),
    62: (+0.000, +0.819, -0.236),
    66: (+0.000, +0.875, -0.219),
    67: (-0.078, +0.865, -0.183),
}


def _mean_face() -> NDArray[np.float32]:
    face = np.empty((N_LANDMARKS, 3), np.float32)
    for i, (x, y, z) in _RIGHT_HALF.items():
        face[i] = x, y, z
        face[MIRROR[i]] = (-x if MIRROR[i] != i else x), y, z
    face.setflags(write=False)
    return face


MEAN_FACE = _mean_face()
"""(68, 3) float32, the mean face in face axes; read-only."""

# Points that hardly move with expression carry the pose; the mouth, the chin and the lids do not count.
_POSE_WEIGHTS = np.ones(N_LANDMARKS)
_POSE_WEIGHTS[JAW] = 0.5
_POSE_WEIGHTS[5:12] = 0.1
_POSE_WEIGHTS[17:27] = 0.5
_POSE_WEIGHTS[48:68] = 0.15
_POSE_WEIGHTS[36:48] = 0.02  # a blink must not move the axes
_POSE_WEIGHTS[[36, 39, 42, 45]] = 3.0
_DESIGN = np.c_[MEAN_FACE.astype(float), np.ones(N_LANDMARKS)]
POSE_FIT = np.linalg.solve(_DESIGN.T @ (_POSE_WEIGHTS[:, None] * _DESIGN), _DESIGN.T * _POSE_WEIGHTS)
"""(4, 68) float64: times landmarks (68, 2), the best affine camera of the mean face, transposed."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a head is and how it is turned, as a camera far away shows it (scaled orthographic).

    Attributes
    ----------
    x, y
        Picture of the face axes' origin, px of the full frame.
    iod_px
        Inter-ocular distance (outer corners) as it would be seen from the front, px.
    roll, yaw, pitch
        Radians. Roll > 0: clockwise in the picture. Yaw > 0: the nose turns to the picture's right.
        Pitch > 0: the nose goes down.
    """

    x: float
    y: float
    iod_px: float
    roll: float
    yaw: float
    pitch: float

    def rotation(self) -> NDArray[np.float64]:
        """(3, 3): face axes to picture axes; its first two rows times `iod_px` project a face point."""
        cr, sr = math.cos(self.roll), math.sin(self.roll)
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        cp, sp = math.cos(self.pitch), math.sin(self.pitch)
        roll = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
        yaw = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
        pitch = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
        return np.asarray(roll @ yaw @ pitch)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Picture (..., 2), px, of points (..., 3) in face axes."""
        return np.asarray(self.iod_px * (points @ self.rotation()[:2].T) + np.array([self.x, self.y]))


def fit_pose(landmarks: Landmarks) -> Pose:
    """The pose of the mean face that explains the landmarks best (weighted least squares).

    Parameters
    ----------
    landmarks
        (68, 2), px.

    Notes
    -----
    The best affine camera is a product with a constant matrix; its nearest scaled rotation gives
    scale and angles. Source: own derivation; the camera model is POS (DeMenthon and Davis 1995).
    """
    affine = (POSE_FIT @ landmarks.astype(np.float64)).T  # (2, 4): scaled rotation rows | origin
    u, scales, vt = np.linalg.svd(affine[:, :3], full_matrices=False)
    rows = u @ vt  # the nearest pair of orthonormal rows
    depth = np.cross(rows[0], rows[1])
    return Pose(
        x=float(affine[0, 3]),
        y=float(affine[1, 3]),
        iod_px=float(scales.mean()),
        roll=math.atan2(rows[1, 0], rows[0, 0]),
        yaw=math.asin(max(-1.0, min(1.0, float(depth[0])))),
        pitch=math.atan2(depth[1], depth[2]),
    )


@dataclass(frozen=True, slots=True)
class Face:
    """One face in one frame.

    Attributes
    ----------
    landmarks
        (68, 2) float32, px of the full frame, read-only.
    pose
        The origin, unit and axes of every stroke: fitted to the landmarks, turned as the model finds the head to be,
        where it finds that itself.
    id
        Stays the same for as long as the face is followed; starts at 1.
    confidence
        0 (no evidence that these points lie on a face) to 1.
    """

    landmarks: Landmarks
    pose: Pose
    id: int = 1
    confidence: float = 1.0

    @classmethod
    def from_landmarks(cls, landmarks: Landmarks, id: int = 1, confidence: float = 1.0) -> Face:
        """A face whose pose is fitted to `landmarks` (68, 2), px; they are copied."""
        points = np.array(landmarks, np.float32)
        if points.shape != (N_LANDMARKS, 2) or not np.isfinite(points).all():
            raise ValueError(f"landmarks: got shape {points.shape}, allowed: finite (68, 2), px")
        points.setflags(write=False)
        return cls(points, fit_pose(points), id, confidence)
