"""How sure it is that points lie on a face: the detector's score, its own usual, and what has changed.

The landmark model answers for a hand or a wall as well. The detector's score on the upright crop falls
while something is still entering the face, before the points go astray; it costs a millisecond, so it is
asked a few times a second, and at once when the crop looks different from when it was asked last.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import GrayFrame
from livewarp.face68 import Pose
from livewarp.tracking import picture_kernels as kernels
from livewarp.tracking.detector import Detector, Window
from livewarp.tracking.landmarks import BOX_CENTRE_Y_IOD, BOX_SIDE_IOD, CropSpec

CHECK_INTERVAL_S = 0.4
DOUBT_INTERVAL_S = 0.1  # while the last score was low
LEAST_INTERVAL_S = 0.03  # whatever happens
UNCONFIRMED_S = 0.3  # checks without any sign of a face for so long: it is lost, and looked for around its last place

# Scores of dlib's detector: above 0 it says "face". Faces behind a hand or turned away keep -0.6 to 0.3;
# walls and hands have nothing above -1.
_NOTHING = -1.5
_LEAST = -1.0  # that is asked for
ALIVE = -0.75  # a sign of a face
START = -0.4  # what is found must reach this in its own crop, too
_ZERO = -0.8  # no confidence any more
_USUAL = (0.3, 2.0)  # bounds of a face's usual score
_FULL = 0.85  # of the way from `_ZERO` to the usual score: full confidence
_USUAL_S = 8.0  # in which the usual score follows a lower one

# Evidence of a model that tells faces: the mesh gives people 0.3 to 1, a skull on a shirt 0. `START` is 0.11 of it.
_SCORE_OF_EVIDENCE = 10.0
_USUAL_EVIDENCE = (0.5, 0.9)  # bounds of a person's usual evidence
_EVIDENCE_SHARES = (0.2, 0.78)  # of that: no confidence, full confidence

# The detector was trained on frontal faces: a low score of a turned one is no sign of doubt. Score lost for each
# radian beyond, fitted to four clips of heads turned by up to 37 degrees; the least that is usual.
_TURNED_YAW, _TURNED_PITCH = math.radians(22.0), math.radians(19.0)
_TURNED_LOSS = 8.0
_TURNED_LEAST = -0.38

_BOX_PX = 92.0  # of the face in the picture that is checked: somewhat above the smallest that is found
_MARGIN = 1.28  # its side, in boxes
_SECOND = 1.1  # times that, where nothing is found
_OFF = 0.3  # how far from where it should be a detection may lie, box sides
_SIZES = (0.7, 1.45)  # and how large it may be, times the size that it should have

APPEARANCE_PX = 20  # side of the thumbnails of a face
CHANGED_APPEARANCE = 0.2  # RMS difference of two appearances that is news; noise makes 0.02, a word 0.1, a hand 0.4
ANOTHER_PICTURE = 0.65  # from frame to frame: another picture; a hand takes several frames, a fast head makes 0.3


class FaceCheck:
    """Asks a detector of its own about crops."""

    def __init__(self, spec: CropSpec) -> None:
        self._detector: Detector | None = None  # dlib is loaded when it is asked first, if ever
        box_px = spec.iod_px * BOX_SIDE_IOD
        self._cell = int(min(spec.side_px, box_px * _MARGIN) / APPEARANCE_PX)
        self._side = self._cell * APPEARANCE_PX
        # The face's box need not lie in the middle of the model's crop.
        top = (spec.side_px - self._side) / 2 + (BOX_CENTRE_Y_IOD - spec.centre_y_iod) * spec.iod_px
        self._top = max(0, min(spec.side_px - self._side, round(top)))
        self._left = (spec.side_px - self._side) // 2
        self._box_share = box_px / self._side
        self._small = round(_BOX_PX / self._box_share)

    def score(self, crop: NDArray[np.uint8]) -> float:
        """How much of a face the detector sees in the middle of a crop: -1.5 nothing, 0 just enough, 1.5 clear."""
        if self._detector is None:
            from livewarp.tracking.hog import HogDetector

            self._detector = HogDetector()
        face = _gray(crop[self._top : self._top + self._side, self._left : self._left + self._side])
        # A face now and then falls between the steps of the detector's pyramid: it is given a second size.
        for small in (self._small, round(self._small * _SECOND)):
            middle, box_px = (small - 1) / 2, small * self._box_share
            picture: GrayFrame = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
            for d in self._detector.find(picture, Window(0, 0, small, small, 1.0), _LEAST):
                off = max(abs((d.x0 + d.x1 - 1) / 2 - middle), abs((d.y0 + d.y1 - 1) / 2 - middle))
                if off < _OFF * box_px and _SIZES[0] < (d.x1 - d.x0) / box_px < _SIZES[1]:
                    return d.score  # the best comes first
        return _NOTHING

    def warm_up(self) -> None:
        """Load the detector before the first score is needed."""
        self.score(np.zeros((self._side, self._side), np.uint8))

    def appearance(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The face as a small picture of mean 0 and variance 1, (20, 20): what light and contrast leave alone."""
        appearance = np.empty((APPEARANCE_PX, APPEARANCE_PX), np.float32)
        kernels.normalise(_gray(crop), self._top, self._left, self._cell, appearance)
        return appearance


