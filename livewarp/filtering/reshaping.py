"""The stage that reshapes faces: the warp, in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from livewarp.arrays import BgrFrame
from livewarp.filtering.compiling import warm_up_warp
from livewarp.knobs import Value
from livewarp.parameters import Parameters
from livewarp.scene import Mask, Scene
from livewarp.segmentation.distance import away_from_people
from livewarp.warping import Warp

_EASES = 0.05  # a frame


class Reshaping:
    """The warp with its buffers, as a stage."""

    def __init__(self) -> None:
        self._warp = Warp()
        self._mask: Mask | None = None  # the newest
        self._share: float | None = None  # of the world's protection; None: no frame has come

    def prepare(self, height: int, width: int) -> None:
        """Compile or load the warp's kernels."""
        warm_up_warp(self._warp, height, width, Parameters())

    def run(self, frame: BgrFrame, scene: Scene, values: Mapping[str, Value], economy: int) -> None:
        """Reshape all faces of the scene at once; the world beside them stays where a mask tells which it is."""
        mask = scene.people if values["protect"] != "off" else None
        goal = 0.0 if mask is None else mask.trust
        # A mask that comes or goes moves the wall slowly; the first frame of all has what it has.
        share = goal if self._share is None else min(max(goal, self._share - _EASES), self._share + _EASES)
        self._mask, self._share = mask or self._mask, share
        away = None
        if self._mask is not None and share > 0.0:
            size_hw = frame.shape[0], frame.shape[1]
            away = away_from_people(replace(self._mask, trust=share), scene.faces, size_hw)
        self._warp.apply(frame, scene.faces, values, frame, away)

    @property
    def limited(self) -> dict[str, float]:
        """See `Warp.limited`."""
        return self._warp.limited
