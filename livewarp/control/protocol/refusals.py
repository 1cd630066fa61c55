"""The error codes of the control plane, and what a refusal tells its caller beside the text."""

from __future__ import annotations

import reprlib
from typing import Any

from livewarp.errors import ControlError, LivewarpError, ParameterError

# Error codes of JSON-RPC 2.0, section 5.1, and one of those that it leaves to the server.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_DONE = -32000  # understood and allowed, but it could not be done: a full disk, a broken config.toml

_MAX_ECHO = 400  # characters of a caller's own text that an error repeats


def invalid_params(error: ParameterError) -> ControlError:
    """The refusal of a param, with data {name, what, got, allowed, remedy}."""
    return ControlError(clip(str(error)), INVALID_PARAMS, {"name": clip(error.name), **_fields(error)})


def not_done(error: LivewarpError) -> ControlError:
    """The refusal of what could not be done, with data {what, got, allowed, remedy}."""
    return ControlError(clip(str(error)), NOT_DONE, _fields(error))


def clip(text: str) -> str:
    """A caller's own text, or its beginning where it is long."""
    return text if len(text) <= _MAX_ECHO else text[: _MAX_ECHO - 1] + "…"


def _fields(error: LivewarpError) -> dict[str, Any]:
    return {"what": clip(error.what), "got": _echo(error.got), "allowed": error.allowed, "remedy": error.remedy}


def _echo(value: object) -> object:
    """The value that was refused, or its beginning where it is long."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) < 1 << 53:  # beyond, other languages' JSON rounds
        return value
    return clip(value) if isinstance(value, str) else reprlib.repr(value)
