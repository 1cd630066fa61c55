"""Follows faces over time: search, landmarks in every frame, smoothing, fading in and out.

A face that is followed needs no search: the crop for the next frame comes from the landmarks of
this one. The search looks for newcomers; a small detection in the crop checks, a few times a
second, that what is followed still is a face, since the landmark model answers for a wall as well.

Guarantees: with `live=False` the result depends on the frames and timestamps alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import dlib
import numpy as np

from livewarp.arrays import BgrFrame, GrayFrame, Landmarks
from livewarp.errors import FrameError
from livewarp.face68 import MEAN_FACE, Face, Pose, fit_pose
from livewarp.tracking.detector import FaceFinder, SyncFinder, ThreadedFinder, detect, overlap
from livewarp.tracking.forest import ForestLandmarks
from livewarp.tracking.landmarks import (
    BOX_CENTRE_Y_IOD,
    BOX_SIDE_IOD,
    CROP_BOX_PX,
    CROP_SIDE_PX,
    crop_face,
    pose_from_box,
)
from livewarp.tracking.smoothing import LandmarkSmoother
from livewarp.tracking.weights import find_weights

DEFAULT_DETECT_SIZE_PX = 640

SEARCH_INTERVAL_S = 1.0  # for newcomers, while some face is followed
SEARCH_INTERVAL_EMPTY_S = 0.1  # while none is
CHECK_INTERVAL_S = 0.4  # a detection in the crop costs 2 ms
UNCONFIRMED_S = 1.5  # followed this long without a detection: no face
FADE_IN_S = 0.2
FADE_OUT_S = 0.25
GAP_S = 1.0  # a longer silence: whoever is there now need not be who was there

# RMS distance of landmarks from the fitted mean face, IOD. Over 74 faces: median 0.03, at most 0.10.
IMPLAUSIBLE_RESIDUAL = 0.16
# A search result that overlaps a followed face this much (intersection over union) is that face.
SAME_FACE_OVERLAP = 0.3

# The face box in the check is 96 px: a little over the detector's smallest.
_CHECK_SIDE_PX = round(CROP_SIDE_PX * 96 / CROP_BOX_PX)


@dataclass
class _Track:
    id: int
    pose: Pose  # of the unfiltered landmarks: the next crop is cut by it
    landmarks: Landmarks  # filtered
    confirmed_s: float  # when a detector last saw it
    checked_s: float
    confidence: float
    smoother: LandmarkSmoother = field(default_factory=LandmarkSmoother)
    lost: bool = False

    def box(self) -> tuple[float, float, float, float]:
        """Where the detector would put its box, px."""
        p = self.pose
        x = p.x - BOX_CENTRE_Y_IOD * p.iod_px * math.sin(p.roll)
        y = p.y + BOX_CENTRE_Y_IOD * p.iod_px * math.cos(p.roll)
        half = BOX_SIDE_IOD * p.iod_px / 2
        return x - half, y - half, x + half, y + half


class FaceTracker:
    """Finds and follows faces.

    Parameters
    ----------
    max_faces
        How many are followed at the same time, 1 or more.
    detect_size_px
        Long side of the reduced frame in which faces are searched. The smallest face that is found
        is about 80 px wide there; the cost grows with its square (640: 20-40 ms).
    live
        Search in a thread of its own; else at once and deterministically.
    weights
        The 68-point weights; None: those of the installed package.

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
        detect_size_px: int = DEFAULT_DETECT_SIZE_PX,
        live: bool = False,
        weights: Path | None = None,
    ) -> None:
        self._max_faces = max_faces
        self._live = live
        self._model = ForestLandmarks(find_weights(weights))
        self._checker = dlib.get_frontal_face_detector()
        self._finder: FaceFinder = ThreadedFinder(detect_size_px) if live else SyncFinder(detect_size_px)
        self._next_id = 1
        self._tracks: list[_Track] = []
        self._last_s: float | None = None
        self._searched_s = -math.inf

    def update(self, frame: BgrFrame, timestamp_s: float) -> list[Face]:
        """The faces in the next frame, the longest followed first.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR. It is not kept.
        timestamp_s
            When it was captured, s; rising. A step back or a gap of over a second starts anew.

        Returns
        -------
        list of Face
            Landmarks in px of `frame`. `confidence` rises from 0 to 1 while a face appears and falls
            back while it is lost; a face in the very first frame has 1 at once.

        Raises
        ------
        FrameError
            `frame` is no (H, W, 3) uint8 array.
        """
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise FrameError(f"frame: got {got}, allowed: uint8 (H, W, 3) BGR; convert it with cv2.cvtColor")
        first = self._last_s is None
        dt_s = 0.0 if self._last_s is None else timestamp_s - self._last_s
        if not first and not 0.0 < dt_s <= GAP_S:
            self._tracks.clear()
            self._searched_s = -math.inf
            dt_s = 0.0
        self._last_s = timestamp_s

        for track in self._tracks:
            self._follow(track, frame, timestamp_s, dt_s)
        self._search(frame, timestamp_s, confidence=1.0 if first else 0.0)
        self._merge()
        self._fade(dt_s)
        return [Face(t.landmarks, fit_pose(t.landmarks), t.id, t.confidence) for t in self._tracks]

    def warm_up(self) -> None:
        """Load the compiled landmark model before the first frame needs it."""
        crop = np.zeros((CROP_SIDE_PX, CROP_SIDE_PX), np.uint8)
        self._model.predict(crop, pose_from_box(0, 0, CROP_BOX_PX, CROP_BOX_PX))

    def close(self) -> None:
        """End the search thread, if any; may be called more than once."""
        self._finder.close()

    def _follow(self, track: _Track, frame: BgrFrame, now_s: float, dt_s: float) -> None:
        """Move the track to this frame, or mark it as lost."""
        if track.lost:
            return
        crop = crop_face(frame, track.pose)
        landmarks = self._model.predict(crop, track.pose)
        pose = fit_pose(landmarks)
        if not _plausible(landmarks, pose, frame.shape):
            track.lost = True
            return
        if now_s - track.checked_s >= CHECK_INTERVAL_S:
            track.checked_s = now_s
            if self._is_face(crop):
                track.confirmed_s = now_s
        if now_s - track.confirmed_s > UNCONFIRMED_S:
            track.lost = True
            return
        track.pose = pose
        track.landmarks = _read_only(track.smoother.update(landmarks, max(dt_s, 1e-3)))

    def _is_face(self, crop: GrayFrame) -> bool:
        small = cv2.resize(crop, (_CHECK_SIDE_PX, _CHECK_SIDE_PX), interpolation=cv2.INTER_AREA)
        middle = _CHECK_SIDE_PX / 2
        return any(
            d.x0 < middle < d.x1 and d.y0 < middle < d.y1
            for d in detect(self._checker, small)  # type: ignore[arg-type]
        )

    def _search(self, frame: BgrFrame, now_s: float, confidence: float) -> None:
        """Look for faces that are not followed yet."""
        alive = [t for t in self._tracks if not t.lost]
        # In place, an empty picture is searched frame by frame: nothing waits for the result.
        interval_s = SEARCH_INTERVAL_S if alive else SEARCH_INTERVAL_EMPTY_S if self._live else 0.0
        if now_s - self._searched_s >= interval_s and self._finder.submit(frame):
            self._searched_s = now_s
        for found in self._finder.poll() or ():
            same = next((t for t in alive if overlap(found, t.box()) > SAME_FACE_OVERLAP), None)
            if same is not None:
                same.confirmed_s = now_s
            elif len(alive) < self._max_faces:
                track = self._start(frame, pose_from_box(*found[:4]), now_s, confidence)
                if track is not None:
                    alive.append(track)
                    self._tracks.append(track)

    def _start(self, frame: BgrFrame, pose: Pose, now_s: float, confidence: float) -> _Track | None:
        landmarks = self._model.predict(crop_face(frame, pose), pose)
        # Once more from where the first answer lies: the box is some pixels off, the eyes are not.
        pose = fit_pose(landmarks)
        if not _plausible(landmarks, pose, frame.shape):
            return None
        landmarks = self._model.predict(crop_face(frame, pose), pose)
        pose = fit_pose(landmarks)
        if not _plausible(landmarks, pose, frame.shape):
            return None
        track = _Track(self._next_id, pose, landmarks, now_s, now_s, confidence)
        track.landmarks = _read_only(track.smoother.update(landmarks, 1e-3))
        self._next_id += 1
        return track

    def _merge(self) -> None:
        """Of two tracks that have run into one face, keep the older."""
        kept: list[_Track] = []
        for track in self._tracks:
            if track.lost or all(k.lost or overlap(k.box(), track.box()) <= 0.5 for k in kept):
                kept.append(track)
        self._tracks = kept

    def _fade(self, dt_s: float) -> None:
        for track in self._tracks:
            step = -dt_s / FADE_OUT_S if track.lost else dt_s / FADE_IN_S
            track.confidence = min(1.0, max(0.0, track.confidence + step))
        self._tracks = [t for t in self._tracks if not t.lost or t.confidence > 0.0]


def _plausible(landmarks: Landmarks, pose: Pose, shape_hwc: tuple[int, ...]) -> bool:
    """Whether the points look like a face that is at least half in the picture."""
    h, w = shape_hwc[:2]
    middle = landmarks.mean(axis=0)
    if not (0 <= middle[0] < w and 0 <= middle[1] < h) or pose.iod_px < 4.0:
        return False
    residual = np.sqrt(((pose.project(MEAN_FACE) - landmarks) ** 2).sum(axis=1).mean()) / pose.iod_px
    return bool(residual < IMPLAUSIBLE_RESIDUAL)


def _read_only(landmarks: Landmarks) -> Landmarks:
    landmarks.setflags(write=False)
    return landmarks
