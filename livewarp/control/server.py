"""The line port: JSON-RPC 2.0 over loopback TCP, one message a line.

Guarantees: everything runs in greenlets of the hub that started it; a client that sends nonsense,
stops half way, never reads or floods costs itself its connection, and the others at most one turn
in a fair round; what is kept for a client is one line and one reply.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import time
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.server import StreamServer

from livewarp.control.client import Address, Client, parse_address
from livewarp.control.methods import INVALID_REQUEST, MAX_MESSAGE_BYTES, Daemon, Methods, read_json
from livewarp.errors import ControlError

__all__ = ["ControlServer", "listen", "parse_address"]

MAX_CONNECTIONS = 300
_REFUSALS = 50  # connections over the limit that are still told so; beyond, they are just closed
_CHUNK_BYTES = 65_536
_FAREWELL_S = 1.0  # how long a connection that is being closed may take to read its last reply
_REQUEST_MEMBERS = {"jsonrpc", "method", "params", "id"}

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
        raise ControlError(_why_not(address, option, error)) from None
    return sock


def _why_not(address: Address, option: str, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        reason = error.strerror or str(error)
        return f"cannot listen on {address}: {reason}; choose another address with {option}"
    try:
        with Client(str(address), timeout_s=3.0) as client:  # it may be loading weights
            pid = int(client.call("version")["pid"])
    except (ControlError, LookupError, TypeError, ValueError):
        return f"{address} is in use by another program; choose another port with {option}"
    return (
        f"livewarp is already running (pid {pid}) on {address}; "
        f"stop it with `livewarp stop` or choose another port with {option}"
    )


class ControlServer:
    """Serves the control methods on the line port.

    Parameters
    ----------
    daemon
        What the methods act on.
    address
        Where to listen; after `start`, where it listens (port 0 has become a real one).
    line_deadline_s
        How long a line may take from its first byte to its end; between lines a client may be
        silent for ever.
    send_deadline_s
        How long a client may take to read a reply.
    """

    def __init__(
        self,
        daemon: Daemon,
        address: Address,
        *,
        line_deadline_s: float = 30.0,
        send_deadline_s: float = 5.0,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.address = address
        self._methods = Methods(daemon)
        self._line_deadline_s = line_deadline_s
        self._send_deadline_s = send_deadline_s
        self._max_connections = max_connections
        self._sockets: set[gevent.socket.socket] = set()
        self._server: StreamServer | None = None

    def start(self) -> None:
        """Listen, and serve from the running hub. Raises `ControlError` where that is not possible."""
        sock = listen(self.address)
        self.address = Address(*sock.getsockname()[:2])
        self._server = StreamServer(sock, self._serve, spawn=Pool())
        self._server.start()

    def stop(self) -> None:
        """Let the replies under way go out, then hang up; may be called more than once."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.stop_accepting()
        for sock in self._sockets:
            _shutdown(sock, gevent.socket.SHUT_RD)  # a greenlet that waits for a line sees the end
        server.stop(timeout=_FAREWELL_S)

    def _serve(self, sock: gevent.socket.socket, peer: object) -> None:
        """One connection, in its own greenlet, which closes the socket when this returns."""
        if len(self._sockets) >= self._max_connections + _REFUSALS:
            return
        full = len(self._sockets) >= self._max_connections
        self._sockets.add(sock)
        try:
            if full:
                raise _invalid(f"connections: got one more than the {self._max_connections} allowed")
            sock.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
            for line in self._lines(sock):
                self._send(sock, self._answer(line))
                gevent.sleep(0)  # a client that always has another line ready must not starve the rest
        except ControlError as error:
            self._farewell(sock, error)
        except OSError as error:
            log.debug("control client %s is gone: %s", peer, error)
        except Exception:
            log.exception("control client %s: unexpected", peer)
        finally:
            self._sockets.discard(sock)

    def _lines(self, sock: gevent.socket.socket) -> Iterator[bytes]:
        """The lines of a client until it hangs up; `ControlError` for one too long or too slow."""
        pending = bytearray()
        deadline_s = math.inf
        while True:
            end = pending.find(b"\n")
            if max(end, len(pending) if end < 0 else 0) > MAX_MESSAGE_BYTES:
                raise _invalid(f"line: got more than the {MAX_MESSAGE_BYTES} bytes allowed")
            if end >= 0:
                yield bytes(pending[:end])
                del pending[: end + 1]
                deadline_s = time.monotonic() + self._line_deadline_s
                continue
            sock.settimeout(max(deadline_s - time.monotonic(), 0.001) if pending else None)
            try:
                chunk = sock.recv(_CHUNK_BYTES)
            except TimeoutError:
                allowed = f"its end within {self._line_deadline_s:g} s"
                raise _invalid(f"line: got half of one and silence, allowed: {allowed}") from None
            if not chunk:
                return
            if not pending:
                deadline_s = time.monotonic() + self._line_deadline_s
            pending += chunk

    def _answer(self, line: bytes) -> bytes:
        """The reply to one line, b"" for a notification; `ControlError` ends the connection.

        A line that is not JSON ends it, because what follows may be meant for another protocol: the
        body of a web page's POST to this port must not run.
        """
        message = read_json(line)
        id_ = _id(message)
        try:
            method, params = _read_request(message)
        except ControlError as error:
            return _error_line(id_, error)
        try:
            result = self._methods.call(method, params)
            reply = f'{{"jsonrpc": "2.0", "id": {json.dumps(id_)}, "result": {result}}}\n'.encode()
        except ControlError as error:
            reply = _error_line(id_, error)
        return reply if "id" in message else b""

    def _send(self, sock: gevent.socket.socket, reply: bytes) -> None:
        sock.settimeout(self._send_deadline_s)
        sock.sendall(reply)

    def _farewell(self, sock: gevent.socket.socket, error: ControlError) -> None:
        """Say why, then wait for the client to hang up.

        Closing with unread bytes would reset the connection, and that can swallow the reply.
        """
        log.debug("control client refused: %s", error)
        try:
            self._send(sock, _error_line(None, error))
            sock.shutdown(gevent.socket.SHUT_WR)
            with gevent.Timeout(_FAREWELL_S):
                while sock.recv(_CHUNK_BYTES):
                    pass
        except (OSError, gevent.Timeout):
            return  # it is gone already, or had its time


