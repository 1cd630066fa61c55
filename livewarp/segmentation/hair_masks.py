"""The hair of every head in the frame: asked for beside the loop, carried by the head's pose, doubted when in doubt.

Guarantees: with a synchronous worker the result depends on the frames and timestamps alone. Masks of two heads are
kept apart by their ids. Where the network is missing or fails there is no mask, and `problem` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, Box, GrayFrame
from livewarp.easing import smoothstep
from livewarp.errors import LivewarpError, Problem
from livewarp.face68 import Face, Pose
from livewarp.scene import Hair
from livewarp.segmentation.hair_network import HairNetwork
from livewarp.segmentation.hair_refinement import HairRefiner
from livewarp.segmentation.head_crop import cut_head, moved_iod, own_hair, place_mask, without_face
from livewarp.tracking.weights import HAIR, kept_path
from livewarp.worker import Worker

EVERY_S = (0.1, 0.2, 0.3, 0.3)  # from mask to mask of one head, by economy; twice that while it hardly moves
STILL_S = 0.6  # the same where nothing about the head has changed
FULL_S, GONE_S = 0.6, 1.2  # the age from which a mask is trusted less, and not at all
GAP_S = 1.0  # without a frame: whoever is there now need not be who was there
AGAIN_S = 5.0  # after a network has failed or was missing, it is tried again
LEAST_IOD_PX = 20.0  # of smaller heads no strand is seen

_SIDES = (320, 256, 256, 256)  # of the crop, by economy, px
_SURE, _DOUBT = 0.93, 0.80  # mean of the mask well inside it: all of it is hair, none need be
_CALM_IOD = 0.04  # moved since the mask's frame: it still fits
_FAR_IOD, _LOST_IOD = 0.25, 0.7  # moved since the mask's frame: it fits less, and no more
_CHANGED_LEVELS = 2.0  # of a cell of the crop: something has moved; noise stays below
_LEAST_AREA = 0.012  # of the crop: less is a bald head's shine
_SHARPEN = 0.5  # of the way from the mask shown to a newer one, a frame

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """A head that a mask is wanted of."""

    picture: BgrFrame
    before: GrayFrame | None
    face_id: int
    pose: Pose
    others: tuple[Pose, ...]
    cells: GrayFrame
    timestamp_s: float
    era: int  # counts what must not outlive a cut


class _Found(NamedTuple):
    """A mask in crop axes, and the picture that it belongs to."""

    raw: GrayFrame  # all hair in the crop
    own: GrayFrame  # this head's
    bounds: Box
    sure: float  # 0 to 1
    job: _Job


@dataclass(slots=True)
class _Head:
    """What is known of one head's hair."""

    found: _Found | None = None
    shown: GrayFrame | None = None  # on its way to the newest mask
    asked_s: float = -np.inf
    trust: float = 0.0


