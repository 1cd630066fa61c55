"""The control methods by which a client is let in."""

from __future__ import annotations

from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.method import Method
from livewarp.control.protocol.refusals import INVALID_REQUEST
from livewarp.control.protocol.schema import BOOL, NONE, TEXT, record
from livewarp.control.secret import is_nonce
from livewarp.errors import ControlError, ParameterError


def _hello(changes: Changes, params: dict[str, Any]) -> Any:
    session = changes.session
    if session is None:
        what, remedy = "hello needs a connection that stays", "over HTTP: the header Authorization: Bearer TOKEN"
        raise ControlError(what, INVALID_REQUEST, remedy=remedy)
    if len(params) != 1:
        raise ParameterError("params", params, "`nonce` first, then `proof`")
    if "proof" in params:
        session.prove(params["proof"])
        return {"welcome": True}
    if not is_nonce(params["nonce"]):
        raise ParameterError("nonce", params["nonce"], "16 to 128 letters, digits, - and _ that you draw at random")
    return session.challenge(params["nonce"])


def _link(changes: Changes, params: dict[str, Any]) -> Any:
    return {"url": changes.daemon.panel_link()}


ACCESS_METHODS = (
    Method(
        "hello",
        _hello,
        "Prove to each other that both have the token; over TCP this comes first.",
        record({}, {"nonce": TEXT, "proof": TEXT}),
        record({}, {"nonce": TEXT, "proof": TEXT, "welcome": BOOL}),
        True,
    ),
    Method("panel.link", _link, "A URL that opens the panel once.", NONE, record({"url": TEXT}), True),
)
