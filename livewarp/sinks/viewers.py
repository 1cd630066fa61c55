"""Whether somebody watches a camera of ours: by v4l2loopback's event, by who holds the node, or by a stream's state.

Guarantees: `watched` is cheap to read from any thread; a thread of its own keeps it fresh where the kernel
has to be asked.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol

from livewarp.system import v4l2

SETTLE_S = 0.02  # after an open, until /proc shows the descriptor; skips programs that only query the device
SCAN_S = 2.0  # without inotify: how often the holders are counted
LINGER_S = 0.5  # PipeWire 1.4 flaps for some milliseconds when a viewer begins

_IN_CLOSE_OR_OPEN = 0x08 | 0x10 | 0x20  # of sys/inotify.h
_JOIN_S = 2.0

_log = logging.getLogger(__name__)


class Viewers(Protocol):
    """Says whether someone watches."""

    @property
    def watched(self) -> bool | None:
        """Whether someone does now; None: the system does not say."""

    def close(self) -> None:
        """End the watch."""


def viewers_of(fd: int, node: str) -> Viewers:
    """Those of a v4l2loopback node whose writer has `fd`: by its event (since 0.13), else by who holds it."""
    try:
        v4l2.subscribe_viewers(fd)
    except OSError:
        return HolderViewers(node)
    return EventViewers(fd)


class _Watching:
    """A thread that asks again whenever a descriptor is ready."""

    def __init__(self, fd: int | None, events: int, ask: Callable[[], bool | None]) -> None:
        self.watched: bool | None = None
        self._ask = ask
        self._wake_r, self._wake_w = os.pipe()
        self._poll = select.poll()
        self._poll.register(self._wake_r, select.POLLIN)
        self._timeout_ms: float | None = None
        self._events = events
        if fd is None:
            self._timeout_ms = 1000 * SCAN_S
        else:
            self._poll.register(fd, events)
        self._thread = threading.Thread(target=self._run, name="viewers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._wake_w)  # its other end reports a hang-up
        self._thread.join(_JOIN_S)
        os.close(self._wake_r)

    def _run(self) -> None:
        try:
            while True:
                ready = dict(self._poll.poll(self._timeout_ms))
                if self._wake_r in ready:
                    return
                if ready and not any(events & self._events for events in ready.values()):
                    raise OSError("the device reports nothing but errors")  # its writer gets the same ones
                self.watched = self._ask()
        except Exception as error:
            _log.warning("whether somebody watches the camera cannot be found out any more: %s", error)
            self.watched = None


class EventViewers:
    """By v4l2loopback's client-usage event: readers that stream, not those that only have it open.

    Parameters
    ----------
    fd
        The writer's, subscribed; it stays the caller's and open until `close` has returned.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._last: bool | None = None
        self._watching = _Watching(fd, select.POLLPRI, self._ask)

    @property
    def watched(self) -> bool | None:
        """By the newest event."""
        return self._watching.watched

    def close(self) -> None:
        """End the thread."""
        self._watching.close()

    def _ask(self) -> bool | None:
        with contextlib.suppress(OSError):  # spurious: no event is waiting
            count = v4l2.viewers(self._fd)
            if count is not None:
                self._last = count > 0
        return self._last


class HolderViewers:
    """By the processes that have the node open, counted when inotify reports that it was opened or closed.

    Notes
    -----
    Counting opens and closes alone goes wrong: the kernel merges equal neighbours.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._inotify = _inotify(node)
        self._watching = _Watching(self._inotify, select.POLLIN, self._ask)
        self._watching.watched = self._held()

    @property
    def watched(self) -> bool | None:
        """By the newest count."""
        return self._watching.watched

    def close(self) -> None:
        """End the thread and the watch."""
        self._watching.close()
        if self._inotify is not None:
            os.close(self._inotify)
            self._inotify = None

    def _ask(self) -> bool | None:
        if self._inotify is not None:
            time.sleep(SETTLE_S)
            os.read(self._inotify, 65536)
        return self._held()

    def _held(self) -> bool | None:
        try:
            return bool(v4l2.holders(self._node))
        except OSError:  # the node is gone
            return None


class SteadyWatch:
    """By a stream's state: True at once, False when it has lasted for `LINGER_S`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now = False
        self._left_s = -float("inf")

    def update(self, watched: bool) -> None:
        """Take the stream's newest state."""
        if self._now and not watched:
            self._left_s = self._clock()
        self._now = watched

    @property
    def watched(self) -> bool:
        """Whether someone watches, or did a moment ago."""
        return self._now or self._clock() - self._left_s < LINGER_S


def _inotify(node: str) -> int | None:
    """A descriptor that is ready when the node is opened or closed; None where the system has none."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if fd < 0:
        return None
    if libc.inotify_add_watch(fd, os.fsencode(node), _IN_CLOSE_OR_OPEN) < 0:
        os.close(fd)
        return None
    return fd
