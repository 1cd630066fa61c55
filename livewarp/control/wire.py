"""A client's connection to a daemon: lines with deadlines, and over TCP the proof of who is at either end."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from livewarp.control.address import Address
from livewarp.control.secret import CLIENT, DAEMON, nonce, proof, read_token, same, token_path
from livewarp.errors import ControlError
from livewarp.system.peers import is_trusted, tcp_peer_uid, unix_peer_uid

_MAX_REPLY_BYTES = 1 << 20  # livewarp's replies have some kilobytes; whatever sends more is no livewarp


class Wire:
    """A connection that carries lines; every wait has a deadline. Errors are OSError and ValueError."""

    def __init__(self, endpoint: Address | Path, timeout_s: float) -> None:
        if isinstance(endpoint, Address):
            self._socket = socket.create_connection(endpoint, timeout_s)
        elif hasattr(socket, "AF_UNIX"):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout_s)
            try:
                self._socket.connect(str(endpoint))
            except OSError:
                self._socket.close()
                raise
        else:
            raise OSError("this system has no Unix sockets")
        self._pending = bytearray()

    def check_user(self) -> None:
        """Refuse (`ControlError`) to talk to another user's program, where the system tells whose it is."""
        if not hasattr(os, "getuid"):
            return
        tcp = self._socket.family in (socket.AF_INET, socket.AF_INET6)
        uid = tcp_peer_uid(self._socket) if tcp else unix_peer_uid(self._socket)
        if uid != -1 and not is_trusted(uid):
            what = f"another user's program (uid {uid}) listens at {self.name}"
            raise ControlError(what, remedy="nothing was sent; where yours listens, `livewarp run` says")

    @property
    def name(self) -> str:
        """What it is connected to, as both ends know it."""
        peer = self._socket.getpeername()
        return str(peer) if isinstance(peer, (str, bytes)) else str(Address(*peer[:2]))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, line: bytes, timeout_s: float) -> None:
        """Send a line, which ends with a line feed."""
        self._socket.settimeout(timeout_s)
        self._socket.sendall(line)

    def read_line(self, timeout_s: float | None) -> bytes:
        """The next line; ConnectionResetError where there is none any more."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while (end := self._pending.find(b"\n")) < 0:
            # 0 would mean: never wait.
            self._socket.settimeout(None if deadline_s is None else max(deadline_s - time.monotonic(), 0.001))
            chunk = self._socket.recv(65_536)
            if not chunk and not self._pending:
                raise ConnectionResetError("hung up without an answer")
            if not chunk or len(self._pending) > _MAX_REPLY_BYTES:
                raise ValueError("not one line")
            self._pending += chunk
        line = bytes(self._pending[:end])
        del self._pending[: end + 1]
        return line


def open_wire(endpoint: Address | Path, token: str | None, timeout_s: float) -> Wire:
    """A connection to a daemon of this user, which over TCP both ends have proved.

    Parameters
    ----------
    token
        None: LIVEWARP_TOKEN of the environment, or else the one in the runtime folder.

    Raises
    ------
    ControlError
        There is no token, the other end does not have it, or is another user's.
    OSError, ValueError, LookupError, TypeError, AttributeError
        It cannot be reached, or speaks something else.
    """
    wire = Wire(endpoint, timeout_s)
    try:
        wire.check_user()
        if isinstance(endpoint, Address):
            _prove(wire, token, timeout_s)
    except BaseException:
        wire.close()
        raise
    return wire


def _prove(wire: Wire, token: str | None, timeout_s: float) -> None:
    """Let the daemon prove that it has the token, then do the same."""
    token = token or os.environ.get("LIVEWARP_TOKEN") or read_token()
    if token is None:
        what = f"no token for {wire.name}: there is none in {token_path()}"
        raise ControlError(what, remedy="`livewarp run` makes it; LIVEWARP_TOKEN gives that of another daemon")
    deadline_s = time.monotonic() + timeout_s
    ours = nonce()
    answer = _hello(wire, {"nonce": ours}, deadline_s)
    theirs = str(answer["nonce"])
    if not same(str(answer["proof"]), proof(token, DAEMON, wire.name, ours, theirs)):
        what = f"what answers at {wire.name} does not have your token"
        raise ControlError(what, remedy="nothing was sent; through a tunnel both ends need the same address")
    _hello(wire, {"proof": proof(token, CLIENT, wire.name, ours, theirs)}, deadline_s)


def _hello(wire: Wire, params: dict[str, str], deadline_s: float) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": 0, "method": "hello", "params": params}
    wire.send(json.dumps(request).encode() + b"\n", max(deadline_s - time.monotonic(), 0.001))
    reply = json.loads(wire.read_line(max(deadline_s - time.monotonic(), 0.001)))
    if "error" in reply:
        error = reply["error"]
        raise ControlError(str(error["message"]), int(error["code"]), error.get("data"))
    result: dict[str, Any] = reply["result"]
    return result
