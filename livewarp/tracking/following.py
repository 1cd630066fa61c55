"""A face that is followed from frame to frame: predicted from the crop where it is expected, made calm, doubted.

A track that is lost fades out where it was last; `tracker` drops it then.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.face68 import Pose
from livewarp.tracking.detector import overlap
from livewarp.tracking.doubt import START, Doubt
from livewarp.tracking.identity import Memory
from livewarp.tracking.kit import HANDOVER_S, Handover, Kit
from livewarp.tracking.landmarks import Prediction, box_of
from livewarp.tracking.looks import Gallery, looks_of
from livewarp.tracking.motion import STILL, Velocity, is_far, moved, rotated, velocity
from livewarp.tracking.picture_kernels import difference
from livewarp.tracking.smoothing import LandmarkSmoother, fit

FADE_IN_S = 0.3
FADE_OUT_S = 0.15

# RMS distance of landmarks from the fitted mean face, IOD. Over 74 faces: median 0.03, at most 0.10.
IMPLAUSIBLE_RESIDUAL = 0.18
SMALLEST_IOD_PX = 4.0
CERTAIN = 0.3  # confidence from which it is certain where a face is
VISIBLE = (0.55, 0.9)  # share of the landmarks inside the frame: no confidence, full confidence
_GONE = 0.3  # below this share the face has left the frame
_SIZES = (0.6, 1.6)  # from frame to frame no face changes its size by more than this ratio
_JUMP = 0.2  # IOD from frame to frame, 6 a second: faster than heads move

# Two tracks that overlap this much (intersection over union) have run into one face.
COLLISION_OVERLAP = 0.45
_TOUCHING = 0.1  # overlap from which two faces may be confused

# Below this speed, IOD/s, the crop stays where the face was: its motion is the noise's.
_MOVING = 0.4
_FORESEEN_S = 1.0  # a head goes on with its motion for no longer, however late the next frame is
_COAST_S = 0.25  # of a later frame the motion predicts the head badly: it is off by 0.25 IOD after a second
_DRIFT_S = 0.3  # time constant of the mean motion with which a lost face is expected to go on
_TURN_S = 0.15  # time constant of the mean of `Track.turn`
_APPEARANCE_SHARE = 0.05  # of a frame's appearance in the usual one
_LOOK_S = 0.4  # from one note of what a person looks like to the next
_LEAST_DT_S = 1e-3


@dataclass(frozen=True)
class Moment:
    """When a frame comes, and what may be spent on it.

    Attributes
    ----------
    now_s, dt_s
        Its timestamp, and the time since the frame before.
    cut
        Whether it shows another scene than the frame before.
    economy
        As in `FaceTracker`.
    is_odd
        Whether it is one of those in which economy 3 predicts nothing.
    """

    now_s: float
    dt_s: float
    cut: bool = False
    economy: int = 0
    is_odd: bool = False

    @property
    def coasts(self) -> bool:
        """Whether tracks move on with their heads before they are predicted."""
        return self.economy >= 3 and self.dt_s <= _COAST_S

    @property
    def skips(self) -> bool:
        """Whether that is all."""
        return self.coasts and self.is_odd and not self.cut


@dataclass(eq=False)
class Track:
    """A face that is followed."""

    id: int
    pose: Pose  # of the filtered landmarks
    landmarks: Landmarks  # filtered, read-only
    appearance: NDArray[np.float32]  # usual one
    doubt: Doubt
    confidence: float
    velocity: Velocity = STILL
    smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)
    memory: Memory | None = None  # as it was when its place was last certain
    waiting_s: float = 0.0  # since the landmarks were last predicted
    target: float = 1.0  # what the confidence goes to
    turn: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))  # roll, yaw, pitch beyond `fit`'s, radians
    handover: Handover | None = None  # from another model that has been replaced
    lost: bool = False
    gallery: Gallery = field(default_factory=Gallery)  # what the person looks like
    looked_s: float = -math.inf  # when that was noted last

    def fade(self, dt_s: float) -> None:
        """Let the confidence go to what it should be."""
        target = 0.0 if self.lost else self.target
        fall, rise = dt_s / FADE_OUT_S, dt_s / FADE_IN_S
        self.confidence = min(max(target, self.confidence - fall), self.confidence + rise)


class _Answer(NamedTuple):
    """The model's answer about a frame, and what follows from it."""

    prediction: Prediction
    crop: NDArray[np.uint8]
    appearance: NDArray[np.float32]
    pose: Pose  # fitted to the landmarks
    visible: float  # share of the landmarks inside the frame
    evidence: float  # 0 to 1; 1 where it is weighed elsewhere
    plausible: bool


