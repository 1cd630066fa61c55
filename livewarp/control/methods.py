"""The control methods: one table that the line port, the web panel and the command line share.

A method takes parameters by name and answers with a JSON value. What a caller did wrong is a
`ControlError` with a JSON-RPC 2.0 error code; what livewarp did wrong is logged here.

Guarantees: a refused call changes nothing, and a change of several parameters happens whole.
"""

from __future__ import annotations

import json
import logging
import math
import os
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from livewarp import __version__
from livewarp.errors import ControlError, ParameterError
from livewarp.parameters import KNOBS, Parameters, check, knob

PROTOCOL = 1
"""Counts up when a client that knows the previous protocol would misunderstand the new one."""

MAX_MESSAGE_BYTES = 65_536
"""The longest line, or HTTP body, that is read; the longest sensible one has some hundred bytes."""

# Error codes of JSON-RPC 2.0, section 5.1.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

_MAX_ECHO = 400  # characters of a caller's own text that an error repeats

log = logging.getLogger(__name__)


class Daemon(Protocol):
    """What the control plane needs of the daemon. Every call is quick, and is made from the hub thread.

    Attributes
    ----------
    initial
        What `reset` goes back to: the values of the config file and the options at start.
    """

    initial: Parameters

    @property
    def parameters(self) -> Parameters:
        """The parameters that the next frame uses."""

    def change(self, parameters: Parameters) -> None:
        """Use these from the next frame on, swapped whole."""

    def stats(self) -> dict[str, Any]:
        """How fast it goes, ready for JSON: plain types, no NaN."""

    def state(self) -> dict[str, Any]:
        """What the daemon is doing and why, ready for JSON; `since_s` is how long it has been so."""

    def stop(self) -> None:
        """Ask the daemon to end; returns at once, and the answer still goes out."""


@dataclass(frozen=True, slots=True)
class Method:
    """One control method.

    Attributes
    ----------
    run
        Gets the daemon and the params; returns a JSON value or raises `ParameterError`.
    takes
        The params it knows; None: names of live parameters, which it checks itself.
    changes
        Whether it changes anything, and so is out of the reach of an HTTP GET.
    """

    name: str
    run: Callable[[Daemon, dict[str, Any]], Any]
    help: str
    takes: tuple[str, ...] | None = ()
    changes: bool = False


def _names(params: Mapping[str, Any]) -> list[str]:
    """The parameter names asked for, all of them where none is; `ParameterError` for others."""
    names = params.get("names", list(KNOBS))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ParameterError("names", names, "a list of parameter names")
    return [knob(name).name for name in names]


def _get(daemon: Daemon, params: dict[str, Any]) -> Any:
    names, parameters = _names(params), daemon.parameters
    return {name: parameters[name] for name in names}


def _set(daemon: Daemon, params: dict[str, Any]) -> Any:
    values = check(params)
    if values:
        daemon.change(daemon.parameters.replace(**values))
    return values


def _reset(daemon: Daemon, params: dict[str, Any]) -> Any:
    return _set(daemon, {name: daemon.initial[name] for name in _names(params)})


def _describe(daemon: Daemon, params: dict[str, Any]) -> Any:
    return {name: k.describe() for name, k in KNOBS.items()}


def _version(daemon: Daemon, params: dict[str, Any]) -> Any:
    return {"version": __version__, "protocol": PROTOCOL, "pid": os.getpid()}


def _stop(daemon: Daemon, params: dict[str, Any]) -> Any:
    daemon.stop()
    return {"stopping": True, "pid": os.getpid()}


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("get", _get, "Values of the live parameters.", takes=("names",)),
        Method("set", _set, "Change live parameters, all or none.", takes=None, changes=True),
        Method("reset", _reset, "Back to the values at start.", takes=("names",), changes=True),
        Method("describe", _describe, "Type, default, bounds, unit and help of every parameter."),
        Method("stats", lambda daemon, params: daemon.stats(), "Speed, latency, faces, load."),
        Method("state", lambda daemon, params: daemon.state(), "What the daemon is doing, and why."),
        Method("version", _version, "Version, protocol and process id."),
        Method("stop", _stop, "End the daemon.", changes=True),
    )
}
"""Every control method by name."""


class Methods:
    """The table of methods, bound to one daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._failing: set[str] = set()  # methods whose last call raised the unexpected

    def call(self, name: object, params: object) -> str:
        """The result of one call, as JSON text without line breaks.

        Raises
        ------
        ControlError
            With the JSON-RPC error code; for a refused param also with data {name, got, allowed}.
        """
        method = METHODS.get(name) if isinstance(name, str) else None
        if method is None:
            allowed = ", ".join(METHODS)
            raise ControlError(f"method: got {reprlib.repr(name)}, allowed: {allowed}", METHOD_NOT_FOUND)
        try:
            if not isinstance(params, dict):
                raise ParameterError("params", params, "an object with names and values")
            _refuse_unknown(params, method)
            result = json.dumps(method.run(self._daemon, params), allow_nan=False)
        except ParameterError as error:
            raise _invalid_params(error) from None
        except Exception as error:
            if method.name not in self._failing:  # once an episode: the panel asks every second
                log.exception("control method %s failed", method.name)
            self._failing.add(method.name)
            text = f"{method.name} failed: {type(error).__name__}; the daemon's log says more"
            raise ControlError(text, INTERNAL_ERROR) from error
        if method.name in self._failing:
            self._failing.discard(method.name)
            log.info("control method %s works again", method.name)
        return result


def _refuse_unknown(params: dict[str, Any], method: Method) -> None:
    if method.takes is None:
        return
    for name, value in params.items():
        if name not in method.takes:
            allowed = ", ".join(method.takes) or "no params"
            raise ParameterError(name, value, allowed, f"unknown param {reprlib.repr(name)}")


def _invalid_params(error: ParameterError) -> ControlError:
    data = {"name": _clip(error.name), "got": _echo(error.got), "allowed": error.allowed}
    return ControlError(_clip(str(error)), INVALID_PARAMS, data)


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_ECHO else text[: _MAX_ECHO - 1] + "…"


def _echo(value: object) -> object:
    """The value that was refused, or its beginning where it is long."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) < 1 << 53:  # beyond, other languages' JSON rounds
        return value
    return _clip(value) if isinstance(value, str) else reprlib.repr(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{reprlib.repr(twice)} is given twice")
    return read


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{reprlib.repr(text)} is too large a number")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def read_json(text: bytes | bytearray) -> Any:
    """The one JSON value in a line or body, read strictly: UTF-8, no NaN, no member twice.

    Raises
    ------
    ControlError
        `PARSE_ERROR`, with what is wrong.
    """
    try:
        return _DECODER.decode(text.decode())
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:  # JSONDecodeError, the hooks above, an integer of thousands of digits
        reason = str(error)
    raise ControlError(_clip(f"not JSON that livewarp reads: {reason}"), PARSE_ERROR)
