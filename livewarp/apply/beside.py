"""Reading and writing in threads of their own, beside the filter, a few frames ahead and behind.

Guarantees: everything arrives in order, so the result is the same as without threads. An error of either
thread is raised to the caller; whichever way the work ends, both threads end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 4  # frames: more costs memory and gains nothing
_LOOK_S = 0.1  # between two checks of whether the other side has ended


class Ahead(Generic[T]):
    """An iterator that is run in a thread, up to `DEPTH` items before they are wanted."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[T] = queue.Queue(DEPTH)
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="apply reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """All items; raises what the iterator raised, in its place."""
        while True:
            over = self._done.is_set()  # before looking: what was put since is still found
            try:
                yield self._queue.get(timeout=0.0 if over else _LOOK_S)
            except queue.Empty:
                if over:
                    break
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not _put(self._queue, item, self._stopping):
                    return
        except BaseException as error:  # raised where the items are taken
            self._error = error
        finally:
            self._done.set()


class Behind(Generic[T]):
    """A function that is called in a thread with each item that is put, in order."""

    def __init__(self, take: Callable[[T], None]) -> None:
        self._take = take
        self._queue: queue.Queue[T] = queue.Queue(DEPTH)
        self._ending = threading.Event()  # after what is queued
        self._stopping = threading.Event()  # at once
        self._failed = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="apply writer", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand an item over; raises what an earlier call of the function raised."""
        if not _put(self._queue, item, self._failed):
            self.finish()

    def finish(self) -> None:
        """Wait until all is taken; raises what a call of the function raised."""
        self._ending.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread, whatever still waits."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                over = self._ending.is_set()
                try:
                    self._take(self._queue.get(timeout=0.0 if over else _LOOK_S))
                except queue.Empty:
                    if over:
                        return
        except BaseException as error:  # raised where items are put
            self._error = error
            self._failed.set()


def _put(into: queue.Queue[T], item: T, stopping: threading.Event) -> bool:
    """Wait for room; False where there is none to come."""
    while not stopping.is_set():
        try:
            into.put(item, timeout=_LOOK_S)
        except queue.Full:
            continue
        return True
    return False
