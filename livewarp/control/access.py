"""Who may use the ports: what the line port and the panel ask before they answer.

The Unix socket is the file system's to guard. TCP needs the token, and where the system tells whose program is at
the other end, that user must be this one as well.

Guarantees: used in the hub thread only; a new token in the file ends what the old one allowed.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from pathlib import Path

import gevent.socket

from livewarp.control.secret import UNAUTHORIZED, new_token, proof, read_token, same, token_path
from livewarp.errors import ControlError
from livewarp.system.peers import is_trusted, tcp_peer_uid, unix_peer_uid

_MAX_LINKS = 16  # that wait to be opened; the oldest is forgotten
_LINK_S = 86_400.0

log = logging.getLogger(__name__)


def unauthorized(remedy: str = "use the Unix socket, or `hello` with what `livewarp token` prints") -> ControlError:
    """The refusal of a caller who has not shown that it has the token."""
    return ControlError("unauthorized: this port needs the token", UNAUTHORIZED, remedy=remedy)


class Access:
    """The token, and the links that open the panel once.

    Parameters
    ----------
    path
        The token's file; None: the usual one. It is made where it is missing, or not this user's alone.

    Raises
    ------
    ControlError
        There is none and none can be made.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or token_path()
        self._seen: tuple[int, int] | None = None
        self._links: dict[str, float] = {}
        try:
            token = read_token(self._path)
        except ControlError as error:
            log.warning("%s; making a new one", error)
            token = None
        self._token = token or new_token(self._path)
        self._seen = self._signature()

    @property
    def token(self) -> str:
        """As it is now: somebody may have made another."""
        signature = self._signature()
        if signature != self._seen:
            self._seen = signature
            try:
                self._token = read_token(self._path) or self._token
            except ControlError as error:
                log.warning("%s; the old one holds", error)
        return self._token

    def _signature(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path, follow_symlinks=False)
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return same(token, self.token)

    def same(self, left: str, right: str) -> bool:
        """Whether two secrets are the same."""
        return same(left, right)

    def cookie(self, port: int) -> tuple[str, str]:
        """Name and value of the cookie that a browser shows instead; the token cannot be found from it."""
        # Cookies are one host's, whatever the port: each of a person's daemons has one of its own.
        return f"livewarp-{port}", proof(self.token, "panel", str(port), "", "")

    def link(self) -> str:
        """A key that opens the panel once."""
        now = time.monotonic()
        self._links = {key: until for key, until in self._links.items() if until > now}
        while len(self._links) >= _MAX_LINKS:
            self._links.pop(next(iter(self._links)))
        key = secrets.token_urlsafe(24)
        self._links[key] = now + _LINK_S
        return key

    def redeem(self, key: str) -> bool:
        """Whether the key opens the panel; it never does again."""
        return self._links.pop(key, 0.0) > time.monotonic()

    def admits(self, sock: gevent.socket.socket) -> bool:
        """Whether whose program is at the other end is a user who may be answered."""
        if not hasattr(os, "getuid"):
            return True
        unix = sock.family == getattr(gevent.socket, "AF_UNIX", None)
        return is_trusted(unix_peer_uid(sock) if unix else tcp_peer_uid(sock))
