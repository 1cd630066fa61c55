"""Follows faces over time: search, landmarks in every frame, smoothing, doubt, fading in and out.

A face that is followed needs no search: the crop for the next frame comes from the landmarks of
this one and from its motion. The search looks for newcomers. A lost face is remembered for a few
seconds, with its place and its looks, so that it comes back as itself.

Guarantees: with `live=False` the result depends on the frames and timestamps alone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, Landmarks
from livewarp.errors import FrameError
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.tracking.detector import Detection, FaceFinder, SyncFinder, ThreadedFinder, overlap
from livewarp.tracking.doubt import START, Doubt, FaceCheck, Presence, score_of
from livewarp.tracking.landmarks import LandmarkModel, Prediction, box_of, crop_face, pose_from_box
from livewarp.tracking.mesh import MeshLandmarks
from livewarp.tracking.models import AUTO, DETECTORS, detector_for, load_model
from livewarp.tracking.newcomer import IMPLAUSIBLE_RESIDUAL, Newcomer
from livewarp.tracking.picture_kernels import difference
from livewarp.tracking.search import FloatBox, SearchPlan, Thumbnail, is_cut, thumbnail, window_around
from livewarp.tracking.smoothing import LandmarkSmoother, fit

if TYPE_CHECKING:
    from livewarp.settings import TrackingSettings

FADE_IN_S = 0.3
FADE_OUT_S = 0.15
GAP_S = 1.0  # a longer silence of the source: whoever is there now need not be who was there
REMEMBER_S = 5.0  # a lost face that comes back nearby is the same one
LOOK_AGAIN_S = 0.2  # from search to search around lost faces
LOST_SCORE = -0.2  # where a face has just been lost, less is enough to find it

# A search result that overlaps a followed face this much (intersection over union) is that face.
SAME_FACE_OVERLAP = 0.3
# Two tracks that overlap this much have run into one face.
COLLISION_OVERLAP = 0.45

# A prediction from a crop that was off by more than this (IOD, ratio, radians) is made again.
_REDO = 0.12
# Below this speed, IOD/s, the crop stays where the face was: its motion is the noise's.
_MOVING = 0.4
_LOOK_SHARE = 0.05  # of what a face looks like now, in what it looks like usually
_FOREIGN_LOOK = 1.0  # two looks of one face differ by less, of two people mostly by more
_JUMP = 0.2  # IOD from frame to frame, 6 a second: faster than heads move
_CERTAIN = 0.3  # confidence from which it is certain where a face is
_EMERGE_S = 1.5  # in which a face has come out from behind another
_TOUCHING = 0.1  # overlap from which two faces may be confused
_FORESEEN_S = 1.0  # a head goes on with its motion for no longer, however late the next frame is
_COAST_S = 0.25  # a frame that is later shows the head elsewhere than its motion says: by 0.25 IOD after a second
_DRIFT_S = 0.3  # the time over which the motion of a face is averaged that it is expected to go on with
_TURN_S = 0.15  # the time over which is averaged how the head is turned otherwise than its 68 points look
_SWITCH_S = 1.0  # in which the points go over from one model's to another's
_VISIBLE = (0.55, 0.9)  # share of the landmarks inside the frame: no confidence, full confidence

Velocity: TypeAlias = tuple[float, float, float, float]
"""x and y, px/s; log of the size and roll, 1/s."""

_STILL: Velocity = (0.0, 0.0, 0.0, 0.0)


@dataclass
class _Memory:
    """A face as it was seen last."""

    id: int
    pose: Pose
    velocity: Velocity  # over the last third of a second
    look: NDArray[np.float32]
    seen_s: float


@dataclass
class _Track:
    id: int
    pose: Pose  # of the filtered landmarks
    landmarks: Landmarks  # filtered, read-only
    look: NDArray[np.float32]  # usual one
    doubt: Doubt
    confidence: float
    velocity: Velocity = _STILL
    smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)
    good: _Memory | None = None  # as it was when it last was believed and alone
    waiting_s: float = 0.0  # since the landmarks were last predicted
    target: float = 1.0  # what the confidence goes to
    turn: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))  # roll, yaw, pitch beyond `fit`'s, radians
    # From the points of this model to those of the one before, (68, 2), face axes, IOD; and how much of it is left.
    offset: NDArray[np.float64] | None = None
    offset_left: float = 0.0
    lost: bool = False


class _Kit(NamedTuple):
    """What goes with a landmark model."""

    model: LandmarkModel
    judge: LandmarkModel | None  # whom newcomers are shown to, where neither model nor detector can tell for sure
    check: FaceCheck
    finder: FaceFinder
    plan: SearchPlan


class FaceTracker:
    """Finds and follows faces.

    Parameters
    ----------
    max_faces
        How many are followed at the same time, 1 or more.
    detect_scale
        Px of the picture that is searched per px of the frame. The smallest face that is found is
        about 80 px wide there; the cost grows with the square. None: chosen so that faces of 110 px
        in a frame of 720 lines are found within a second, and of 90 px within three.
    live
        Search in a thread of its own, and start to follow a newcomer over several frames, so that none of them
        takes much longer than others; else at once and deterministically.
    weights
        The 68-point weights; None: those of the installed package.
    model
        Finds the landmarks: "dlib", "mesh", or one of your own.
    detector
        Finds newcomers: "hog", "blaze", or "auto", the one that goes with the model.

    Attributes
    ----------
    economy
        0: all there is; 1: searches at a third of the rate; 2: finds landmarks in every second frame only,
        too, and moves them on with the head in between, at four frames a second and more. May be set at any
        time, from the thread that calls `update`.

    Raises
    ------
    ModelError
        The weights are missing or damaged.

    Examples
    --------
    >>> tracker = FaceTracker()                        # doctest: +SKIP
    >>> faces = tracker.update(frame, timestamp_s)     # doctest: +SKIP
    >>> faces[0].landmarks.shape                       # doctest: +SKIP
    (68, 2)
    """

    def __init__(
        self,
        max_faces: int = 4,
        detect_scale: float | None = None,
        live: bool = False,
        weights: Path | None = None,
        model: str | LandmarkModel = "dlib",
        detector: str = AUTO,
    ) -> None:
        self.economy = 0
        self._max_faces = max_faces
        self._live = live
        self._weights = weights
        self._detector = detector
        self._detect_scale = detect_scale
        self._next_kit: _Kit | None = None  # filled by `use_model`, from any thread
        kit = self._make_kit(model)
        self._model, self._judge, self._check, self._finder, self._plan = kit
        self._next_id = 1
        self._tracks: list[_Track] = []
        self._memories: list[_Memory] = []
        self._last_s: float | None = None
        self._searched_s = -math.inf
        self._looked_again_s = -math.inf
        self._number = 0  # of the newest search
        self._least_number = 0  # an older one is of another scene
        self._found: list[Detection] = []  # who has yet to be examined, best first
        self._newcomer: Newcomer | None = None  # who is being examined
        self._thumbnail: Thumbnail | None = None
        self._frames = 0

    @classmethod
    def from_settings(cls, tracking: TrackingSettings, live: bool = False) -> FaceTracker:
        """A tracker as `[tracking]` wants it."""
        weights = Path(tracking.weights).expanduser() if tracking.weights else None
        return cls(
            tracking.max_faces,
            tracking.detect_scale,
            live=live,
            weights=weights,
            model=tracking.model,
            detector=tracking.detector,
        )

    def update(self, frame: BgrFrame, timestamp_s: float, since_s: float | None = None) -> list[Face]:
        """The faces in the next frame, the longest followed first.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR. It is not kept.
        timestamp_s
            When it was captured, s; rising. A step back or a gap of over a second starts anew.
        since_s
            Timestamp of the source's first frame after its last gap, where the source's frames are more than
            those that come here: a caller who is too slow to take them all has made no gap, however
            long it was busy. None: these are all.

        Returns
        -------
        list of Face
            Landmarks in px of `frame`. `confidence`, above 0 and at most 1, follows the evidence that
            they lie on a face, smoothly; a face in the very first frame has 1 at once.

        Raises
        ------
        FrameError
            `frame` is no (H, W, 3) uint8 array.
        """
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise FrameError(f"frame: got {got}, allowed: uint8 (H, W, 3) BGR; convert it with cv2.cvtColor")
        if self._next_kit is not None:
            self._adopt(self._next_kit, frame, timestamp_s)
        first = self._last_s is None
        dt_s = 0.0 if self._last_s is None else timestamp_s - self._last_s
        if not first and self._is_gap(timestamp_s, since_s):
            self._forget()
            dt_s = 0.0
        self._last_s = timestamp_s
        self._frames += 1

        before, self._thumbnail = self._thumbnail, thumbnail(frame)
        cut = before is not None and dt_s > 0.0 and is_cut(before, self._thumbnail)
        if cut:
            self._begin_scene()
        for track in self._tracks:
            self._follow(track, frame, timestamp_s, dt_s, cut)
        if len(self._tracks) > 1:
            self._part(frame)
        self._note(timestamp_s, dt_s)
        self._search(frame, timestamp_s)
        self._admit(frame, timestamp_s, confidence=1.0 if first else 0.0)
        self._fade(dt_s)
        return [Face(t.landmarks, t.pose, t.id, t.confidence) for t in self._tracks if t.confidence > 0.0]

    def _is_gap(self, now_s: float, since_s: float | None) -> bool:
        """Whether the source was silent for so long before this frame that nothing is known of who is there."""
        assert self._last_s is not None
        if now_s <= self._last_s:
            return True
        return now_s - self._last_s > GAP_S and (since_s is None or since_s > self._last_s)

    def warm_up(self) -> None:
        """Load the compiled kernels before the first frame needs them."""
        pose = Pose(100.0, 80.0, 50.0, 0.0, 0.0, 0.0)
        _warm_up(self._model, self._judge, self._check)
        smoother = LandmarkSmoother()
        for _ in range(2):
            landmarks = smoother.update(pose.project(MEAN_FACE).astype(np.float32), 0.03)
        fit(landmarks)

    def close(self) -> None:
        """End the search thread, if any; may be called more than once."""
        self._finder.close()

    # ------------------------------------------------------------------------------------------------ models

    def use_model(self, model: str | LandmarkModel) -> None:
        """Follow the faces with another landmark model from one of the next frames on, without a jump.

        For a thread other than that of `update`, which goes on meanwhile: loading takes up to a second.

        Raises
        ------
        ModelError
            Its weights are missing or damaged; the model stays what it was.
        """
        kit = self._make_kit(model)
        _warm_up(kit.model, kit.judge, kit.check)
        previous, self._next_kit = self._next_kit, kit
        if previous is not None and previous.finder is not self._finder:
            previous.finder.close()

    def _make_kit(self, model: str | LandmarkModel) -> _Kit:
        if isinstance(model, str):
            name, loaded = model, load_model(model, self._weights)
        else:
            name, loaded = "", model
        detector = detector_for(name, self._detector)
        # BlazeFace proposes; who confirms is the model itself, or a mesh that is asked once a newcomer.
        judge = MeshLandmarks() if detector == "blaze" and not loaded.tells_faces else None
        finder = (ThreadedFinder if self._live else SyncFinder)(DETECTORS[detector]())
        return _Kit(loaded, judge, FaceCheck(loaded.crop), finder, SearchPlan(self._detect_scale))

    def _adopt(self, kit: _Kit, frame: BgrFrame, now_s: float) -> None:
        """Go over to another model: each face keeps its place, and goes to the new one's within a second."""
        self._next_kit = None
        before, finder = self._model, self._finder
        self._model, self._judge, self._check, self._finder, self._plan = kit
        if self._live:  # it may be searching: nobody waits for that
            threading.Thread(target=finder.close, name="closing", daemon=True).start()
        self._number, self._least_number = 0, 0
        self._newcomer = None  # it was examined by the model before
        for track in self._tracks:
            if track.lost:
                continue
            pose = track.pose
            old = before.predict(crop_face(frame, pose, before.crop), pose).landmarks
            crop = crop_face(frame, pose, self._model.crop)
            prediction = self._model.predict(crop, pose)
            left = 0.0 if track.offset is None else track.offset_left**2 * (3.0 - 2.0 * track.offset_left)
            offset = _in_face(old - prediction.landmarks, pose)
            track.offset = offset if track.offset is None else offset + left * track.offset
            track.offset_left = 1.0
            track.smoother.expect_noise()
            track.look = self._check.look(crop)
            track.doubt = self._doubt(self._score(prediction, crop), track.look, now_s)

    # --------------------------------------------------------------------------------------------- following

    def _follow(self, track: _Track, frame: BgrFrame, now_s: float, dt_s: float, cut: bool) -> None:
        """Move the track to this frame, or mark it as lost."""
        if track.lost:
            return
        track.waiting_s += dt_s
        coasts = self.economy >= 2 and dt_s <= _COAST_S
        if coasts:
            _coast(track, dt_s)
            if self._frames % 2 and not cut:
                return
        spec = self._model.crop
        expected = track.pose if coasts else _moved(track.pose, track.velocity, min(dt_s, _FORESEEN_S))
        crop = crop_face(frame, expected, spec)
        prediction = self._predict(track, crop, expected, dt_s)
        pose, residual = fit(prediction.landmarks)
        if _far(pose, expected) and _inside(prediction.landmarks, frame) > 0.0:
            expected = pose
            crop = crop_face(frame, expected, spec)
            prediction = self._predict(track, crop, expected)
            pose, residual = fit(prediction.landmarks)
        # What a model says that tells faces, `doubt` weighs.
        evidence = 1.0 if prediction.evidence is None or self._model.tells_faces else prediction.evidence
        plausible = residual < IMPLAUSIBLE_RESIDUAL and 0.6 < pose.iod_px / track.pose.iod_px < 1.6 and evidence > 0.0

        visible = _inside(prediction.landmarks, frame)
        look = self._check.look(crop)
        sudden = track.doubt.seen(look, pose if plausible else track.pose)
        # What was in doubt before fades on.
        cut = cut or (sudden and track.target > 1.0 - _CERTAIN)
        jump = math.hypot(pose.x - track.pose.x, pose.y - track.pose.y) > _JUMP * track.pose.iod_px
        slow = 3.0 if self.economy else 1.0
        if cut or track.doubt.wants_check(look, now_s, suspicious=jump or not plausible, slow=slow):
            score = self._score(prediction, crop)
            track.doubt.checked(score, look, now_s)
            if cut and score < START:
                # Another scene, and nobody in this place: nothing to fade.
                track.lost, track.confidence = True, 0.0
                return
            # Points that leap to where hardly a face is are not followed.
            plausible = plausible and not (jump and track.doubt.belief < _CERTAIN)
        whole = (visible - _VISIBLE[0]) / (_VISIBLE[1] - _VISIBLE[0])
        track.target = min(track.doubt.belief, evidence, max(0.0, whole)) if plausible else 0.0
        if track.doubt.is_gone(now_s) or visible < 0.3 or pose.iod_px < 4.0:
            track.lost = True
            return
        if plausible:
            if cut:
                track.smoother = LandmarkSmoother()  # at the same place, but not by a motion
            self._move(track, prediction, pose, cut, coasts)
        track.waiting_s = 0.0
        if track.confidence == 1.0 and track.target == 1.0:
            track.look += _LOOK_SHARE * (look - track.look)

    def _predict(self, track: _Track, crop: NDArray[np.uint8], pose: Pose, dt_s: float = 0.0) -> Prediction:
        """What the model says; after a change of the model at first what the one before would have said."""
        prediction = self._model.predict(crop, pose)
        if track.offset is None:
            return prediction
        track.offset_left -= dt_s / _SWITCH_S
        if track.offset_left <= 0.0:
            track.offset = None
            return prediction
        share = track.offset_left**2 * (3.0 - 2.0 * track.offset_left)
        there = prediction.landmarks + share * _in_frame(track.offset, fit(prediction.landmarks)[0])
        return prediction._replace(landmarks=there.astype(np.float32))

    def _score(self, prediction: Prediction, crop: NDArray[np.uint8]) -> float:
        """How much of a face there is, by the model itself where it can tell, else by the detector."""
        if self._model.tells_faces and prediction.evidence is not None:
            return score_of(prediction.evidence)
        return self._check.score(crop)

    def _move(self, track: _Track, prediction: Prediction, raw: Pose, cut: bool, coasted: bool) -> None:
        """Take new landmarks over, to which `raw` was fitted."""
        dt_s = max(track.waiting_s, 1e-3)
        before = track.pose
        track.landmarks = _read_only(track.smoother.update(prediction.landmarks, dt_s))
        over_s = _TURN_S if track.offset is None else _SWITCH_S / 2
        track.turn += (1.0 if cut else 1.0 - math.exp(-dt_s / over_s)) * (_turn(prediction, raw) - track.turn)
        track.pose = _turned(fit(track.landmarks)[0], track.turn)
        if coasted:
            # The track has coasted here: what is left is what the velocity was off by.
            x, y, size, roll = _velocity(before, track.pose, dt_s)
            vx, vy, vsize, vroll = track.velocity
            track.velocity = (vx + x, vy + y, vsize + size, vroll + roll)
        else:
            track.velocity = _velocity(before, track.pose, dt_s)
        if cut or math.hypot(*track.velocity[:2]) < _MOVING * track.pose.iod_px:
            track.velocity = _STILL

    def _note(self, now_s: float, dt_s: float) -> None:
        """Note where each face is, while that is certain: what is remembered if it gets lost."""
        for track in self._tracks:
            if track.lost or (track.good is not None and track.target < _CERTAIN):
                continue
            if _touches(track.pose, [other for other in self._tracks if other is not track]):
                continue
            velocity = track.velocity
            if track.good is not None:
                share = 1.0 - math.exp(-dt_s / _DRIFT_S)
                x, y, size, roll = (a + share * (b - a) for a, b in zip(track.good.velocity, velocity, strict=True))
                velocity = (x, y, size, roll)
            track.good = _Memory(track.id, track.pose, velocity, track.look, now_s)

    def _part(self, frame: BgrFrame) -> None:
        """Of two tracks that have run into one face, keep the one whose face it looks like."""
        for i, one in enumerate(self._tracks):
            for other in self._tracks[i + 1 :]:
                if one.lost or other.lost or overlap(box_of(one.pose), box_of(other.pose)) < COLLISION_OVERLAP:
                    continue
                look = self._check.look(crop_face(frame, one.pose, self._model.crop))
                wrong = other if difference(look, one.look) <= difference(look, other.look) else one
                wrong.lost = True
                # The right one takes over at once: the effect on this face must not change.
                right = one if wrong is other else other
                right.confidence = max(right.confidence, wrong.confidence)
                wrong.confidence = 0.0

    # --------------------------------------------------------------------------------------------- searching

    def _search(self, frame: BgrFrame, now_s: float) -> None:
        """Search for faces that are not followed yet, and note who has been found."""
        self._memories = [m for m in self._memories if now_s - m.seen_s < REMEMBER_S]
        alive = [t for t in self._tracks if not t.lost]
        rested = now_s - self._searched_s >= self._finder.rest_s
        if rested and not self._finder.busy and len(alive) < self._max_faces:
            # Who is hardly believed to be there must not slow the search for where they are.
            self._submit(frame, now_s, [box_of(t.pose) for t in alive if t.target > 0.0])
        search = self._finder.poll()
        if search is None or search.number < self._least_number:
            return
        self._found = list(search.found)

    def _admit(self, frame: BgrFrame, now_s: float, confidence: float) -> None:
        """Examine the faces that have been found, and follow those that stand the test.

        Offline all at once. Live one step of one face a frame: all of it would take as long as four frames.
        """
        alive = [t for t in self._tracks if not t.lost]
        while len(alive) < self._max_faces:
            if self._newcomer is None:
                self._newcomer = self._next_newcomer(now_s, alive)
            if self._newcomer is None:
                return
            passed = self._newcomer.step(frame, now_s)
            if passed is not None:
                newcomer, self._newcomer = self._newcomer, None
                track = self._start(newcomer, frame, now_s, confidence, alive) if passed else None
                if track is not None:
                    alive.append(track)
                    self._tracks.append(track)
            if self._live:
                return
        self._found, self._newcomer = [], None

    def _next_newcomer(self, now_s: float, alive: list[_Track]) -> Newcomer | None:
        """The best of those found that may be a face which is not followed."""
        while self._found:
            found = self._found.pop(0)
            if any(overlap(found, box_of(t.pose)) > SAME_FACE_OVERLAP for t in alive):
                continue
            if found.score < 0.0 and self._recall(found, now_s) is None:
                continue
            return Newcomer(found, self._model, self._judge)
        return None

    def _submit(self, frame: BgrFrame, now_s: float, faces: list[FloatBox]) -> None:
        """Start a search, if one is due."""
        assert self._thumbnail is not None
        h, w = frame.shape[:2]
        pace = 3.0 if self.economy else 1.0
        # In place, nobody waits for the result while there is nothing to do.
        windows = self._plan.next((h, w), self._thumbnail, now_s, faces, pace if self._live or faces else 0.0)
        least_score = 0.0
        if not windows and self._memories and now_s - self._looked_again_s >= pace * LOOK_AGAIN_S - 1e-6:
            boxes = [box_of(_moved(m.pose, m.velocity, min(1.0, now_s - m.seen_s))) for m in self._memories]
            windows = [v for v in (window_around(b, (h, w), 0.7) for b in boxes) if v is not None]
            least_score = LOST_SCORE
            self._looked_again_s = now_s
        if windows:
            self._number = self._finder.submit(frame, windows, least_score)
            self._searched_s = now_s

    def _recall(self, found: Detection, now_s: float) -> _Memory | None:
        """The remembered face that may have come back there: the nearest of its size."""

        def distance(memory: _Memory) -> float:
            since_s = now_s - memory.seen_s
            at = _moved(memory.pose, memory.velocity, min(1.0, since_s))
            there = pose_from_box(*found[:4])
            return math.hypot(there.x - at.x, there.y - at.y) / at.iod_px + abs(math.log(there.iod_px / at.iod_px))

        # It may have gone on, the farther the longer it was gone.
        near = [m for m in self._memories if distance(m) < 1.5 + min(1.5, 1.5 * (now_s - m.seen_s))]
        return min(near, key=distance, default=None)

    def _start(
        self, newcomer: Newcomer, frame: BgrFrame, now_s: float, confidence: float, alive: list[_Track]
    ) -> _Track | None:
        found, pose, prediction = newcomer.found, newcomer.pose, newcomer.prediction
        assert prediction is not None
        landmarks = prediction.landmarks
        if any(overlap(box_of(pose), box_of(t.pose)) > SAME_FACE_OVERLAP for t in alive):
            return None
        crop = crop_face(frame, pose, self._model.crop)
        score = self._score(prediction, crop)
        if score < START or _inside(landmarks, frame) < _VISIBLE[0]:
            return None
        look = self._check.look(crop)
        memory = self._same(found, look, now_s)
        if memory is None:
            hidden = self._recall(found, now_s)
            if hidden is not None and now_s - hidden.seen_s < _EMERGE_S and _touches(pose, alive):
                return None  # half behind another face, whoever was there just now looks like a stranger
            id, self._next_id = self._next_id, self._next_id + 1
        else:
            id = memory.id
            self._memories.remove(memory)
            look = memory.look
        # A face that has not faded out yet does not start from nothing again.
        ghost = next((t for t in self._tracks if t.lost and t.id == id), None)
        if ghost is not None:
            confidence = max(confidence, ghost.confidence)
            self._tracks.remove(ghost)
        smoother = LandmarkSmoother()
        landmarks = _read_only(smoother.update(landmarks, 1e-3))
        turn = _turn(prediction, pose)
        doubt = self._doubt(score, look, now_s)
        pose = _turned(fit(landmarks)[0], turn)
        return _Track(id, pose, landmarks, look, doubt, confidence, smoother=smoother, good=memory, turn=turn)

    def _doubt(self, score: float, look: NDArray[np.float32], now_s: float) -> Doubt:
        return (Presence if self._model.tells_faces else Doubt)(score, look, now_s)

    def _same(self, found: Detection, look: NDArray[np.float32], now_s: float) -> _Memory | None:
        """The remembered face that this one is, by place, size and looks."""
        near = []
        memories = list(self._memories)
        while (memory := self._recall(found, now_s)) is not None:
            near.append(memory)
            self._memories.remove(memory)
        self._memories = memories
        best = min(near, key=lambda m: difference(m.look, look), default=None)
        return best if best is not None and difference(best.look, look) < _FOREIGN_LOOK else None

    # ------------------------------------------------------------------------------------ beginnings and ends

    def _begin_scene(self) -> None:
        """Nothing that was seen before tells where faces are now."""
        self._plan.forget()
        self._least_number = self._number + 1
        self._searched_s = -math.inf
        self._memories.clear()
        self._found, self._newcomer = [], None

    def _forget(self) -> None:
        self._begin_scene()
        self._tracks.clear()
        self._thumbnail = None

    def _remember(self, track: _Track) -> None:
        if track.good is not None and all(m.id != track.id for m in self._memories):
            self._memories.append(track.good)

    def _fade(self, dt_s: float) -> None:
        """Let each confidence go to what it should be, and drop who has gone."""
        for track in self._tracks:
            if track.lost:
                self._remember(track)
            target = 0.0 if track.lost else track.target
            fall, rise = dt_s / FADE_OUT_S, dt_s / FADE_IN_S
            track.confidence = min(max(target, track.confidence - fall), track.confidence + rise)
        self._tracks = [t for t in self._tracks if not t.lost or t.confidence > 0.0]


