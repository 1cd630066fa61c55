"""The control methods about presets."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.presets import read_text_of, text_of
from livewarp.control.protocol.schema import BOOL, NONE, TEXT, record, reference
from livewarp.errors import LivewarpError, ParameterError

_NAME = record({"name": TEXT})
_VALUES = reference("parameters")
_PRESETS = ("presets", "preset", "history")
_MAX_TEXT = 32_768  # characters; a preset of all knobs has two thousand


def _list(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.presets.listing()


def _load(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.wear(params["name"])


def _save(changes: Changes, params: dict[str, Any]) -> Any:
    name, replace = params["name"], params.get("replace", False)
    changes.keep(lambda: changes.presets.save(name, changes.parameters, replace), lambda before: name)
    return {"name": name, "values": changes.presets.values(name)}


def _delete(changes: Changes, params: dict[str, Any]) -> Any:
    changes.keep(lambda: changes.presets.delete(params["name"]), lambda before: before)
    return {"name": params["name"]}


def _rename(changes: Changes, params: dict[str, Any]) -> Any:
    name, to = params["name"], params["to"]
    known = changes.presets.get(name)[0] if changes.presets.find(name) is not None else name
    changes.keep(lambda: changes.presets.rename(name, to), lambda before: to if before == known else before)
    return {"name": to}


def _export(changes: Changes, params: dict[str, Any]) -> Any:
    name, values = changes.presets.get(params["name"])
    return {"name": name, "text": text_of(name, values)}


def _import(changes: Changes, params: dict[str, Any]) -> Any:
    name, text, replace = params["name"], params["text"], params.get("replace", False)
    if len(text) > _MAX_TEXT:
        raise ParameterError("text", f"{len(text)} characters", f"a text of at most {_MAX_TEXT}")
    try:
        values = read_text_of(text)
    except LivewarpError as error:
        raise ParameterError("text", error.got, error.allowed or "a preset", f"no preset: {error.what}") from None
    except (ValueError, RecursionError) as error:  # no TOML
        raise ParameterError("text", None, "TOML, a parameter a line", f"no preset: {error}") from None
    changes.keep(lambda: changes.presets.save(name, values, replace), lambda before: before)
    return {"name": name, "values": changes.presets.values(name)}


PRESET_METHODS = (
    Method("presets.list", _list, "The presets there are, and files that are none.", NONE, reference("presets")),
    Method("presets.load", _load, "Put a preset on.", _NAME, _VALUES, True, ("parameters", "preset", "history")),
    Method(
        "presets.save",
        _save,
        "Keep the adjustments as they are under a name; replace: also one that is taken.",
        record({"name": TEXT}, {"replace": BOOL}),
        record({"name": TEXT, "values": _VALUES}),
        True,
        _PRESETS,
    ),
    Method(
        "presets.export",
        _export,
        "A preset as the text of a file, for another machine or another person.",
        _NAME,
        record({"name": TEXT, "text": TEXT}),
        True,
    ),
    Method(
        "presets.import",
        _import,
        "Keep the text of such a file as a preset; replace: also under a name that is taken.",
        record({"name": TEXT, "text": TEXT}, {"replace": BOOL}),
        record({"name": TEXT, "values": _VALUES}),
        True,
        _PRESETS,
    ),
    Method("presets.delete", _delete, "Delete a preset.", _NAME, _NAME, True, _PRESETS),
    Method(
        "presets.rename",
        _rename,
        "Give a preset another name.",
        record({"name": TEXT, "to": TEXT}),
        _NAME,
        True,
        _PRESETS,
    ),
)
