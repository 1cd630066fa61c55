"""Gets the stages of a filter ready when they are first wanted: live beside the frames, offline in that very frame.

Guarantees: live, no frame waits for a kernel that is compiled here, and what is not wanted is not compiled.
"""

from __future__ import annotations

import logging
import threading
from enum import StrEnum

from livewarp.errors import LivewarpError, Problem
from livewarp.filtering.stages import Stage, Work

JOIN_S = 12.0  # compiling a kernel cannot be interrupted

_log = logging.getLogger(__name__)


class Readiness(StrEnum):
    """How far a stage's kernels are."""

    UNPREPARED = "unprepared"
    GETTING_READY = "getting ready"
    READY = "ready"
    FAILED = "failed"


class Step:
    """A stage in one filter; for the thread that filters.

    Parameters
    ----------
    column
        Of the stage in the table.
    work
        The filter's own.
    is_live
        Whether frames must not wait.

    Attributes
    ----------
    is_wanted
        Whether the newest values want it; see `want`.
    problem
        Why it cannot run although it is wanted, or None.
    """

    def __init__(self, column: int, stage: Stage, work: Work, is_live: bool) -> None:
        self.column = column
        self.stage = stage
        self.work = work
        self._is_live = is_live
        self._thread: threading.Thread | None = None
        needs_nothing = stage.at_start or work.prepare is None
        self.readiness = Readiness.READY if needs_nothing else Readiness.UNPREPARED
        self.is_wanted = False
        self.problem: Problem | None = None

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
            if self._is_live:
                self.readiness = Readiness.GETTING_READY
                name = f"preparing {self.stage.name}"
                self._thread = threading.Thread(target=self._run, args=(height, width), name=name, daemon=True)
                self._thread.start()
            else:
                self.prepare(height, width)
                self.readiness = Readiness.READY
        return self.readiness is Readiness.READY

    def prepare(self, height: int, width: int) -> None:
        """Compile or load now, in this thread."""
        if self.work.prepare is not None:
            self.work.prepare(height, width)

    def _run(self, height: int, width: int) -> None:
        """The thread: the loop goes on without the stage if this fails."""
        try:
            self.prepare(height, width)
        except Exception as error:
            _log.error("%s cannot be used: %s", self.stage.name, error, exc_info=not isinstance(error, LivewarpError))
            why = error.problem if isinstance(error, LivewarpError) else Problem(str(error))
            self.problem = Problem(f"{self.stage.name} cannot be used: {why.what}", why.remedy or "see the log")
            self.readiness = Readiness.FAILED
        else:
            self.readiness = Readiness.READY

    def close(self) -> None:
        """Wait for a preparation under way."""
        if self._thread is not None:
            self._thread.join(JOIN_S)
