"""Who works next on the hub thread: the clients take turns, and what is urgent waits for none.

Guarantees: between two slices of work the hub looks at its sockets, so that a message that came meanwhile is read.
"""

from __future__ import annotations

import time

import gevent
import gevent.lock

SLICE_S = 0.005  # so long work may take before the sockets are looked at again
_TICK_S = 1e-5  # a timer, since gevent runs many greenlets that only gave way before it looks at a socket


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
        self._looked_s = time.perf_counter()  # at the sockets, for certain

    def __enter__(self) -> Turns:
        self._lock.acquire()
        self._began_s = time.perf_counter()
        self.spent_s = 0.0
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.spent_s += time.perf_counter() - self._began_s
            if self._is_long():
                self._look()
        finally:
            self._lock.release()

    def give_way(self, to_all: bool) -> bool:
        """Within a turn: let what is urgent go first, and others have theirs, if it has been long; whether it did."""
        if not self._is_long():
            return False
        if to_all:
            self.__exit__()
            spent_s = self.spent_s
            self.__enter__()
        else:
            spent_s = self.spent_s + time.perf_counter() - self._began_s
            self._look()
            self._began_s = time.perf_counter()
        self.spent_s = spent_s
        return True

    def _is_long(self) -> bool:
        # Whoever worked since, in a turn or not: what is counted by the clock forgets nothing.
        return time.perf_counter() - self._looked_s >= SLICE_S

    def _look(self) -> None:
        gevent.sleep(_TICK_S)
        self._looked_s = time.perf_counter()
