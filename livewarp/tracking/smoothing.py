"""Calm landmarks that do not lag: what is noise is averaged over time, what is news passes at once.

A still face trembles as a whole, a talking one changes shape on a still head; so place, size,
roll and the shape of each part of the face are filtered each on their own, in face-relative units.
Each filter measures the noise of its input. An innovation of about that size moves it little; one well
above it, such as a blink, of which a dozen coordinates tell at the same time, moves it all the way.
So it needs no speed at which to open, and a motion is followed with at most the noise as its lag.
Source: own derivation; a Kalman filter with gated innovations, with the gate made smooth.
"""

from __future__ import annotations

import numpy as np

from livewarp.arrays import Landmarks
from livewarp.face68 import N_LANDMARKS, Pose
from livewarp.tracking import smoothing_kernels as kernels

# What the noise is taken for before it has been measured, as in `kernels.steady`.
_FIRST_NOISE = np.array([2e-3, 2e-3, 2e-3, 6e-3, 6e-3, 6e-3, 3e-3, 3e-3, 3e-3, 4e-3])


class LandmarkSmoother:
    """Filters the landmarks of one face over time."""

    def __init__(self) -> None:
        self._noise = _FIRST_NOISE.copy()
        self._state = np.zeros(kernels.N_STATE)
        self._now, self._before, self._earlier = np.zeros((3, kernels.N_STATE))
        self._unit_px = 0.0
        self._count = 0

    def expect_noise(self) -> None:
        """Measure the noise anew, and take it for loud until then: the points come from another model now."""
        self._noise[:] = kernels.LOUDEST
        self._count = min(self._count, 1)

    def update(self, landmarks: Landmarks, dt_s: float) -> Landmarks:
        """The filtered landmarks (68, 2), px, `dt_s` seconds after the last ones; the first pass as they are."""
        if self._count == 0:
            # A fixed unit: one that changed with the size would make a drift of it.
            self._unit_px = max(1.0, fit(landmarks)[0].iod_px)
        now = self._earlier
        self._earlier, self._before = self._before, self._now
        self._now = now
        kernels.measure(landmarks, self._unit_px, float(self._state[3]), now)
        if self._count == 0:
            self._state[:] = now
        else:
            kernels.steady(now, self._before, self._earlier, self._count, dt_s, self._noise, self._state)
        self._count += 1
        out = np.empty((N_LANDMARKS, 2), np.float32)
        kernels.place(self._state, self._unit_px, out)
        return out


def fit(landmarks: Landmarks) -> tuple[Pose, float]:
    """The pose of landmarks (68, 2), as `fit_pose` finds it, and their RMS distance from the mean face, IOD."""
    found = np.empty(7)
    # numba would compile the kernel once more, for half a second, for arrays that may not be written to.
    kernels.pose_of(landmarks if landmarks.flags.writeable else landmarks.copy(), found)
    x, y, iod_px, roll, yaw, pitch, residual = found.tolist()
    return Pose(x, y, iod_px, roll, yaw, pitch), residual
