"""A face that the search has found, and the steps that show whether it is one and where its landmarks lie.

The steps may be spread over frames. Together they take as long as several frames of a face that is followed;
a camera at 30 frames a second would have to wait for them, and a slow machine stands still for a second.
"""

from __future__ import annotations

from collections.abc import Callable

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.tracking.detector import Detection
from livewarp.tracking.doubt import START, score_of
from livewarp.tracking.landmarks import LandmarkModel, Prediction, crop_face, pose_from_box
from livewarp.tracking.smoothing import fit

# RMS distance of landmarks from the fitted mean face, IOD. Over 74 faces: median 0.03, at most 0.10.
IMPLAUSIBLE_RESIDUAL = 0.18
_SMALLEST_IOD_PX = 4.0


class Newcomer:
    """A face under examination; one model call a step.

    Parameters
    ----------
    found
        What the search has found.
    model
        Finds its landmarks.
    judge
        A model that tells faces, where neither `model` nor the detector can; else None.

    Attributes
    ----------
    pose, prediction
        Where the face is, as of the newest step; when `step` has answered True, of the frame it was given.
    """

    def __init__(self, found: Detection, model: LandmarkModel, judge: LandmarkModel | None) -> None:
        self.found = found
        self.pose: Pose = pose_from_box(*found[:4], found.roll)
        self.prediction: Prediction | None = None
        self._predicted_s = 0.0
        self._model = model
        self._judge = judge
        # Twice from where the last answer lies: the box is some pixels off, the eyes are not.
        self._steps: list[Callable[[BgrFrame, float], bool]] = [self._predict, self._predict]
        self._steps += [self._refresh] if judge is None else [self._ask, self._refresh]

    def step(self, frame: BgrFrame, now_s: float) -> bool | None:
        """Do the next step in this frame, the newest: True: it is a face, False: it is none, None: there are more."""
        if not self._steps.pop(0)(frame, now_s):
            return False
        return None if self._steps else True

    def _predict(self, frame: BgrFrame, now_s: float) -> bool:
        """Find the landmarks from the pose so far."""
        self.prediction = self._model.predict(crop_face(frame, self.pose, self._model.crop), self.pose)
        self.pose, residual = fit(self.prediction.landmarks)
        self._predicted_s = now_s
        plausible = residual < IMPLAUSIBLE_RESIDUAL and self.pose.iod_px >= _SMALLEST_IOD_PX
        return plausible and self.prediction.evidence != 0.0

    def _ask(self, frame: BgrFrame, now_s: float) -> bool:
        """Ask the judge: BlazeFace takes a skull on a shirt for a face, and so does dlib; the mesh does not."""
        assert self._judge is not None
        evidence = self._judge.predict(crop_face(frame, self.pose, self._judge.crop), self.pose).evidence
        return evidence is not None and score_of(evidence) >= START

    def _refresh(self, frame: BgrFrame, now_s: float) -> bool:
        """Find the landmarks once more, if those at hand are of an earlier frame."""
        return now_s == self._predicted_s or self._predict(frame, now_s)
