"""The control methods about the live parameters, and about the switches beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import BOOL, BY, NAMES, NONE, ON, SET, record, reference
from livewarp.errors import ParameterError
from livewarp.knobs import Number, Value
from livewarp.parameters import KNOBS, Parameters, check, knob

_STEP = Number(-1e9, 1e9)
_VALUES = reference("parameters")
_PARAMETERS = ("parameters", "preset", "history")
_SWITCHES = ("switches", "state")


def _names(params: Mapping[str, Any]) -> list[str]:
    """The parameter names asked for, all of them where none is; `ParameterError` for others."""
    return [knob(name).name for name in params.get("names", KNOBS)]


def _get(changes: Changes, params: dict[str, Any]) -> Any:
    return {name: changes.parameters[name] for name in _names(params)}


def _set(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.set(params)


def _adjust(changes: Changes, params: dict[str, Any]) -> Any:
    strict = params.get("strict", False)
    parameters = changes.parameters.replace(**check(params.get("set", {})))
    moved = {name: _moved(name, parameters, by, strict) for name, by in params["by"].items()}
    return changes.set({**params.get("set", {}), **moved})


def _moved(name: str, parameters: Parameters, by: object, strict: bool) -> Value:
    """A parameter's value after a relative change, at its bound where that would lead beyond."""
    k = knob(name)
    step = _STEP.check(by)
    if step is None:
        raise ParameterError(name, by, "a number to add")
    wanted, reached = k.moved(parameters[name], float(step))
    return k.check(wanted) if strict else reached


def _reset(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.reset(_names(params), everything="names" not in params)


def _describe(changes: Changes, params: dict[str, Any]) -> Any:
    return {name: {**k.describe(), "initial": changes.daemon.initial[name]} for name, k in KNOBS.items()}


def _switch(name: str) -> Callable[[Changes, dict[str, Any]], Any]:
    def run(changes: Changes, params: dict[str, Any]) -> Any:
        on = params.get("on", not getattr(changes.switches, name))
        changes.switch(**{name: on})
        return {name: on}

    return run


def _bypass(changes: Changes, params: dict[str, Any]) -> Any:
    on = params.get("on", bool(changes.parameters["enabled"]))
    changes.set({"enabled": not on})
    return {"bypass": on}


def _mirror(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.set({"mirror": params.get("on", not changes.parameters["mirror"])})


PARAMETER_METHODS = (
    Method("get", _get, "Values of the live parameters.", NAMES, _VALUES),
    Method("set", _set, "Change live parameters, all or none.", _VALUES, _VALUES, True, _PARAMETERS),
    Method(
        "adjust",
        _adjust,
        "Add to live parameters, up to their bounds, after setting others; strict: refuse what leads beyond.",
        record({"by": BY}, {"set": SET, "strict": BOOL}),
        _VALUES,
        True,
        _PARAMETERS,
    ),
    Method("reset", _reset, "Back to the values of the settings.", NAMES, _VALUES, True, _PARAMETERS),
    Method(
        "describe",
        _describe,
        "Every parameter: its kind, what is allowed, default and `reset` value, help, group and words.",
        NONE,
        {"type": "object", "additionalProperties": reference("knob")},
        made_of=lambda changes: (changes.daemon.initial, *KNOBS.values()),
    ),
)

SWITCH_METHODS = (
    Method(
        "freeze",
        _switch("freeze"),
        "Hold the last picture.",
        ON,
        record({"freeze": BOOL}),
        True,
        _SWITCHES,
        urgent=True,
    ),
    Method(
        "blank",
        _switch("blank"),
        "Show the privacy picture, and nothing of the camera.",
        ON,
        record({"blank": BOOL}),
        True,
        _SWITCHES,
        urgent=True,
    ),
    Method(
        "bypass",
        _bypass,
        "Send the picture as it came: sets the parameter `enabled`.",
        ON,
        record({"bypass": BOOL}),
        True,
        _PARAMETERS,
    ),
    Method(
        "mirror",
        _mirror,
        "Mirror the picture: sets the parameter `mirror`.",
        ON,
        record({"mirror": BOOL}),
        True,
        _PARAMETERS,
    ),
)
