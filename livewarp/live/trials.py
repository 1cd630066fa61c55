"""Thumbnails of looks on the newest face: asked for by the panel, copied by the engine, rendered by the worker.

Guarantees: nobody asks, nothing happens; a question ends by itself. The engine copies a square around one face, at most
twice a second, and never waits. What was made is dropped with the question, and says whether the room is hidden in it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from livewarp.arrays import BgrFrame
from livewarp.face68 import Face
from livewarp.filtering.trial import Square, Trial, square_around
from livewarp.knobs import Value
from livewarp.parameters import Parameters, hides
from livewarp.sinks.preview import encode
from livewarp.worker import Task, Worker

ASKED_S = 2.0  # a question holds this long
NEXT_S = 0.5  # from one thumbnail to the next
SHARE = 0.2  # of a core at most
LONGEST_S = 2.0  # but no longer from one to the next: the first compiles
SIZE_PX, TRYING_PX = 160, 448
CONFIDENCE = 0.5  # of a face that is shown
_MIN_PX = 16  # a smaller square has no face to show

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A look on the newest face.

    Attributes
    ----------
    number
        Counts up with each that is made.
    box
        The square in the frame as it is sent: left, top, width and height as shares of the frame's.
    hidden
        Whether the room is hidden in it.
    trying
        Whether it is a large one.
    """

    look: str
    jpeg: bytes
    number: int
    box: tuple[float, float, float, float]
    hidden: bool
    trying: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    looks: Mapping[str, Mapping[str, Value]]
    trying: str | None
    until_s: float


@dataclass(frozen=True, slots=True)
class _Job:
    look: str
    values: Mapping[str, Value]
    crop: BgrFrame
    square: Square
    face: Face
    size_hw: tuple[int, int]
    trying: bool


class Trials:
    """What is asked for and what has been made; see above for who calls what."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._question: _Question | None = None  # swapped whole by the hub's thread
        self._made: Mapping[tuple[str, bool], Thumbnail] = {}  # swapped whole by the engine
        self._trial: Trial | None = None  # the worker's
        self._task: Task[_Job, tuple[Thumbnail, float]] | None = None
        self._buffer: BgrFrame = np.empty((0, 0, 3), np.uint8)  # the engine's, or the job's that is under way
        self._number = 0
        self._turn = 0
        self._failed = False
        self._due_s = 0.0

    def ask(self, looks: Mapping[str, Mapping[str, Value]], trying: str | None) -> list[Thumbnail]:
        """Ask for thumbnails of these looks, and a large one of one of them; those there are. From the hub's thread."""
        self._question = _Question(looks, trying if trying in looks else None, self._clock() + ASKED_S)
        return [made for (look, _), made in self._made.items() if look in looks]

    @property
    def asked(self) -> bool:
        """Whether somebody has asked lately."""
        return self._question is not None

    def discard(self) -> None:
        """Forget what has been made."""
        self._made = {}

    def offer(self, frame: BgrFrame, faces: tuple[Face, ...], parameters: Parameters, worker: Worker) -> None:
        """Take a copy of the largest face if one is due; `frame` as it came, from the engine's thread."""
        question = self._question
        if question is None or self._failed:
            return
        now = self._clock()
        if now > question.until_s:
            self._question = None
            self.discard()
            return
        if self._task is None:
            self._task = worker.add(self._run)
        self._take_result(now)
        face = max(faces, key=lambda f: f.pose.iod_px, default=None)
        if face is None or face.confidence < CONFIDENCE or now < self._due_s or self._task.busy or not question.looks:
            return
        height, width = frame.shape[:2]
        square = square_around(face, height, width)
        if square.side < _MIN_PX:
            return
        edge = min(height, width)
        if self._buffer.shape[0] != edge:
            self._buffer = np.empty((edge, edge, 3), np.uint8)
        crop = self._buffer[: square.side, : square.side]
        np.copyto(crop, frame[square.y : square.y + square.side, square.x : square.x + square.side])
        self._turn += 1
        missing = any((look, False) not in self._made for look in question.looks)
        trying = question.trying is not None and not (missing and self._turn % 2)
        look = question.trying if trying and question.trying is not None else self._next(question)
        values = {**parameters, **question.looks[look], "enabled": True}
        self._due_s = now + NEXT_S
        self._task.submit(_Job(look, values, crop, square, face, (height, width), trying))

    def _next(self, question: _Question) -> str:
        """The look whose thumbnail is missing, or oldest."""
        return min(
            question.looks, key=lambda look: self._made[look, False].number if (look, False) in self._made else -1
        )

    def _take_result(self, now: float) -> None:
        """Publish what has been made; frames go on without thumbnails where that fails."""
        assert self._task is not None
        try:
            result = self._task.poll()
        except Exception:
            self._failed = True
            _log.exception("no thumbnails of looks any more; frames go on")
            return
        if result is not None:
            made, took_s = result
            self._made = {**self._made, (made.look, made.trying): made}
            self._due_s = max(self._due_s, now + min(took_s / SHARE, LONGEST_S))

    def _run(self, job: _Job) -> tuple[Thumbnail, float]:
        """The worker's job: one look, and the processor time it took, s."""
        began_s = time.thread_time()
        if self._trial is None:
            self._trial = Trial()
        size_px = TRYING_PX if job.trying else SIZE_PX
        pixels, face = self._trial.reduced(job.crop, size_px, job.square, job.face)
        self._trial.render(pixels, face, job.values)
        height, width = job.size_hw
        square = job.square
        left = width - square.x - square.side if job.values["mirror"] else square.x
        box = (left / width, square.y / height, square.side / width, square.side / height)
        self._number += 1
        made = Thumbnail(job.look, encode(pixels), self._number, box, hides(job.values), job.trying)
        return made, time.thread_time() - began_s
