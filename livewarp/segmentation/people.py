"""The mask of everybody in the frame: asked for beside the loop, carried to each frame, and doubted when it is old.

Guarantees: with a synchronous worker the result depends on the frames and timestamps alone. A mask is never of
another scene: a cut, a silence or a step back in time drops it. Whoever gets no mask, or one without trust, must
take everything for background.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from livewarp.arrays import BgrFrame, FloatArray, GrayFrame
from livewarp.easing import smoothstep
from livewarp.errors import LivewarpError, Problem
from livewarp.face68 import Face
from livewarp.scene import Mask, Reduced
from livewarp.segmentation.carrying import Carrier
from livewarp.segmentation.person import MASK_SIDE, PersonNetwork
from livewarp.segmentation.reduced import buffers_for, reduce_frame
from livewarp.worker import Worker

EVERY_S = (0.1, 0.2, 0.3, 0.3)  # from mask to mask, by economy; offline every frame has its own
STILL_S = 1.0  # the same where nothing in the picture has changed
FULL_S, GONE_S = 0.6, 1.2  # a mask of a picture that has changed is trusted until, and not at all from this age
GAP_S = 1.0  # without a frame: whoever is there now need not be who was there
AGAIN_S = 5.0  # after a network has failed, it is tried again

_CELLS_WH = (20, 12)  # in which pictures are compared
_CHANGED_LEVELS = 2.5  # of a cell's mean: somebody has moved. Twice the noise of a bad camera
_CUT_LEVELS, _CUT_SHARE = 10.0, 0.5  # by more in so many of the cells: another scene

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """A picture that a mask is wanted of."""

    picture: BgrFrame  # a copy
    expected: NDArray[np.uint8] | None  # (MASK_SIDE, MASK_SIDE)
    wide: bool
    look: GrayFrame
    cells: GrayFrame
    faces: tuple[Face, ...]
    timestamp_s: float
    scene: int  # counts cuts


class _Found(NamedTuple):
    """A mask, and the picture that it belongs to."""

    weights: NDArray[np.uint8]  # (MASK_SIDE, MASK_SIDE)
    job: _Job


class People:
    """Makes the masks of one filter; for the thread that filters, others may read `problem`.

    Parameters
    ----------
    worker
        Where the network runs.

    Attributes
    ----------
    reduced
        The newest frame that a mask was asked for, in smaller copies; None before the first.
    problem
        Why there is no mask, or None.
    """

    def __init__(self, worker: Worker) -> None:
        self._synchronous = worker.synchronous
        self._network = PersonNetwork()
        self._task = worker.add(self._find)
        self._carrier: Carrier | None = None
        self._found: _Found | None = None
        self._fresh_s = 0.0  # until when the picture was as the mask's frame is
        self._asked_s = -np.inf
        self._last_s: float | None = None
        self._failed_s: float | None = None
        self._scene = 0
        self.reduced: Reduced | None = None
        self.problem: Problem | None = None

    def forget(self) -> None:
        """Nobody wants masks for now; the next one begins anew."""
        self._found, self._last_s = None, None
        self._asked_s = -np.inf
        self._scene += 1

    def update(self, frame: BgrFrame, faces: Sequence[Face], now_s: float, economy: int) -> Mask | None:
        """The mask of this frame; None: there is none that can be trusted, live whatever the reason.

        Parameters
        ----------
        frame
            (H, W, 3) uint8 BGR, as it came. It is not kept.
        faces
            Those in it.
        now_s
            When it was captured, s.
        economy
            0 to 2: first masks become rarer, then the network smaller.
        """
        try:
            return self._update(frame, faces, now_s, economy)
        except Exception as error:
            if self._synchronous:
                raise
            self._fail(error, now_s)
            self.forget()
            return None

    def _update(self, frame: BgrFrame, faces: Sequence[Face], now_s: float, economy: int) -> Mask | None:
        reduced, carrier = self._take(frame)
        look = reduced.gray
        cells = np.asarray(cv2.resize(look, _CELLS_WH, interpolation=cv2.INTER_AREA), np.uint8)
        if self._last_s is not None and not 0.0 < now_s - self._last_s <= GAP_S:
            self.forget()
        self._last_s = now_s
        self._poll(now_s)
        moved = self._note_changes(cells, now_s)
        weights = self._carry(carrier, look, faces)
        if self._is_due(now_s, moved, economy):
            expected = None
            if weights is not None:
                expected = np.asarray(cv2.resize(weights, (MASK_SIDE, MASK_SIDE)), np.uint8)
            self._asked_s = now_s
            picture, look = reduced.small.copy(), look.copy()
            self._task.submit(_Job(picture, expected, economy > 1, look, cells, tuple(faces), now_s, self._scene))
            if self._synchronous:
                self._poll(now_s)
                weights = self._carry(carrier, look, faces)
        if weights is None or self._found is None:
            return None
        age_s = now_s - max(self._fresh_s, self._found.job.timestamp_s)
        trust = 1.0 - smoothstep((age_s - FULL_S) / (GONE_S - FULL_S))
        return Mask(weights, self._found.job.timestamp_s, trust=trust) if trust > 0.0 else None

    def _take(self, frame: BgrFrame) -> tuple[Reduced, Carrier]:
        height, width = frame.shape[:2]
        if self.reduced is None or self._carrier is None or self._carrier.frame_hw != (height, width):
            self.forget()
            self.reduced = buffers_for(height, width)
            self._carrier = Carrier((height, width), self.reduced.gray.shape)
        reduce_frame(frame, self.reduced)
        return self.reduced, self._carrier

    def _find(self, job: _Job) -> _Found:
        """The worker's job."""
        return _Found(self._network.find(job.picture, job.expected, job.wide), job)

    def _poll(self, now_s: float) -> None:
        """Take over a mask that has been found; live, a failure is a problem and tried again later."""
        try:
            found = self._task.poll()
        except Exception as error:
            if self._synchronous:
                raise
            self._fail(error, now_s)
            return
        if found is not None and found.job.scene == self._scene:
            self._found, self._fresh_s = found, found.job.timestamp_s
            self.problem = self._failed_s = None

    def _fail(self, error: Exception, now_s: float) -> None:
        """Say why there is no mask; an episode is logged once."""
        expected = isinstance(error, LivewarpError)
        if self.problem is None:
            _log.error("no mask of people: %s", error, exc_info=None if expected else error)
        why = error.problem if isinstance(error, LivewarpError) else Problem(str(error))
        self.problem = Problem(f"no mask of people: {why.what}", why.remedy or "see the log")
        self._failed_s = now_s

    def _note_changes(self, cells: GrayFrame, now_s: float) -> bool:
        """Whether the picture is another than the mask's; where it is another scene, there is no mask any more."""
        if self._found is None:
            return True
        difference = cells.astype(np.float32) - self._found.job.cells
        size = np.abs(difference)
        if float((size > _CUT_LEVELS).mean()) > _CUT_SHARE and _is_cut(difference):
            self.forget()
            self._last_s = now_s
            return True
        if float(size.max()) > _CHANGED_LEVELS:
            return True
        self._fresh_s = now_s
        return False

    def _carry(self, carrier: Carrier, look: GrayFrame, faces: Sequence[Face]) -> NDArray[np.uint8] | None:
        if self._found is None:
            return None
        job = self._found.job
        return carrier.carry(self._found.weights, None if job.look is look else (job.look, look), (job.faces, faces))

    def _is_due(self, now_s: float, moved: bool, economy: int) -> bool:
        if self._synchronous:
            return True
        if self._task.busy or (self._failed_s is not None and 0.0 <= now_s - self._failed_s < AGAIN_S):
            return False
        every_s = EVERY_S[economy] if moved else STILL_S
        return now_s - self._asked_s >= every_s - 1e-3 or self._found is None


def _is_cut(difference: FloatArray) -> bool:
    """Whether it is another scene: exposure changes all cells by about the same, a cut each by something else."""
    apart = np.abs(difference - np.median(difference)) > _CUT_LEVELS
    return float(apart.mean()) > _CUT_SHARE / 2
