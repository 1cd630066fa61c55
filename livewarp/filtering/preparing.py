"""Gets the stages of a filter ready when they are first wanted: live beside the frames, offline in that very frame.

Guarantees: live, no frame waits for a kernel that is compiled here, and what is not wanted is not compiled. The
worker is shared: while it compiles, for seconds the first time ever and a tenth of one later, nobody new is found.
"""

from __future__ import annotations

import logging
from enum import StrEnum

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError, Problem
from livewarp.filtering.stages import Stage, Values, Work
from livewarp.scene import Scene
from livewarp.worker import Worker

_log = logging.getLogger(__name__)


class Readiness(StrEnum):
    """How far a stage's kernels are."""

    UNPREPARED = "unprepared"
    GETTING_READY = "getting ready"
    READY = "ready"
    FAILED = "failed"


class Step:
    """A stage in one filter; for the thread that filters, others may read.

    Parameters
    ----------
    column
        Of the stage in the table.
    work
        The filter's own.
    worker
        Where it is prepared; a synchronous one prepares in place.

    Attributes
    ----------
    is_wanted
        Whether the newest values want it; see `want`.
    problem
        Why it cannot run although it is wanted, or None.
    covered
        Why the newest frame that it should have hidden something in was hidden whole, or "".
    """

    def __init__(self, column: int, stage: Stage, work: Work, worker: Worker) -> None:
        self.column = column
        self.stage = stage
        self.work = work
        self._waits = worker.synchronous
        self._preparation = worker.add(self._prepare)
        needs_nothing = stage.at_start or work.prepare is None
        self.readiness = Readiness.READY if needs_nothing else Readiness.UNPREPARED
        self.is_wanted = False
        self.problem: Problem | None = None
        self.covered = ""

    def want(self, is_wanted: bool) -> None:
        """Whether values want it from now on; one that failed is tried again when it is wanted again."""
        if is_wanted != self.is_wanted and self.readiness is Readiness.FAILED:
            self.readiness, self.problem = Readiness.UNPREPARED, None
        self.is_wanted = is_wanted

    def get_ready(self, height: int, width: int) -> bool:
        """Whether it can run on a frame of this size now. Live, that it cannot yet is an answer; offline it can.

        Raises
        ------
        LivewarpError
            Offline: it cannot be prepared.
        """
        if self.readiness is Readiness.UNPREPARED:
            self.readiness = Readiness.GETTING_READY
            self._preparation.submit((height, width))
        if self.readiness is Readiness.GETTING_READY:
            self._take_result()
        return self.readiness is Readiness.READY

    def _take_result(self) -> None:
        """See whether the preparation has ended; live, the loop goes on without the stage if it failed."""
        try:
            if self._preparation.poll():
                self.readiness = Readiness.READY
        except Exception as error:
            if self._waits:
                self.readiness = Readiness.UNPREPARED
                raise
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Go on without the stage, and say why."""
        is_expected = isinstance(error, LivewarpError)
        _log.error("%s cannot be used: %s", self.stage.name, error, exc_info=None if is_expected else error)
        why = error.problem if isinstance(error, LivewarpError) else Problem(str(error))
        self.problem = Problem(f"{self.stage.name} cannot be used: {why.what}", why.remedy or "see the log")
        self.readiness = Readiness.FAILED

    def run(self, frame: BgrFrame, scene: Scene, values: Values, economy: int) -> bool:
        """Change the frame, or cover it where a stage that hides something cannot; whether the stage ran.

        Raises
        ------
        Exception
            What the stage raised; live, one that hides something covers the frame instead, and is tried again
            when it is wanted again.
        """
        cover = self.stage.cover
        if not self.get_ready(*frame.shape[:2]):
            if cover is not None:
                cover(frame, values)
                self.covered = str(self.problem or f"{self.stage.name} is getting ready")
            return False
        try:
            self.work.run(frame, scene, values, economy)
        except Exception as error:
            if cover is None or self._waits:
                raise
            cover(frame, values)
            self._fail(error)
            self.covered = str(self.problem)
            return False
        if cover is not None:
            self.covered = str(getattr(self.work, "covered", ""))
        return True

    def prepare(self, height: int, width: int) -> None:
        """Compile or load now, in this thread."""
        if self.work.prepare is not None:
            self.work.prepare(height, width)

    def _prepare(self, size_hw: tuple[int, int]) -> bool:
        """The worker's job; True: done."""
        self.prepare(*size_hw)
        return True
