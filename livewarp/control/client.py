"""A small blocking client of the control plane.

It needs nothing but the standard library, so that a client starts at once. docs/control.md shows it at work.

Guarantees: every call ends, at its deadline at the latest. A client is for one thread at a time; each
subscription has a connection of its own, so that calls go on beside it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from livewarp.control.address import DEFAULT_CONTROL, Address, parse_address, parse_endpoint
from livewarp.control.secret import socket_file
from livewarp.control.wire import Wire, open_wire
from livewarp.errors import ControlError


def usual_endpoint() -> Address | Path:
    """Where this user's daemon usually listens: its Unix socket where there is one, else the port."""
    path = socket_file()
    return path if path.exists() else parse_address(DEFAULT_CONTROL)


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
        HOST:PORT of the daemon's control port, or unix:PATH of its socket; None: this user's usual socket, or
        where nobody listens there the usual port.
    timeout_s
        How long a call may take.
    token
        What a port asks for, a socket never; None: LIVEWARP_TOKEN, or the file that the daemon has written.

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

    def __init__(self, address: str | None = None, timeout_s: float = 3.0, *, token: str | None = None) -> None:
        self.address: Address | Path = usual_endpoint() if address is None else parse_endpoint(address)
        self._given = address
        self._token = token
        self.frame: int | None = None
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._wire: Wire | None = None

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
        listener = Client(self._given, self._timeout_s, token=self._token)
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
            self._wire = self._connect()
        self._wire.send(json.dumps(message).encode() + b"\n", self._timeout_s)
        return self._wire.read_line(max(deadline_s - time.monotonic(), 0.001))

    def _connect(self) -> Wire:
        try:
            return open_wire(self.address, self._token, self._timeout_s)
        except (FileNotFoundError, ConnectionRefusedError):
            if self._given is not None or isinstance(self.address, Address):
                raise
            self.address = parse_address(DEFAULT_CONTROL)  # the socket is left over, or has just gone
            return open_wire(self.address, self._token, self._timeout_s)

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
