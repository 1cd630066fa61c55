"""The stage that hides the room: what is behind people is blurred, or is a picture or a colour.

Guarantees: it fails closed. A frame without a mask that can be trusted is hidden whole; so is one of nobody, for
some seconds, where that is wanted. `covered` says why.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.errors import Problem
from livewarp.filtering.behind import Scenery
from livewarp.filtering.hiding import cover
from livewarp.knobs import Value
from livewarp.parameters import Parameters
from livewarp.scene import Mask, Scene
from livewarp.segmentation import blend_kernels as kernels
from livewarp.segmentation.blurring import Blur
from livewarp.segmentation.reduced import buffers_for
from livewarp.segmentation.refinement import SOFT, TIGHT, Refiner
from livewarp.worker import Worker

ALONE_S = 3.0  # nobody for so long: the room is empty
_SOMEBODY = 0.01  # of the frame that a mask covers

NO_MASK = "no mask of people that can be trusted"
NOBODY = "nobody is seen"


class Background:
    """Hides the room in frames of one size after the other, with its buffers.

    Parameters
    ----------
    worker
        Where pictures are loaded; None: in place.

    Attributes
    ----------
    covered
        Why the newest frame was hidden whole, or "".
    """

    def __init__(self, worker: Worker | None = None) -> None:
        self._size_hw = (0, 0)
        self._seen_s: float | None = None
        self._instead = Scenery(Worker(synchronous=True) if worker is None else worker)
        self.covered = NO_MASK

    @property
    def problem(self) -> Problem | None:
        """What is wrong with the picture that is wanted, or None."""
        return self._instead.problem

    def prepare(self, height: int, width: int) -> None:
        """Compile or load the kernels, on frames of this size of its own."""
        spare = Background()
        spare._fit(height, width)
        frame = np.zeros((height, width, 3), np.uint8)
        reduced = buffers_for(height, width)
        mask = Mask(np.full(reduced.gray.shape, 128, np.uint8), 0.0)
        for way in ("blur", "colour"):
            spare._replace(frame, Scene(masks=(mask,), reduced=reduced), Parameters(background=way))

    def run(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value], economy: int) -> None:
        """Hide the room in one frame, or the whole frame."""
        if values["hide_alone"] and self._is_empty(scene):
            self.covered = NOBODY
            cover(frame, values)
        elif values["background"] == "none":
            self.covered = ""
        elif scene.people is None or scene.reduced is None:
            self.covered = NO_MASK
            cover(frame, values)
        else:
            self.covered = "" if scene.people.trust > 0.5 else NO_MASK
            self._fit(*frame.shape[:2])
            self._replace(frame, scene, values)

    def _is_empty(self, scene: Scene) -> bool:
        """Whether nobody has been seen for a while; until somebody is, nobody has."""
        mask = scene.people
        if scene.faces or (mask is not None and float(mask.weights.mean()) > 255.0 * _SOMEBODY):
            self._seen_s = scene.timestamp_s
        return self._seen_s is None or not 0.0 <= scene.timestamp_s - self._seen_s < ALONE_S

    def _fit(self, height: int, width: int) -> None:
        if self._size_hw == (height, width):
            return
        shapes = buffers_for(height, width)
        self._refiner = Refiner(shapes.half.shape[:2], shapes.gray.shape)
        self._blur = Blur(shapes.gray.shape)
        self._columns: FloatArray = np.empty((shapes.gray.shape[0], width, 3), np.float32)
        self._size_hw = height, width

    def _replace(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value]) -> None:
        """Put something else behind the people, in place."""
        mask, reduced = scene.people, scene.reduced
        assert mask is not None and reduced is not None
        height, width = frame.shape[:2]
        is_blur = values["background"] == "blur"
        edge, trust = (SOFT, mask.trust) if is_blur else (TIGHT, 1.0)
        refiner, flat = self._refiner, frame.reshape(height, 3 * width)
        half_width = refiner.refine(mask, reduced, edge, trust).shape[1]
        amount = float(values["background_blur"]) if is_blur else 0.0
        room = self._blur.blur(reduced.small, mask.weights, amount, mask.trust)
        if is_blur:
            cv2.resize(room, (width, len(room)), dst=self._columns, interpolation=cv2.INTER_LINEAR)
            columns = self._columns.reshape(len(room), 3 * width)
            kernels.blend_blurred(flat, refiner.alpha, refiner.words, half_width, columns)
        else:
            instead = self._instead
            behind = instead.pixels(values, room, height, width).reshape(height, 3 * width)
            rest = room.astype(np.uint8), instead.light, mask.trust
            kernels.replace_behind(flat, refiner.alpha, refiner.words, half_width, behind, *rest)
