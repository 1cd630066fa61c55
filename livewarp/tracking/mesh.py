"""MediaPipe's face mesh as a landmark model: 468 points in space, read as the 68, by OpenCV alone.

The mesh defines some of the points differently (its jaw is the edge of the face, its brows their
middle), so each of the 68 is a mesh point plus a fixed offset in the axes of the head, learned by
`tools/calibrate_mesh.py`. The head's axes come from the mesh's depth: a turned head is measured,
not guessed from the outline.

Source: Kartynnik, Ablavatski, Grishchenko, Grundmann, "Real-time Facial Surface Geometry from
Monocular Video on Mobile GPUs", CVPR Workshops 2019.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import N_LANDMARKS, Pose
from livewarp.tracking.landmarks import CropSpec, Prediction, to_frame
from livewarp.tracking.network import open_network
from livewarp.tracking.weights import FACE_MESH

N_MESH = 468
_OUT = ("conv2d_31", "conv2d_21")  # presence, points

# Which mesh point stands for which of the 68, in iBUG order.
MESH_68 = np.array(
    [
        *(234, 93, 132, 58, 172, 136, 150, 149, 152, 378, 379, 365, 397, 288, 361, 323, 454),  # jaw
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows
        *(168, 6, 197, 1, 129, 98, 2, 327, 358),  # nose
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
        *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # outer lips
        *(78, 81, 13, 311, 308, 402, 14, 178),  # inner lips
    ]
)

# Of the crops tried (2.0 to 3.1 IOD wide) this one has the least error on 40 photographs, the surest
# presence and the least jitter.
_SIDE_IOD = 2.6
MESH_CROP = CropSpec(192, 192 / _SIDE_IOD, centre_y_iod=0.45, colour=True)

# The logit of presence is 9 to 29 on faces that a person sees, down to -1 behind hands, -4 and less on walls.
_PRESENCE_NONE, _PRESENCE_SURE = 2.0, 26.0


class MeshLandmarks:
    """The face mesh behind the crop of `landmarks`.

    Guarantees: one object is used by one thread; a call lets go of the GIL for its 2 ms.

    Parameters
    ----------
    weights
        `face_landmark.tflite`; None: the one that comes with livewarp.

    Raises
    ------
    ModelError
        It is missing, damaged, or OpenCV cannot read it.
    """

    crop = MESH_CROP
    tells_faces = True

    def __init__(self, weights: Path | None = None) -> None:
        self._net = open_network(FACE_MESH, weights)
        mean, self._offsets = calibration()
        # What moves with the head and not with the mouth, the jaw or the lids carries the axes.
        self._rigid = np.flatnonzero(rigid_points(mean))
        self._mean = mean[self._rigid]

    def predict(self, crop: NDArray[np.uint8], pose: Pose) -> Prediction:
        """Landmarks, presence and true pose of the face in a crop (192, 192, 3) made by `crop_face` at `pose`."""
        points, presence = run_mesh(self._net, crop)
        scale, rotation, origin = fit_rotation(self._mean, points[self._rigid])
        xy = np.empty((N_LANDMARKS + 1, 2))
        xy[:-1] = points[MESH_68, :2] + scale * (self._offsets @ rotation[:2].T)
        xy[-1] = origin[:2]
        evidence = (presence - _PRESENCE_NONE) / (_PRESENCE_SURE - _PRESENCE_NONE)
        xy_px = to_frame(xy, pose, MESH_CROP)
        head = Pose(
            x=float(xy_px[-1, 0]),
            y=float(xy_px[-1, 1]),
            iod_px=scale * pose.iod_px / MESH_CROP.iod_px,
            roll=pose.roll + math.atan2(rotation[1, 0], rotation[0, 0]),
            yaw=math.asin(max(-1.0, min(1.0, float(rotation[2, 0])))),
            pitch=math.atan2(rotation[2, 1], rotation[2, 2]),
        )
        return Prediction(xy_px[:-1], min(1.0, max(0.0, evidence)), head)


def run_mesh(net: cv2.dnn.Net, crop: NDArray[np.uint8]) -> tuple[NDArray[np.float64], float]:
    """The mesh (468, 3), crop px, depth away from the camera, and the logit of presence, of a crop (192, 192, 3)."""
    net.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, swapRB=True))
    presence, points = net.forward(_OUT)
    return points.reshape(N_MESH, 3).astype(np.float64), float(presence.ravel()[0])


@functools.cache
def calibration() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean mesh (468, 3), face axes, and the offsets of the 68 points (68, 3), face axes; both in IOD."""
    with importlib.resources.files("livewarp").joinpath("assets/mesh.npz").open("rb") as file:
        data = np.load(cast("str", file))
        return data["mean"].astype(np.float64), data["offsets"].astype(np.float64)


def rigid_points(mean: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points of the mean mesh (468, 3) lie above the mouth and not on the lids: (468,) bool."""
    lids = (np.abs(mean[:, 1]) < 0.09) & (np.abs(np.abs(mean[:, 0]) - 0.35) < 0.14)
    return (mean[:, 1] < 0.6) & ~lids


def fit_rotation(
    model: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Scale, rotation (3, 3) and origin (3,) that bring `model` (n, 3) nearest to `points` (n, 3).

    The nearest rotation is the orthogonal factor of the covariance.
    Precondition: the points are not flat, and no mirror image. Source: Umeyama, "Least-squares estimation of
    transformation parameters between two point patterns", IEEE PAMI 13 (1991).
    """
    mean, centre = model.mean(axis=0), points.mean(axis=0)
    a = model - mean
    u, spread, vt = np.linalg.svd((points - centre).T @ a)
    rotation = u @ vt
    scale = float(spread.sum() / np.vdot(a, a))
    return scale, rotation, centre - scale * rotation @ mean
