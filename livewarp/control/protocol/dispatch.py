"""Runs the control methods for whoever calls: the line port, the web panel, tests.

What a caller did wrong is a `ControlError` with a JSON-RPC 2.0 error code; what livewarp did wrong is
logged here.

Guarantees: a refused call changes nothing; what one message changes, a batch too, is applied together,
and nobody else's change comes in between.
"""

from __future__ import annotations

import json
import logging
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from livewarp.control.protocol import schema
from livewarp.control.protocol.events import Events
from livewarp.control.protocol.history import History
from livewarp.control.protocol.message import Changes, Controlled, Session
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.methods import METHODS, URGENT
from livewarp.control.protocol.presets import Presets
from livewarp.control.protocol.refusals import INTERNAL_ERROR, METHOD_NOT_FOUND, invalid_params, not_done
from livewarp.control.protocol.turns import Turns
from livewarp.errors import ControlError, LivewarpError, ParameterError
from livewarp.filtering.pictures import picture_listing

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came to.

    Attributes
    ----------
    text
        The result as JSON without line breaks.
    frame
        Index of the first frame that certainly uses what was changed; None: nothing was.
    """

    text: str
    frame: int | None = None


class Dispatcher:
    """Runs the methods of the table, on one daemon.

    Attributes
    ----------
    events
        Sends subscribers what changes.
    presets
        By name, the shipped ones and a person's own.
    history
        What has been changed, and the preset that is on.
    socket_path
        Where the Unix socket is; the line port sets it.
    turns
        Who works next.
    """

    def __init__(self, daemon: Controlled, presets: Presets | None = None) -> None:
        self.daemon = daemon
        self.presets = Presets() if presets is None else presets
        self.history = History(self.presets)
        self.socket_path: Path | None = None
        self.events = Events(
            {
                "parameters": lambda: dict(daemon.parameters),
                "switches": lambda: asdict(daemon.switches),
                "presets": self.presets.listing,
                "preset": lambda: self.history.worn(daemon.parameters),
                "history": self.history.report,
                "state": lambda: {**daemon.state(), "preset": self.history.worn(daemon.parameters)},
                "backgrounds": picture_listing,
                "stats": lambda: daemon.stats(),
                "faces": lambda: daemon.faces(),
            }
        )
        self.turns = Turns()
        self._under_way: Changes | None = None  # of the message whose turn it is, which what is urgent may overtake
        self._ready: dict[str, tuple[object, str]] = {}  # results of methods, and what those were made of
        self._failing: set[str] = set()  # methods whose last call raised the unexpected

    def call(self, name: object, params: object, session: Session | None = None) -> Answer:
        """What one call comes to.

        Raises
        ------
        ControlError
            With the JSON-RPC error code; its data says what was refused, and why.
        """
        [outcome] = self.batch([(name, params)], session)
        if isinstance(outcome, ControlError):
            raise outcome
        return outcome

    def batch(
        self,
        calls: Sequence[tuple[object, object]],
        session: Session | None = None,
        give_way: Callable[[bool], bool] = lambda to_all: False,
    ) -> list[Answer | ControlError]:
        """What several calls come to, in their order; a refused one changes nothing and stops none.

        What they change is applied together, so that one frame brings it all; later calls see what
        earlier ones have changed. In between others may have their turn (`Turns.give_way`); from the first
        change on, only what is urgent, whose word is the later one.
        """
        changes = Changes(self.daemon, self.presets, self.events, self.history, session, self.socket_path)
        if all(name in URGENT for name, _ in calls):
            return self._carry_out(calls, changes, give_way)
        self._under_way = changes
        try:
            return self._carry_out(calls, changes, give_way)
        finally:
            self._under_way = None

    def _carry_out(
        self, calls: Sequence[tuple[object, object]], changes: Changes, give_way: Callable[[bool], bool]
    ) -> list[Answer | ControlError]:
        outcomes: list[Answer | ControlError] = []
        changing: set[int] = set()
        topics: set[str] = set()
        for i, (name, params) in enumerate(calls):
            if i:
                self._pause(changes, give_way)
            before = changes.count
            try:
                method = _method(name)
                outcomes.append(Answer(self._guarded(method.name, partial(self._run, method, changes, params))))
                topics |= set(method.topics)
            except ControlError as error:
                outcomes.append(error)
            if changes.count != before:
                changing.add(i)
        if self._under_way is not None and self._under_way is not changes:
            self._under_way.overtake(changes.switched)
        try:
            self._guarded("change", changes.apply)
        except ControlError as error:
            return [error if i in changing else outcome for i, outcome in enumerate(outcomes)]
        self.events.publish(*sorted(topics))
        return [
            replace(outcome, frame=changes.frame) if i in changing and isinstance(outcome, Answer) else outcome
            for i, outcome in enumerate(outcomes)
        ]

    def _pause(self, changes: Changes, give_way: Callable[[bool], bool]) -> None:
        """Let others go first for a moment."""
        if changes.count == 0:
            self._under_way = None  # others have their turn, and what they change is taken over
            if give_way(True):
                changes.take_over()
            self._under_way = changes
        else:
            give_way(False)

    def _guarded(self, name: str, run: Callable[[], T]) -> T:
        """What `run` returns; what livewarp did wrong becomes a `ControlError`, logged once an episode."""
        try:
            result = run()
        except ControlError:
            raise
        except ParameterError as error:
            raise invalid_params(error) from None
        except LivewarpError as error:
            raise not_done(error) from error
        except Exception as error:
            if name not in self._failing:  # once an episode: a panel may ask every second
                log.exception("control method %s failed", name)
            self._failing.add(name)
            text = f"{name} failed: {type(error).__name__}; the daemon's log says more"
            raise ControlError(text, INTERNAL_ERROR) from error
        if name in self._failing:
            self._failing.discard(name)
            log.info("control method %s works again", name)
        return result

    def _run(self, method: Method, changes: Changes, params: object) -> str:
        """The result of a method as JSON."""
        if not isinstance(params, dict):
            raise ParameterError("params", params, "an object with names and values")
        schema.check_params(params, method.params)
        if method.made_of is None:
            return json.dumps(method.run(changes, params), allow_nan=False)
        made_of = method.made_of(changes)
        if method.name not in self._ready or self._ready[method.name][0] != made_of:
            self._ready[method.name] = made_of, json.dumps(method.run(changes, params), allow_nan=False)
        return self._ready[method.name][1]


def _method(name: object) -> Method:
    method = METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        raise ControlError("method", METHOD_NOT_FOUND, got=reprlib.repr(name), allowed=", ".join(METHODS))
    return method
