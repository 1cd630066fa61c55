"""The compiled arithmetic of a followed face: its pose, and the filters that keep it calm.

Guarantees: they hold no GIL; all that they remember is in the arrays that they are given.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from livewarp.arrays import FloatArray, Landmarks
from livewarp.easing import smoothstep
from livewarp.face68 import JAW, LEFT_BROW, LEFT_EYE, MEAN_FACE, N_LANDMARKS, NOSE, POSE_FIT, RIGHT_BROW, RIGHT_EYE

_FIT = np.ascontiguousarray(POSE_FIT)
_MEAN = MEAN_FACE.astype(np.float64)

# Similarity: Procrustes against the mean face, whose own mean is taken out once, here.
_WEIGHTS = np.ones(N_LANDMARKS)
_WEIGHTS[48:68] = 0.2  # the mouth moves by itself
_WEIGHTS /= _WEIGHTS.sum()
_FLAT = _MEAN[:, :2] - _WEIGHTS @ _MEAN[:, :2]
_SPREAD = float(_WEIGHTS @ (_FLAT**2).sum(axis=1))

# Which points move together, apart from the head: a blink is one eye's, a word the mouth's.
_GROUPS = (JAW, RIGHT_BROW, LEFT_BROW, NOSE, RIGHT_EYE, LEFT_EYE, slice(48, 68))
_STARTS = np.array([g.start for g in _GROUPS])
_STOPS = np.array([g.stop for g in _GROUPS])

N_POSE = 3  # quantities of the pose with a noise of their own: place, size, roll
N_NOISES = N_POSE + len(_GROUPS)

# Bounds of the noise that is assumed, RMS a coordinate: IOD, ratio, radians, then IOD for each group. Raw
# points of a face of 250 px under sensor noise of 4 levels: 0.002 (eyes) to 0.006 (jaw) after averaging boxes.
_QUIETEST = np.array([3e-4, 3e-4, 3e-4, 1e-3, 1e-3, 1e-3, 1e-3, 8e-4, 8e-4, 1e-3])
LOUDEST = np.array([8e-3, 8e-3, 8e-3, 2e-2, 2e-2, 2e-2, 1e-2, 8e-3, 8e-3, 1e-2])

_CALM_S = 0.12  # time constant of the filter on what is noise
_NOISE_S = 0.8  # time constant of the noise's own measure
_OUTLIER = 2.0  # a second difference counts as at most this many times the noise so far
# An innovation of so many times the noise is noise; of so many is news, which passes at once.
_NOISE_RATIO = np.array([1.6, 1.6, 1.6, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35, 1.35])
_NEWS_RATIO = np.array([4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0])

# What `steady` remembers: x, y, log of the size, angle, then the shape, as one row of numbers.
N_STATE = 4 + 2 * N_LANDMARKS


@njit(nogil=True, cache=True)
def pose_of(landmarks: Landmarks, out: NDArray[np.float64]) -> None:
    """`livewarp.face68.fit_pose` of (68, 2): x, y, iod_px, roll, yaw, pitch and the residual into `out` (7,).

    The residual is the RMS distance from the mean face at that pose, IOD. The nearest pair of
    orthonormal rows is (M Mᵀ)^(-1/2) M, in closed form for two rows. Source: own derivation.
    """
    affine = np.zeros((2, 4))
    for i in range(N_LANDMARKS):
        for k in range(4):
            affine[0, k] += _FIT[k, i] * landmarks[i, 0]
            affine[1, k] += _FIT[k, i] * landmarks[i, 1]
    a = b = d = 0.0
    for k in range(3):
        a += affine[0, k] * affine[0, k]
        b += affine[0, k] * affine[1, k]
        d += affine[1, k] * affine[1, k]
    product = math.sqrt(max(a * d - b * b, 1e-18))  # of the two singular values
    total = math.sqrt(a + d + 2.0 * product)  # their sum
    scale = total / 2.0
    # The inverse of the root, whose determinant is the product.
    p, q, r = (d + product) / total / product, -b / total / product, (a + product) / total / product
    rows = np.empty((2, 3))
    for k in range(3):
        rows[0, k] = p * affine[0, k] + q * affine[1, k]
        rows[1, k] = q * affine[0, k] + r * affine[1, k]
    depth_x = rows[0, 1] * rows[1, 2] - rows[0, 2] * rows[1, 1]
    depth_y = rows[0, 2] * rows[1, 0] - rows[0, 0] * rows[1, 2]
    depth_z = rows[0, 0] * rows[1, 1] - rows[0, 1] * rows[1, 0]
    out[0], out[1], out[2] = affine[0, 3], affine[1, 3], scale
    out[3] = math.atan2(rows[1, 0], rows[0, 0])
    out[4] = math.asin(max(-1.0, min(1.0, depth_x)))
    out[5] = math.atan2(depth_y, depth_z)
    square = 0.0
    for i in range(N_LANDMARKS):
        x, y = affine[0, 3], affine[1, 3]
        for k in range(3):
            x += scale * rows[0, k] * _MEAN[i, k]
            y += scale * rows[1, k] * _MEAN[i, k]
        square += (x - landmarks[i, 0]) ** 2 + (y - landmarks[i, 1]) ** 2
    out[6] = math.sqrt(square / N_LANDMARKS) / max(scale, 1e-9)


@njit(nogil=True, cache=True)
def measure(landmarks: Landmarks, unit_px: float, previous_angle: float, out: NDArray[np.float64]) -> None:
    """Pose and shape of (68, 2) as a state (140,): x and y in units, log size, angle, shape in face units."""
    x = y = 0.0
    for i in range(N_LANDMARKS):
        x += _WEIGHTS[i] * landmarks[i, 0]
        y += _WEIGHTS[i] * landmarks[i, 1]
    c = s = 0.0
    for i in range(N_LANDMARKS):
        dx, dy = landmarks[i, 0] - x, landmarks[i, 1] - y
        c += _WEIGHTS[i] * (dx * _FLAT[i, 0] + dy * _FLAT[i, 1])
        s += _WEIGHTS[i] * (dy * _FLAT[i, 0] - dx * _FLAT[i, 1])
    c, s = c / _SPREAD, s / _SPREAD
    square = c * c + s * s
    rotation = math.atan2(s, c) - previous_angle
    out[0], out[1] = x / unit_px, y / unit_px
    out[2] = 0.5 * math.log(square)
    out[3] = previous_angle + rotation - 2.0 * math.pi * math.floor(rotation / (2.0 * math.pi) + 0.5)
    for i in range(N_LANDMARKS):
        dx, dy = landmarks[i, 0] - x, landmarks[i, 1] - y
        out[4 + 2 * i] = (c * dx + s * dy) / square
        out[5 + 2 * i] = (c * dy - s * dx) / square


@njit(nogil=True, cache=True)
def place(state: NDArray[np.float64], unit_px: float, out: FloatArray) -> None:
    """The landmarks (68, 2), px, of a state (140,): what `measure` undoes."""
    size = math.exp(state[2])
    c, s = size * math.cos(state[3]), size * math.sin(state[3])
    for i in range(N_LANDMARKS):
        u, v = state[4 + 2 * i], state[5 + 2 * i]
        out[i, 0] = c * u - s * v + state[0] * unit_px
        out[i, 1] = s * u + c * v + state[1] * unit_px


@njit(nogil=True, cache=True)
def steady(
    now: NDArray[np.float64],
    before: NDArray[np.float64],
    earlier: NDArray[np.float64],
    count: int,
    dt_s: float,
    noise: NDArray[np.float64],
    state: NDArray[np.float64],
) -> None:
    """Move the filtered `state` (140,) on to the measured `now` (140,), `dt_s` after `before`, after `earlier`.

    Each group of numbers has its own gain: small while what is new in it is no larger than its
    `noise` (10,), one when it is clearly larger. The noise is measured by second differences, which a
    steady motion does not show in. `count` is how many measurements came before.
    """
    calm = 1.0 - math.exp(-dt_s / _CALM_S)
    for group in range(N_NOISES):
        if group == 0:
            start, stop = 0, 2
        elif group < N_POSE:
            start, stop = group + 1, group + 2
        else:
            start, stop = 4 + 2 * _STARTS[group - N_POSE], 4 + 2 * _STOPS[group - N_POSE]
        n = stop - start
        if count >= 2:
            second = 0.0
            for k in range(start, stop):
                second += (now[k] - 2.0 * before[k] + earlier[k]) ** 2
            # White noise of variance v gives second differences of variance 6 v.
            second = min(math.sqrt(second / (6.0 * n)), _OUTLIER * noise[group])
            # At first the mean of what there is, so that the first second is calm, too.
            share = max(1.0 - math.exp(-dt_s / _NOISE_S), 1.0 / (count - 1))
            square = noise[group] ** 2
            square += share * (second * second - square)
            noise[group] = min(max(math.sqrt(square), _QUIETEST[group]), LOUDEST[group])
        news = 0.0
        for k in range(start, stop):
            news += (now[k] - state[k]) ** 2
        ratio = math.sqrt(news / n) / noise[group]
        how_new = (ratio - _NOISE_RATIO[group]) / (_NEWS_RATIO[group] - _NOISE_RATIO[group])
        gain = calm + (1.0 - calm) * smoothstep(how_new)
        for k in range(start, stop):
            state[k] += gain * (now[k] - state[k])
