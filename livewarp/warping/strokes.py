"""Turns faces and parameter values into strokes in the picture.

The table of adjustments is compiled once into arrays, one row a stroke (mirror images included);
placing them on a face is then a handful of array operations, however many adjustments there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from livewarp.adjustments import Adjustment, Stroke
from livewarp.arrays import FloatArray
from livewarp.easing import smoothstep
from livewarp.face68 import MIRROR, Face
from livewarp.knobs import Value
from livewarp.warping.field import place_strokes

# With the head turned this far, the far cheek is the outline against the background: a pull there
# tears at the world behind. Between the two the far side's strokes fade.
FAR_SIDE_FULL_YAW = math.radians(15)
FAR_SIDE_ZERO_YAW = math.radians(40)


class StrokeTable:
    """The strokes of many adjustments, ready to be placed on faces."""

    def __init__(self, adjustments: Iterable[Adjustment]) -> None:
        adjustments = list(adjustments)
        self._names = [a.name for a in adjustments]
        rows = [(k, *placed) for k, a in enumerate(adjustments) for s in a.strokes for placed in _both_sides(s)]
        longest = max((len(s.anchor) for _, s, _ in rows), default=0)
        # Of side, 0 is the middle, 1 the subject's left (picture right), -1 the right.
        self._table = np.array(
            [(k, side, s.kind == "scale", s.outer, *s.offset, *s.amount, *s.radius) for k, s, side in rows], np.float64
        ).reshape(len(rows), 10)
        self._anchors = np.full((len(rows), longest), -1)  # -1: no landmark
        for i, (_, s, _) in enumerate(rows):
            self._anchors[i, : len(s.anchor)] = s.anchor

    def place(self, face: Face, values: Mapping[str, Value]) -> FloatArray:
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
            Columns as `livewarp.warping.field` names them: CX, CY anchor, px; COS, SIN of the roll; INV_RX_LOW,
            INV_RX_HIGH, INV_RY 1/radius towards negative and positive face x and along y, 1/px; AX, AY amount
            along face x and y, px (shift) or ratio (scale); IS_SCALE 1 where it scales.
        """
        gains = np.array([values[name] for name in self._names], np.float64)
        gains *= float(values["strength"]) * face.confidence
        yaw = face.pose.yaw
        side_gains = 1.0, _side_gain(1, yaw), _side_gain(-1, yaw)
        return place_strokes(
            self._table, self._anchors, gains, side_gains, face.landmarks, face.pose.iod_px, face.pose.roll
        )


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


def _side_gain(side: int, yaw: float) -> float:
    """1, but less on the side that the head has turned away."""
    if side * yaw <= 0:  # yaw > 0 turns the nose to the picture's right and hides the subject's left side (+1)
        return 1.0
    return 1.0 - smoothstep((abs(yaw) - FAR_SIDE_FULL_YAW) / (FAR_SIDE_ZERO_YAW - FAR_SIDE_FULL_YAW))