def _shutdown(sock: gevent.socket.socket, how: int) -> None:
    try:
        sock.shutdown(how)
    except OSError:
        return  # it is gone already


def _invalid(text: str) -> ControlError:
    return ControlError(text, INVALID_REQUEST)


def _id(message: object) -> str | float | None:
    """The id of a request; None where it has none that JSON-RPC allows."""
    id_ = message.get("id") if isinstance(message, dict) else None
    return id_ if isinstance(id_, (str, int, float)) and not isinstance(id_, bool) else None


def _read_request(message: object) -> tuple[str, object]:
    """Method and params of a JSON-RPC 2.0 request, or a `ControlError` (invalid request)."""
    if isinstance(message, list):
        raise _invalid("batches are not supported yet")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _invalid('request: allowed: an object with "jsonrpc": "2.0"')
    unknown = message.keys() - _REQUEST_MEMBERS
    if unknown:
        allowed = ", ".join(sorted(_REQUEST_MEMBERS))
        raise _invalid(f"request: got {min(unknown)[:80]!r}, allowed: {allowed}")
    if message.get("id") != _id(message) or isinstance(message.get("id"), bool):
        raise _invalid("id: allowed: a string, a number or null")
    if not isinstance(message.get("method"), str):
        raise _invalid("method: allowed: a string")
    return message["method"], message.get("params", {})


def _error_line(id_: object, error: ControlError) -> bytes:
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return json.dumps({"jsonrpc": "2.0", "id": id_, "error": body}).encode() + b"\n"
