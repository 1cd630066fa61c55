"""Who works next on the hub thread: the clients take turns, and what is urgent waits for none.

Guarantees: between two slices of work the hub looks at its sockets, so that a message that came meanwhile is read.
"""

from __future__ import annotations

import time
import weakref
from typing import Any

import gevent
import gevent.lock
from gevent import get_hub

SLICE_S = 0.005  # so long work may take before the sockets are looked at again
_TICK_S = 1e-5  # a timer, since gevent runs many greenlets that only gave way before it looks at a socket


class _Polls:
    """When the hub looked at its sockets last, whatever made it."""

    def __init__(self, hub: Any) -> None:
        self.last_s = time.perf_counter()
        self._watcher = hub.loop.check(ref=False)
        self._watcher.start(self._note)

    def _note(self) -> None:
        self.last_s = time.perf_counter()


_POLLS: weakref.WeakKeyDictionary[Any, _Polls] = weakref.WeakKeyDictionary()  # by hub


class Turns:
    """One turn at a time, in the order of asking; a `with` block is one, and waits for no client.

    Attributes
    ----------
    spent_s
        What the turn that ended last took, without its pauses, s.
    """

    def __init__(self) -> None:
        self._lock = gevent.lock.Semaphore()
        self.spent_s = 0.0
        self._began_s = 0.0

    def __enter__(self) -> Turns:
        self._lock.acquire()
        self._began_s = time.perf_counter()
        self.spent_s = 0.0
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.spent_s += time.perf_counter() - self._began_s
            if _is_long():
                gevent.sleep(_TICK_S)
        finally:
            self._lock.release()

    def give_way(self, to_all: bool) -> bool:
        """Within a turn: let what is urgent go first, and others have theirs, if it has been long; whether it did."""
        if not _is_long():
            return False
        if to_all:
            self.__exit__()
            spent_s = self.spent_s
            self.__enter__()
        else:
            spent_s = self.spent_s + time.perf_counter() - self._began_s
            gevent.sleep(_TICK_S)
            self._began_s = time.perf_counter()
        self.spent_s = spent_s
        return True


def _is_long() -> bool:
    """Whether the sockets have not been looked at for a slice, whoever worked since, in a turn or not."""
    hub = get_hub()
    if hub not in _POLLS:
        _POLLS[hub] = _Polls(hub)
    return time.perf_counter() - _POLLS[hub].last_s >= SLICE_S