def _gray(picture: NDArray[np.uint8]) -> GrayFrame:
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)  # type: ignore[return-value]


class Doubt:
    """How sure it is that one face is there, from 0 to 1, over time.

    Parameters
    ----------
    score
        The detector's, on the crop in which the face was found.
    appearance
        What that crop looks like.
    now_s
        Its time.
    """

    def __init__(self, score: float, appearance: NDArray[np.float32], now_s: float) -> None:
        self._usual = min(max(score, _USUAL[0]), _USUAL[1])
        self._score = max(score, self._usual)  # it has just been found
        self._appearance = self._last_appearance = appearance
        self._checked_s = now_s
        self._turned = 0.0
        self._failing_s: float | None = None  # since when there has been no sign of a face

    def wants_check(self, appearance: NDArray[np.float32], now_s: float, suspicious: bool, slow: float = 1.0) -> bool:
        """Whether the detector should be asked now; `slow` times the interval where all is well."""
        since_s = now_s - self._checked_s + 1e-6
        if since_s >= (slow * CHECK_INTERVAL_S if self.belief >= 0.8 else DOUBT_INTERVAL_S):
            return True
        if since_s < LEAST_INTERVAL_S:
            return False
        return suspicious or kernels.difference(appearance, self._appearance) > CHANGED_APPEARANCE

    def observe(self, appearance: NDArray[np.float32], pose: Pose) -> bool:
        """Take note of a frame; whether it suddenly shows something else."""
        sudden = kernels.difference(appearance, self._last_appearance) > ANOTHER_PICTURE
        self._last_appearance = appearance
        turned = max(abs(pose.yaw) - _TURNED_YAW, 0.0) + max(abs(pose.pitch) - _TURNED_PITCH, 0.0)
        self._turned = _TURNED_LOSS * turned
        return sudden

    def record_score(self, score: float, appearance: NDArray[np.float32], now_s: float) -> None:
        """Take note of the detector's score at `now_s`, of a crop with this appearance."""
        dt_s = now_s - self._checked_s
        self._checked_s, self._appearance = now_s, appearance
        # Scores scatter by 0.1 from frame to frame; a larger change is taken over at once.
        self._score += (0.4 if abs(score - self._score) < 0.25 else 1.0) * (score - self._score)
        self._note(score, now_s)
        share = 0.3 if score > self._usual else 1.0 - math.exp(-dt_s / _USUAL_S)
        if score > self._usual or self._turned == 0.0:
            self._usual = min(max(self._usual + share * (score - self._usual), _USUAL[0]), _USUAL[1])

    def _note(self, score: float, now_s: float) -> None:
        if score > ALIVE:
            self._failing_s = None
        elif self._failing_s is None:
            self._failing_s = now_s

    def is_gone(self, now_s: float) -> bool:
        """Whether there has been no sign of a face for too long."""
        return self._failing_s is not None and now_s - self._failing_s >= UNCONFIRMED_S

    @property
    def belief(self) -> float:
        """0 to 1."""
        usual = max(_TURNED_LEAST, self._usual - self._turned)
        share = (self._score - _ZERO) / (_FULL * (usual - _ZERO))
        return min(1.0, max(0.0, share))


def score_of(evidence: float) -> float:
    """The score that is worth this evidence of a model that tells faces itself."""
    return _NOTHING + _SCORE_OF_EVIDENCE * evidence


class Presence(Doubt):
    """The same where the landmark model tells faces itself: with every answer, for nothing, turned heads included.

    Notes
    -----
    Evidence differs from person to person (half of it in dim light), and is still half a person's own when a hand
    already drags points along. So it is measured by what is usual, which follows a lower one slowly.
    """

    def __init__(self, score: float, appearance: NDArray[np.float32], now_s: float) -> None:
        super().__init__(score, appearance, now_s)
        self._evidence = _evidence_of(score)
        self._usual = self._bounded(self._evidence)

    def wants_check(self, appearance: NDArray[np.float32], now_s: float, suspicious: bool, slow: float = 1.0) -> bool:
        """Always: the score is there."""
        return True

    def record_score(self, score: float, appearance: NDArray[np.float32], now_s: float) -> None:
        """Take note of the score of the model's evidence."""
        dt_s, self._checked_s = now_s - self._checked_s, now_s
        self._evidence = _evidence_of(score)
        self._note(score, now_s)
        share = 0.1 if self._evidence > self._usual else 1.0 - math.exp(-dt_s / _USUAL_S)
        self._usual = self._bounded(self._usual + share * (self._evidence - self._usual))

    @property
    def belief(self) -> float:
        """0 to 1."""
        nothing, full = _EVIDENCE_SHARES
        return min(1.0, max(0.0, (self._evidence / self._usual - nothing) / (full - nothing)))

    @staticmethod
    def _bounded(evidence: float) -> float:
        return min(max(evidence, _USUAL_EVIDENCE[0]), _USUAL_EVIDENCE[1])


def _evidence_of(score: float) -> float:
    return (score - _NOTHING) / _SCORE_OF_EVIDENCE
