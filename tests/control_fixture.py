"""What the tests of the control plane share: a daemon to control, and servers in a thread of their own."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import queue
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import gevent
import gevent.event

from livewarp.control.access import Access
from livewarp.control.address import Address, parse_address
from livewarp.control.line.connection import ClientLimits
from livewarp.control.line.server import ControlServer
from livewarp.control.protocol.dispatch import Dispatcher
from livewarp.control.protocol.presets import Presets
from livewarp.control.secret import read_token
from livewarp.errors import ParameterError, SettingsError
from livewarp.live.trials import Thumbnail
from livewarp.parameters import Parameters, Switches, Wanted
from livewarp.settings import Settings

TIMEOUT_S = 120.0  # a test that waits so long has failed
ANY_PORT = parse_address("127.0.0.1:0")


class FakeDaemon:
    """A daemon without an engine: it remembers what it was told. Frame numbers count its changes, from 100 on."""

    def __init__(self) -> None:
        self.initial = Parameters(thin=0.2)
        self.settings = Settings()
        self.parameters = self.initial
        self.switches = Switches()
        self.changes: list[Parameters] = []
        self.switched: list[Switches] = []
        self.source = "portrait"
        self.exposure = "auto"
        self.on_stop: Callable[[], None] = lambda: None
        self.on_reload: Callable[[], None] = lambda: None
        self.begun = 100
        self.speed: dict[str, Any] = {
            "fps": 29.97,
            "frames": 1234,
            "budget_ms": 33.333,
            "late": 2,
            "dropped": 0,
            "passed": 7,
            "faces": 1,
            "latency": {"p50_ms": 9.125, "p95_ms": 12.5, "p99_ms": 14.0},
            "stages": {
                stage: {"p50_ms": 1.25, "p95_ms": 2.5, "p99_ms": 3.75} for stage in ("read", "track", "warp", "send")
            },
            "cpu_percent": 41.5,
            "memory_mb": 262.0,
        }
        self.stats: Callable[[], dict[str, Any]] = lambda: self.speed
        self.made: list[Thumbnail] = []
        self.outputs = [{"name": "null", "problem": None, "watched": True, "dropped": 0}]
        self.model = "dlib"
        self.wrong: list[dict[str, str]] = []
        self.seen: list[dict[str, Any]] = [
            {"id": 3, "confidence": 0.97, "box": [512.0, 180.0, 760.5, 470.0]}
            | {"yaw_deg": 4.0, "pitch_deg": -2.5, "roll_deg": 0.5}
        ]

    def thumbnails(self, looks: Mapping[str, Mapping[str, Any]], trying: str | None) -> list[Thumbnail]:
        """What a test has put there."""
        return [each for each in self.made if each.look in looks]

    def panel_link(self) -> str:
        """A link."""
        return "http://127.0.0.1:8788/?key=once"

    def change(self, wanted: Wanted) -> int:
        """Remember what of it is new."""
        if wanted.parameters is not self.parameters:
            self.changes.append(wanted.parameters)
        if wanted.switches is not self.switches:
            self.switched.append(wanted.switches)
        self.parameters, self.switches = wanted.parameters, wanted.switches
        return self._next_frame()

    def _next_frame(self) -> int:
        self.begun += 1
        return self.begun

    def sources(self) -> list[dict[str, Any]]:
        """The portrait and a webcam."""
        return [
            {"source": source, "name": name, "current": source == self.source}
            for source, name in (("portrait", "portrait"), ("webcam:/dev/video7", "webcam Seven"))
        ]

    def switch_source(self, wanted: str) -> int:
        """Remember it, if it is one of `sources`."""
        if wanted not in [each["source"] for each in self.sources()]:
            raise SettingsError("source", got=repr(wanted), allowed="webcam, portrait or the path of a file")
        self.source = wanted
        return self._next_frame()

    def camera(self) -> dict[str, Any]:
        """A webcam with two controls, of which one is automatic."""
        exposure = {"label": "Auto Exposure", "type": "choice", "value": self.exposure, "default": "auto"}
        time = {"label": "Exposure Time", "type": "number", "value": 166, "default": 166, "min": 3, "max": 2047}
        automatic = self.exposure == "auto"
        rest = {"writable": True, "overridden_by": None, "kept": not automatic}
        return {
            "camera": "/dev/v4l/by-id/usb-Seven-video-index0",
            "controls": {
                "exposure": {
                    **exposure, "min": None, "max": None, "step": None, "choices": ["auto", "manual"], "active": True,
                    **rest,
                },
                "exposure_time": {
                    **time, "step": 1, "choices": None, "active": not automatic, **rest,
                    "overridden_by": "exposure" if automatic else None, "kept": False,
                },
            },
        }  # fmt: skip

    def set_camera(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Remember the exposure."""
        if set(values) - {"exposure"}:
            raise ParameterError("zoom", 3, "exposure, exposure_time", "camera: no control zoom")
        self.exposure = str(values["exposure"])
        return self.camera()

    def reset_camera(self, names: Iterable[str] | None) -> dict[str, Any]:
        """Forget it."""
        self.exposure = "auto"
        return self.camera()

    def use_model(self, model: str) -> None:
        """Remember it, if it is one of the two."""
        if model not in ("dlib", "mesh"):
            raise SettingsError("model", got=repr(model), allowed="dlib, mesh")
        self.model = model

    def reload(self) -> dict[str, Any]:
        """As if config.toml had another value of thin, and another width."""
        self.on_reload()
        self.initial = Parameters(thin=0.6)
        self.parameters = self.parameters.replace(thin=0.6)
        return {"parameters": {"thin": 0.6}, "restart": ["video.width"]}

    def reload_textures(self) -> list[str]:
        """As if there was one."""
        return ["freckles"]

    def state(self) -> dict[str, Any]:
        """A state that changes with the switches."""
        state = "blanked" if self.switches.blank else "running"
        return {
            "state": state,
            "reason": "",
            "since_s": 12.25,
            "conditions": [{"state": state, "reason": "", "since_s": 12.25}],
            "source": self.source,
            "sinks": ["null"],
            "camera": "",
            "model": self.model,
            "outputs": self.outputs,
            "switches": {"blank": self.switches.blank, "freeze": self.switches.freeze},
            "getting_ready": [],
            "limited": {},
            "problems": self.wrong,
            "viewers": 0,
            "abandoned_threads": 0,
            "economy": 0,
        }

    def faces(self) -> list[dict[str, Any]]:
        """The faces of a frame."""
        return self.seen

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


