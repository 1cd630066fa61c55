"""What the tests of the control plane share: a daemon to control, and servers in a thread of their own."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import gevent
import gevent.event

from livewarp.control.client import Address, parse_address
from livewarp.control.server import ControlServer
from livewarp.parameters import Parameters

TIMEOUT_S = 10.0  # a test that waits so long has failed
ANY_PORT = parse_address("127.0.0.1:0")


class FakeDaemon:
    """A daemon without an engine: it remembers what it was told."""

    def __init__(self) -> None:
        self.initial = Parameters(thin=0.2)
        self.parameters = self.initial
        self.changes: list[Parameters] = []
        self.on_stop: Callable[[], None] = lambda: None
        self.speed: dict[str, Any] = {
            "fps": 29.97,
            "frames": 1234,
            "late": 2,
            "dropped": 0,
            "faces": 1,
            "latency": {"p50_ms": 9.125, "p95_ms": 12.5, "p99_ms": 14.0},
            "stages": {
                stage: {"p50_ms": 1.25, "p95_ms": 2.5, "p99_ms": 3.75} for stage in ("read", "track", "warp", "send")
            },
            "cpu_percent": 41.5,
            "memory_mb": 262.0,
        }
        self.stats: Callable[[], dict[str, Any]] = lambda: self.speed

    def change(self, parameters: Parameters) -> None:
        """Remember them."""
        self.parameters = parameters
        self.changes.append(parameters)

    def state(self) -> dict[str, Any]:
        """A state with an empty reason."""
        return {"state": "running", "reason": "", "since_s": 12.25, "source": "portrait", "sinks": ["null"]}

    def stop(self) -> None:
        """Do what the test wants."""
        self.on_stop()


class Server(Protocol):
    """What `served` can run."""

    address: Address

    def start(self) -> None:
        """Called in the hub thread."""

    def stop(self) -> None:
        """Called in the hub thread."""


S = TypeVar("S", bound=Server)


@contextlib.contextmanager
def served(make: Callable[[], S], daemon: FakeDaemon | None = None) -> Iterator[S]:
    """A server that runs in a native thread with a gevent hub of its own, as in the daemon's main one.

    The daemon's `stop` stops it, as it does in life.
    """
    built: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        hub = gevent.get_hub()
        try:
            server = make()
            server.start()
            ended = gevent.event.Event()
            doorbell = hub.loop.async_()
            doorbell.start(ended.set)
            if daemon is not None:
                daemon.on_stop = ended.set
            built.put((server, doorbell))
            ended.wait()
            built.put(None)
            server.stop()
            doorbell.stop()
            doorbell.close()
        except BaseException as error:
            built.put(error)
        finally:
            hub.destroy(destroy_loop=True)

    thread = threading.Thread(target=run, name="hub")
    thread.start()
    first = built.get(timeout=TIMEOUT_S)
    if isinstance(first, BaseException):
        thread.join(TIMEOUT_S)
        raise first
    server, doorbell = first
    try:
        yield server
    finally:
        if built.empty():
            doorbell.send()
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def control(daemon: FakeDaemon, **options: Any) -> contextlib.AbstractContextManager[ControlServer]:
    """A line port for that daemon."""
    return served(lambda: ControlServer(daemon, ANY_PORT, **options), daemon)


class Line:
    """A plain socket at the line port, without any of the package's own client."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, TIMEOUT_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, line: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(line)

    def reply(self) -> Any:
        """The next reply, or None where the server has hung up."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def tell(self, line: bytes | str) -> Any:
        """Send one line; its reply."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\n")
        return self.reply()

    def ask(self, method: str, params: object = None, id_: object = 1) -> Any:
        """Send one request; its reply."""
        request = {"jsonrpc": "2.0", "id": id_, "method": method}
        return self.tell(json.dumps(request if params is None else request | {"params": params}))
