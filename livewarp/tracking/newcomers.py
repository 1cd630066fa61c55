"""Faces that the search has found are examined, one after another, and those that stand the test are followed.

Live, a frame waits for one step of one examination. All steps together take as long as several frames of a face
that is followed: a camera at 30 frames a second would have to wait, and a slow machine stands still for a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from livewarp.arrays import BgrFrame
from livewarp.face68 import Pose
from livewarp.tracking.detector import Detection, overlap
from livewarp.tracking.doubt import START, score_of
from livewarp.tracking.following import (
    CERTAIN,
    IMPLAUSIBLE_RESIDUAL,
    SMALLEST_IOD_PX,
    VISIBLE,
    Track,
    begin_track,
    share_inside,
    touches,
)
from livewarp.tracking.identity import Identities
from livewarp.tracking.kit import Kit
from livewarp.tracking.landmarks import Prediction, box_of, crop_face, pose_from_box
from livewarp.tracking.looks import looks_of
from livewarp.tracking.smoothing import fit

# A search result that overlaps a followed face this much (intersection over union) is that face.
SAME_FACE_OVERLAP = 0.3
_EMERGE_S = 1.5  # in which a face has come out from behind another


class Newcomer:
    """A face under examination; one model call a step.

    Parameters
    ----------
    found
        What the search has found.
    kit
        The models to ask.

    Attributes
    ----------
    found, kit
        As given.
    pose, prediction
        Where the face is, as of the newest step; when `step` has answered True, of the frame it was given.
    """

    def __init__(self, found: Detection, kit: Kit) -> None:
        self.found = found
        self.pose: Pose = pose_from_box(*found[:4], found.roll)
        self.prediction: Prediction | None = None
        self._predicted_s = 0.0
        self.kit = kit
        # Twice from where the last answer lies: the box is some pixels off, the eyes are not.
        self._steps: list[Callable[[BgrFrame, float], bool]] = [self._predict, self._predict]
        self._steps += [self._refresh] if kit.verifier is None else [self._verify, self._refresh]

    def step(self, frame: BgrFrame, now_s: float) -> bool | None:
        """Do the next step in this frame, the newest. True: it is a face, False: it is none, None: there are more."""
        if not self._steps.pop(0)(frame, now_s):
            return False
        return None if self._steps else True

    def _predict(self, frame: BgrFrame, now_s: float) -> bool:
        """Find the landmarks from the pose so far."""
        self.prediction = self.kit.model.predict(self.kit.crop(frame, self.pose), self.pose)
        self.pose, residual = fit(self.prediction.landmarks)
        self._predicted_s = now_s
        plausible = residual < IMPLAUSIBLE_RESIDUAL and self.pose.iod_px >= SMALLEST_IOD_PX
        return plausible and self.prediction.evidence != 0.0

    def _verify(self, frame: BgrFrame, now_s: float) -> bool:
        """Ask the verifier: BlazeFace takes a skull on a shirt for a face, and so does dlib; the mesh does not."""
        assert self.kit.verifier is not None
        crop = crop_face(frame, self.pose, self.kit.verifier.crop)
        evidence = self.kit.verifier.predict(crop, self.pose).evidence
        return evidence is not None and score_of(evidence) >= START

    def _refresh(self, frame: BgrFrame, now_s: float) -> bool:
        """Find the landmarks once more, if those at hand are of an earlier frame."""
        return now_s == self._predicted_s or self._predict(frame, now_s)


class Newcomers:
    """The faces that have yet to be examined.

    Parameters
    ----------
    max_faces
        How many tracks there may be.
    live
        Do one step a frame; else all of them at once.
    identities
        Recognises faces that were lost, and gives out ids.
    """

    def __init__(self, max_faces: int, live: bool, identities: Identities) -> None:
        self._max_faces = max_faces
        self._live = live
        self._identities = identities
        self._found: list[Detection] = []  # best first
        self._current: Newcomer | None = None

    def put(self, found: Iterable[Detection]) -> None:
        """Examine these next, best first, in place of those that wait."""
        self._found = list(found)

    def forget(self) -> None:
        """Examine none of them."""
        self._found, self._current = [], None

    def restart(self) -> None:
        """Drop the examination under way: the model that makes it is no longer used."""
        self._current = None

    def admit(self, tracks: list[Track], kit: Kit, frame: BgrFrame, now_s: float, confidence: float) -> None:
        """Go on with the examinations in this frame; a face that passes is added to the tracks with this confidence."""
        alive = [t for t in tracks if not t.lost]
        while len(alive) < self._max_faces:
            self._current = self._current or self._next(alive, kit, now_s)
            if self._current is None:
                return
            newcomer, passed = self._current, self._current.step(frame, now_s)
            if passed is not None:
                self._current = None
            track = self._start(newcomer, tracks, frame, now_s, confidence) if passed else None
            if track is not None:
                alive.append(track)
                tracks.append(track)
            if self._live:
                return
        self.forget()

    def _next(self, alive: Sequence[Track], kit: Kit, now_s: float) -> Newcomer | None:
        """The best of those found that may be a face which is not followed."""
        while self._found:
            found = self._found.pop(0)
            is_followed = any(overlap(found, box_of(t.pose)) > SAME_FACE_OVERLAP for t in alive)
            # Where a face has just been lost, a lower score is enough.
            if not is_followed and (found.score >= 0.0 or self._identities.near(found, now_s)):
                return Newcomer(found, kit)
        return None

    def _start(
        self, newcomer: Newcomer, tracks: list[Track], frame: BgrFrame, now_s: float, confidence: float
    ) -> Track | None:
        """A track of a newcomer that has passed, under its old id if it is remembered. None: it is no new face."""
        alive = [t for t in tracks if not t.lost]
        kit, prediction, pose = newcomer.kit, newcomer.prediction, newcomer.pose
        assert prediction is not None
        if any(overlap(box_of(pose), box_of(t.pose)) > SAME_FACE_OVERLAP for t in alive):
            return None
        crop = kit.crop(frame, pose)
        score = kit.score(prediction, crop)
        if score < START or share_inside(prediction.landmarks, frame) < VISIBLE[0]:
            return None
        appearance = kit.check.appearance(crop)
        looks = looks_of(frame, pose)
        doubtful = [t for t in alive if t.memory is not None and t.target < CERTAIN]
        memory = self._identities.recognise(
            newcomer.found, appearance, looks, now_s, [t.memory for t in doubtful if t.memory is not None]
        )
        if memory is not None:
            for track in doubtful:  # it is no longer where it was followed last
                track.lost = track.lost or track.id == memory.id
            id, appearance = self._identities.take_back(memory), memory.appearance
        elif self._emerges(newcomer, alive, now_s):
            return None
        else:
            id = self._identities.new_id()
        # A face that has not faded out yet does not start from nothing again.
        ghost = next((t for t in tracks if t.lost and t.id == id), None)
        if ghost is not None:
            confidence = max(confidence, ghost.confidence)
            tracks.remove(ghost)
        doubt = kit.doubt(score, appearance, now_s)
        track = begin_track(id, prediction, appearance, doubt, confidence, memory)
        if memory is None:
            track.gallery.add(looks)
        return track

    def _emerges(self, newcomer: Newcomer, alive: Sequence[Track], now_s: float) -> bool:
        """Whether this may be a face from a moment ago, half behind another: its appearance is then a stranger's."""
        near = self._identities.near(newcomer.found, now_s)
        return bool(near) and now_s - near[0].last_s < _EMERGE_S and touches(newcomer.pose, alive)
