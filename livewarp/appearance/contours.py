"""Contours: regions that follow the landmarks themselves, to a fraction of a pixel: lips, lids, lashes, brows, cheeks.

A contour is a net of triangles whose corners are weighted means of landmarks, and so much beside them in face axes;
how much of a dye each corner gets is interpolated between. Curves through landmarks are weighted means, too: all
corners of a face are one product of matrices.

Convention: face axes of `livewarp.face68`. All is written for the subject's right side and mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import FloatArray
from livewarp.face68 import MEAN_FACE, MIRROR, N_LANDMARKS, Face

Rows = NDArray[np.float64]
"""(n, 68): what share of each landmark a point is; a row adds up to 1."""


@dataclass(frozen=True, eq=False)
class Points:
    """Points on a face: `rows` (n, 68) of landmarks and `beside` (n, 2) them in face axes, IOD."""

    rows: Rows
    beside: NDArray[np.float64]

    def on(self, face: Face) -> FloatArray:
        """(n, 2), px of the frame."""
        turn = face.pose.rotation()[:2, :2] * face.pose.iod_px
        return np.asarray(self.rows @ face.landmarks + self.beside @ turn.T, np.float32)

    def mirrored(self) -> Points:
        """Those on the other side of the face."""
        return Points(self.rows[:, list(MIRROR)], self.beside * [-1, 1])


@dataclass(frozen=True, eq=False)
class Contour:
    """A region.

    Attributes
    ----------
    corners
        Of the triangles; where there are two sides, the right one's are the first half.
    amounts
        (n,) float32, 0 to 1: how much of a dye a corner gets.
    triangles
        (m, 3) int32 indices of corners.
    around
        Where skin must be seen for the region to be there at all, in two halves likewise; None: it is not asked.
    is_soft
        It has no edges, and is meant for skin only.
    """

    corners: Points
    amounts: FloatArray
    triangles: NDArray[np.int32]
    around: Points | None = None
    is_soft: bool = False


def _curve(through: Sequence[int], at: NDArray[np.float64]) -> Points:
    """The smooth curve through landmarks at parameters from 0 to 1, by arc length on the mean face.

    Notes
    -----
    Cubic Hermite with the slopes of parabolas through three neighbours. Source: own derivation.
    """
    points = MEAN_FACE[list(through), :2].astype(np.float64)
    knots = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    knots /= knots[-1]
    n = len(through)
    slopes = np.zeros((n, n))
    for i in range(n):
        a = min(max(i - 1, 0), max(n - 3, 0))
        three = range(a, min(a + 3, n))
        for j in three:
            others = [k for k in three if k != j]
            bottom = np.prod([knots[j] - knots[k] for k in others])
            top = sum(np.prod([knots[i] - knots[m] for m in others if m != k]) for k in others)
            slopes[i, j] = top / bottom
    rows = np.zeros((len(at), N_LANDMARKS))
    for row, t in zip(rows, at, strict=True):
        i = int(np.clip(np.searchsorted(knots, t, side="right") - 1, 0, n - 2))
        width = knots[i + 1] - knots[i]
        s = (t - knots[i]) / width
        near = np.zeros(n)
        near[i] += 2 * s**3 - 3 * s**2 + 1
        near[i + 1] += 3 * s**2 - 2 * s**3
        near += width * ((s**3 - 2 * s**2 + s) * slopes[i] + (s**3 - s**2) * slopes[i + 1])
        np.add.at(row, list(through), near)
    return Points(rows, np.zeros((len(at), 2)))


def _moved(points: Points, by: Any) -> Points:
    """Moved in face axes by (2,) or (n, 2), IOD."""
    return Points(points.rows, points.beside + np.asarray(by))


def _between(a: Points, b: Points, share: float) -> Points:
    """On the way from one to the other."""
    return Points(a.rows + share * (b.rows - a.rows), a.beside + share * (b.beside - a.beside))


def joined(*parts: Points) -> Points:
    """One after the other."""
    return Points(np.concatenate([p.rows for p in parts]), np.concatenate([p.beside for p in parts]))


def _outwards(points: Points, inside: tuple[float, float]) -> NDArray[np.float64]:
    """(n, 2): unit normals of a curve on the mean face, away from a point."""
    xy = points.rows @ MEAN_FACE[:, :2] + points.beside
    along = np.gradient(xy, axis=0)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    away = np.einsum("ij,ij->i", normals, xy - np.asarray(inside)) < 0
    normals[away] *= -1
    return np.asarray(normals)


def _strip(lines: Sequence[tuple[Points, Any]]) -> Contour:
    """Lines of as many points each, one beside the other, and the amount on each (one, or one a point)."""
    n = len(lines[0][0].rows)
    corners = joined(*(points for points, _ in lines))
    amounts = np.concatenate([np.broadcast_to(np.asarray(amount, np.float32), n) for _, amount in lines])
    first = (np.arange(len(lines) - 1)[:, None] * n + np.arange(n - 1)).ravel()
    both = [(first, first + 1, first + n), (first + 1, first + n + 1, first + n)]
    triangles = np.stack([np.stack(t, axis=1) for t in both], axis=1).reshape(-1, 3)
    return Contour(corners, amounts.astype(np.float32), triangles.astype(np.int32))


def _together(a: Contour, b: Contour, around: Points | None = None) -> Contour:
    triangles = np.concatenate([a.triangles, b.triangles + np.int32(len(a.amounts))])
    return Contour(joined(a.corners, b.corners), np.r_[a.amounts, b.amounts], triangles, around)


def _both_sides(one: Contour, around: Points | None = None) -> Contour:
    other = Contour(one.corners.mirrored(), one.amounts, one.triangles)
    return _together(one, other, None if around is None else joined(around, around.mirrored()))


def _lips() -> Contour:
    """Between the outer and the inner outline: crisp outside, and to the very edge inside."""
    at = np.linspace(0.0, 1.0, 17)
    halves = []
    for outer, inner in (((*range(48, 55),), (*range(60, 65),)), ((48, *range(59, 53, -1)), (60, 67, 66, 65, 64))):
        rim, edge = _curve(outer, at), _curve(inner, at)
        out = _outwards(rim, (0.0, 0.85))
        inwards = -_outwards(edge, (0.0, 0.70 if 51 in outer else 1.0)) * 0.0
        inwards[:, 1] = (1.0 if 51 in outer else -1.0) * np.sin(np.pi * at) ** 0.5
        halves.append(
            _strip(
                [
                    (_moved(rim, 0.014 * out), 0.0),
                    (rim, 0.55),
                    (_between(rim, edge, 0.22), 1.0),
                    (_moved(edge, -0.004 * inwards), 1.0),
                    (_moved(edge, 0.010 * inwards), 0.0),
                ]
            )
        )
    return _together(halves[0], halves[1])


_LID = (39, 38, 37, 36)  # from the inner to the outer corner of the right eye
_BROW = (21, 20, 19, 18, 17)


def _tailed(at: NDArray[np.float64], tail: tuple[float, float]) -> Points:
    """The upper lid's line at these parameters, and one point more beyond the outer corner."""
    lid = _curve(_LID, at)
    return joined(lid, _moved(Points(lid.rows[-1:], lid.beside[-1:]), tail))


