"""A small blocking client of the control port, and the addresses that the ports may have.

It needs nothing but the standard library, so that a client starts at once.
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import socket
import time
from types import TracebackType
from typing import Any, NamedTuple

from livewarp.errors import ControlError, SettingsError

DEFAULT_CONTROL = "127.0.0.1:8787"
DEFAULT_PANEL = "127.0.0.1:8788"

_MAX_REPLY_BYTES = 1 << 20  # livewarp's replies have some kilobytes; whatever sends more is no livewarp


class Address(NamedTuple):
    """A loopback host and a port, as sockets take them; `str` gives HOST:PORT."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


def parse_address(text: str) -> Address:
    """The loopback address that HOST:PORT names.

    Parameters
    ----------
    text
        "127.0.0.1:8787", "localhost:8787" or "[::1]:8787"; port 0 binds any free port.

    Raises
    ------
    SettingsError
        It is not HOST:PORT, or the host is not this machine's loopback.
    """
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
        raise SettingsError(f"address: got {text!r}, allowed: HOST:PORT such as {DEFAULT_CONTROL}")
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host.lower(), host)
    try:
        loopback = host == "::1" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(
            f"address: got {text!r}, allowed: loopback only (127.0.0.1, [::1] or localhost), because whoever "
            f"reaches the port controls the camera; from elsewhere: ssh -L {port}:127.0.0.1:{port} HOST"
        )
    return Address(host, int(port))


class Client:
    """A connection to a running daemon; opened by the first call, usable as a context manager.

    Parameters
    ----------
    address
        HOST:PORT of the daemon's control port.
    timeout_s
        How long a call may take.

    Examples
    --------
    >>> with Client() as client:  # doctest: +SKIP
    ...     client.call("set", {"thin": 0.5})
    {'thin': 0.5}
    """

    def __init__(self, address: str = DEFAULT_CONTROL, timeout_s: float = 3.0) -> None:
        self.address = parse_address(address)
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; may be called more than once."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The result of a control method.

        Raises
        ------
        ControlError
            No daemon answers, or it answered with an error, whose code and data it then carries.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params or {}}
        line = json.dumps(request).encode() + b"\n"
        try:
            reply = json.loads(self._exchange(line))
            error = reply.get("error")
            if error is None and reply["id"] == request["id"]:
                return reply["result"]
            failure = ControlError(str(error["message"]), int(error["code"]), error.get("data"))
        except TimeoutError:
            failure = ControlError(f"livewarp at {self.address} did not answer within {self._timeout_s:g} s")
            self.close()
        except ConnectionError:
            failure = ControlError(f"no livewarp answers at {self.address}; `livewarp run` starts one")
            self.close()
        except OSError as error:
            failure = ControlError(f"cannot reach {self.address}: {error.strerror or error}")
            self.close()
        except (ValueError, LookupError, TypeError, AttributeError):
            failure = ControlError(f"what answers at {self.address} is no livewarp; give its --control")
            self.close()
        raise failure

    def _exchange(self, line: bytes) -> bytes:
        """Send a line and return the one that comes back, all before the deadline."""
        deadline_s = time.monotonic() + self._timeout_s
        if self._socket is None:
            self._socket = socket.create_connection(self.address, self._timeout_s)
        self._socket.settimeout(self._timeout_s)
        self._socket.sendall(line)
        reply = bytearray()
        while not reply.endswith(b"\n"):
            self._socket.settimeout(max(deadline_s - time.monotonic(), 0.001))  # 0 would mean: never wait
            chunk = self._socket.recv(65_536)
            if not chunk and not reply:
                raise ConnectionResetError("hung up without an answer")
            if not chunk or len(reply) > _MAX_REPLY_BYTES:
                raise ValueError("not one line")
            reply += chunk
        return bytes(reply)
