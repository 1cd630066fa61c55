"""A small blocking client of the control plane, and the addresses that it may have.

It needs nothing but the standard library, so that a client starts at once. docs/control.md shows it at work.

Guarantees: every call ends, at its deadline at the latest. A client is for one thread at a time; each
subscription has a connection of its own, so that calls go on beside it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from livewarp.errors import ControlError, SettingsError

DEFAULT_CONTROL = "127.0.0.1:8787"

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
        raise SettingsError("address", got=repr(text), allowed=f"HOST:PORT such as {DEFAULT_CONTROL}")
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host.lower(), host)
    try:
        loopback = host == "::1" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        only = "loopback only (127.0.0.1, [::1] or localhost), because whoever reaches the port controls the camera"
        remedy = f"from elsewhere: ssh -L {port}:127.0.0.1:{port} HOST"
        raise SettingsError("address", got=repr(text), allowed=only, remedy=remedy)
    return Address(host, int(port))


def parse_endpoint(text: str) -> Address | Path:
    """Where a daemon can be reached: HOST:PORT, or the path of its Unix socket as unix:PATH or /PATH.

    Raises
    ------
    SettingsError
        It is neither, or not on this machine.
    """
    if text.startswith("/"):
        return Path(text)
    if text.startswith("unix:") and text != "unix:":
        return Path(text.removeprefix("unix:")).expanduser()
    if ":" not in text:
        raise SettingsError("address", got=repr(text), allowed=f"HOST:PORT such as {DEFAULT_CONTROL}, or unix:PATH")
    return parse_address(text)


class _Wire:
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

    def close(self) -> None:
        self._socket.close()

    def send(self, line: bytes, timeout_s: float) -> None:
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


class Event(NamedTuple):
    """A topic and its value, as it is at first and whenever it has changed."""

    topic: str
    data: Any


class Subscription:
    """An iterator over events, which ends when the daemon does; a context manager. `Client.subscribe` makes it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self.get(None)
        if event is None:
            raise StopIteration
        return event

    def get(self, timeout_s: float | None) -> Event | None:
        """The next event; None once the daemon has hung up. Raises TimeoutError."""
        return self._client._next_event(timeout_s)

    def close(self) -> None:
        """End it; may be called more than once."""
        self._client.close()


