"""The landmark models and detectors there are, by name, and which goes with which.

Nothing of a library that a choice does not need is imported: without dlib's model and detector, no dlib.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from livewarp.errors import ModelError, SettingsError
from livewarp.tracking.blaze import BlazeDetector
from livewarp.tracking.detector import Detector
from livewarp.tracking.forest import ForestLandmarks
from livewarp.tracking.landmarks import LandmarkModel
from livewarp.tracking.mesh import MeshLandmarks
from livewarp.tracking.weights import LANDMARKS_68, find_weights

_log = logging.getLogger(__name__)

AUTO = "auto"


def _hog() -> Detector:
    from livewarp.tracking.hog import HogDetector  # and dlib with it

    return HogDetector()


MODELS: Mapping[str, Callable[[Path | None], LandmarkModel]] = {
    "dlib": lambda weights: ForestLandmarks(find_weights(weights)),
    "mesh": lambda weights: MeshLandmarks(),
}
"""What makes each landmark model; the path is that of the 68-point weights, if a person named one."""

DETECTORS: Mapping[str, Callable[[], Detector]] = {"hog": _hog, "blaze": BlazeDetector}
"""What makes each detector."""

DETECTOR_OF: Mapping[str, str] = {"dlib": "blaze", "mesh": "blaze"}
"""What `auto` means with each landmark model: docs/models.md has the figures."""


def chosen_model(wanted: str, weights: Path | None = None) -> str:
    """The name of the landmark model to use; `auto` is dlib's where its weights are, else the mesh.

    Why it is the mesh is logged, with the command that brings the weights. Weights that a person named by path are
    used or refused, never passed over.
    """
    if wanted != AUTO:
        return wanted
    if weights is None:
        try:
            find_weights()
        except ModelError as error:
            _log.info("model: mesh, without dlib's: %s → %s", error.problem.what, LANDMARKS_68.remedy)
            return "mesh"
    return "dlib"


def load_model(name: str, weights: Path | None = None) -> LandmarkModel:
    """A new landmark model; `ModelError` where its weights are missing or damaged."""
    if name not in MODELS:
        raise SettingsError("model", got=repr(name), allowed=", ".join(MODELS))
    return MODELS[name](weights)


def detector_for(model: str, wanted: str = AUTO) -> str:
    """The name of the detector that goes with a model, unless one is wanted by name."""
    if wanted != AUTO and wanted not in DETECTORS:
        raise SettingsError("detector", got=repr(wanted), allowed=", ".join((AUTO, *DETECTORS)))
    return DETECTOR_OF.get(model, "blaze") if wanted == AUTO else wanted
