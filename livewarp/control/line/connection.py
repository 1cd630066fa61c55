"""One client of the line port: its lines, its replies, its events.

Guarantees: over TCP nothing but `version` is answered before the client has proved that it has the token, and
nothing at all once that has been replaced; a client that sends nonsense, stops half way, never reads or floods
costs itself its connection or its time, and the others a slice in a fair round, but blank, freeze and stop, which
wait for nobody, not even that; what is kept for a
client is one line, one reply and one event a topic.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import gevent
import gevent.lock
import gevent.socket

from livewarp.control.access import Access, unauthorized
from livewarp.control.address import Address
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.events import Inbox
from livewarp.control.protocol.jsonrpc import MAX_MESSAGE_BYTES, answer, count, failure, is_urgent, read_json
from livewarp.control.protocol.refusals import INVALID_REQUEST
from livewarp.control.secret import CLIENT, DAEMON, nonce, proof, same
from livewarp.errors import ControlError

_CHUNK_BYTES = 65_536
_SHORT_BYTES = 512  # a message that may be urgent is no longer, and quickly read
_OPEN = frozenset({"version", "hello"})  # methods for whoever asks
_OPEN_BYTES = 2_048  # the longest line of somebody who has proved nothing
_FAREWELL_S = 1.0  # how long a connection that is being closed may take to read its last reply
_BURST_S = 0.1  # so much of its share a client may use up at once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What a client may take.

    Attributes
    ----------
    hello_s
        Time to prove that it has the token; over the Unix socket none is asked for.
    line_s
        Time from the first byte of a line to its end; between lines a client may be silent for ever.
    send_s
        Time to read a reply or an event.
    messages_per_s
        Calls; over it, answers wait.
    time_share
        Of the time in which all are answered; over it, answers wait.
    """

    hello_s: float = 10.0
    line_s: float = 30.0
    send_s: float = 5.0
    messages_per_s: float = 5_000.0
    time_share: float = 0.5


