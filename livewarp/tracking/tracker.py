"""Follows faces over time: the search for newcomers, landmarks in every frame, fading in and out.

A face that is followed needs no search: the crop for the next frame comes from the landmarks of
this one and from its motion (`following`). The search is for newcomers (`search`, `finder`, `newcomers`). A lost
face is remembered for a few seconds, with its place and appearance, so that it comes back as itself (`identity`).

Guarantees: with `live=False` the result depends on the frames and timestamps alone.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.errors import FrameError
from livewarp.face68 import MEAN_FACE, Face, Pose
from livewarp.tracking import following
from livewarp.tracking.detector import FloatBox
from livewarp.tracking.following import Moment, Track
from livewarp.tracking.identity import Identities
from livewarp.tracking.kit import Kit, make_kit
from livewarp.tracking.landmarks import LandmarkModel, box_of
from livewarp.tracking.models import AUTO
from livewarp.tracking.newcomers import Newcomers
from livewarp.tracking.search import Thumbnail, is_cut, thumbnail, window_around
from livewarp.tracking.smoothing import LandmarkSmoother, fit
from livewarp.tracking.weights import weights_path
from livewarp.worker import Worker

if TYPE_CHECKING:
    from livewarp.settings import TrackingSettings

GAP_S = 1.0  # a longer silence of the source: whoever is there now need not be who was there
DELAY_S = 3.0  # a shorter time between two frames may be their reader's own delay, where it does not say
SEARCH_AGAIN_S = 0.2  # from search to search around lost faces
LOST_SCORE = -0.2  # where a face has just been lost, less is enough to find it


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
        Finds the landmarks: "dlib", "mesh", "auto" (dlib's where its weights are, else the mesh), or one of your own.
    detector
        Finds newcomers: "hog", "blaze", or "auto", the one that goes with the model.

    Attributes
    ----------
    economy
        0: all there is; from 1: searches at a third of the rate; 3: finds landmarks in every second frame only,
        too, and moves them on with the head in between, at four frames a second and more. May be set at any
        time, from the thread that calls `update`.
    worker
        What computes beside the frames where it is live; stages may add tasks to it.

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
        model: str | LandmarkModel = AUTO,
        detector: str = AUTO,
    ) -> None:
        self.economy = 0
        self._max_faces = max_faces
        self._live = live
        self.worker = Worker(synchronous=not live)
        self._choice = detector, weights, detect_scale
        self._kit = make_kit(model, *self._choice, self.worker)
        # Each model is loaded once: networks that come and go leave holes in the memory (100 MB after 100 switches).
        self._kits: dict[str | LandmarkModel, Kit] = {model: self._kit}
        self._next_kits: deque[Kit] = deque(maxlen=1)  # the newest wins; filled by `use_model`, from any thread
        self._tracks: list[Track] = []
        self._identities = Identities()
        self._newcomers = Newcomers(max_faces, live, self._identities)
        self._last_s: float | None = None
        self._searched_again_s = -math.inf
        self._thumbnail: Thumbnail | None = None
        self._frames = 0

    @classmethod
    def from_settings(cls, tracking: TrackingSettings, live: bool = False) -> FaceTracker:
        """A tracker as `[tracking]` wants it."""
        return cls(
            tracking.max_faces,
            tracking.detect_scale,
            live=live,
            weights=weights_path(tracking.weights),
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
            When it was captured, s; rising. A step back or a gap starts anew: of over a second where `since_s` tells
            that the source was silent, else of over three, since it may as well be the caller's own delay.
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
            raise FrameError("frame", got=got, allowed="uint8 (H, W, 3) BGR", remedy="convert it with cv2.cvtColor")
        if self._next_kits:
            self._adopt(frame, timestamp_s)
        moment, is_first = self._next_moment(frame, timestamp_s, since_s), self._frames == 1
        for track in self._tracks:
            if not track.lost:
                following.follow(track, self._kit, frame, moment)
        following.part(self._tracks, self._kit, frame)
        following.note_places(self._tracks, frame, moment)
        self._search(frame, moment)
        confidence = 1.0 if is_first else 0.0
        self._newcomers.admit(self._tracks, self._kit, frame, timestamp_s, confidence)
        self._fade(moment.dt_s)
        return [Face(t.landmarks, t.pose, t.id, t.confidence) for t in self._tracks if t.confidence > 0.0]

    def warm_up(self) -> None:
        """Load the compiled kernels before the first frame needs them."""
        pose = Pose(100.0, 80.0, 50.0, 0.0, 0.0, 0.0)
        self._kit.warm_up()
        smoother = LandmarkSmoother()
        for _ in range(2):
            landmarks = smoother.update(pose.project(MEAN_FACE).astype(np.float32), 0.03)
        fit(landmarks)

    def close(self) -> None:
        """End the search thread, if any; may be called more than once."""
        self.worker.close()

    def use_model(self, model: str | LandmarkModel) -> None:
        """Follow the faces with another landmark model from one of the next frames on, without a jump.

        For a thread other than that of `update`, which goes on meanwhile: loading takes up to a second.

        Raises
        ------
        ModelError
            Its weights are missing or damaged; the model stays what it was.
        """
        self._next_kits.append(self._kits.get(model) or self._load(model))

    def _load(self, model: str | LandmarkModel) -> Kit:
        kit = make_kit(model, *self._choice, self.worker)
        kit.warm_up()
        self._kits[model] = kit
        return kit

    def _adopt(self, frame: BgrFrame, now_s: float) -> None:
        """Go over to another model: each face keeps its place, and goes to the new one's within a second."""
        before, kit = self._kit, self._next_kits.popleft()
        if kit is before:
            return
        self._kit = kit
        before.finder.close()
        before.plan.forget()
        self._newcomers.restart()
        for track in self._tracks:
            if not track.lost:
                following.hand_over(track, before, kit, frame, now_s)

    def _next_moment(self, frame: BgrFrame, now_s: float, since_s: float | None) -> Moment:
        """When this frame comes and whether it is a cut; after a gap or a cut nothing of before counts any more."""
        dt_s = 0.0 if self._last_s is None else now_s - self._last_s
        if self._last_s is not None and self._is_gap(now_s, since_s):
            self._begin_scene()
            self._identities.forget()
            self._tracks.clear()
            self._thumbnail = None
            dt_s = 0.0
        self._last_s = now_s
        self._frames += 1
        before, self._thumbnail = self._thumbnail, thumbnail(frame)
        cut = before is not None and dt_s > 0.0 and is_cut(before, self._thumbnail)
        if cut:
            self._begin_scene()
        return Moment(now_s, dt_s, cut, self.economy, is_odd=self._frames % 2 == 1)

    def _is_gap(self, now_s: float, since_s: float | None) -> bool:
        """Whether the source was silent for so long before this frame that whoever is there is new."""
        assert self._last_s is not None
        if now_s <= self._last_s:
            return True
        if since_s is None:
            return now_s - self._last_s > DELAY_S
        return now_s - self._last_s > GAP_S and since_s > self._last_s

    def _begin_scene(self) -> None:
        """Drop all that earlier frames said about where faces are."""
        self._kit.plan.forget()
        self._kit.finder.forget()
        self._identities.forget_places()
        self._newcomers.forget()

    def _search(self, frame: BgrFrame, moment: Moment) -> None:
        """Search for faces that are not followed yet, and hand on what has been found."""
        alive = [t for t in self._tracks if not t.lost]
        finder = self._kit.finder
        if len(alive) < self._max_faces and finder.is_ready(moment.now_s):
            # A track that may have lost its face must not slow the search for it.
            self._submit(frame, moment.now_s, [box_of(t.pose) for t in alive if t.target > 0.0])
        found = finder.poll()
        if found is not None:
            self._newcomers.put(found)

    def _submit(self, frame: BgrFrame, now_s: float, faces: list[FloatBox]) -> None:
        """Start a search, if one is due."""
        assert self._thumbnail is not None
        h, w = frame.shape[:2]
        pace = 3.0 if self.economy else 1.0
        # In place a search costs nothing that another frame waits for: it begins as soon as something has changed.
        windows = self._kit.plan.next((h, w), self._thumbnail, now_s, faces, pace if self._live or faces else 0.0)
        least_score = 0.0
        memories = self._identities.recent(now_s)
        if not windows and memories and now_s - self._searched_again_s >= pace * SEARCH_AGAIN_S - 1e-6:
            boxes = [box_of(m.expected(now_s)) for m in memories]
            windows = [v for v in (window_around(b, (h, w), 0.7) for b in boxes) if v is not None]
            least_score = LOST_SCORE
            self._searched_again_s = now_s
        if windows:
            self._kit.finder.submit(frame, windows, now_s, least_score)

    def _fade(self, dt_s: float) -> None:
        """Let confidences go to what they should be; remember lost faces, and drop those that have faded out."""
        for track in self._tracks:
            if track.lost and track.memory is not None:
                self._identities.remember(track.memory)
            track.fade(dt_s)
        self._tracks = [t for t in self._tracks if not t.lost or t.confidence > 0.0]
