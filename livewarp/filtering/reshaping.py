"""The stage that reshapes faces: the warp, in place."""

from __future__ import annotations

from collections.abc import Mapping

from livewarp.arrays import BgrFrame
from livewarp.filtering.compiling import warm_up_warp
from livewarp.knobs import Value
from livewarp.parameters import Parameters
from livewarp.scene import Scene
from livewarp.segmentation.distance import away_from_people
from livewarp.warping import Warp


class Reshaping:
    """The warp with its buffers, as a stage."""

    def __init__(self) -> None:
        self._warp = Warp()

    def prepare(self, height: int, width: int) -> None:
        """Compile or load the warp's kernels."""
        warm_up_warp(self._warp, height, width, Parameters())

    def run(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value], economy: int) -> None:
        """Reshape all faces of the scene at once; the world beside them stays where a mask tells which it is."""
        mask = scene.people if values["protect"] != "off" else None
        away = None if mask is None else away_from_people(mask, scene.faces, (frame.shape[0], frame.shape[1]))
        self._warp.apply(frame, scene.faces, values, frame, away)

    @property
    def limited(self) -> dict[str, float]:
        """See `Warp.limited`."""
        return self._warp.limited
