"""From the 68 landmarks to every point of the face's surface: a mesh of points in face axes, placed in the picture.

The mesh is a regular grid over the face. A vertex follows the pose and, by its distance to them, what the landmarks
around it do beside the pose, so that both landmark models serve and lines stay where the skin goes.

Convention: face axes of `livewarp.face68`; px are those of the frame.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import FloatArray
from livewarp.easing import smoothstep
from livewarp.face68 import MEAN_FACE, Face

EXTENT_IOD = (-1.0, -0.95, 1.0, 1.55)
"""Left, top, right and bottom of all maps and textures in face axes, IOD."""

COLUMNS, ROWS = 21, 26  # of vertices: one every 0.1 IOD
_NEAR_IOD = 0.06  # nearer than this a landmark's word counts no more than there
_FALLOFF = 3  # exponent of the distance: below it distant landmarks blur the near ones

# How far the surface must face the camera: nothing at the first, all at the second; cosines.
_AWAY, _TOWARDS = 0.26, 0.66

# Half width of the face by height, where an effect has faded out: hairline, temples, cheekbones, jaw, chin. IOD.
_OUTLINE = np.array([(-0.92, 0.42), (-0.75, 0.62), (-0.4, 0.76), (0.0, 0.82), (0.5, 0.78), (0.9, 0.68), (1.2, 0.48)])
_OUTLINE = np.vstack([_OUTLINE, [(1.38, 0.22)]])
_EDGE_IOD = 0.16  # from all to nothing at that outline
_TOP_IOD, _TOP_EDGE_IOD = -0.90, 0.26  # nothing above; hair begins anywhere from -0.9 to -0.5
_BOTTOM_IOD, _BOTTOM_EDGE_IOD = 1.37, 0.14

# Openness of the mouth, smile and raised brows, IOD: rest, and how far they go.
_OPEN_REST, _OPEN_RANGE = 0.10, 0.35
_SMILE_REST, _SMILE_RANGE = 0.58, 0.22
_BROW_REST, _BROW_RANGE = 0.27, 0.12


def _grid() -> NDArray[np.float64]:
    left, top, right, bottom = EXTENT_IOD
    x, y = np.meshgrid(np.linspace(left, right, COLUMNS), np.linspace(top, bottom, ROWS))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _surface(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Depth (n,) of a head without a nose, fitted to the mean face, and its unit normals (n, 3), towards the camera."""

    def terms(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = xy.T
        return np.stack([np.ones(len(x)), y, y * y, x * x, x**4], axis=1)

    fitted = np.r_[0:27, 36:68]
    mean = MEAN_FACE.astype(np.float64)
    a = np.linalg.lstsq(terms(mean[fitted, :2]), mean[fitted, 2], rcond=None)[0]
    near = np.stack([np.clip(points[:, 0], -0.85, 0.85), points[:, 1]], axis=1)
    slope_x = 2 * a[3] * near[:, 0] + 4 * a[4] * near[:, 0] ** 3
    slope_y = a[1] + 2 * a[2] * near[:, 1]
    depth = terms(near) @ a + slope_x * (points[:, 0] - near[:, 0])
    normals = np.stack([slope_x, slope_y, -np.ones(len(near))], axis=1)
    return depth, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _inside(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 well within the face, 0 from its outline on."""
    x, y = np.abs(points[:, 0]), points[:, 1]
    half = np.interp(y, _OUTLINE[:, 0], _OUTLINE[:, 1], left=0.0, right=0.0)
    sides = np.clip((half - x) / _EDGE_IOD, 0, 1)
    return np.asarray(
        sides * np.clip((y - _TOP_IOD) / _TOP_EDGE_IOD, 0, 1) * np.clip((_BOTTOM_IOD - y) / _BOTTOM_EDGE_IOD, 0, 1)
    )


def _followers(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 68): how much each point follows each landmark; a row adds up to 1."""
    apart = np.linalg.norm(points[:, None] - MEAN_FACE[None, :, :2], axis=2)
    weights = 1.0 / (apart + _NEAR_IOD) ** _FALLOFF
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


_GRID = _grid()
_REACH = cv2.dilate((_inside(_GRID) > 0).reshape(ROWS, COLUMNS).astype(np.uint8), np.ones((3, 3), np.uint8))
_REACHED = np.flatnonzero(_REACH)
_POINTS = _GRID[_REACHED]  # those of the triangles that can show anything
_DEPTH, _NORMALS = _surface(_POINTS)
_INSIDE = _inside(_POINTS)
# A vertex is so much of each landmark, and so much beside them in face axes: one product places all.
_SHARES = _followers(_POINTS)
_DEPTH += _SHARES @ (MEAN_FACE[:, 2] - _surface(MEAN_FACE[:, :2].astype(np.float64))[0])  # now with a nose
_PLACING = np.c_[_SHARES, np.c_[_POINTS, _DEPTH] - _SHARES @ MEAN_FACE.astype(np.float64)].astype(np.float32)

# Where the lines of an open mouth, a smile and raised brows are, in vertices.
_ABS_X, _Y = np.abs(_POINTS[:, 0]), _POINTS[:, 1]
_AT_MOUTH = np.clip((_Y - 0.45) / 0.2, 0, 1)
_AT_SMILE = np.maximum(
    np.exp(-0.5 * (((_ABS_X - 0.66) / 0.14) ** 2 + ((_Y - 0.03) / 0.18) ** 2)),
    0.7 * np.exp(-0.5 * (((_ABS_X - 0.33) / 0.14) ** 2 + ((_Y - 0.66) / 0.22) ** 2)),
)
_AT_FOREHEAD = np.clip((-0.30 - _Y) / 0.08, 0, 1)


def triangles() -> NDArray[np.int32]:
    """(m, 3) indices of vertices: two triangles a cell, in the order of the cells."""
    corner = (np.arange(ROWS - 1)[:, None] * COLUMNS + np.arange(COLUMNS - 1)).ravel()
    both = [(corner, corner + 1, corner + COLUMNS), (corner + 1, corner + COLUMNS + 1, corner + COLUMNS)]
    every = np.stack([np.stack(t, axis=1) for t in both], axis=1).reshape(-1, 3)
    number = np.full(ROWS * COLUMNS, -1)
    number[_REACHED] = np.arange(len(_REACHED))
    kept = number[every]
    return np.asarray(kept[(kept >= 0).all(axis=1)], np.int32)


def unit_coordinates() -> FloatArray:
    """(n, 2): x and y of each vertex in the maps, from 0 at the left and top to 1 at the right and bottom."""
    left, top, right, bottom = EXTENT_IOD
    return ((_POINTS - [left, top]) / [right - left, bottom - top]).astype(np.float32)


def place_mesh(face: Face) -> FloatArray:
    """The mesh on a face.

    Returns
    -------
    (n, 4) float32
        x, y, px of the frame; how much of an effect there is, 0 to 1: less towards the outline and where the surface
        turns away; how deep lines are, times what they are at rest, by the expression.
    """
    pose = face.pose
    rotation = pose.rotation()
    anchors = np.empty((71, 2), np.float32)
    anchors[:68] = face.landmarks
    anchors[68:] = pose.iod_px * rotation[:2].T
    placed = np.empty((len(_POINTS), 4), np.float32)
    placed[:, :2] = _PLACING @ anchors
    facing = -(_NORMALS @ rotation[2])
    facing = np.clip((facing - _AWAY) / (_TOWARDS - _AWAY), 0, 1)
    placed[:, 2] = _INSIDE * facing * facing * (3 - 2 * facing)
    placed[:, 3] = _expression(face)
    return placed


def mouth_gap_iod(face: Face) -> float:
    """How far the inner lips are apart in their middle, IOD."""
    upper, lower = face.landmarks[61:64].sum(axis=0).tolist(), face.landmarks[65:68].sum(axis=0).tolist()
    return math.hypot(upper[0] - lower[0], upper[1] - lower[1]) / 3.0 / face.pose.iod_px


def _expression(face: Face) -> NDArray[np.float64]:
    """(n,): lines beside a mouth go flat as it opens wide; those of a smile and of raised brows deepen."""
    points, iod_px = face.landmarks.tolist(), face.pose.iod_px

    def apart(a: int, b: int) -> float:
        return math.dist(points[a], points[b]) / iod_px

    is_open = smoothstep((apart(62, 66) - _OPEN_REST) / _OPEN_RANGE)
    smiles = smoothstep((apart(48, 54) / max(0.5, abs(math.cos(face.pose.yaw))) - _SMILE_REST) / _SMILE_RANGE)
    brows = (apart(19, 37) + apart(24, 44)) / 2
    raised = smoothstep((brows - _BROW_REST) / _BROW_RANGE)
    return (1 - 0.6 * is_open * _AT_MOUTH) * (1 + 0.35 * smiles * _AT_SMILE + 0.35 * raised * _AT_FOREHEAD)


def unit_map(width: int, height: int) -> NDArray[np.float64]:
    """(height, width, 2): x and y in face axes of the pixels of a map of that size."""
    left, top, right, bottom = EXTENT_IOD
    x = left + (np.arange(width) + 0.5) / width * (right - left)
    y = top + (np.arange(height) + 0.5) / height * (bottom - top)
    return np.stack(np.meshgrid(x, y), axis=-1)
