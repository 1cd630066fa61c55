"""How faces move: velocities of poses, where a pose is expected, and how far off that was. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from livewarp.face68 import Pose

# A prediction from a crop that was off by more than this (IOD, ratio, radians) is made again.
_REDO = 0.12

Velocity: TypeAlias = tuple[float, float, float, float]
"""x and y, px/s; log of the size and roll, 1/s."""

STILL: Velocity = (0.0, 0.0, 0.0, 0.0)


def velocity(before: Pose, now: Pose, dt_s: float) -> Velocity:
    """The mean velocity from one pose to another, `dt_s` later."""
    roll = math.remainder(now.roll - before.roll, math.tau)
    size = math.log(now.iod_px / before.iod_px)
    return (now.x - before.x) / dt_s, (now.y - before.y) / dt_s, size / dt_s, roll / dt_s


def moved(pose: Pose, velocity: Velocity, dt_s: float) -> Pose:
    """Where a face will be after `dt_s` of the same motion."""
    x, y, size, roll = velocity
    return replace(
        pose,
        x=pose.x + x * dt_s,
        y=pose.y + y * dt_s,
        iod_px=pose.iod_px * math.exp(max(-0.5, min(0.5, size * dt_s))),
        roll=pose.roll + roll * dt_s,
    )


def rotated(pose: Pose, rotation: NDArray[np.float64]) -> Pose:
    """The pose rotated further by (roll, yaw, pitch), radians."""
    roll, yaw, pitch = rotation.tolist()
    return replace(pose, roll=pose.roll + roll, yaw=pose.yaw + yaw, pitch=pose.pitch + pitch)


def is_far(pose: Pose, expected: Pose) -> bool:
    """Whether a face is so far from where its crop was cut that the answer would be better from there."""
    away = math.hypot(pose.x - expected.x, pose.y - expected.y) / expected.iod_px
    size = abs(math.log(max(pose.iod_px, 1e-6) / expected.iod_px))
    return max(away, size, abs(math.remainder(pose.roll - expected.roll, math.tau)) / 2) > _REDO


def to_frame_axes(offsets: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Offsets in face axes (n, 2), IOD, as px along the axes of the frame."""
    c, s = pose.iod_px * math.cos(pose.roll), pose.iod_px * math.sin(pose.roll)
    return np.asarray(offsets @ np.array([[c, s], [-s, c]]))


def to_face_axes(offsets: NDArray[np.floating], pose: Pose) -> NDArray[np.float64]:
    """Offsets along the axes of the frame (n, 2), px, in face axes, IOD."""
    c, s = math.cos(pose.roll) / pose.iod_px, math.sin(pose.roll) / pose.iod_px
    return np.asarray(offsets @ np.array([[c, -s], [s, c]]))
