"""JSON-RPC 2.0 as livewarp speaks it: strict JSON in, error codes, requests, batches and replies.

Guarantees: nothing here acts; what a message asks for runs through `livewarp.control.protocol.dispatch`.
"""

from __future__ import annotations

import json
import math
import reprlib
from typing import TYPE_CHECKING, Any, NoReturn

from livewarp.errors import ControlError, ParameterError

if TYPE_CHECKING:
    from livewarp.control.protocol.dispatch import Answer, Methods, Session

MAX_MESSAGE_BYTES = 65_536
"""The longest line, or HTTP body, that is read; the longest sensible one has some hundred bytes."""

MAX_BATCH = 100
"""The most calls in one message: nobody else is answered while they run."""

# Error codes of JSON-RPC 2.0, section 5.1, and one of those that it leaves to the server.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_DONE = -32000  # understood and allowed, but it could not be done: a full disk, a broken config.toml

_MAX_ECHO = 400  # characters of a caller's own text that an error repeats
_REQUEST_MEMBERS = {"jsonrpc", "method", "params", "id"}


def answer(methods: Methods, message: object, session: Session | None = None) -> str:
    """The reply to a message, a request or a batch of them, as JSON without line breaks; "" for none.

    Parameters
    ----------
    message
        As `read_json` returned it.
    session
        Where events of `subscribe` go; None: nowhere.
    """
    if isinstance(message, list):
        return _answer_batch(methods, message, session)
    try:
        call = _read_request(message)
    except ControlError as error:
        return failure(_id(message), error)
    [outcome] = methods.batch([call], session)
    assert isinstance(message, dict)
    return _reply(message, outcome)


def _answer_batch(methods: Methods, messages: list[Any], session: Session | None) -> str:
    if not 1 <= len(messages) <= MAX_BATCH:
        raised = ControlError(f"batch: got {len(messages)} requests, allowed: 1 to {MAX_BATCH}", INVALID_REQUEST)
        return failure(None, raised)
    calls: list[tuple[str, object] | ControlError] = []
    for message in messages:
        try:
            calls.append(_read_request(message))
        except ControlError as error:
            calls.append(error)
    outcomes = iter(methods.batch([call for call in calls if not isinstance(call, ControlError)], session))
    replies = [
        failure(_id(message), call) if isinstance(call, ControlError) else _reply(message, next(outcomes))
        for message, call in zip(messages, calls, strict=True)
    ]
    replies = [reply for reply in replies if reply]
    return f"[{', '.join(replies)}]" if replies else ""


def _reply(message: dict[str, Any], outcome: Answer | ControlError) -> str:
    if "id" not in message:  # a notification
        return ""
    if isinstance(outcome, ControlError):
        return failure(message["id"], outcome)
    frame = "" if outcome.frame is None else f', "frame": {outcome.frame}'
    return f'{{"jsonrpc": "2.0", "id": {json.dumps(message["id"])}, "result": {outcome.text}{frame}}}'


def failure(id_: object, error: ControlError) -> str:
    """The reply to a request that was refused, as JSON."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return json.dumps({"jsonrpc": "2.0", "id": id_, "error": body})


def count(message: object) -> int:
    """How many calls a message makes of its client's share."""
    return max(len(message), 1) if isinstance(message, list) else 1


def _invalid(text: str) -> ControlError:
    return ControlError(text, INVALID_REQUEST)


def _id(message: object) -> str | float | None:
    """The id of a request; None where it has none that JSON-RPC allows."""
    id_ = message.get("id") if isinstance(message, dict) else None
    return id_ if isinstance(id_, (str, int, float)) and not isinstance(id_, bool) else None


def _read_request(message: object) -> tuple[str, object]:
    """Method and params of a JSON-RPC 2.0 request, or a `ControlError` (invalid request)."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _invalid('request: allowed: an object with "jsonrpc": "2.0"')
    unknown = message.keys() - _REQUEST_MEMBERS
    if unknown:
        allowed = ", ".join(sorted(_REQUEST_MEMBERS))
        raise _invalid(f"request: got {min(unknown)[:80]!r}, allowed: {allowed}")
    if message.get("id") != _id(message) or isinstance(message.get("id"), bool):
        raise _invalid("id: allowed: a string, a number or null")
    if not isinstance(message.get("method"), str):
        raise _invalid("method: allowed: a string")
    return message["method"], message.get("params", {})


def invalid_params(error: ParameterError) -> ControlError:
    """The refusal of a param, with data {name, got, allowed}."""
    data = {"name": clip(error.name), "got": _echo(error.got), "allowed": error.allowed}
    return ControlError(clip(str(error)), INVALID_PARAMS, data)


def clip(text: str) -> str:
    """A caller's own text, or its beginning where it is long."""
    return text if len(text) <= _MAX_ECHO else text[: _MAX_ECHO - 1] + "…"


def _echo(value: object) -> object:
    """The value that was refused, or its beginning where it is long."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int) and abs(value) < 1 << 53:  # beyond, other languages' JSON rounds
        return value
    return clip(value) if isinstance(value, str) else reprlib.repr(value)


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
    raise ControlError(clip(f"not JSON that livewarp reads: {reason}"), PARSE_ERROR)
