"""The panel's streams, each for as long as its reader stays: frames of the preview, and events.

Guarantees: everything but `_Newest.put` runs in greenlets of the hub that opened the streams. Slow readers
skip frames, are dropped from events, and delay nobody. As soon as the output is blanked, no frame of the
camera goes out, not even one under way: a viewer who does not read is cut off.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import gevent.select
import gevent.socket
from gevent import get_hub
from gevent.event import Event

from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.events import DEFAULT_RATE_HZ, MAX_RATE_HZ, MIN_RATE_HZ, SAMPLED, Inbox
from livewarp.control.web.stalled import Recipient, Stalled
from livewarp.errors import ParameterError
from livewarp.parameters import hides
from livewarp.sinks.preview import Picture, Preview

FRAMES_TYPE = "multipart/x-mixed-replace; boundary=frame"
EVENTS_TYPE = "text/event-stream"

_BOUNDARY = b"--frame\r\n"
_SNAPSHOT_S = 2.0  # how long a snapshot waits for a frame
_CHECK_S = 1.0  # how often to check whether a viewer that waits for a frame has left
_STREAM_BUFFER_BYTES = 262_144  # about three frames: more would be delay for a slow viewer
_SAMPLED_HZ = 4.0  # the daemon publishes figures at this rate
_EVENTS_WAIT_S = 0.2  # how long a sampled event may wait while no other comes
_EVENTS_SILENCE_S = 10.0  # how long a reader of events may read nothing
_EVENTS_BUFFER_BYTES = 65_536
_HEARTBEAT_S = 15.0  # after a silence this long both ends check that the other is still there


class _Newest:
    """The newest picture of the preview: its thread puts it, greenlets wait for it. Made in the hub thread."""

    def __init__(self) -> None:
        self.picture = Picture(b"")
        self.number = 0  # counts the pictures that greenlets could get
        self._put = self.picture  # written by the preview thread alone
        self._arrived = Event()
        self._doorbell = get_hub().loop.async_()
        self._doorbell.start(self._ring)

    def put(self, picture: Picture) -> None:
        """Called in the preview thread, which may use nothing else here."""
        self._put = picture
        self._doorbell.send()

    def _ring(self) -> None:
        """Hand the newest to the greenlets; several rings in a row may come as one, or one too many."""
        if self.picture is not self._put:
            self.picture = self._put
            self.number += 1
            self._wake()

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, Event()
        arrived.set()

    def wait(self, number: int, timeout_s: float) -> bool:
        """Whether there is a newer picture than this number, within the time."""
        if self.number == number:
            self._arrived.wait(timeout_s)
        return self.number != number

    def close(self) -> None:
        """Wake all greenlets that wait. The preview must have ended, since nothing may ring afterwards."""
        self._doorbell.stop()
        self._doorbell.close()
        self._wake()


class Streams:
    """Frames and events for the readers of a panel.

    Parameters
    ----------
    methods
        Where events come from; their daemon says whether the output is blanked.
    preview
        Where frames come from; it must be closed before the streams are.
    """

    def __init__(self, methods: Dispatcher, preview: Preview) -> None:
        self._methods = methods
        self._preview = preview
        self._newest, self._split = _Newest(), _Newest()
        self._open = True
        self._stalled = Stalled(methods.events, self._may_show)
        preview.on_picture, preview.on_split = self._newest.put, self._split.put

    def close(self) -> None:
        """End every stream; may be called more than once."""
        if self._open:
            self._open = False
            self._stalled.close()
            self._newest.close()
            self._split.close()

    def snapshot(self) -> bytes | None:
        """The next frame as JPEG; None: none comes in time."""
        self._preview.watch()
        try:
            give_up_s = time.monotonic() + _SNAPSHOT_S
            while self._newest.wait(self._newest.number, give_up_s - time.monotonic()):
                if self._may_show(self._newest.picture):
                    return self._newest.picture.jpeg
        finally:
            self._preview.unwatch()
        return None

    def frames(
        self, sock: gevent.socket.socket, split: bool, allowed: Callable[[], bool], cut: Callable[[], None]
    ) -> Iterator[bytes]:
        """The parts of a multipart stream, until the viewer leaves or the panel stops; `split`: both halves.

        `allowed` is asked before each part whether the viewer still may see it; `cut` resets the connection.

        Each part comes with the boundary that ends it, since browsers show a part only then.
        """
        sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_SNDBUF, _STREAM_BUFFER_BYTES)
        newest = self._split if split else self._newest
        self._preview.watch(split)
        recipient = Recipient(sock, cut)
        self._stalled.join(recipient)
        try:
            number = newest.number  # older frames are left over from earlier viewers
            boundary = _BOUNDARY
            while self._open and allowed():
                if not newest.wait(number, _CHECK_S):
                    if _has_hung_up(sock):
                        return
                    continue
                number, picture = newest.number, newest.picture
                if self._may_show(picture):
                    part = boundary + _part(picture) + _BOUNDARY
                    recipient.begin(picture, part)
                    yield part
                    recipient.end()
                    boundary = b""
        finally:
            self._stalled.leave(recipient)
            self._preview.unwatch(split)

    def _may_show(self, picture: Picture) -> bool:
        """Whether a picture may go out now: none of the camera while blanked, of the room while that is hidden."""
        daemon = self._methods.daemon
        if not picture.camera:
            return True
        if picture.halves > 1 and hides(daemon.parameters) and not daemon.parameters["background_compare"]:
            return False
        return not daemon.switches.blank and (picture.hidden or not hides(daemon.parameters))

    def subscribe(self, query: Mapping[str, str]) -> list[Inbox]:
        """The subscriptions that a request for events makes; the caller closes them.

        Raises
        ------
        ParameterError
            An unknown param or topic, or a rate out of bounds.
        """
        topics, rate_hz = _read_query(query)
        # Sampling costs, so figures come at their own rate, and changes at the rate of the request.
        quick = [topic for topic in topics if topic not in SAMPLED]
        sampled = [topic for topic in topics if topic in SAMPLED]
        events = self._methods.events
        subscriptions = [events.subscribe(quick, rate_hz)] if quick or not sampled else []
        if sampled:
            subscriptions.append(events.subscribe(sampled, min(rate_hz, _SAMPLED_HZ)))
        return subscriptions

    def events(
        self, sock: gevent.socket.socket, subscriptions: list[Inbox], allowed: Callable[[], bool]
    ) -> Iterator[bytes]:
        """Server-sent events, until the reader leaves, is dropped, or may not get them, or the panel stops."""
        sock.settimeout(_EVENTS_SILENCE_S)
        sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_SNDBUF, _EVENTS_BUFFER_BYTES)
        sent_s = time.monotonic()
        while self._open and allowed() and not any(s.ended for s in subscriptions):
            events = [subscriptions[0].get(_EVENTS_WAIT_S)]
            for subscription in subscriptions:
                events += iter(lambda s=subscription: s.get(0.0), None)  # type: ignore[misc]  # mypy: a default
            text = "".join(f"event: {event.topic}\ndata: {event.text}\n\n" for event in events if event is not None)
            now = time.monotonic()
            if text or now - sent_s > _HEARTBEAT_S:
                yield text.encode() or b":\n\n"
                sent_s = now
            elif _has_hung_up(sock):
                return


def close_all(subscriptions: Iterable[Inbox]) -> None:
    """Close the subscriptions of a stream."""
    for subscription in subscriptions:
        subscription.close()


def _part(picture: Picture) -> bytes:
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\nLivewarp-Halves: {picture.halves}\r\n\r\n"
    )
    return head.encode() + picture.jpeg + b"\r\n"


def _read_query(query: Mapping[str, str]) -> tuple[list[str], float]:
    """Topics and rate, Hz, that a request for events names; `ParameterError` for what is not allowed."""
    for name in query:
        if name not in {"topics", "rate_hz"}:
            raise ParameterError(name, query[name], "topics, rate_hz", f"unknown param {name[:80]!r}")
    text = query.get("rate_hz", str(DEFAULT_RATE_HZ))
    try:
        rate_hz = float(text)
    except ValueError:
        rate_hz = math.nan
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise ParameterError("rate_hz", text, f"a number from {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}")
    return [topic for topic in query.get("topics", "").split(",") if topic], rate_hz


def _has_hung_up(sock: gevent.socket.socket) -> bool:
    try:
        readable, _, _ = gevent.select.select([sock], [], [], 0)
        return bool(readable) and sock.recv(1, gevent.socket.MSG_PEEK) == b""
    except OSError:
        return True
