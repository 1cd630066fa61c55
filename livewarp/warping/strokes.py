"""Turns faces and parameter values into strokes in the picture.

The table of adjustments is compiled once into arrays, one row a stroke (mirror images included);
placing them on a face is then a handful of array operations, however many adjustments there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from livewarp.adjustments import Adjustment, Stroke
from livewarp.arrays import FloatArray
from livewarp.face68 import MIRROR, N_LANDMARKS, Face

# Columns of a placed stroke; `kernels.add_strokes` reads them by these numbers.
CX, CY, COS, SIN, INV_RX_LOW, INV_RX_HIGH, INV_RY, AX, AY, IS_SCALE = range(10)
N_COLUMNS = 10

# With the head turned this far, the far cheek is the outline against the background: a pull there
# tears at the world behind. Between the two the far side's strokes fade.
FAR_SIDE_FULL_YAW = math.radians(15)
FAR_SIDE_ZERO_YAW = math.radians(40)


class StrokeTable:
    """The strokes of many adjustments, ready to be placed on faces."""

    def __init__(self, adjustments: Iterable[Adjustment]) -> None:
        rows = [(a.name, *placed) for a in adjustments for s in a.strokes for placed in _both_sides(s)]
        n = len(rows)
        self.names = [name for name, _, _ in rows]
        self._anchors = np.zeros((n, N_LANDMARKS))  # weights of the landmarks
        for i, (_, s, _) in enumerate(rows):
            self._anchors[i, list(s.anchor)] += 1 / len(s.anchor)
        strokes = [s for _, s, _ in rows]
        self._offset = np.array([s.offset for s in strokes]).reshape(n, 2)
        self._amount = np.array([s.amount for s in strokes]).reshape(n, 2)
        self._radius = np.array([s.radius for s in strokes]).reshape(n, 2)
        self._is_scale = np.array([s.kind == "scale" for s in strokes])
        # -1: the subject's right (picture left), 0: the middle, 1: left.
        self._side = np.array([side for _, _, side in rows])
        self._outer = np.array([s.outer for s in strokes])

    def place(self, face: Face, values: Mapping[str, float | bool]) -> FloatArray:
        """The strokes of one face, those without effect left out.

        Parameters
        ----------
        face
            Its confidence scales every stroke.
        values
            Parameters by name; "strength" scales every adjustment.

        Returns
        -------
        (n, N_COLUMNS) float32
            Anchor px; cos and sin of the roll; 1/radius towards negative and positive face x and
            along y, 1/px; amount along face x and y, px (shift) or ratio (scale); 1 where it scales.
        """
        gain = np.array([values[name] for name in self.names], np.float64)
        gain *= float(values["strength"]) * face.confidence * _side_gain(self._side, face.pose.yaw)
        used = gain != 0.0
        if not used.any():
            return np.empty((0, N_COLUMNS), np.float32)
        iod, roll = face.pose.iod_px, face.pose.roll
        c, s = math.cos(roll), math.sin(roll)
        offset = self._offset[used] * iod
        is_scale = self._is_scale[used]
        amount = self._amount[used] * gain[used, None]
        radius = self._radius[used] * iod
        outer, side = self._outer[used], self._side[used]

        placed = np.empty((int(used.sum()), N_COLUMNS), np.float32)
        placed[:, [CX, CY]] = self._anchors[used] @ face.landmarks
        placed[:, CX] += c * offset[:, 0] - s * offset[:, 1]
        placed[:, CY] += s * offset[:, 0] + c * offset[:, 1]
        placed[:, COS] = c
        placed[:, SIN] = s
        placed[:, INV_RX_LOW] = 1 / (radius[:, 0] * np.where(side < 0, outer, 1.0))
        placed[:, INV_RX_HIGH] = 1 / (radius[:, 0] * np.where(side > 0, outer, 1.0))
        placed[:, INV_RY] = 1 / radius[:, 1]
        placed[:, [AX, AY]] = np.where(is_scale[:, None], amount, amount * iod)
        placed[:, IS_SCALE] = is_scale
        return placed


def _both_sides(stroke: Stroke) -> list[tuple[Stroke, int]]:
    """The stroke and, where it is paired, its mirror image, each with its side (-1 right, 0, 1 left)."""
    if not stroke.paired:
        return [(stroke, 0)]
    flip = -1.0 if stroke.kind == "shift" else 1.0
    mirrored = replace(
        stroke,
        anchor=tuple(MIRROR[i] for i in stroke.anchor),
        offset=(-stroke.offset[0], stroke.offset[1]),
        amount=(flip * stroke.amount[0], stroke.amount[1]),
    )
    return [(stroke, -1), (mirrored, 1)]


def _side_gain(side: NDArray[np.int64], yaw: float) -> NDArray[np.float64]:
    """1, but less on the side that the head has turned away."""
    turned = (abs(yaw) - FAR_SIDE_FULL_YAW) / (FAR_SIDE_ZERO_YAW - FAR_SIDE_FULL_YAW)
    t = min(1.0, max(0.0, turned))
    far = 1.0 - t * t * (3.0 - 2.0 * t)
    # Yaw > 0 turns the nose to the picture's right and hides the subject's left side (+1).
    return np.where(side * yaw > 0, far, 1.0)
