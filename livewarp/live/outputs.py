"""Where frames go: the sinks and the preview together, who watches them, and what happens if one is lost.

Guarantees: a sink that raises is lost alone. It gets no more frames and is closed beside the loop, so that what
it has written can be used; it is a problem from then on, and the others go on. No close is waited for longer
than `CLOSE_S`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from livewarp.arrays import BgrFrame
from livewarp.errors import LivewarpError, Problem, SinkError
from livewarp.sinks import Sink
from livewarp.sinks.camera import CameraSink
from livewarp.sinks.preview import Preview

CLOSE_S = 11.0  # somewhat more than a recorder that hangs is given
# Between frames for a camera that nobody watches: whoever comes finds a picture, at next to no cost till then.
UNWATCHED_S = 0.2

LOST = "restart livewarp to have it back"
AILING = "`livewarp doctor` looks closer"
NO_PREVIEW = "it is tried again with every frame; if that lasts, restart livewarp"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Output:
    """How a sink is doing.

    Attributes
    ----------
    name
        For people.
    problem
        What is wrong, or None.
    watched
        Whether someone watches; None: that cannot be known.
    dropped
        Frames that it did not get.
    camera, label
        Whether programs see it as a camera, and what they call it.
    """

    name: str
    problem: Problem | None
    watched: bool | None
    dropped: int
    camera: bool = False
    label: str = ""


class _Closing:
    """A sink that is being closed in a thread of its own."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"closing {sink.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._sink.close()
        except BaseException as error:  # the top of this thread
            self.error = error

    def wait(self, until_s: float) -> None:
        """Until it is closed, or that monotonic time; raises what closing raised, or that it does not end."""
        self._thread.join(max(until_s - time.monotonic(), 0.0))
        if self._thread.is_alive():
            raise SinkError(f"{self._sink.name}: closing it does not end; it is left behind")
        if self.error is not None:
            raise self.error


class Outputs:
    """All that a frame goes to.

    Parameters
    ----------
    sinks
        Cameras, recordings and what else there is.
    preview
        Counts its viewers itself.
    """

    def __init__(
        self, sinks: Sequence[Sink], preview: Preview | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sinks = tuple(sinks)
        self._clock = clock
        self._said = (False, False)  # `camera` and `hidden` of the newest frame
        self._due_s: dict[Sink, float] = {}  # when one that nobody watches gets the next frame
        self._preview = preview
        self._closing: list[_Closing] = []
        # Replaced whole, as other threads read them.
        self._lost: dict[Sink, Problem] = {}
        self._use(self.sinks)

    def _use(self, sinks: Sequence[Sink]) -> None:
        self._active = tuple(sinks)
        self._cameras = tuple(sink for sink in sinks if not sink.records)

    @property
    def watched(self) -> bool:
        """Whether somebody watches, or may do so."""
        return self._previewed > 0 or any(sink.watched is not False for sink in self._active)

    @property
    def viewers(self) -> int:
        """How many watch for certain: viewers of the preview, and each sink that somebody watches."""
        return self._previewed + sum(sink.watched is True for sink in self._active)

    @property
    def _previewed(self) -> int:
        return self._preview.viewers if self._preview is not None else 0

    @property
    def dropped(self) -> int:
        """Frames that some sink never got."""
        return sum(sink.dropped for sink in self.sinks)

    @property
    def lost_recordings(self) -> list[Problem]:
        """Why recordings could not go on."""
        return [self._problem(sink) or Problem("") for sink in self.sinks if sink.records and not self._works(sink)]

    def each(self) -> list[Output]:
        """How each sink is doing; any thread may ask."""
        return [
            Output(
                sink.name,
                self._problem(sink),
                sink.watched if self._works(sink) else False,
                sink.dropped,
                isinstance(sink, CameraSink),
                sink.label if isinstance(sink, CameraSink) else "",
            )
            for sink in self.sinks
        ]

    def problems(self) -> list[Problem]:
        """What is wrong with the sinks and the preview."""
        found = [problem for sink in self.sinks if (problem := self._problem(sink)) is not None]
        if self._preview is not None and self._preview.failure is not None:
            found.append(Problem(f"the preview has failed: {self._preview.failure!r}", NO_PREVIEW))
        return found

    def _works(self, sink: Sink) -> bool:
        """Whether frames can still go there."""
        return sink not in self._lost and not (sink.records and sink.watched is False)

    def _problem(self, sink: Sink) -> Problem | None:
        problem = self._lost.get(sink) or sink.problem
        return problem if problem is None or problem.remedy else Problem(problem.what, AILING)

    def announce(self, pixels: BgrFrame) -> None:
        """A frame as it came, which is about to be filtered and sent: for those who compare."""
        if self._preview is not None:
            self._preview.offer_before(pixels)

    def retract(self) -> None:
        """The frame that was announced will not be sent."""
        if self._preview is not None:
            self._preview.forget_before()

    def send(self, pixels: BgrFrame, recordings: bool = True, camera: bool = True, hidden: bool = False) -> None:
        """Send one frame to all, or to all that keep nothing.

        `camera`: whether it is one, and no placeholder; `hidden`: whether the room in it is hidden. What differs in
        these from the frame before goes out at once, and to all: nobody who comes is to find a picture of before.
        """
        now, same = self._clock(), (camera, hidden) == self._said
        self._said = camera, hidden
        for sink in self._active if recordings else self._cameras:
            if sink.watched is False and not sink.records:
                if same and now < self._due_s.get(sink, 0.0):
                    continue
                self._due_s[sink] = now + UNWATCHED_S
            try:
                sink.send(pixels)
            except Exception as error:  # whatever it is, it is that sink's
                self._lose(sink, error)
        if self._preview is not None:
            self._preview.offer(pixels, camera, hidden)

    def close(self) -> None:
        """Close the sinks, all at once; raises the first error after the others have been closed."""
        self._closing += [_Closing(sink) for sink in self._active]
        self._use(())
        until_s, errors = time.monotonic() + CLOSE_S, []
        for closing in self._closing:
            try:
                closing.wait(until_s)
            except Exception as error:
                errors.append(error)
        self._closing = []
        for another in errors[1:]:
            _log.error("closing: %s", another)
        if errors:
            raise errors[0]

    def _lose(self, sink: Sink, error: Exception) -> None:
        """Send nothing more to a sink that has raised, and close it beside the loop."""
        if isinstance(error, LivewarpError):
            problem = Problem(error.problem.what, error.remedy or LOST)
        else:
            problem = Problem(f"{sink.name}: has failed: {error!r}", LOST)
        _log.error("%s; all else goes on", problem, exc_info=None if isinstance(error, LivewarpError) else error)
        self._lost = {**self._lost, sink: problem}
        self._use([other for other in self._active if other is not sink])
        self._closing.append(_Closing(sink))
