"""What tests are fed with: synthetic faces and small video files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.face68 import MEAN_FACE, Face, Pose


def face_at(x: float, y: float, iod_px: float, roll: float = 0.0, yaw: float = 0.0, pitch: float = 0.0) -> Face:
    """The mean face at a pose."""
    points = Pose(x, y, iod_px, roll, yaw, pitch).project(MEAN_FACE)
    return Face.from_landmarks(points.astype(np.float32))


def write_video(path: Path, frames: list[BgrFrame], fps: float = 25.0) -> Path:
    """A small lossy video file of these frames."""
    h, w = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, (w, h))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path