def begin_track(
    id: int,
    prediction: Prediction,
    appearance: NDArray[np.float32],
    doubt: Doubt,
    confidence: float,
    memory: Memory | None,
) -> Track:
    """A track that begins with this answer; `memory` and `appearance` are the face's own where it has come back."""
    smoother = LandmarkSmoother()
    raw, _ = fit(prediction.landmarks)
    landmarks = _read_only(smoother.update(prediction.landmarks, _LEAST_DT_S))
    turn = _turn(prediction, raw)
    pose = rotated(fit(landmarks)[0], turn)
    track = Track(id, pose, landmarks, appearance, doubt, confidence, smoother=smoother, memory=memory, turn=turn)
    if memory is not None:
        track.gallery = memory.gallery
    return track


def follow(track: Track, kit: Kit, frame: BgrFrame, moment: Moment) -> None:
    """Move a track that is not lost to this frame, or mark it as lost."""
    track.waiting_s += moment.dt_s
    if moment.coasts:
        _coast(track, moment.dt_s)
    if moment.skips:
        return
    answer = _answer(track, kit, frame, moment)
    sudden = track.doubt.observe(answer.appearance, answer.pose if answer.plausible else track.pose)
    # A face that was in doubt before the picture changed fades on.
    cut = moment.cut or (sudden and track.target > 1.0 - CERTAIN)
    plausible = _confirm(track, kit, answer, moment, cut)
    if track.lost:
        return
    whole = (answer.visible - VISIBLE[0]) / (VISIBLE[1] - VISIBLE[0])
    track.target = min(track.doubt.belief, answer.evidence, max(0.0, whole)) if plausible else 0.0
    if track.doubt.is_gone(moment.now_s) or answer.visible < _GONE or answer.pose.iod_px < SMALLEST_IOD_PX:
        track.lost = True
        return
    if plausible:
        _take_over(track, answer, cut, moment.coasts)
    track.waiting_s = 0.0
    if track.confidence == 1.0 and track.target == 1.0:
        track.appearance += _APPEARANCE_SHARE * (answer.appearance - track.appearance)


def _answer(track: Track, kit: Kit, frame: BgrFrame, moment: Moment) -> _Answer:
    """Ask the model where the face is expected, and once more from where it is if that was far off."""
    if track.handover is not None and not track.handover.advance(moment.dt_s):
        track.handover = None
    ahead_s = 0.0 if moment.coasts else min(moment.dt_s, _FORESEEN_S)
    expected = moved(track.pose, track.velocity, ahead_s)
    crop, prediction = _predict(track, kit, frame, expected)
    pose, residual = fit(prediction.landmarks)
    if is_far(pose, expected) and share_inside(prediction.landmarks, frame) > 0.0:
        crop, prediction = _predict(track, kit, frame, pose)
        pose, residual = fit(prediction.landmarks)
    # The evidence of a model that tells faces from walls is weighed by `doubt`.
    evidence = 1.0 if prediction.evidence is None or kit.model.tells_faces else prediction.evidence
    is_face = residual < IMPLAUSIBLE_RESIDUAL and evidence > 0.0
    plausible = is_face and _SIZES[0] < pose.iod_px / track.pose.iod_px < _SIZES[1]
    visible = share_inside(prediction.landmarks, frame)
    return _Answer(prediction, crop, kit.check.appearance(crop), pose, visible, evidence, plausible)


def _predict(track: Track, kit: Kit, frame: BgrFrame, pose: Pose) -> tuple[NDArray[np.uint8], Prediction]:
    """The crop at a pose, and the model's answer, during a handover moved towards the model before."""
    crop = kit.crop(frame, pose)
    prediction = kit.model.predict(crop, pose)
    return crop, prediction if track.handover is None else track.handover.apply(prediction)


def _confirm(track: Track, kit: Kit, answer: _Answer, moment: Moment, cut: bool) -> bool:
    """Measure the score where that is due; whether the answer is plausible all the same.

    In a scene without a face in this place the track is lost at once: there is nothing to fade.
    """
    x, y = answer.pose.x - track.pose.x, answer.pose.y - track.pose.y
    jumps = math.hypot(x, y) > _JUMP * track.pose.iod_px
    suspicious = jumps or not answer.plausible
    slow = 3.0 if moment.economy else 1.0
    if not cut and not track.doubt.wants_check(answer.appearance, moment.now_s, suspicious, slow):
        return answer.plausible
    score = kit.score(answer.prediction, answer.crop)
    track.doubt.record_score(score, answer.appearance, moment.now_s)
    if cut and score < START:
        track.lost, track.confidence = True, 0.0
    # Points that leap to where hardly a face is are not followed.
    return answer.plausible and not (jumps and track.doubt.belief < CERTAIN)


