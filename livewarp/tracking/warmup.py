"""Compiles or loads those kernels of the tracker that no model brings: else the first frames wait for them."""

from __future__ import annotations

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.face68 import MEAN_FACE, Pose
from livewarp.tracking import picture_kernels
from livewarp.tracking.search import is_cut, thumbnail
from livewarp.tracking.smoothing import fit


def warm_up_kernels(frame: BgrFrame) -> None:
    """Let each do its work once, on (H, W, 3) uint8 and on arrays of the kinds that tracking has."""
    small = thumbnail(frame)
    is_cut(small, small)
    appearance = np.empty((2, 2), np.float32)
    picture_kernels.normalise(np.zeros((2, 2), np.uint8), 0, 0, 1, appearance)
    picture_kernels.difference(appearance, appearance)
    landmarks = Pose(100.0, 80.0, 50.0, 0.0, 0.0, 0.0).project(MEAN_FACE).astype(np.float32)
    fit(landmarks)
