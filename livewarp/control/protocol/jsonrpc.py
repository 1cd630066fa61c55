"""JSON-RPC 2.0 as livewarp speaks it: strict JSON in, requests, batches and replies.

Guarantees: nothing here acts; what a message asks for runs through `livewarp.control.protocol.dispatch`.
"""

from __future__ import annotations

import json
import math
import reprlib
from typing import Any, NoReturn

from livewarp.control.protocol.dispatch import Answer, Dispatcher
from livewarp.control.protocol.message import Session
from livewarp.control.protocol.methods import URGENT
from livewarp.control.protocol.refusals import INVALID_REQUEST, PARSE_ERROR, clip
from livewarp.errors import ControlError

MAX_MESSAGE_BYTES = 65_536
"""The longest line, or HTTP body, that is read; the longest sensible one has some hundred bytes."""

MAX_BATCH = 100
"""The most calls in one message."""

_REQUEST_MEMBERS = {"jsonrpc", "method", "params", "id"}


def answer(dispatcher: Dispatcher, message: object, session: Session | None = None) -> list[str]:
    """The reply to a message, a request or a batch of them, as JSON without line breaks, in pieces; or none.

    Others may have their turn meanwhile, unless the message is urgent: else it must be called within a turn.

    Parameters
    ----------
    message
        As `read_json` returned it.
    session
        Where events of `subscribe` go; None: nowhere.
    """
    if isinstance(message, list):
        return _answer_batch(dispatcher, message, session)
    try:
        call = _read_request(message)
    except ControlError as error:
        return [failure(_id(message), error)]
    [outcome] = dispatcher.batch([call], session)
    assert isinstance(message, dict)
    return _reply(message, outcome)


def _answer_batch(dispatcher: Dispatcher, messages: list[Any], session: Session | None) -> list[str]:
    if not 1 <= len(messages) <= MAX_BATCH:
        return [failure(None, _invalid("batch", got=f"{len(messages)} requests", allowed=f"1 to {MAX_BATCH}"))]
    calls: list[tuple[str, object] | ControlError] = []
    for message in messages:
        try:
            calls.append(_read_request(message))
        except ControlError as error:
            calls.append(error)
    valid = [call for call in calls if not isinstance(call, ControlError)]
    outcomes = iter(
        dispatcher.batch(valid, session)
        if is_urgent(messages)
        else dispatcher.batch(valid, session, dispatcher.turns.give_way)
    )
    pieces: list[str] = []
    for message, call in zip(messages, calls, strict=True):
        reply = [failure(_id(message), call)] if isinstance(call, ControlError) else _reply(message, next(outcomes))
        if reply:
            pieces += [", " if pieces else "[", *reply]
    return [*pieces, "]"] if pieces else []


def _reply(message: dict[str, Any], outcome: Answer | ControlError) -> list[str]:
    if "id" not in message:  # a notification
        return []
    if isinstance(outcome, ControlError):
        return [failure(message["id"], outcome)]
    frame = "" if outcome.frame is None else f', "frame": {outcome.frame}'
    # The text on its own: a hundred that are the same take the room of one.
    return [f'{{"jsonrpc": "2.0", "id": {json.dumps(message["id"])}, "result": ', outcome.text, f"{frame}}}"]


def is_urgent(message: object) -> bool:
    """Whether all that a message asks for goes before everything else."""
    calls = message if isinstance(message, list) else [message]
    return bool(calls) and all(isinstance(call, dict) and str(call.get("method")) in URGENT for call in calls)


def failure(id_: object, error: ControlError) -> str:
    """The reply to a request that was refused, as JSON."""
    body: dict[str, Any] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return json.dumps({"jsonrpc": "2.0", "id": id_, "error": body})


def count(message: object) -> int:
    """The calls that a message counts against its client's rate limit."""
    return max(len(message), 1) if isinstance(message, list) else 1


def _invalid(what: str, allowed: str, got: str | None = None) -> ControlError:
    return ControlError(what, INVALID_REQUEST, got=got, allowed=allowed)


def _id(message: object) -> str | float | None:
    """The id of a request; None where it has none that JSON-RPC allows."""
    id_ = message.get("id") if isinstance(message, dict) else None
    return id_ if isinstance(id_, (str, int, float)) and not isinstance(id_, bool) else None


def _read_request(message: object) -> tuple[str, object]:
    """Method and params of a JSON-RPC 2.0 request, or a `ControlError` (invalid request)."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise _invalid("request", 'an object with "jsonrpc": "2.0"')
    unknown = message.keys() - _REQUEST_MEMBERS
    if unknown:
        raise _invalid("request", ", ".join(sorted(_REQUEST_MEMBERS)), got=repr(min(unknown)[:80]))
    if message.get("id") != _id(message) or isinstance(message.get("id"), bool):
        raise _invalid("id", "a string, a number or null")
    if not isinstance(message.get("method"), str):
        raise _invalid("method", "a string")
    return message["method"], message.get("params", {})


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
