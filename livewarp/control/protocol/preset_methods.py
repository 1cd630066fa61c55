"""The control methods about presets."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import BOOL, NONE, TEXT, record, reference

_NAME = record({"name": TEXT})
_VALUES = reference("parameters")
_PRESETS = ("presets",)


def _list(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.presets.listing()


def _load(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.set(changes.presets.values(params["name"]))


def _save(changes: Changes, params: dict[str, Any]) -> Any:
    values = changes.presets.save(params["name"], changes.parameters, params.get("replace", False))
    return {"name": params["name"], "values": values}


def _delete(changes: Changes, params: dict[str, Any]) -> Any:
    changes.presets.delete(params["name"])
    return {"name": params["name"]}


def _rename(changes: Changes, params: dict[str, Any]) -> Any:
    changes.presets.rename(params["name"], params["to"])
    return {"name": params["to"]}


PRESET_METHODS = (
    Method("presets.list", _list, "The presets there are, and files that are none.", NONE, reference("presets")),
    Method("presets.load", _load, "Put a preset on.", _NAME, _VALUES, True, ("parameters",)),
    Method(
        "presets.save",
        _save,
        "Keep the adjustments as they are under a name; replace: also one that is taken.",
        record({"name": TEXT}, {"replace": BOOL}),
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
