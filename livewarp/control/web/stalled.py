"""Viewers who do not read: what is on its way to them must not arrive after it may not be shown any more.

A picture that the client's system has is with the client. What waits on this side, in the hands of the server or of
the kernel, is taken back in the only way that there is: the connection is reset.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable

import gevent
import gevent.socket

from livewarp.control.protocol.events import MAX_RATE_HZ, Events
from livewarp.sinks.preview import Picture

_GRACE_S = 0.2  # a viewer who reads has it by then
_WAIT_S = 1.0
_FRAMING_BYTES = 32  # of a part, at most: the lengths of a chunk


class Recipient:
    """What one viewer was sent last.

    Parameters
    ----------
    cut
        Resets the connection.
    """

    def __init__(self, sock: gevent.socket.socket, cut: Callable[[], None]) -> None:
        self.cut = cut
        self.late_s = math.inf  # when it is cut off, unless the picture has arrived by then
        self._sock = sock
        self._picture: Picture | None = None  # the last of the camera, while it may be on its way
        self._sending = False  # it is, for certain
        self._since = 0  # bytes sent after it

    def begin(self, picture: Picture, part: bytes) -> None:
        """Note that this part is about to be sent."""
        # One that must arrive soon is watched to its end, whatever comes after it.
        self._sending = picture.camera and self.late_s == math.inf
        if self._sending:
            self._picture, self._since = picture, 0
        else:
            self._since += len(part) + _FRAMING_BYTES

    def end(self) -> None:
        """Note that the part is with the kernel."""
        self._sending = False

    def check(self, now: float, may_show: Callable[[Picture], bool]) -> None:
        """Cut it off when its time has come; set that, if a picture under way may not be shown any more."""
        if self._picture is None:
            return
        if not (self._sending or _unsent_bytes(self._sock) > self._since):
            self._picture, self.late_s = None, math.inf
        elif now >= self.late_s:
            self.cut()
        elif self.late_s == math.inf and not may_show(self._picture):
            self.late_s = now + _GRACE_S


class Stalled:
    """Looks after the viewers of a panel, in a greenlet that runs while there are any.

    Parameters
    ----------
    events
        Tell when the picture goes blank.
    may_show
        Whether a picture may go out now.
    """

    def __init__(self, events: Events, may_show: Callable[[Picture], bool]) -> None:
        self._events = events
        self._may_show = may_show
        self._recipients: set[Recipient] = set()
        self._greenlet: gevent.Greenlet | None = None

    def join(self, recipient: Recipient) -> None:
        """Look after one more."""
        self._recipients.add(recipient)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def leave(self, recipient: Recipient) -> None:
        """It has gone."""
        self._recipients.discard(recipient)

    def close(self) -> None:
        """End it."""
        if self._greenlet is not None:
            self._greenlet.kill()

    def _run(self) -> None:
        inbox = self._events.subscribe(("switches", "parameters"), MAX_RATE_HZ)
        try:
            while self._recipients and not inbox.ended:
                late = any(each.late_s < math.inf for each in self._recipients)
                inbox.get(_GRACE_S if late else _WAIT_S)
                for recipient in list(self._recipients):
                    recipient.check(time.monotonic(), self._may_show)
        finally:
            inbox.close()
            self._greenlet = None


def _unsent_bytes(sock: gevent.socket.socket) -> int:
    """What the kernel has of it that the other end has not; 0 where it does not tell, or the socket is gone."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import fcntl
        import termios

        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(answer, "little")
    return 0
