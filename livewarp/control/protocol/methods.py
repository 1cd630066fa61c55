"""The one table of control methods, and what each does.

A new method is an entry here: the line port, the web panel, `schema` and the tests derive from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from livewarp import __version__
from livewarp.control.protocol import schema
from livewarp.control.protocol.events import DEFAULT_RATE_HZ
from livewarp.control.protocol.jsonrpc import INVALID_REQUEST
from livewarp.control.protocol.message import Session, Turn
from livewarp.control.protocol.schema import BOOL, INTEGER, NUMBER, TEXT, listing, record, reference
from livewarp.errors import ControlError, ParameterError, SettingsError
from livewarp.knobs import Number, Value
from livewarp.parameters import KNOBS, Parameters, check, knob
from livewarp.sources import names_path

PROTOCOL = 1
"""Counts up when a client that knows the previous protocol would misunderstand the new one; what is only
added (a method, a param, a member of a result) does not count, and `schema` tells it."""

_STEP = Number(-1e9, 1e9)


@dataclass(frozen=True, slots=True)
class Method:
    """One control method.

    Attributes
    ----------
    run
        Gets the turn and the params; returns a JSON value or raises `LivewarpError`.
    params, result
        JSON Schema; the params are checked against theirs, unless they are parameters, which `run` checks.
    changes
        Whether it changes anything, and so is out of the reach of an HTTP GET.
    topics
        Whose events it may bring about.
    """

    name: str
    run: Callable[[Turn, dict[str, Any]], Any]
    help: str
    params: schema.Schema
    result: schema.Schema
    changes: bool = False
    topics: tuple[str, ...] = ()


def _names(params: Mapping[str, Any]) -> list[str]:
    """The parameter names asked for, all of them where none is; `ParameterError` for others."""
    return [knob(name).name for name in params.get("names", KNOBS)]


def _get(turn: Turn, params: dict[str, Any]) -> Any:
    return {name: turn.parameters[name] for name in _names(params)}


def _set(turn: Turn, params: dict[str, Any]) -> Any:
    values = check(params)
    if values:
        turn.change(turn.parameters.replace(**values))
    return values


def _adjust(turn: Turn, params: dict[str, Any]) -> Any:
    strict = params.get("strict", False)
    values = {name: _moved(name, turn.parameters, by, strict) for name, by in params["by"].items()}
    return _set(turn, values)


def _moved(name: str, parameters: Parameters, by: object, strict: bool) -> Value:
    """A parameter's value after a relative change, at its bound where that would lead beyond."""
    k = knob(name)
    step = _STEP.check(by)
    if step is None:
        raise ParameterError(name, by, "a number to add")
    wanted, reached = k.moved(parameters[name], float(step))
    return k.check(wanted) if strict else reached


def _reset(turn: Turn, params: dict[str, Any]) -> Any:
    return _set(turn, {name: turn.daemon.initial[name] for name in _names(params)})


def _describe(turn: Turn, params: dict[str, Any]) -> Any:
    return {name: {**k.describe(), "initial": turn.daemon.initial[name]} for name, k in KNOBS.items()}


def _version(turn: Turn, params: dict[str, Any]) -> Any:
    path = turn.socket_path
    socket = None if path is None else str(path)
    return {"version": __version__, "protocol": PROTOCOL, "pid": os.getpid(), "socket": socket}


def _stop(turn: Turn, params: dict[str, Any]) -> Any:
    turn.daemon.stop()
    return {"stopping": True, "pid": os.getpid()}


def _switch(name: str) -> Callable[[Turn, dict[str, Any]], Any]:
    def run(turn: Turn, params: dict[str, Any]) -> Any:
        on = params.get("on", not getattr(turn.switches, name))
        turn.switch(replace(turn.switches, **{name: on}))
        return {name: on}

    return run


def _bypass(turn: Turn, params: dict[str, Any]) -> Any:
    on = params.get("on", bool(turn.parameters["enabled"]))
    _set(turn, {"enabled": not on})
    return {"bypass": on}


