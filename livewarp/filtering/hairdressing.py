"""The stage that changes hair: its colour, lightness and grey, in place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from livewarp.appearance.hair_colour import Dyer
from livewarp.arrays import BgrFrame
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.knobs import Value
from livewarp.parameters import HAIR
from livewarp.scene import Hair, Scene


class Hairdressing:
    """The dyer as a stage."""

    def __init__(self) -> None:
        self._dyer = Dyer()

    def prepare(self, height: int, width: int) -> None:
        """Compile or load the kernels, on a frame of its own."""
        pose = Pose(80.0, 60.0, 40.0, 0.0, 0.0, 0.0)
        face = Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32))
        hair = Hair(np.full((40, 80), 255, np.uint8), (0, 0), face.id, 1.0)
        values = {knob.name: knob.default for knob in HAIR} | {"hair": 1.0, "hair_grey": 0.5}
        Dyer().apply(np.full((120, 160, 3), 128, np.uint8), [face], [hair], values)

    def run(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value], economy: int) -> None:
        """Change the hair of all heads of the scene."""
        self._dyer.apply(frame, scene.faces, scene.hair, values)
