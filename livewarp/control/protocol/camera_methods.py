"""The control methods about the webcam's own controls: exposure, focus, white balance and what else it has."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.schema import BOOL, INTEGER, NONE, TEXT, listing, nullable, record, reference

_VALUE = reference("value")
_CONTROL = record(
    {
        "label": TEXT,
        "type": {**TEXT, "description": "number, switch or choice"},
        "value": nullable(_VALUE),
        "default": _VALUE,
        "min": nullable(INTEGER),
        "max": nullable(INTEGER),
        "step": nullable(INTEGER),
        "choices": nullable(listing(TEXT)),
        "active": BOOL,
        "writable": BOOL,
        "overridden_by": nullable(TEXT),
        "kept": BOOL,
    }
)
_CAMERA = record({"camera": TEXT, "controls": {"type": "object", "additionalProperties": _CONTROL}})


def _camera(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.daemon.camera()


def _set(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.daemon.set_camera(params["controls"])


def _reset(changes: Changes, params: dict[str, Any]) -> Any:
    return changes.daemon.reset_camera(params.get("names"))


CAMERA_METHODS = (
    Method("camera", _camera, "The webcam that is used, and its own controls.", NONE, _CAMERA),
    Method(
        "camera.set",
        _set,
        "Set controls of the webcam, at once, and whenever it is opened again.",
        record({"controls": {"type": "object", "additionalProperties": _VALUE, "description": "{NAME: VALUE, ...}"}}),
        _CAMERA,
        True,
        ("state",),
    ),
    Method(
        "camera.reset",
        _reset,
        "Set controls of the webcam, or all, to its defaults, and keep them no more.",
        record({}, {"names": listing(TEXT, "names of its controls")}),
        _CAMERA,
        True,
        ("state",),
    ),
)
