"""BlazeFace as a detector: finds tilted, turned and small faces in square tiles of the frame, 2 ms each.

The network sees 128 x 128 px and finds faces that fill a seventh of that or more, upright or not: its
answer holds the eyes, so a newcomer's tilt is measured before any landmark is predicted. It takes
some things for faces that are none (a skull on a shirt, noise): it proposes, and others confirm.

Source: Bazarevsky, Kartynnik, Vakunov, Raveendran, Grundmann, "BlazeFace: Sub-millisecond Neural Face
Detection on Mobile GPUs", CVPR Workshops 2019.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.tracking.detector import SMALLEST_FACE_PX, Detection, Window
from livewarp.tracking.landmarks import box_of
from livewarp.tracking.network import open_network
from livewarp.tracking.weights import BLAZE_FACE

INPUT_PX = 128
# Of a tile's side: the least face box. Of 40 upright faces that fill 12.5 % 34 are found, that fill 15 % all.
LEAST_SHARE = 0.15
_OVERLAP = 0.2  # of neighbouring tiles, of their side: what one cuts through the other shows whole
_NEARLY = 1.15  # a window whose short side is so little more than a tile's is no reason for twice the tiles
_SAME = 0.5  # of the smaller box lie in the larger one: they mean the same face
_OUT = ("classificators", "regressors")

# The middle of its eyes is the origin of the face's axes within 0.05 IOD, turned heads included; their distance
# tells less of the size than the side of its box: median over 272 pictures of 44 people, within 5 % in half.
_IOD_PER_SIDE = 0.56
_MIDWAY_PX = 3 * INPUT_PX  # reduced to this first, by sampling: 0.4 ms instead of 1.1 for a tile of 720 px
_SCORE = 4.0  # dlib's scores end at about 2: probabilities of 0.5 to 1 become 0 to 2


class Tile(NamedTuple):
    """A square of the frame, px, that may reach beyond the frame."""

    x: int
    y: int
    side: int


def tiles(window: Window) -> list[Tile]:
    """Squares that cover a window so that its smallest faces can be found: as few as possible."""
    w, h = window.x1 - window.x0, window.y1 - window.y0
    side = SMALLEST_FACE_PX / window.scale / LEAST_SHARE
    short, long = sorted((w, h))
    if side < short <= _NEARLY * side:
        side = short
    side = min(math.ceil(side), long)
    return [Tile(x, y, side) for y in _starts(window.y0, h, side) for x in _starts(window.x0, w, side)]


def _starts(first: int, length: int, side: int) -> list[int]:
    """Where tiles begin that cover a length; one that is longer than it is centred."""
    if side >= length:
        return [first - (side - length) // 2]
    count = math.ceil((length - _OVERLAP * side) / (side * (1 - _OVERLAP)) - 1e-9)
    return [first + round(i * (length - side) / (count - 1)) for i in range(count)]


class BlazeDetector:
    """Searches windows with the network.

    Guarantees: `shrink` may be called from another thread than `find`.

    Raises
    ------
    ModelError
        The weights are missing or damaged.
    """

    def __init__(self, weights: Path | None = None) -> None:
        self._net = open_network(BLAZE_FACE, weights)

    def shrink(self, frame: BgrFrame, window: Window) -> list[tuple[Tile, NDArray[np.uint8]]]:
        """The tiles of a window as the network wants them, (128, 128, 3); black beyond the frame."""
        return [(tile, _cut(frame, tile)) for tile in tiles(window)]

    def find(
        self, pictures: list[tuple[Tile, NDArray[np.uint8]]], window: Window, least_score: float = 0.0
    ) -> list[Detection]:
        """The faces in what `shrink` made of `window`, best first; several answers for one face become their mean."""
        least = 0.5 + least_score / _SCORE
        rows = [self._run(tile, picture, least) for tile, picture in pictures]
        return [_detection(row) for row in merge(np.concatenate(rows))] if rows else []

    def _run(self, tile: Tile, picture: NDArray[np.uint8], least: float) -> NDArray[np.float64]:
        """(n, 8): probability, middle of the box, its side, right and left eye, px of the frame."""
        self._net.setInput(cv2.dnn.blobFromImage(picture, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True))
        logits, regressors = self._net.forward(_OUT)
        logit = logits.ravel()
        which = np.flatnonzero(logit > math.log(least / (1.0 - least)))
        found = np.empty((len(which), 8))
        found[:, 0] = 1.0 / (1.0 + np.exp(-logit[which].astype(np.float64)))
        rows = regressors.reshape(-1, 16)[which]
        found[:, 1:3] = rows[:, :2] + _ANCHORS[which]
        found[:, 3] = rows[:, 2:4].mean(axis=1)
        found[:, 4:6] = rows[:, 4:6] + _ANCHORS[which]
        found[:, 6:8] = rows[:, 6:8] + _ANCHORS[which]
        found[:, 1:] *= tile.side / INPUT_PX
        found[:, [1, 4, 6]] += tile.x - 0.5  # pixel centres are whole numbers
        found[:, [2, 5, 7]] += tile.y - 0.5
        return found


def _anchors() -> NDArray[np.float64]:
    """(896, 2): what each answer is relative to, px of the input."""
    grids = []
    for stride, count in ((8, 2), (16, 6)):
        middle = stride * (np.arange(INPUT_PX // stride) + 0.5)
        y, x = np.meshgrid(middle, middle, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(grids)


_ANCHORS = _anchors()


def _cut(frame: BgrFrame, tile: Tile) -> NDArray[np.uint8]:
    """A tile as (128, 128, 3)."""
    h, w = frame.shape[:2]
    x0, y0 = max(0, tile.x), max(0, tile.y)
    region = frame[y0 : min(h, tile.y + tile.side), x0 : min(w, tile.x + tile.side)]
    small = region
    if tile.side > _MIDWAY_PX:
        small = _scaled(region, _MIDWAY_PX / tile.side, cv2.INTER_LINEAR)
    factor = INPUT_PX / tile.side
    how = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR
    small = _scaled(small, factor * region.shape[1] / small.shape[1], how)
    left, top = round((x0 - tile.x) * INPUT_PX / tile.side), round((y0 - tile.y) * INPUT_PX / tile.side)
    out = np.zeros((INPUT_PX, INPUT_PX, 3), np.uint8)
    part = out[top : top + small.shape[0], left : left + small.shape[1]]
    part[:] = small[: part.shape[0], : part.shape[1]]
    return out


def _scaled(picture: NDArray[np.uint8], factor: float, how: int) -> NDArray[np.uint8]:
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    return cv2.resize(picture, size, interpolation=how)  # type: ignore[return-value]


def merge(rows: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Rows (n, 8) of `BlazeDetector` with one for each face, best first: means weighted by probability."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    merged = []
    while len(rows):
        same = _overlaps(rows[0], rows) > _SAME
        mean = np.average(rows[same], axis=0, weights=rows[same, 0])
        mean[0] = rows[0, 0]
        merged.append(mean)
        rows = rows[~same]
    return merged


def _overlaps(row: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a square shares with squares, each time as a share of the smaller one."""
    low = np.maximum(row[1:3] - row[3] / 2, rows[:, 1:3] - rows[:, 3:4] / 2)
    high = np.minimum(row[1:3] + row[3] / 2, rows[:, 1:3] + rows[:, 3:4] / 2)
    both = np.maximum(high - low, 0.0).prod(axis=1)
    return np.asarray(both / np.minimum(row[3] ** 2, rows[:, 3] ** 2))


def _detection(row: NDArray[np.float64]) -> Detection:
    """The find as a `Detection`: the box that dlib's detector would put around it, and its roll."""
    probability, _, _, side, rx, ry, lx, ly = row.tolist()
    roll = math.atan2(ly - ry, lx - rx)
    pose = Pose((rx + lx) / 2, (ry + ly) / 2, _IOD_PER_SIDE * side, roll, 0.0, 0.0)
    return Detection(*box_of(pose), _SCORE * (probability - 0.5), roll)