def _take_over(track: Track, answer: _Answer, cut: bool, coasted: bool) -> None:
    """Move the track to the new landmarks."""
    if cut:
        track.smoother = LandmarkSmoother()  # at the same place, but not by a motion
    dt_s = max(track.waiting_s, _LEAST_DT_S)
    before = track.pose
    track.landmarks = _read_only(track.smoother.update(answer.prediction.landmarks, dt_s))
    over_s = _TURN_S if track.handover is None else HANDOVER_S / 2
    share = 1.0 if cut else 1.0 - math.exp(-dt_s / over_s)
    track.turn += share * (_turn(answer.prediction, answer.pose) - track.turn)
    track.pose = rotated(fit(track.landmarks)[0], track.turn)
    x, y, size, roll = velocity(before, track.pose, dt_s)
    if coasted:
        # The track has moved here already: what is left is what its velocity was off by.
        vx, vy, vsize, vroll = track.velocity
        x, y, size, roll = vx + x, vy + y, vsize + size, vroll + roll
    is_still = cut or math.hypot(x, y) < _MOVING * track.pose.iod_px
    track.velocity = STILL if is_still else (x, y, size, roll)


def _turn(prediction: Prediction, raw: Pose) -> NDArray[np.float64]:
    """Roll, yaw and pitch of the head by the model's own pose, less those that are fitted to its 68 points."""
    head = prediction.pose
    if head is None:
        return np.zeros(3)
    return np.array([math.remainder(head.roll - raw.roll, math.tau), head.yaw - raw.yaw, head.pitch - raw.pitch])


def _coast(track: Track, dt_s: float) -> None:
    """Move a track on with the motion of its head."""
    after = moved(track.pose, track.velocity, dt_s)
    size, roll = after.iod_px / track.pose.iod_px, after.roll - track.pose.roll
    c, s = size * math.cos(roll), size * math.sin(roll)
    rotation = np.array([[c, s], [-s, c]], np.float32)
    origin = np.array([track.pose.x, track.pose.y], np.float32)
    there = np.array([after.x, after.y], np.float32)
    track.landmarks = _read_only(((track.landmarks - origin) @ rotation + there).astype(np.float32))
    track.pose = after


def hand_over(track: Track, before: Kit, after: Kit, frame: BgrFrame, now_s: float) -> None:
    """Follow a face with another model from this frame on; its points get there within `HANDOVER_S`."""
    pose = track.pose
    old = before.model.predict(before.crop(frame, pose), pose)
    crop = after.crop(frame, pose)
    new = after.model.predict(crop, pose)
    track.handover = Handover.between(old, new, pose, track.handover)
    track.smoother.expect_noise()
    track.appearance = after.check.appearance(crop)
    track.doubt = after.doubt(after.score(new, crop), track.appearance, now_s)


def note_places(tracks: Sequence[Track], frame: BgrFrame, moment: Moment) -> None:
    """Note where each face is and what it looks like, while that is certain: what is remembered if it gets lost."""
    for track in tracks:
        if track.lost or (track.memory is not None and track.target < CERTAIN):
            continue
        if touches(track.pose, [other for other in tracks if other is not track]):
            continue
        mean = track.velocity
        if track.memory is not None:
            share = 1.0 - math.exp(-moment.dt_s / _DRIFT_S)
            x, y, size, roll = (a + share * (b - a) for a, b in zip(track.memory.velocity, mean, strict=True))
            mean = (x, y, size, roll)
        track.memory = Memory(track.id, track.pose, mean, track.appearance, moment.now_s, track.gallery)
        if track.confidence == 1.0 and track.target == 1.0 and moment.now_s - track.looked_s >= _LOOK_S:
            track.looked_s = moment.now_s
            track.gallery.add(looks_of(frame, track.pose))


def part(tracks: Sequence[Track], kit: Kit, frame: BgrFrame) -> None:
    """Of two tracks that have run into one face, keep the one whose face it looks like."""
    for i, one in enumerate(tracks):
        for other in tracks[i + 1 :]:
            if one.lost or other.lost or overlap(box_of(one.pose), box_of(other.pose)) < COLLISION_OVERLAP:
                continue
            appearance = kit.check.appearance(kit.crop(frame, one.pose))
            is_one = difference(appearance, one.appearance) <= difference(appearance, other.appearance)
            right, wrong = (one, other) if is_one else (other, one)
            wrong.lost = True
            # The right one takes over at once: the effect on this face must not change.
            right.confidence = max(right.confidence, wrong.confidence)
            wrong.confidence = 0.0


def touches(pose: Pose, tracks: Sequence[Track]) -> bool:
    """Whether a face overlaps one of these."""
    return any(overlap(box_of(pose), box_of(t.pose)) > _TOUCHING for t in tracks)


def share_inside(landmarks: Landmarks, frame: BgrFrame) -> float:
    """Share of the landmarks that lie inside the frame."""
    h, w = frame.shape[:2]
    x, y = landmarks[:, 0], landmarks[:, 1]
    if x.min() >= 0.0 and y.min() >= 0.0 and x.max() < w and y.max() < h:
        return 1.0
    return float(((x >= 0) & (x < w) & (y >= 0) & (y < h)).mean())


def _read_only(landmarks: Landmarks) -> Landmarks:
    landmarks.setflags(write=False)
    return landmarks
