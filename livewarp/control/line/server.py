"""The line port: JSON-RPC 2.0, one message a line, over loopback TCP and a Unix socket.

Guarantees: everything runs in greenlets of the hub that started it; clients over the limit get an answer that says so.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import gevent.socket
from gevent.pool import Pool

from livewarp.control.access import Access, unauthorized
from livewarp.control.address import Address
from livewarp.control.line.connection import ClientLimits, Connection
from livewarp.control.line.unix import listen_unix, unlink
from livewarp.control.listening import Accepting, listen
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.refusals import INVALID_REQUEST
from livewarp.errors import ControlError, Problem

MAX_CONNECTIONS = 300  # over the Unix socket, and as many over TCP
MAX_STRANGERS = 64  # that have not proved yet that they have the token
_REFUSALS = 50  # connections over the limit that still get that answer; beyond, they are just closed
_SILENT_S = 1.0  # so long nothing was heard of who makes room for another
_FAREWELL_S = 1.0  # how long the replies under way may take when the server stops

log = logging.getLogger(__name__)


class _Listener(Accepting):
    """A listening socket of the line port."""

    def __init__(self, owner: ControlServer, sock: gevent.socket.socket) -> None:
        super().__init__(sock, owner.serve, spawn=Pool())
        self._owner = owner

    def make_room(self) -> None:
        """Hang up on whoever can be missed most."""
        self._owner.make_room()


class ControlServer:
    """Serves the control methods on the line port.

    Parameters
    ----------
    dispatcher
        Runs what clients call.
    access
        Who may use it.
    address
        Where to listen; after `start`, where it listens (port 0 has become a real one).
    path
        A Unix socket to listen at as well; None: at none.
    must_have_path
        Whether a socket that cannot be had is an error; else it is a problem, and `path` becomes None.

    Attributes
    ----------
    problems
        What is not as the settings want it.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        access: Access,
        address: Address,
        path: Path | None = None,
        *,
        must_have_path: bool = True,
        limits: ClientLimits | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.address = address
        self.path = path
        self._must_have_path = must_have_path
        self.problems: list[Problem] = []
        self._dispatcher = dispatcher
        self._access = access
        self._limits = limits or ClientLimits()
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._refused = 0
        self._servers: list[_Listener] = []

    def start(self) -> None:
        """Listen, and serve from the running hub. Raises `ControlError` where that is not possible."""
        sock, problem = listen(self.address, "--control", self._access)
        self.problems += [problem] if problem is not None else []
        self.address = Address(*sock.getsockname()[:2])
        self._serve_at(sock)
        try:
            if self.path is not None:
                self._serve_at(listen_unix(self.path))
        except ControlError as error:
            self.path = None
            if self._must_have_path:
                self.stop()
                raise
            log.warning("%s; there is none this time", error)
            self.problems.append(error.problem)
        self._dispatcher.socket_path = self.path

    def _serve_at(self, sock: gevent.socket.socket) -> None:
        server = _Listener(self, sock)
        server.start()
        self._servers.append(server)

    def stop(self) -> None:
        """Let the replies under way go out, then hang up; may be called more than once."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.stop_accepting()
        for connection in self._connections:
            connection.end()
        for server in servers:
            server.stop(timeout=_FAREWELL_S)
        if len(servers) > 1 and self.path is not None:
            unlink(self.path)

    def serve(self, sock: gevent.socket.socket, peer: object) -> None:
        """One connection, in its own greenlet; the server closes the socket when this returns."""
        connection = Connection(sock, self._dispatcher, self._limits, self._access)
        try:
            if not connection.private:
                sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            refusal = self._refusal(sock, connection)
            if refusal is not None:
                self._refuse(connection, refusal)
                return
            self._connections.add(connection)
            connection.serve()
        except OSError as error:
            log.debug("control client %s is gone: %s", peer, error)
        except Exception:
            log.exception("control client %s: unexpected", peer)
        finally:
            self._connections.discard(connection)

    def _refusal(self, sock: gevent.socket.socket, connection: Connection) -> ControlError | None:
        """Why this connection gets no answer; None: it does."""
        if not self._access.admits(sock):
            return unauthorized("this livewarp is another user's")
        alike = [each for each in self._connections if each.private == connection.private]
        strangers = [each for each in alike if not each.admitted]
        if len(strangers) >= MAX_STRANGERS:
            self._drop(min(strangers, key=lambda each: each.begun_s))
        if len(alike) < self._max_connections or self._make_room(alike):
            return None
        return ControlError("connections", INVALID_REQUEST, got="one more", allowed=str(self._max_connections))

    def make_room(self) -> None:
        """Hang up on whoever can be missed most."""
        self._make_room(list(self._connections))

    def _make_room(self, connections: list[Connection]) -> bool:
        """Hang up on the one that has been silent for longest, unless all are at work; whether there is room."""
        latest_s = time.monotonic() - _SILENT_S
        silent = [each for each in connections if not each.listens and each.heard_s < latest_s]
        if silent:
            self._drop(min(silent, key=lambda each: (each.heard_s, each.begun_s)))
        return bool(silent)

    def _drop(self, connection: Connection) -> None:
        connection.hang_up()
        self._connections.discard(connection)  # at once, or the next one would find it again

    def _refuse(self, connection: Connection, error: ControlError) -> None:
        if self._refused < _REFUSALS:
            self._refused += 1
            try:
                connection.refuse(error)
            finally:
                self._refused -= 1