def control(
    daemon: FakeDaemon,
    *,
    path: Path | None = None,
    presets: Presets | None = None,
    max_connections: int = 300,
    **limits: float,
) -> contextlib.AbstractContextManager[ControlServer]:
    """A line port for that daemon, perhaps with a Unix socket, with other `ClientLimits` than usual."""

    def make() -> ControlServer:
        methods = Dispatcher(daemon, presets)
        return ControlServer(
            methods, Access(), ANY_PORT, path, limits=ClientLimits(**limits), max_connections=max_connections
        )

    return served(make, daemon)


class Line:
    """A plain socket at the line port, without any of the package's own client."""

    def __init__(self, address: tuple[str, int], token: str | None = None, hello: bool = True) -> None:
        self.socket = socket.create_connection(address, TIMEOUT_S)
        self.file = self.socket.makefile("rb")
        if hello:
            prove(self, token or read_token())

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


def prove(line: Line, token: str | None) -> None:
    """`hello`, written out here as docs/control.md has it, and checked."""
    assert token is not None
    host, port = line.socket.getpeername()[:2]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    ours = secrets.token_hex(16)
    theirs = line.ask("hello", {"nonce": ours})["result"]

    def proof(who: str) -> str:
        message = f"livewarp 2\n{who}\n{address}\n{ours}\n{theirs['nonce']}"
        return hmac.new(token.encode(), message.encode(), hashlib.sha256).hexdigest()

    assert theirs["proof"] == proof("daemon")
    assert line.ask("hello", {"proof": proof("client")})["result"] == {"welcome": True}


_KEYWORDS = {"$ref", "anyOf", "type", "enum", "minimum", "maximum", "items", "properties", "required"}
_KEYWORDS |= {"additionalProperties", "description", "default", "pattern"}


def misfit(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> str | None:
    """Where and why a value does not conform to a JSON Schema of the kind that livewarp writes; None: it does."""
    unknown = schema.keys() - _KEYWORDS
    if unknown:
        return f"{at}: the schema has {unknown}"
    if "$ref" in schema:
        return misfit(value, document["$defs"][schema["$ref"].removeprefix("#/$defs/")], document, at)
    if "anyOf" in schema:
        found = [misfit(value, each, document, at) for each in schema["anyOf"]]
        return None if None in found else "; ".join(map(str, found))
    if "enum" in schema and value not in schema["enum"]:
        return f"{at}: {value!r} is not in {schema['enum']}"
    kinds = schema.get("type", [])
    if kinds and not any(_is_kind(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return f"{at}: {value!r} is no {kinds}"
    if (
        not schema.get("minimum", value) <= value <= schema.get("maximum", value)
        if _is_kind(value, "number")
        else False
    ):
        return f"{at}: {value!r} is out of bounds"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{at}: {value!r} does not match"
    if isinstance(value, list):
        parts = [(f"{at}[{i}]", item, schema.get("items", {})) for i, item in enumerate(value)]
    elif isinstance(value, dict):
        missing = set(schema.get("required", ())) - value.keys()
        if missing:
            return f"{at}: {missing} missing"
        known, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        extra = value.keys() - known.keys()
        if extra and more is False:
            return f"{at}: {extra} not allowed"
        parts = [(f"{at}.{name}", item, known.get(name, more)) for name, item in value.items()]
    else:
        parts = []
    return next(filter(None, (misfit(item, each, document, where) for where, item, each in parts)), None)


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    python = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
    return isinstance(value, python.get(kind, ()))