class Client:
    """A connection to a running daemon; opened by the first call, usable as a context manager.

    Parameters
    ----------
    address
        HOST:PORT of the daemon's control port, or unix:PATH of its socket.
    timeout_s
        How long a call may take.

    Attributes
    ----------
    frame
        Of the last call that changed something: the index of the first frame that certainly uses it.

    Examples
    --------
    >>> with Client() as client:  # doctest: +SKIP
    ...     client.set(thin=0.5)
    {'thin': 0.5}
    """

    def __init__(self, address: str = DEFAULT_CONTROL, timeout_s: float = 3.0) -> None:
        self.address = parse_endpoint(address)
        self._given = address
        self.frame: int | None = None
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._wire: _Wire | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; may be called more than once."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The result of a control method.

        Raises
        ------
        ControlError
            No daemon answers, or it answered with an error, whose code and data it then carries.
        """
        request = self._request(method, params)
        with self._errors():
            reply = json.loads(self._exchange(request))
            outcome = self._outcome(request, reply)
        if isinstance(outcome, ControlError):
            raise outcome
        return outcome

    def batch(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
        """The results of several calls, whose changes come with one and the same frame.

        A call that was refused has a `ControlError` in the place of its result; it changes nothing, and
        the others are done nevertheless.
        """
        if not calls:
            return []
        requests = [self._request(method, params) for method, params in calls]
        with self._errors():
            replies = json.loads(self._exchange(requests))
            if isinstance(replies, dict):  # the batch as a whole was refused
                outcome = self._outcome({"id": None}, replies)
                raise outcome if isinstance(outcome, ControlError) else ValueError("one reply to many")
            return [self._outcome(*pair) for pair in zip(requests, replies, strict=True)]

    def get(self, *names: str) -> dict[str, Any]:
        """Values of live parameters, of all of them where none is named."""
        return self._dict("get", {"names": list(names)} if names else {})

    def set(self, **values: bool | float | str) -> dict[str, Any]:
        """Change live parameters, all or none; their values as they are then."""
        return self._dict("set", values)

    def adjust(self, *, strict: bool = False, **by: float) -> dict[str, Any]:
        """Add to live parameters; they stop at their bounds, or with `strict` refuse to go beyond."""
        return self._dict("adjust", {"by": by, "strict": strict})

    def reset(self, *names: str) -> dict[str, Any]:
        """Set live parameters, all where none is named, back to the values of the settings."""
        return self._dict("reset", {"names": list(names)} if names else {})

    def load_preset(self, name: str) -> dict[str, Any]:
        """Put a preset on; the values that it brought."""
        return self._dict("presets.load", {"name": name})

    def switch(self, what: str, on: bool | None = None) -> bool:
        """Turn "freeze", "blank", "bypass" or "mirror" on or off; None toggles it. How it is then."""
        return bool(self._dict(what, {} if on is None else {"on": on})[what])

    def subscribe(self, *topics: str, rate_hz: float = 10.0) -> Subscription:
        """Events of these topics, at most so many of each a second; the first of each has its value now."""
        listener = Client(self._given, self._timeout_s)
        try:
            listener.call("subscribe", {"topics": list(topics), "rate_hz": rate_hz})
        except BaseException:
            listener.close()
            raise
        return Subscription(listener)

    def _dict(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = self.call(method, params)
        return result

    def _next_event(self, timeout_s: float | None) -> Event | None:
        """A subscription's next event; None once the daemon, or this client, has hung up."""
        if self._wire is None:
            return None
        try:
            with self._errors(quiet=True):
                message = json.loads(self._wire.read_line(timeout_s))
                return Event(message["params"]["topic"], message["params"]["data"])
        except ConnectionError:
            self.close()
            return None

    def _request(self, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params or {}}

    def _outcome(self, request: dict[str, Any], reply: dict[str, Any]) -> Any:
        """The result in a reply, or the `ControlError` that it is."""
        error = reply.get("error")
        if error is not None:
            return ControlError(str(error["message"]), int(error["code"]), error.get("data"))
        if reply["id"] != request["id"]:
            raise ValueError("the reply to another request")
        self.frame = reply.get("frame", self.frame)
        return reply["result"]

    def _exchange(self, message: object) -> bytes:
        """Send a message and return the line that comes back, all before the deadline."""
        deadline_s = time.monotonic() + self._timeout_s
        if self._wire is None:
            self._wire = _Wire(self.address, self._timeout_s)
        self._wire.send(json.dumps(message).encode() + b"\n", self._timeout_s)
        return self._wire.read_line(max(deadline_s - time.monotonic(), 0.001))

    @contextlib.contextmanager
    def _errors(self, quiet: bool = False) -> Iterator[None]:
        """What can go wrong with a connection as a `ControlError`, after which it is closed."""
        try:
            yield
            return
        except ControlError:
            raise
        except (TimeoutError, ConnectionError) as error:
            if quiet:
                raise
            failure = (
                ControlError(f"livewarp at {self.address} did not answer within {self._timeout_s:g} s")
                if isinstance(error, TimeoutError)
                else ControlError(f"no livewarp answers at {self.address}", remedy="`livewarp run` starts one")
            )
        except FileNotFoundError:
            failure = ControlError(f"no livewarp answers at {self.address}", remedy="`livewarp run` starts one")
        except OSError as error:
            failure = ControlError(f"cannot reach {self.address}: {error.strerror or error}")
        except (ValueError, LookupError, TypeError, AttributeError):
            failure = ControlError(f"what answers at {self.address} is no livewarp", remedy="give its --control")
        self.close()
        raise failure from None
