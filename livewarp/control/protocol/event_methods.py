"""The control methods about events: they need a connection that stays."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.events import DEFAULT_RATE_HZ
from livewarp.control.protocol.message import Changes, Session
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.refusals import INVALID_REQUEST
from livewarp.control.protocol.schema import NUMBER, RATE, TOPICS, record
from livewarp.errors import ControlError


def _subscribe(changes: Changes, params: dict[str, Any]) -> Any:
    session = _session(changes)
    inbox = changes.events.subscribe(params["topics"], params.get("rate_hz", DEFAULT_RATE_HZ))
    session.subscribe(inbox)
    return {"topics": list(inbox.topics), "rate_hz": inbox.rate_hz}


def _unsubscribe(changes: Changes, params: dict[str, Any]) -> Any:
    return {"topics": list(_session(changes).unsubscribe(params.get("topics")))}


def _session(changes: Changes) -> Session:
    if changes.session is None:
        what, remedy = "events need a connection that stays", "over HTTP: GET /api/events"
        raise ControlError(what, INVALID_REQUEST, remedy=remedy)
    return changes.session


EVENT_METHODS = (
    Method(
        "subscribe",
        _subscribe,
        "Send events of these topics on this connection.",
        record({"topics": TOPICS}, {"rate_hz": RATE}),
        record({"topics": TOPICS, "rate_hz": NUMBER}),
        True,
    ),
    Method(
        "unsubscribe",
        _unsubscribe,
        "Send no more events of these topics, or of any.",
        record({}, {"topics": TOPICS}),
        record({"topics": TOPICS}),
        True,
    ),
)