def _mirror(turn: Turn, params: dict[str, Any]) -> Any:
    return _set(turn, {"mirror": params.get("on", not turn.parameters["mirror"])})


def _load_preset(turn: Turn, params: dict[str, Any]) -> Any:
    return _set(turn, turn.presets.values(params["name"]))


def _save_preset(turn: Turn, params: dict[str, Any]) -> Any:
    values = turn.presets.save(params["name"], turn.parameters, params.get("replace", False))
    return {"name": params["name"], "values": values}


def _delete_preset(turn: Turn, params: dict[str, Any]) -> Any:
    turn.presets.delete(params["name"])
    return {"name": params["name"]}


def _rename_preset(turn: Turn, params: dict[str, Any]) -> Any:
    turn.presets.rename(params["name"], params["to"])
    return {"name": params["to"]}


def _switch_source(turn: Turn, params: dict[str, Any]) -> Any:
    wanted = params["source"]
    # Any user of this machine reaches a loopback port, and may look at the preview: a path given there would
    # show them files that only this user may read.
    if not (turn.session is not None and turn.session.private) and not _is_device(turn, wanted):
        allowed = "one that `sources` lists; a path only over the Unix socket (control.socket)"
        raise ParameterError("source", wanted, allowed)
    try:
        turn.switch_source(wanted)
    except SettingsError as error:
        raise ParameterError("source", wanted, "one that `sources` lists", str(error)) from error
    return {"source": wanted}


def _is_device(turn: Turn, wanted: str) -> bool:
    """Whether a source names no path of a person's, or is one that the settings name."""
    if wanted == turn.daemon.settings.video.source or not names_path(wanted):
        return True
    return any(source["source"] == wanted for source in turn.daemon.sources())


def _use_model(turn: Turn, params: dict[str, Any]) -> Any:
    try:
        turn.daemon.use_model(params["name"])
    except SettingsError as error:
        raise ParameterError("name", params["name"], "dlib or mesh", str(error)) from error
    return {"model": params["name"]}


def _subscribe(turn: Turn, params: dict[str, Any]) -> Any:
    session = _session(turn)
    subscription = turn.events.subscribe(params["topics"], params.get("rate_hz", DEFAULT_RATE_HZ))
    session.subscribe(subscription)
    return {"topics": list(subscription.topics), "rate_hz": subscription.rate_hz}


def _unsubscribe(turn: Turn, params: dict[str, Any]) -> Any:
    return {"topics": list(_session(turn).unsubscribe(params.get("topics")))}


def _session(turn: Turn) -> Session:
    if turn.session is None:
        raise ControlError("events need a connection that stays; over HTTP: GET /api/events", INVALID_REQUEST)
    return turn.session


def _reload(turn: Turn, params: dict[str, Any]) -> Any:
    return turn.reload()


