"""What goes with a landmark model: the verifier, the check, the search for newcomers.

Also how a face goes from the points of one model to those of another without a jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livewarp.easing import smoothstep
from livewarp.face68 import Pose
from livewarp.tracking.doubt import Doubt, FaceCheck, Presence, score_of
from livewarp.tracking.finder import Finder
from livewarp.tracking.landmarks import LandmarkModel, Prediction, crop_face, pose_from_box
from livewarp.tracking.mesh import MeshLandmarks
from livewarp.tracking.models import DETECTORS, chosen_model, detector_for, load_model
from livewarp.tracking.motion import to_face_axes, to_frame_axes
from livewarp.tracking.search import SearchPlan
from livewarp.tracking.smoothing import fit
from livewarp.worker import Worker

HANDOVER_S = 1.0  # in which the points go over from one model's to another's


@dataclass(frozen=True)
class Kit:
    """A landmark model and what goes with it.

    Attributes
    ----------
    verifier
        A model that a newcomer must convince, where neither `model` nor the detector can tell a face for sure.
    check
        Measures how much of a face a crop shows, and its appearance.
    finder, plan
        Search for newcomers, and say where and when to.
    """

    model: LandmarkModel
    verifier: LandmarkModel | None
    check: FaceCheck
    finder: Finder
    plan: SearchPlan

    def crop(self, frame: NDArray[np.uint8], pose: Pose) -> NDArray[np.uint8]:
        """The crop that the model wants of a face."""
        return crop_face(frame, pose, self.model.crop)

    def score(self, prediction: Prediction, crop: NDArray[np.uint8]) -> float:
        """How much of a face there is, by the model itself where it can tell, else by the detector."""
        if self.model.tells_faces and prediction.evidence is not None:
            return score_of(prediction.evidence)
        return self.check.score(crop)

    def doubt(self, score: float, appearance: NDArray[np.float32], now_s: float) -> Doubt:
        """The doubt about a face that has just been found with this score."""
        return (Presence if self.model.tells_faces else Doubt)(score, appearance, now_s)

    def warm_up(self) -> None:
        """Let each model do its work once on nothing."""
        for model in (self.model, self.verifier):
            if model is not None:
                side = model.crop.side_px
                pose = pose_from_box(side / 4, side / 4, 3 * side / 4, 3 * side / 4)
                model.predict(crop_face(np.zeros((side, side, 3), np.uint8), pose, model.crop), pose)
        if not self.model.tells_faces:
            self.check.warm_up()


def make_kit(
    model: str | LandmarkModel, detector: str, weights: Path | None, detect_scale: float | None, worker: Worker
) -> Kit:
    """Load a model, by name or given, and what goes with it; the arguments are those of `FaceTracker`.

    Raises
    ------
    ModelError
        Weights are missing or damaged.
    SettingsError
        There is no model or detector of this name.
    """
    if isinstance(model, str):
        name = chosen_model(model, weights)
        loaded = load_model(name, weights)
    else:
        name, loaded = "", model
    chosen = detector_for(name, detector)
    # BlazeFace proposes; what confirms is the model itself, or a mesh that is asked once a newcomer.
    verifier = MeshLandmarks() if chosen == "blaze" and not loaded.tells_faces else None
    finder = Finder(DETECTORS[chosen](), worker)
    return Kit(loaded, verifier, FaceCheck(loaded.crop), finder, SearchPlan(detect_scale))


class Handover:
    """What is left of one model's points after another one has taken over, of one face.

    Attributes
    ----------
    offsets
        From the points of the new model to those of the old one, (68, 2), face axes, IOD.
    left
        How much of the time is left, 1 to 0.
    """

    def __init__(self, offsets: NDArray[np.float64]) -> None:
        self.offsets = offsets
        self.left = 1.0

    @classmethod
    def between(cls, old: Prediction, new: Prediction, pose: Pose, unfinished: Handover | None) -> Handover:
        """From one model's answer to another's about the same face, with what is left of the handover before."""
        offsets = to_face_axes(old.landmarks - new.landmarks, pose)
        if unfinished is not None:
            offsets = offsets + smoothstep(unfinished.left) * unfinished.offsets
        return cls(offsets)

    def advance(self, dt_s: float) -> bool:
        """Let time pass; whether anything is left."""
        self.left -= dt_s / HANDOVER_S
        return self.left > 0.0

    def apply(self, prediction: Prediction) -> Prediction:
        """The new model's answer, moved towards what the old one would have said."""
        pose, _ = fit(prediction.landmarks)
        there = prediction.landmarks + smoothstep(self.left) * to_frame_axes(self.offsets, pose)
        return prediction._replace(landmarks=there.astype(np.float32))