def _warm_up(model: LandmarkModel, judge: LandmarkModel | None, check: FaceCheck) -> None:
    """Let each do its work once on nothing."""
    for each in (model, judge):
        if each is not None:
            side = each.crop.side_px
            pose = pose_from_box(side / 4, side / 4, 3 * side / 4, 3 * side / 4)
            each.predict(crop_face(np.zeros((side, side, 3), np.uint8), pose, each.crop), pose)
    if not model.tells_faces:
        check.warm_up()


def _turn(prediction: Prediction, raw: Pose) -> NDArray[np.float64]:
    """Roll, yaw and pitch that the model knows of the head, less those that are fitted to its 68 points."""
    head = prediction.pose
    if head is None:
        return np.zeros(3)
    return np.array([math.remainder(head.roll - raw.roll, math.tau), head.yaw - raw.yaw, head.pitch - raw.pitch])


def _turned(pose: Pose, turn: NDArray[np.float64]) -> Pose:
    roll, yaw, pitch = turn.tolist()
    return replace(pose, roll=pose.roll + roll, yaw=pose.yaw + yaw, pitch=pose.pitch + pitch)


def _in_frame(offset: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Face axes (n, 2), IOD, as px of the frame, without the place."""
    c, s = pose.iod_px * math.cos(pose.roll), pose.iod_px * math.sin(pose.roll)
    return np.asarray(offset @ np.array([[c, s], [-s, c]]))


def _in_face(offset: NDArray[np.floating], pose: Pose) -> NDArray[np.float64]:
    """What `_in_frame` undoes."""
    c, s = math.cos(pose.roll) / pose.iod_px, math.sin(pose.roll) / pose.iod_px
    return np.asarray(offset @ np.array([[c, -s], [s, c]]))


def _touches(pose: Pose, tracks: Sequence[_Track]) -> bool:
    """Whether a face overlaps one of these."""
    return any(overlap(box_of(pose), box_of(t.pose)) > _TOUCHING for t in tracks)


def _velocity(before: Pose, now: Pose, dt_s: float) -> Velocity:
    turn = math.remainder(now.roll - before.roll, math.tau)
    size = math.log(now.iod_px / before.iod_px)
    return (now.x - before.x) / dt_s, (now.y - before.y) / dt_s, size / dt_s, turn / dt_s


def _moved(pose: Pose, velocity: Velocity, dt_s: float) -> Pose:
    """Where a face will be after `dt_s` of the same motion."""
    x, y, size, roll = velocity
    return replace(
        pose,
        x=pose.x + x * dt_s,
        y=pose.y + y * dt_s,
        iod_px=pose.iod_px * math.exp(max(-0.5, min(0.5, size * dt_s))),
        roll=pose.roll + roll * dt_s,
    )


def _coast(track: _Track, dt_s: float) -> None:
    """Move a track on with the motion of its head."""
    after = _moved(track.pose, track.velocity, dt_s)
    size, turn = after.iod_px / track.pose.iod_px, after.roll - track.pose.roll
    c, s = size * math.cos(turn), size * math.sin(turn)
    rotation = np.array([[c, s], [-s, c]], np.float32)
    origin = np.array([track.pose.x, track.pose.y], np.float32)
    there = np.array([after.x, after.y], np.float32)
    track.landmarks = _read_only(((track.landmarks - origin) @ rotation + there).astype(np.float32))
    track.pose = after


def _far(pose: Pose, expected: Pose) -> bool:
    """Whether a face is so far from where its crop was cut that the answer would be better from there."""
    away = math.hypot(pose.x - expected.x, pose.y - expected.y) / expected.iod_px
    size = abs(math.log(max(pose.iod_px, 1e-6) / expected.iod_px))
    return max(away, size, abs(math.remainder(pose.roll - expected.roll, math.tau)) / 2) > _REDO


def _inside(landmarks: Landmarks, frame: BgrFrame) -> float:
    """Share of the landmarks that lie inside the frame."""
    h, w = frame.shape[:2]
    x, y = landmarks[:, 0], landmarks[:, 1]
    if x.min() >= 0.0 and y.min() >= 0.0 and x.max() < w and y.max() < h:
        return 1.0
    return float(((x >= 0) & (x < w) & (y >= 0) & (y < h)).mean())


def _read_only(landmarks: Landmarks) -> Landmarks:
    landmarks.setflags(write=False)
    return landmarks
