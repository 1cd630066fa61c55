"""Other values tried on a copy of a face: what a look would make of it, without anybody else seeing it.

A filter of its own: its buffers are shared with no other, and it sees a small square around one face alone.
Where the room is hidden, that square is the face and nothing around it: no mask of people has to be trusted.

Convention: a crop's landmarks are in its own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.face68 import Face
from livewarp.filtering.stages import STAGES, Stage, Values, Work
from livewarp.parameters import effective, hides
from livewarp.scene import Scene
from livewarp.worker import Worker

REACH = 2.1  # side of the square, in heights or widths of the landmarks' box: room for hair, chin and what a warp moves
_UP = 0.14  # of the side: landmarks end at the brows, and the head does not
_FOREHEAD = 0.35  # IOD above the brows that still is skin


@dataclass(frozen=True, slots=True)
class Square:
    """A part of a frame, px: its upper left corner and its side."""

    x: int
    y: int
    side: int


def square_around(face: Face, height: int, width: int) -> Square:
    """The square around a face that is copied, within a frame of this size."""
    low, high = face.landmarks.min(axis=0), face.landmarks.max(axis=0)
    side = int(min(REACH * float((high - low).max()), height, width))
    x, y = (low + high) / 2 - side / 2
    y -= _UP * side / 2
    return Square(int(np.clip(x, 0, width - side)), int(np.clip(y, 0, height - side)), side)


class Trial:
    """Renders looks of one face at a time; for one thread."""

    def __init__(self) -> None:
        worker = Worker(synchronous=True)
        self._works: list[tuple[Stage, Work]] = []
        for stage in STAGES:
            if stage.cover is None and stage.name != "overlay":
                work = stage.work(worker)
                if work is not None:
                    self._works.append((stage, work))
        self._prepared: set[str] = set()

    def reduced(self, crop: BgrFrame, size_px: int, square: Square, face: Face) -> tuple[BgrFrame, Face]:
        """A square of a frame, (side, side, 3), at another size, and the face in it."""
        scale = size_px / square.side
        pixels = cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA)
        corner = np.array([square.x, square.y], np.float32)
        landmarks = ((face.landmarks - corner + 0.5) * scale - 0.5).astype(np.float32)
        landmarks.setflags(write=False)
        pose = face.pose
        x, y = (pose.x - square.x + 0.5) * scale - 0.5, (pose.y - square.y + 0.5) * scale - 0.5
        placed = replace(pose, x=x, y=y, iod_px=pose.iod_px * scale)
        return pixels, replace(face, landmarks=landmarks, pose=placed)  # type: ignore[return-value]  # cv2's types

    def render(self, pixels: BgrFrame, face: Face, values: Values) -> None:
        """Make of a reduced square what these values make of it, in place."""
        if hides(values):
            _hide_all_but(pixels, face, str(values["background_colour"]))
        scene = Scene((face,))
        at_work = effective({**values, "overlay": False})
        for stage, work in self._works:
            if stage.is_wanted(at_work) and stage.applies(scene):
                if stage.name not in self._prepared and work.prepare is not None:
                    work.prepare(*pixels.shape[:2])
                self._prepared.add(stage.name)
                work.run(pixels, scene, at_work, 0)


def _hide_all_but(pixels: BgrFrame, face: Face, colour: str) -> None:
    """Everything but the face itself, from the chin to above the brows, becomes one colour."""
    up = face.pose.rotation()[:2] @ np.array([0.0, -_FOREHEAD, 0.0]) * face.pose.iod_px
    points = np.concatenate([face.landmarks, face.landmarks[17:27] + up.astype(np.float32)])
    hull = cv2.convexHull(np.rint(points).astype(np.int32))
    inside = np.zeros(pixels.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, hull, 255)
    blue_green_red = bytes.fromhex(colour[1:])[::-1]
    pixels[inside == 0] = np.frombuffer(blue_green_red, np.uint8)
