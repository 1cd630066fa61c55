"""Regions: named parts of the face as soft maps in face axes, from the outlines of the mean face.

A region is where something is done; how far a pixel there is meant is asked of the picture itself (`Pick`): skin is
what has this face's own colours, brows are darker than the skin around, teeth and whites lighter and less coloured.

Convention: face axes; a map covers `livewarp.appearance.mapping.EXTENT_IOD`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.appearance.mapping import unit_map
from livewarp.arrays import FloatArray
from livewarp.face68 import LEFT_BROW, LEFT_EYE, MEAN_FACE, RIGHT_BROW, RIGHT_EYE

WIDTH, HEIGHT = 200, 250  # of a map: 100 px an IOD


class Pick(IntEnum):
    """Which pixels of a region are meant."""

    SKIN = 0
    ALL = 1
    DARKER = 2
    WHITER = 3


@dataclass(frozen=True)
class Region:
    """A part of the face.

    Attributes
    ----------
    pick
        Which pixels in it are meant.
    weights
        (HEIGHT, WIDTH) float32, 0 to 1; read-only.
    """

    pick: Pick
    weights: FloatArray


_XY = unit_map(WIDTH, HEIGHT)
_X, _Y = np.abs(_XY[..., 0]), _XY[..., 1]
_PX_PER_IOD = 100.0
OUTER_LIPS, INNER_LIPS = range(48, 60), range(60, 68)


def _soft(points: NDArray[np.floating], grow_iod: float, edge_iod: float) -> NDArray[np.float64]:
    """1 inside the outline (n, 2) grown by some, falling to 0 over `edge_iod` beyond."""
    left, top = _XY[0, 0] - 0.5 / _PX_PER_IOD
    px = np.round(((points[:, :2] - [left, top]) * _PX_PER_IOD - 0.5) * 16).astype(np.int32)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [px], 255, shift=4)
    outside = cv2.distanceTransform(255 - mask, cv2.DIST_L2, 5) / _PX_PER_IOD
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / _PX_PER_IOD
    t = np.clip((grow_iod + edge_iod - (outside - inside)) / edge_iod, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _blob(x: float, y: float, radius_x: float, radius_y: float, turn_deg: float = 0.0) -> NDArray[np.float64]:
    """A soft ellipse on both sides of the face."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    u, v = _X - x, _Y - y
    return np.asarray(np.exp(-0.5 * (((u * c + v * s) / radius_x) ** 2 + ((v * c - u * s) / radius_y) ** 2)))


def _both(part: slice) -> NDArray[np.float32]:
    return MEAN_FACE[part]


def _make() -> dict[str, Region]:
    eyes = np.maximum(*(_soft(MEAN_FACE[part], 0.0, 0.03) for part in (RIGHT_EYE, LEFT_EYE)))
    near_eyes = np.maximum(*(_soft(MEAN_FACE[part], 0.02, 0.035) for part in (RIGHT_EYE, LEFT_EYE)))
    lips = _soft(MEAN_FACE[OUTER_LIPS], 0.0, 0.03)
    near_lips = _soft(MEAN_FACE[OUTER_LIPS], 0.025, 0.035)
    mouth = _soft(MEAN_FACE[INNER_LIPS], -0.004, 0.012)
    brows = np.zeros_like(eyes)
    for part in (RIGHT_BROW, LEFT_BROW):
        upper = MEAN_FACE[part]
        lower = upper[::-1] + np.array([0.0, 0.075, 0.0], np.float32)  # the points run along the upper edge
        brows = np.maximum(brows, _soft(np.r_[upper, lower], 0.015, 0.03))
    brow_hair = brows * np.clip((0.76 - _X) / 0.14, 0, 1)  # beyond, it may be the hair of a turned head
    nostrils = _blob(0.095, 0.545, 0.040, 0.022)
    bare = (1 - near_eyes) * (1 - near_lips) * (1 - nostrils)
    skin = bare * (1 - 0.9 * brows)
    under_eyes = np.maximum(_blob(0.35, 0.165, 0.150, 0.062, 6), 0.8 * _blob(0.225, 0.120, 0.05, 0.06)) * (
        1 - near_eyes
    )
    folds = np.maximum(_blob(0.315, 0.645, 0.062, 0.19, -24), 0.7 * _blob(0.345, 0.98, 0.05, 0.13, -4)) * (
        1 - near_lips
    )
    maps = {
        "skin": (Pick.SKIN, skin),
        "complexion": (Pick.SKIN, bare),  # up to the hair of the brows, or a tan would leave a rim around them
        "cheeks": (Pick.SKIN, _blob(0.50, 0.40, 0.17, 0.15, 25) * skin),
        "under_eyes": (Pick.SKIN, under_eyes * skin),
        "smile_lines": (Pick.SKIN, folds * skin),
        "lips": (Pick.ALL, lips * (1 - mouth)),
        "brows": (Pick.DARKER, brow_hair * (1 - near_eyes)),
        "eyes": (Pick.WHITER, eyes),
        "teeth": (Pick.WHITER, mouth),
    }
    regions = {}
    for name, (pick, weights) in maps.items():
        narrow = np.clip(weights, 0, 1).astype(np.float32)
        narrow.setflags(write=False)
        regions[name] = Region(pick, narrow)
    return regions


REGIONS: Mapping[str, Region] = _make()
"""Every region by name."""
