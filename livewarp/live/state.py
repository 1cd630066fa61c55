"""What the daemon is doing and why: conditions that hold, of which the first in order names the state.

Guarantees: `Conditions` belongs to the engine thread; other threads see a frozen `State` that is
swapped whole at each transition. A state is never without a name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class StateName(StrEnum):
    """What the daemon may be doing, in the order of precedence; running is what is left when nothing else holds."""

    STOPPING = "stopping"
    STARTING = "starting"
    BLANKED = "blanked"
    IDLE = "idle"
    STALLED = "stalled"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds.

    Attributes
    ----------
    state
        What holds.
    reason
        For people.
    since
        Monotonic time from which on it holds, s.
    """

    state: StateName
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class State:
    """What the daemon is doing and why.

    Attributes
    ----------
    state, reason, since
        Those of the first condition; reason names the others, too.
    conditions
        All that hold, in the order of precedence.
    """

    state: StateName
    reason: str
    since: float
    conditions: tuple[Condition, ...]


class Conditions:
    """The conditions that hold.

    Parameters
    ----------
    reason
        Why it is starting, which is what it begins with.
    """

    def __init__(self, reason: str = "warming up", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held = {StateName.STARTING: Condition(StateName.STARTING, reason, clock())}
        self._running = Condition(StateName.RUNNING, "", clock())
        self.published = self._state()

    def hold(self, state: StateName, reason: str) -> bool:
        """From now on it holds, or for this reason; whether it did not before."""
        return self._change(state, Condition(state, reason, self._since(state)))

    def release(self, state: StateName) -> bool:
        """It holds no more; whether it did."""
        return self._change(state, None)

    def holds(self, state: StateName) -> bool:
        """Whether it does."""
        return state in self._held

    def run_for(self, reason: str) -> None:
        """What running is about: where the frames come from."""
        if reason != self._running.reason:
            self._running = Condition(StateName.RUNNING, reason, self._running.since)
            self.published = self._state()

    def _since(self, state: StateName) -> float:
        held = self._held.get(state)
        return held.since if held is not None else self._clock()

    def _change(self, state: StateName, condition: Condition | None) -> bool:
        before = self._held.get(state)
        if condition == before:
            return False
        if condition is None:
            del self._held[state]
            if not self._held:
                self._running = Condition(StateName.RUNNING, self._running.reason, self._clock())
        else:
            self._held[state] = condition
        self.published = self._state()
        return (condition is None) != (before is None)

    def _state(self) -> State:
        held = tuple(self._held[state] for state in StateName if state in self._held) or (self._running,)
        first, *others = held
        reason = "; ".join([first.reason, *(f"also {c.state}: {c.reason}" for c in others)])
        return State(first.state, reason, first.since, held)