class HairMasks:
    """Makes the masks of hair of one filter; for the thread that filters, others may read `problem`.

    Parameters
    ----------
    worker
        Where the network runs.

    Attributes
    ----------
    problem
        Why there is no mask, or None.
    """

    def __init__(self, worker: Worker) -> None:
        self._synchronous = worker.synchronous
        self._network = HairNetwork()
        self._refiner = HairRefiner()
        self._task = worker.add(self._find)
        self._heads: dict[int, _Head] = {}
        self._era = 0
        self._last_s: float | None = None
        self._failed_s: float | None = None
        self.problem: Problem | None = None

    def forget(self) -> None:
        """Nobody wants masks for now; the next one begins anew."""
        self._heads.clear()
        self._last_s = self._failed_s = None
        self._era += 1
        self.problem = None

    def update(self, frame: BgrFrame, faces: Sequence[Face], now_s: float, economy: int) -> tuple[Hair, ...]:
        """The hair in this frame, of the heads that have some for certain.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR, as it came. It is not kept.
        faces
            Those in it.
        now_s
            When it was captured, s.
        economy
            0 to 2: masks become rarer, and the network smaller.
        """
        if self._last_s is not None and not 0.0 < now_s - self._last_s <= GAP_S:
            self._heads.clear()
            self._era += 1
        self._last_s = now_s
        if not self._is_able(now_s):
            return ()
        try:
            return self._update(frame, [f for f in faces if f.pose.iod_px >= LEAST_IOD_PX], now_s, economy)
        except LivewarpError as error:
            self._fail(error, now_s)
        except Exception as error:
            if self._synchronous:
                raise
            self._fail(error, now_s)
        self._heads.clear()
        return ()

    def _is_able(self, now_s: float) -> bool:
        """Whether there is a network to ask; where it is missing, see again every few seconds."""
        if self._failed_s is not None and 0.0 <= now_s - self._failed_s < AGAIN_S:
            return False
        if not kept_path(HAIR).is_file():
            self.problem = Problem("hair stays as it is: its network is not on this machine", HAIR.remedy)
            self._failed_s = now_s
            return False
        self._failed_s = None
        return True

    def _update(self, frame: BgrFrame, faces: Sequence[Face], now_s: float, economy: int) -> tuple[Hair, ...]:
        self._poll()
        ids = {face.id for face in faces}
        for gone in self._heads.keys() - ids:
            del self._heads[gone]
        for face in faces:
            self._heads.setdefault(face.id, _Head())
        if self._synchronous:
            for face in faces:
                self._ask(frame, face, faces, now_s, economy)
                self._poll()
        elif not self._task.busy:
            due = [face for face in faces if self._is_due(face, now_s, economy)]
            if due:
                self._ask(frame, min(due, key=lambda face: self._heads[face.id].asked_s), faces, now_s, economy)
        return tuple(hair for face in faces if (hair := self._show(frame, face, now_s)) is not None)

    def _is_due(self, face: Face, now_s: float, economy: int) -> bool:
        head = self._heads[face.id]
        calm = head.found is not None and moved_iod(head.found.job.pose, face.pose) < _CALM_IOD
        return now_s - head.asked_s >= EVERY_S[economy] * (2 if calm else 1) - 1e-3

    def _ask(self, frame: BgrFrame, face: Face, faces: Sequence[Face], now_s: float, economy: int) -> None:
        """Have the worker look at this head, unless it looks as it did."""
        head = self._heads[face.id]
        picture = cut_head(frame, face.pose, _SIDES[economy])
        cells = np.asarray(cv2.resize(picture, (20, 20), interpolation=cv2.INTER_AREA), np.uint8)
        found = head.found
        if not self._synchronous and found is not None and _looks_as_it_did(found.job, cells, now_s):
            return
        others = tuple(other.pose for other in faces if other.id != face.id)
        before = None if found is None else found.raw
        head.asked_s = now_s
        self._task.submit(_Job(picture, before, face.id, face.pose, others, cells, now_s, self._era))

    def _find(self, job: _Job) -> _Found:
        """The worker's job."""
        raw = self._network.find(job.picture, job.before)
        own = own_hair(raw, job.pose, job.others)
        inside = cv2.erode((own > 127).astype(np.uint8), np.ones((7, 7), np.uint8))
        mean, few = cv2.mean(raw, mask=inside)[0] / 255, int((own > 127).sum()) < _LEAST_AREA * own.size
        sure = 0.0 if few or not inside.any() else smoothstep((mean - _DOUBT) / (_SURE - _DOUBT))
        x, y, width, height = cv2.boundingRect((own > 2).astype(np.uint8))
        return _Found(raw, own, (x, y, x + width, y + height), sure, job)

    def _poll(self) -> None:
        """Take over a mask that has been found."""
        found = self._task.poll()
        if found is None or found.job.era != self._era:
            return
        self.problem = None
        head = self._heads.get(found.job.face_id)
        if head is not None:
            head.found = found

    def _show(self, frame: BgrFrame, face: Face, now_s: float) -> Hair | None:
        """The newest mask of a head where the head is by now."""
        head = self._heads[face.id]
        found = head.found
        if found is None:
            return None
        age_s = now_s - found.job.timestamp_s
        gone = smoothstep((age_s - FULL_S) / (GONE_S - FULL_S))
        far = smoothstep((moved_iod(found.job.pose, face.pose) - _FAR_IOD) / (_LOST_IOD - _FAR_IOD))
        wanted = found.sure * (1.0 - gone) * (1.0 - far)
        head.trust = wanted if self._synchronous else head.trust + float(np.clip(wanted - head.trust, -0.25, 0.125))
        if head.trust <= 0.01:
            return None
        placed = place_mask(self._eased(head, found), found.bounds, face.pose, frame.shape[:2])
        if placed is None:
            return None
        weights = self._refiner.refine(frame, placed.origin_xy, without_face(placed, face), face.pose.iod_px)
        return Hair(weights, placed.origin_xy, face.id, head.trust * min(1.0, face.confidence))

    def _eased(self, head: _Head, found: _Found) -> GrayFrame:
        """The mask on its way from the one before to the newest, in crop axes."""
        if self._synchronous or head.shown is None or head.shown.shape != found.own.shape:
            head.shown = found.own.copy()
        elif head.shown is not found.own:
            cv2.addWeighted(head.shown, 1.0 - _SHARPEN, found.own, _SHARPEN, 0.0, dst=head.shown)
        return head.shown

    def _fail(self, error: Exception, now_s: float) -> None:
        """Say why there is no mask; an episode is logged once."""
        expected = isinstance(error, LivewarpError)
        if self.problem is None:
            _log.error("no mask of hair: %s", error, exc_info=None if expected else error)
        why = error.problem if isinstance(error, LivewarpError) else Problem(str(error))
        self.problem = Problem(f"hair stays as it is: {why.what}", why.remedy or "see the log")
        self._failed_s = now_s


def _looks_as_it_did(job: _Job, cells: GrayFrame, now_s: float) -> bool:
    """Whether a mask of that job still fits for want of any change, and is not too old to say so."""
    return now_s - job.timestamp_s < STILL_S and float(cv2.absdiff(cells, job.cells).max()) < _CHANGED_LEVELS
