"""The control methods that take changes back, and tell which preset is on."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import INTEGER, NONE, TEXT, listing, record, reference

_TOPICS = ("parameters", "presets", "preset", "history")
_MOVED = record({"values": reference("parameters"), "presets": listing(TEXT), "undo": INTEGER, "redo": INTEGER})


def _undo(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.move(changes.history.undo)


def _redo(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.move(changes.history.redo)


def _active(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.history.worn(changes.parameters)


HISTORY_METHODS = (
    Method(
        "undo", _undo, "Take the last change of parameters or presets back, by whomever.", NONE, _MOVED, True, _TOPICS
    ),
    Method("redo", _redo, "Do again what was undone last.", NONE, _MOVED, True, _TOPICS),
    Method(
        "presets.active", _active, "The preset that is on, and whether it was edited since.", NONE, reference("worn")
    ),
)
