"""The line port: JSON-RPC 2.0, one message a line, over loopback TCP and a Unix socket.

Guarantees: everything runs in greenlets of the hub that started it; clients over the limit get an answer that says so.
"""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import gevent.socket
from gevent.pool import Pool
from gevent.server import StreamServer

from livewarp.control.client import Address, Client
from livewarp.control.line.connection import ClientLimits, Connection, shut_down
from livewarp.control.line.unix import listen_unix, unlink
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.refusals import INVALID_REQUEST
from livewarp.errors import ControlError

MAX_CONNECTIONS = 300
_REFUSALS = 50  # connections over the limit that still get that answer; beyond, they are just closed
_FAREWELL_S = 1.0  # how long the replies under way may take when the server stops

log = logging.getLogger(__name__)


def listen(address: Address, option: str = "--control") -> gevent.socket.socket:
    """A listening socket on a loopback address; port 0: any free one.

    Parameters
    ----------
    option
        What a person sets to choose another address; named in errors.

    Raises
    ------
    ControlError
        It cannot be bound; where a livewarp answers there, with its pid.
    """
    sock = gevent.socket.socket(address.family, gevent.socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            sock.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise _cannot_listen(address, option, error) from None
    return sock


def _cannot_listen(address: Address, option: str, error: OSError) -> ControlError:
    """Why the address cannot be had, and what to do."""
    if error.errno != errno.EADDRINUSE:
        reason = error.strerror or str(error)
        return ControlError(f"cannot listen on {address}: {reason}", remedy=f"choose another address with {option}")
    try:
        with Client(str(address), timeout_s=3.0) as client:  # it may be loading weights
            pid = int(client.call("version")["pid"])
    except (ControlError, LookupError, TypeError, ValueError):
        what = f"{address} is in use by another program"
        return ControlError(what, remedy=f"choose another port with {option}")
    what = f"livewarp is already running (pid {pid}) on {address}"
    return ControlError(what, remedy=f"stop it with `livewarp stop` or choose another port with {option}")


class ControlServer:
    """Serves the control methods on the line port.

    Parameters
    ----------
    dispatcher
        Runs what clients call.
    address
        Where to listen; after `start`, where it listens (port 0 has become a real one).
    path
        A Unix socket to listen at as well; None: at none.
    must_have_path
        Whether a socket that cannot be had is an error; else it is a warning, and `path` becomes None.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
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
        self._dispatcher = dispatcher
        self._limits = limits or ClientLimits()
        self._max_connections = max_connections
        self._sockets: set[gevent.socket.socket] = set()
        self._servers: list[StreamServer] = []

    def start(self) -> None:
        """Listen, and serve from the running hub. Raises `ControlError` where that is not possible."""
        sock = listen(self.address)
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
        self._dispatcher.socket_path = self.path

    def _serve_at(self, sock: gevent.socket.socket) -> None:
        server = StreamServer(sock, self._serve, spawn=Pool())
        server.start()
        self._servers.append(server)

    def stop(self) -> None:
        """Let the replies under way go out, then hang up; may be called more than once."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.stop_accepting()
        for sock in self._sockets:
            shut_down(sock, gevent.socket.SHUT_RD)  # a greenlet that waits for a line sees the end
        for server in servers:
            server.stop(timeout=_FAREWELL_S)
        if len(servers) > 1 and self.path is not None:
            unlink(self.path)

    def _serve(self, sock: gevent.socket.socket, peer: object) -> None:
        """One connection, in its own greenlet; the server closes the socket when this returns."""
        if len(self._sockets) >= self._max_connections + _REFUSALS:
            return
        full = len(self._sockets) >= self._max_connections
        self._sockets.add(sock)
        connection = Connection(sock, self._dispatcher, self._limits)
        try:
            if sock.family != getattr(gevent.socket, "AF_UNIX", None):
                sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            if full:
                allowed = str(self._max_connections)
                connection.refuse(ControlError("connections", INVALID_REQUEST, got="one more", allowed=allowed))
            else:
                connection.serve()
        except OSError as error:
            log.debug("control client %s is gone: %s", peer, error)
        except Exception:
            log.exception("control client %s: unexpected", peer)
        finally:
            self._sockets.discard(sock)
