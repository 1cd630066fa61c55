"""The panel's connections: how many, how long, and whose.

Guarantees: connections that wait for nothing keep nobody out: the one that has been idle for longest makes room.
"""

from __future__ import annotations

import errno
import http.client
import json
import math
import os
import struct
import time
from typing import Any

import gevent
import gevent.socket
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from livewarp.control.access import Access, unauthorized
from livewarp.control.listening import Accepting
from livewarp.control.protocol.methods import URGENT
from livewarp.control.protocol.turns import Turns
from livewarp.errors import ControlError

MAX_CONNECTIONS = 300
REFUSALS = 50  # connections over the limit that are refused at a time; the others wait
_URGENT_LINES = tuple(f"POST /api/{name} " for name in URGENT)
UNAVAILABLE = 503  # HTTP status, and the code of its error
_REFUSAL_S = 1.0  # how long a refused connection may take to read the reason
_LINGER = struct.Struct("2i" if os.name == "posix" else "2H")  # struct linger of sys/socket.h, winsock2.h
_SILENCE_S = 60.0  # how long a kept connection may be idle, or a viewer may read nothing

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Handler(WSGIHandler):  # type: ignore[misc]  # gevent comes without types
    """pywsgi's handler, with deadlines, and without a traceback for what clients do.

    Attributes
    ----------
    idle_s
        Since when it has waited for a request, monotonic; inf while it answers one.
    """

    # pywsgi compares args[0], which is a string for a timeout.
    ignored_socket_errors: tuple[Any, ...] = (*WSGIHandler.ignored_socket_errors, "timed out", errno.EBADF)
    idle_s = math.inf

    def handle(self) -> None:
        """Serve one connection to its end."""
        with self.rfile:  # else the garbage collector closes it, in any thread, and the hub's loop is for one only
            refusal = self.server.refusal(self)
            if refusal is not None:
                _refuse(self.socket, *refusal)
            self.socket.settimeout(_SILENCE_S)
            try:
                super().handle()
            finally:
                self.server.handlers.discard(self)

    def _connection_upgrade_requested(self) -> bool:
        """Never granted: pywsgi would hand over the bare connection, and reading a body there blocks until it ends."""
        return False

    def get_environ(self) -> dict[str, Any]:
        """As pywsgi's, with the socket."""
        self.idle_s = math.inf
        return {**super().get_environ(), "livewarp.socket": self.socket, "livewarp.cut": self.cut}

    def read_requestline(self) -> Any:
        """Wait for a request."""
        self.idle_s = time.monotonic()
        line = super().read_requestline()
        if not line or line.startswith(_URGENT_LINES):
            return line
        with self.server.turns:  # a client may have sent many that are there already
            return line

    def read_request(self, raw_requestline: str) -> Any:
        """The head of a request. ValueError for what is none."""
        try:
            return super().read_request(raw_requestline)
        except OSError as error:
            raise ValueError(f"half a request: {error}") from None
        except (http.client.HTTPException, LookupError) as error:  # over 100 headers, a line too long; "HTTP/1"
            raise ValueError(f"head of a request: {error}") from None

    def cut(self) -> None:
        """Reset it, from another greenlet: what has not reached the client never will."""
        self.socket.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_LINGER, _LINGER.pack(1, 0))
        self.rfile.close()  # the socket is closed when this is, too
        self.socket.close()

    def hang_up(self) -> None:
        """End it, from another greenlet."""
        try:
            self.socket.shutdown(gevent.socket.SHUT_RDWR)
        except (OSError, AttributeError):
            return  # it has just ended


class PanelServer(Accepting, WSGIServer):  # type: ignore[misc]
    """pywsgi's server, for a bounded number of connections of this user.

    Parameters
    ----------
    access
        Who may use it.
    turns
        Who works next.
    """

    def __init__(
        self, listener: gevent.socket.socket, application: Any, access: Access, turns: Turns, **options: Any
    ) -> None:
        WSGIServer.__init__(
            self, listener, application, spawn=Pool(MAX_CONNECTIONS + REFUSALS), handler_class=Handler, **options
        )
        self.access = access
        self.turns = turns
        self.handlers: set[Handler] = set()

    def refusal(self, handler: Handler) -> tuple[int, ControlError] | None:
        """Status and error for a connection that is not served; None: it is, and counts."""
        if not self.access.admits(handler.socket):
            return 401, unauthorized("this livewarp is another user's")
        if len(self.handlers) >= MAX_CONNECTIONS and not self._has_made_room():
            return UNAVAILABLE, ControlError("too many connections", UNAVAILABLE, allowed=str(MAX_CONNECTIONS))
        self.handlers.add(handler)
        return None

    def make_room(self) -> None:
        """Hang up on the connection that has been idle for longest."""
        self._has_made_room()

    def _has_made_room(self) -> bool:
        """Hang up on the connection that has been idle for longest; whether there was one."""
        idle = [each for each in self.handlers if each.idle_s < math.inf]
        if idle:
            longest = min(idle, key=lambda each: each.idle_s)
            longest.hang_up()
            self.handlers.discard(longest)
        return bool(idle)


def _refuse(sock: gevent.socket.socket, status: int, error: ControlError) -> None:
    """Answer a connection that is not served, and hang up when the client has read it.

    Closing with unread bytes would reset the connection, and the client could lose the answer.
    """
    text = json.dumps({"error": {"code": error.code, "message": str(error), "data": error.data}})
    head = {"Content-Type": "application/json", "Content-Length": len(text), "Connection": "close", "Retry-After": 1}
    lines = [f"{name}: {value}" for name, value in {**head, **HEADERS}.items()]
    try:
        with gevent.Timeout(_REFUSAL_S):
            sock.sendall("\r\n".join([f"HTTP/1.1 {status} {http.client.responses[status]}", *lines, "", text]).encode())
            sock.shutdown(gevent.socket.SHUT_WR)
            while sock.recv(65_536):
                pass
    except (OSError, gevent.Timeout):
        return  # the client has left, or has had its time
