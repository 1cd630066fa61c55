"""Calm landmarks: one 1€ filter for where the head is and one for the shape of the face.

A still face trembles as a whole, a talking one changes shape on a still head; so the similarity
(position, size, in-plane rotation) and the shape in face units are filtered each on its own.
Source: Casiez, Roussel, Vogel, "1€ Filter", CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import Landmarks
from livewarp.face68 import MEAN_FACE

FloatVector = NDArray[np.float64]


class OneEuro:
    """1€ filter of a vector: a low pass whose cut-off rises with speed.

    Parameters
    ----------
    min_cutoff_hz
        Cut-off at rest: lower is calmer.
    beta
        Cut-off gained per unit of speed (Hz per unit/s): higher follows faster.
    speed_cutoff_hz
        Low pass of the speed itself.
    """

    def __init__(self, min_cutoff_hz: float, beta: float, speed_cutoff_hz: float = 1.0) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._speed_cutoff_hz = speed_cutoff_hz
        self._value: FloatVector | None = None
        self._speed: FloatVector | None = None

    def update(self, value: FloatVector, dt_s: float) -> FloatVector:
        """The filtered value, `dt_s` seconds after the last one; the first value passes unchanged.

        The speed that opens the filter is the norm over the last axis: x and y of a point move as one.
        """
        if self._value is None or self._speed is None:
            self._value = value.copy()
            self._speed = np.zeros_like(value)
            return self._value
        speed = (value - self._value) / dt_s
        self._speed = self._speed + _gain(self._speed_cutoff_hz, dt_s) * (speed - self._speed)
        norm = np.sqrt((self._speed**2).sum(axis=-1, keepdims=True))
        self._value = self._value + _gain(self._min_cutoff_hz + self._beta * norm, dt_s) * (value - self._value)
        return self._value


def _gain(cutoff_hz: FloatVector | float, dt_s: float) -> FloatVector | float:
    """Weight of the new sample in a first-order low pass."""
    r = 2 * math.pi * dt_s * cutoff_hz
    return r / (r + 1)


# Similarity: Procrustes against the mean face. Its mean is taken out once, here.
_MEAN_XY = MEAN_FACE[:, :2].astype(np.float64)
_WEIGHTS = np.ones(len(_MEAN_XY))
_WEIGHTS[48:68] = 0.2  # the mouth moves by itself
_WEIGHTS /= _WEIGHTS.sum()
_CENTRE = _WEIGHTS @ _MEAN_XY
_MEAN_C = (_MEAN_XY - _CENTRE) @ np.array([1, 1j])
_SPREAD = float(_WEIGHTS @ (np.abs(_MEAN_C) ** 2))


class LandmarkSmoother:
    """Filters the landmarks of one face over time, in face-relative units.

    Notes
    -----
    The similarity is that which takes the mean face nearest to the points (least squares, in complex
    numbers: z -> turn * z + origin). Positions and the logarithm of the size are in IOD, so the
    filter does the same to a near and to a far face.
    """

    def __init__(self) -> None:
        # Facts measured on clips: 0.5 Hz at rest calms a still head to a fifth; beta 10 keeps the
        # lag of a head that moves half an IOD a second near 10 ms.
        self._place = OneEuro(0.5, 10.0, speed_cutoff_hz=1.5)
        self._turn = OneEuro(0.5, 10.0, speed_cutoff_hz=1.5)
        # A blink closes the lids by 0.1 IOD in 0.1 s: the shape must open at that speed.
        self._shape = OneEuro(1.0, 25.0, speed_cutoff_hz=1.0)
        self._iod_px: float | None = None

    def update(self, landmarks: Landmarks, dt_s: float) -> Landmarks:
        """The filtered landmarks (68, 2), px, `dt_s` seconds after the last ones."""
        z = landmarks.astype(np.float64) @ np.array([1, 1j])
        origin = _WEIGHTS @ z
        turn = complex(_WEIGHTS @ ((z - origin) * _MEAN_C.conj())) / _SPREAD
        shape = (z - origin) / turn

        if self._iod_px is None:
            self._iod_px = abs(turn)  # a fixed unit: a slowly changing one would be a drift of its own
        place = self._place.update(np.array([origin.real, origin.imag]) / self._iod_px, dt_s) * self._iod_px
        log_turn = self._turn.update(np.array([math.log(abs(turn)), _angle(turn)]), dt_s)
        xy = self._shape.update(np.stack([shape.real, shape.imag], axis=1), dt_s)

        turn = np.exp(log_turn[0] + 1j * log_turn[1])
        z = (xy @ np.array([1, 1j])) * turn + complex(place[0], place[1])
        return np.stack([z.real, z.imag], axis=1).astype(np.float32)


def _angle(turn: complex) -> float:
    # Heads stay within half a turn of upright, so the angle never wraps.
    return math.atan2(turn.imag, turn.real)