_SOME = reference("parameters")
_PRESET_NAME = record({"name": TEXT})
_CHANGED = ("parameters",)

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("get", _get, "Values of the live parameters.", schema.NAMES, _SOME),
        Method("set", _set, "Change live parameters, all or none.", _SOME, _SOME, True, _CHANGED),
        Method(
            "adjust",
            _adjust,
            "Add to live parameters, up to their bounds; strict: refuse what leads beyond.",
            record({"by": schema.BY}, {"strict": BOOL}),
            _SOME,
            True,
            _CHANGED,
        ),
        Method("reset", _reset, "Back to the values of the settings.", schema.NAMES, _SOME, True, _CHANGED),
        Method(
            "describe",
            _describe,
            "Every parameter: its kind, what is allowed, default and `reset` value, help, group and words.",
            schema.NONE,
            {"type": "object", "additionalProperties": reference("knob")},
        ),
        Method(
            "presets.list",
            lambda turn, params: turn.presets.listing(),
            "The presets there are, and files that are none.",
            schema.NONE,
            reference("presets"),
        ),
        Method("presets.load", _load_preset, "Put a preset on.", _PRESET_NAME, _SOME, True, _CHANGED),
        Method(
            "presets.save",
            _save_preset,
            "Keep the adjustments as they are under a name; replace: also one that is taken.",
            record({"name": TEXT}, {"replace": BOOL}),
            record({"name": TEXT, "values": _SOME}),
            True,
            ("presets",),
        ),
        Method("presets.delete", _delete_preset, "Forget a preset.", _PRESET_NAME, _PRESET_NAME, True, ("presets",)),
        Method(
            "presets.rename",
            _rename_preset,
            "Give a preset another name.",
            record({"name": TEXT, "to": TEXT}),
            _PRESET_NAME,
            True,
            ("presets",),
        ),
        Method(
            "freeze",
            _switch("freeze"),
            "Hold the last picture.",
            schema.ON,
            record({"freeze": BOOL}),
            True,
            ("switches", "state"),
        ),
        Method(
            "blank",
            _switch("blank"),
            "Show the privacy picture, and nothing of the camera.",
            schema.ON,
            record({"blank": BOOL}),
            True,
            ("switches", "state"),
        ),
        Method(
            "bypass",
            _bypass,
            "Send the picture as it came: turns the parameter `enabled`.",
            schema.ON,
            record({"bypass": BOOL}),
            True,
            _CHANGED,
        ),
        Method(
            "mirror",
            _mirror,
            "Mirror the picture: turns the parameter `mirror`.",
            schema.ON,
            record({"mirror": BOOL}),
            True,
            _CHANGED,
        ),
        Method(
            "sources",
            lambda turn, params: turn.daemon.sources(),
            "What `source.switch` may be given.",
            schema.NONE,
            listing(reference("source")),
        ),
        Method(
            "source.switch",
            _switch_source,
            "Take frames from another source; `state` tells whether they come.",
            record({"source": TEXT}),
            record({"source": TEXT}),
            True,
            ("state",),
        ),
        Method(
            "model",
            _use_model,
            "Find landmarks with another model, once it is loaded; `state` tells which one is used.",
            record({"name": {**TEXT, "description": "dlib or mesh"}}),
            record({"model": TEXT}),
            True,
            ("state",),
        ),
        Method(
            "reload",
            _reload,
            "Read config.toml anew; what needs a restart is named.",
            schema.NONE,
            record({"parameters": _SOME, "restart": listing(TEXT)}, more=True),
            True,
            ("parameters", "state"),
        ),
        Method(
            "subscribe",
            _subscribe,
            "Send events of these topics on this connection.",
            record({"topics": schema.TOPICS}, {"rate_hz": schema.RATE}),
            record({"topics": schema.TOPICS, "rate_hz": NUMBER}),
            True,
        ),
        Method(
            "unsubscribe",
            _unsubscribe,
            "Send no more events of these topics, or of any.",
            record({}, {"topics": schema.TOPICS}),
            record({"topics": schema.TOPICS}),
            True,
        ),
        Method(
            "stats",
            lambda turn, params: turn.daemon.stats(),
            "Speed, latency, faces, load.",
            schema.NONE,
            reference("stats"),
        ),
        Method(
            "state",
            lambda turn, params: turn.daemon.state(),
            "What the daemon is doing, and why.",
            schema.NONE,
            reference("state"),
        ),
        Method(
            "schema",
            lambda turn, params: schema.document(METHODS.values(), PROTOCOL),
            "JSON Schema of all methods and events.",
            schema.NONE,
            {"type": "object"},
        ),
        Method(
            "version",
            _version,
            "Version, protocol, process id and Unix socket.",
            schema.NONE,
            record({"version": TEXT, "protocol": INTEGER, "pid": INTEGER, "socket": schema.nullable(TEXT)}),
        ),
        Method("stop", _stop, "End the daemon.", schema.NONE, record({"stopping": BOOL, "pid": INTEGER}), True),
    )
}
"""Every control method by name."""