class Connection:
    """Serves one client, in the greenlet that calls `serve`; events have one of their own.

    Attributes
    ----------
    private
        Whether it came by the Unix socket, which its owner alone can reach.
    begun_s, heard_s
        When it came, and when it sent something last (-inf: it has sent nothing); monotonic.
    """

    def __init__(
        self, sock: gevent.socket.socket, dispatcher: Dispatcher, limits: ClientLimits, access: Access
    ) -> None:
        self.private = sock.family == getattr(gevent.socket, "AF_UNIX", None)
        self.heard_s = -math.inf
        self._access = access
        self._nonces = ("", "")  # the client's and ours, between the two halves of `hello`
        self._token = ""  # with which it was let in
        self.begun_s = time.monotonic()
        self._socket = sock
        self._dispatcher = dispatcher
        self._limits = limits
        self._sending = gevent.lock.BoundedSemaphore()  # a reply and an event must not mix
        self._inbox: Inbox | None = None
        self._begin_events = False  # when the reply has gone out
        self._due_s = -math.inf  # when the client has its share again

    def serve(self) -> None:
        """Answer until the client hangs up. Raises OSError where it is gone."""
        try:
            for line in self._lines():
                # A line that is not JSON ends the connection, because what follows may be meant for another
                # protocol: the body of a web page's POST to this port must not run.
                message = read_json(line) if len(line) <= _SHORT_BYTES else None
                if message is not None and is_urgent(message) and self.admitted:
                    calls, spent_s = count(message), 0.0
                    reply = answer(self._dispatcher, message, self)
                else:
                    with self._dispatcher.turns:
                        calls, reply = self._answer(read_json(line))
                    spent_s = self._dispatcher.turns.spent_s
                self._send(reply)
                if self._begin_events and self._inbox is not None:
                    gevent.spawn(self._send_updates, self._inbox)
                self._begin_events = False
                self._rest(calls, spent_s)
        except ControlError as error:
            self.refuse(error)
        finally:
            self._end_events()

    def _answer(self, message: object) -> tuple[int, list[str]]:
        """How many calls it counts for, and the reply; within a turn."""
        if not (self.admitted or _is_open(message)):
            raise unauthorized()
        return count(message), answer(self._dispatcher, message, self)

    @property
    def admitted(self) -> bool:
        """Whether it may do more than ask for the version."""
        return self.private or (self._token != "" and self._access.token == self._token)

    @property
    def listens(self) -> bool:
        """Whether it gets events, and so need not say anything."""
        return self._inbox is not None

    def challenge(self, client_nonce: str) -> dict[str, str]:
        """Show that this end has the token; {nonce, proof}."""
        self._nonces = client_nonce, nonce()
        return {"nonce": self._nonces[1], "proof": self._proof(DAEMON)}

    def prove(self, given: str) -> None:
        """Let the client in, if it has the token. Raises `ControlError`."""
        expected = self._proof(CLIENT) if self._nonces[0] else ""
        self._nonces = ("", "")  # a proof is good for one try
        if not (expected and same(given, expected)):
            raise unauthorized("the proof is wrong; docs/control.md says how it is made")
        self._token = self._access.token

    def _proof(self, who: str) -> str:
        host = self._socket.getsockname()
        at = host if isinstance(host, (str, bytes)) else str(Address(*host[:2]))
        return proof(self._access.token, who, str(at), *self._nonces)

    def end(self) -> None:
        """Let the reply under way go out, then end it; from another greenlet."""
        shut_down(self._socket, gevent.socket.SHUT_RD)  # a greenlet that waits for a line sees the end

    def hang_up(self) -> None:
        """End it, from another greenlet."""
        shut_down(self._socket, gevent.socket.SHUT_RDWR)

    def refuse(self, error: ControlError) -> None:
        """Say why, then wait for the client to hang up.

        Closing with unread bytes would reset the connection, and that can swallow the reply.
        """
        log.debug("control client refused: %s", error)
        self._end_events()
        try:
            self._send([failure(None, error)])
            self._socket.shutdown(gevent.socket.SHUT_WR)
            with gevent.Timeout(_FAREWELL_S):
                while self._socket.recv(_CHUNK_BYTES):
                    pass
        except (OSError, gevent.Timeout):
            return  # it is gone already, or had its time

    def subscribe(self, inbox: Inbox) -> None:
        """Send these events, in the place of those of an earlier subscription."""
        self._end_events()
        self._inbox = inbox
        self._begin_events = True

    def unsubscribe(self, topics: Iterable[str] | None) -> tuple[str, ...]:
        """Send no more of these topics, or of any; those that are left."""
        if self._inbox is None:
            return ()
        self._inbox.leave(self._inbox.topics if topics is None else topics)
        left = self._inbox.topics
        if not left:
            self._end_events()
        return left

    def _end_events(self) -> None:
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None

    def _send_updates(self, inbox: Inbox) -> None:
        """Greenlet: send events until the subscription ends."""
        try:
            while (update := inbox.get()) is not None and self.admitted:
                params = f'{{"topic": "{update.topic}", "data": {update.text}}}'
                self._send([f'{{"jsonrpc": "2.0", "method": "event", "params": {params}}}'])
        except OSError as error:
            log.debug("control client does not read its events: %s", error)
            inbox.dropped = True
        if inbox.dropped or not self.admitted:
            inbox.close()
            shut_down(self._socket, gevent.socket.SHUT_RDWR)  # `serve` sees the end

    def _lines(self) -> Iterator[bytes]:
        """The lines of a client until it hangs up; `ControlError` for one too long or too slow."""
        pending = bytearray()
        deadline_s = math.inf
        while True:
            end = pending.find(b"\n")
            longest = MAX_MESSAGE_BYTES if self.admitted else _OPEN_BYTES
            if max(end, len(pending) if end < 0 else 0) > longest:
                raise _invalid("a longer one", f"{longest} bytes") if self.admitted else unauthorized()
            if end >= 0:
                yield bytes(pending[:end])
                del pending[: end + 1]
                deadline_s = time.monotonic() + self._limits.line_s
                continue
            until_s = deadline_s if pending else math.inf
            if not self.admitted:
                until_s = min(until_s, self.begun_s + self._limits.hello_s)
            self._socket.settimeout(max(until_s - time.monotonic(), 0.001) if until_s < math.inf else None)
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except TimeoutError:
                if not self.admitted and time.monotonic() >= self.begun_s + self._limits.hello_s:
                    raise unauthorized() from None
                if not pending or time.monotonic() < deadline_s:
                    continue  # the greenlet that sends events sets the socket's timeout, too
                raise _invalid("half of one and silence", f"its end within {self._limits.line_s:g} s") from None
            if not chunk:
                return
            self.heard_s = time.monotonic()
            if not pending:
                deadline_s = time.monotonic() + self._limits.line_s
            pending += chunk

    def _send(self, pieces: list[str]) -> None:
        """Send one line; a long one in chunks, between which others are served."""
        if not pieces:
            return
        with self._sending:
            chunk = bytearray()
            until_s = time.monotonic() + self._limits.send_s
            for piece in [*pieces, "\n"]:
                chunk += piece.encode()
                if len(chunk) >= _CHUNK_BYTES or piece == "\n":
                    # At least a moment: 0 would mean to wait for ever.
                    self._socket.settimeout(max(until_s - time.monotonic(), 0.001))
                    self._socket.sendall(chunk)
                    chunk.clear()
                    if piece != "\n":
                        gevent.sleep(0)

    def _rest(self, messages: int, spent_s: float) -> None:
        """Let the others be answered; for as long as the client is over its share, wait."""
        now = time.monotonic()
        share_s = max(messages / self._limits.messages_per_s, spent_s / self._limits.time_share)
        self._due_s = max(self._due_s, now - _BURST_S) + share_s
        gevent.sleep(max(self._due_s - now, 0.0))


def shut_down(sock: gevent.socket.socket, how: int) -> None:
    """Shut a socket down that may be gone already."""
    try:
        sock.shutdown(how)
    except OSError:
        return


def _is_open(message: object) -> bool:
    """Whether a message is for whoever asks; a batch never is."""
    return isinstance(message, dict) and str(message.get("method")) in _OPEN


def _invalid(got: str, allowed: str) -> ControlError:
    return ControlError("line", INVALID_REQUEST, got=got, allowed=allowed)
