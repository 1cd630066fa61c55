"""What is shown instead of the room: a colour, or a picture that is loaded beside the loop.

Guarantees: there is always something to show. While a picture is loaded, or when it cannot be had, it is the colour, or
the picture that was there before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from livewarp.arrays import BgrFrame, FloatArray
from livewarp.errors import LivewarpError, Problem
from livewarp.filtering.hiding import colour_of
from livewarp.filtering.pictures import load_picture, stamp_of
from livewarp.knobs import Value
from livewarp.worker import Worker

_MATCH = 0.08  # how far the person's light goes towards the picture's
_MOST = 0.05  # and at most
_SETTLES = 0.05  # of the difference, each frame
_AGAIN_FRAMES = 60  # until the picture that is shown is compared with its file, which somebody may replace

_log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """A picture that is wanted."""

    name: str
    height: int
    width: int
    stamp: int | None  # of the one that is shown already; None: none is


class Scenery:
    """What stands behind people in frames of one size; for one thread.

    Parameters
    ----------
    worker
        Where pictures are loaded.

    Attributes
    ----------
    problem
        Why the picture that is wanted is not shown, or None.
    light
        (3,) float32: how much brighter blue, green and red of a person become; see `blend_kernels.lit`.
    """

    def __init__(self, worker: Worker) -> None:
        self._synchronous = worker.synchronous
        self._task = worker.add(self._load)
        self._pixels: BgrFrame = np.empty((0, 0, 3), np.uint8)
        self._shown: object = None  # what they hold: a colour, or the name of a picture
        self._asked: object = None
        self._stamp = self._frames = 0
        self._mean = np.full(3, 128.0)
        self._gains = np.ones(3)
        self.light: FloatArray = np.zeros(3, np.float32)
        self.problem: Problem | None = None

    def pixels(self, values: Mapping[str, Value], room: FloatArray, height: int, width: int) -> BgrFrame:
        """(height, width, 3) uint8 BGR; valid until the next call.

        Parameters
        ----------
        room
            (h, w, 3) float32 BGR: the background that is replaced, at any size.
        """
        if self._pixels.shape[:2] != (height, width):
            self._pixels = np.empty((height, width, 3), np.uint8)
            self._shown = self._asked = None
        is_picture = values["background"] == "picture"
        if is_picture:
            self._take(str(values["background_picture"]), height, width)
        else:
            self.problem = self._asked = None
        if not is_picture or not isinstance(self._shown, str):
            self._fill(colour_of(values))
        self._match(room, isinstance(self._shown, str))
        return self._pixels

    def _fill(self, colour: tuple[int, int, int]) -> None:
        if self._shown != colour:
            self._pixels[:] = colour
            self._shown = colour

    def _take(self, name: str, height: int, width: int) -> None:
        """Ask for a picture where it is another, and take what has been loaded."""
        if self._asked != (name, height, width):
            self._asked, self.problem = (name, height, width), None
            if self._shown != name:
                self._submit(_Job(name, height, width, None))
        elif not self._synchronous and self._shown == name and not self._task.busy:
            self._frames += 1
            if self._frames >= _AGAIN_FRAMES:
                self._submit(_Job(name, height, width, self._stamp))
        try:
            loaded = self._task.poll()
        except Exception as error:
            if self._synchronous:
                self._asked = None
                raise
            expected = isinstance(error, LivewarpError)
            _log.error("%s", error, exc_info=None if expected else error)
            self.problem = error.problem if isinstance(error, LivewarpError) else Problem(str(error), "see the log")
            self._shown = None
            return
        if loaded is None:
            return
        job, picture, stamp = loaded
        if picture is not None and job[:3] == self._asked:
            np.copyto(self._pixels, picture)
            self._mean = np.array(cv2.mean(picture)[:3])
            self._shown, self._stamp = name, stamp

    def _submit(self, job: _Job) -> None:
        self._frames = 0
        self._task.submit(job)

    def _load(self, job: _Job) -> tuple[_Job, BgrFrame | None, int]:
        """The worker's job; no picture: the one that is shown is the newest, or was removed."""
        stamp = stamp_of(job.name)
        is_shown = job.stamp is not None and stamp in (job.stamp, 0)
        return job, None if is_shown else load_picture(job.name, job.height, job.width), stamp

    def _match(self, room: FloatArray, is_picture: bool) -> None:
        """Bring the person's light a little towards the picture's, slowly."""
        goal = np.ones(3)
        if is_picture:
            here = np.array(cv2.mean(room)[:3])
            goal = np.clip(((self._mean + 32.0) / (here + 32.0)) ** _MATCH, 1.0 - _MOST, 1.0 + _MOST)
        gains = self._gains + (goal - self._gains) * _SETTLES
        if np.abs(gains - self._gains).max() > 1e-4:
            self._gains = gains
            # So that the middle gets all of it: the curve is none at both ends.
            self.light = np.asarray((gains - 1.0) * 1.3, np.float32)
        elif (goal == 1.0).all():
            self.light = np.zeros(3, np.float32)