def _upper_lids() -> Contour:
    """From the lashes over the crease towards the brow; less at the inner corner, and a little beyond the outer."""
    at = np.r_[0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0]
    lid = _tailed(at, (-0.070, -0.030))
    brow = _curve(_BROW, np.r_[at * 0.86, 0.97])
    along = np.array([0.10, 0.50, 0.75, 0.90, 1.0, 1.0, 0.95, 0.75, 0.0])
    heights = ((-0.02, 0.0), (0.015, 0.8), (0.12, 1.0), (0.26, 0.78), (0.42, 0.34), (0.62, 0.0))
    around = joined(*(_between(lid, brow, s) for s in (0.35, 0.55)))
    return _both_sides(_strip([(_between(lid, brow, s), amount * along) for s, amount in heights]), around)


def _lash_lines() -> Contour:
    """A line along the upper lashes that grows towards the outer corner and ends in a short point."""
    at = np.r_[0.08, 0.2, 0.32, 0.44, 0.56, 0.68, 0.8, 0.9, 1.0]
    lid = _tailed(at, (-0.042, -0.024))
    thick = np.r_[0.002, 0.004, 0.006, 0.008, 0.010, 0.012, 0.014, 0.015, 0.013, 0.001]
    strong = np.r_[0.0, 0.5, 0.85, 1.0, 1.0, 1.0, 1.0, 1.0, 0.95, 0.1]
    up = np.array([0.0, -1.0])
    lines = [
        (_moved(lid, -0.010 * up), 0.0),
        (_moved(lid, 0.000 * up), strong),
        (_moved(lid, thick[:, None] * up), strong),
        (_moved(lid, (thick[:, None] + 0.010) * up), 0.0),
    ]
    upper = _upper_lids().around
    assert upper is not None
    half = len(upper.rows) // 2
    return _both_sides(_strip(lines), Points(upper.rows[:half], upper.beside[:half]))


def _brow_lines() -> Contour:
    """The brow: the landmarks run along its upper edge."""
    at = np.linspace(0.0, 1.0, 11)
    top = _curve(_BROW, at)
    ends = np.r_[0.35, 0.8, np.ones(7), 0.8, 0.35]
    thick = np.r_[0.070, 0.080, 0.080, 0.078, 0.074, 0.070, 0.066, 0.062, 0.056, 0.050, 0.044][:, None]
    down = np.array([0.0, 1.0])
    lines = [
        (_moved(top, -0.035 * down), 0.0),
        (_moved(top, -0.005 * down), 0.75 * ends),
        (_moved(top, 0.5 * thick * down), ends),
        (_moved(top, thick * down), 0.75 * ends),
        (_moved(top, (thick + 0.030) * down), 0.0),
    ]
    around = joined(_moved(top, (0.0, -0.07)), _moved(top, (0.0, 0.13)))
    return _both_sides(_strip(lines), around)


def _cheeks() -> Contour:
    """The apple of the cheek, drawn out towards the ear: rings about a point, bell-shaped."""
    middle = np.zeros(N_LANDMARKS)
    middle[[36, 39, 2, 31, 48]] = 0.22, 0.10, 0.26, 0.16, 0.26
    angles = np.linspace(0.0, 2 * np.pi, 17)
    turn = np.radians(-24.0)
    c, s = np.cos(turn), np.sin(turn)
    lines = []
    for reach in (0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.5):
        u, v = 0.165 * reach * np.cos(angles), 0.105 * reach * np.sin(angles)
        ring = np.stack([-(u * c - v * s), -(u * s + v * c)], axis=1)
        amount = 0.0 if reach == 2.5 else np.exp(-0.5 * reach**2)
        lines.append((Points(np.tile(middle, (len(angles), 1)), ring), amount))
    return replace(_both_sides(_strip(lines)), is_soft=True)


CONTOURS: Mapping[str, Contour] = {
    "lip_skin": _lips(),
    "cheek_bones": _cheeks(),
    "upper_lids": _upper_lids(),
    "lash_lines": _lash_lines(),
    "brow_hair": _brow_lines(),
}
"""Every contour by name."""
