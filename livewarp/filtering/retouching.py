"""The stage that changes how faces look: textures, tones and smoothing, in place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from livewarp.appearance import Painter
from livewarp.arrays import BgrFrame
from livewarp.effects import EFFECTS
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.knobs import Value
from livewarp.parameters import KNOBS
from livewarp.scene import Scene


class Retouching:
    """The painter as a stage."""

    def __init__(self) -> None:
        self._painter = Painter()

    def prepare(self, height: int, width: int) -> None:
        """Compile or load the kernels, and draw the textures of the first face."""
        values = {name: knob.neutral for name, knob in tuple(KNOBS.items())} | dict.fromkeys(EFFECTS, 1.0)
        frame = np.full((240, 320, 3), 128, np.uint8)
        pose = Pose(160.0, 100.0, 60.0, 0.0, 0.0, 0.0)
        face = Face.from_landmarks(pose.project(MEAN_FACE).astype(np.float32))
        Painter().apply(frame, [face], values)

    def run(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value], economy: int) -> None:
        """Change all faces of the scene."""
        self._painter.apply(frame, scene.faces, values, economy)
