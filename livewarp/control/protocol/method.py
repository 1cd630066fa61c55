"""What a control method is, and the JSON Schema document of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from livewarp.control.protocol.message import Changes
from livewarp.control.protocol.schema import DEFS, DIALECT, EVENTS, Schema
from livewarp.parameters import KNOBS

PROTOCOL = 2
"""Counts up when a client that knows the previous protocol would misunderstand the new one; what is only
added (a method, a param, a member of a result) does not count, and `schema` has it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One control method.

    Attributes
    ----------
    run
        Gets the message's changes and the params; returns a JSON value or raises `LivewarpError`.
    params, result
        JSON Schema; the params are checked against theirs, unless they are parameters, which `run` checks.
    changes
        Whether it changes anything, and so is out of the reach of an HTTP GET.
    topics
        Whose events it may bring about.
    made_of
        For long results that rarely change: what the result is made of. While that is the same, so is the result.
    urgent
        Whether it goes before all others.
    """

    name: str
    run: Callable[[Changes, dict[str, Any]], Any]
    help: str
    params: Schema
    result: Schema
    changes: bool = False
    topics: tuple[str, ...] = ()
    made_of: Callable[[Changes], object] | None = None
    urgent: bool = False


def schema_document(methods: Iterable[Method]) -> dict[str, Any]:
    """All there is, as one JSON Schema document; its `methods` and `events` refer to its `$defs`."""
    values = {name: knob.schema() for name, knob in KNOBS.items()}
    parameters = {"type": "object", "properties": values, "additionalProperties": False}
    return {
        "$schema": DIALECT,
        "protocol": PROTOCOL,
        "$defs": {**DEFS, "parameters": parameters},
        "methods": {
            m.name: {"help": m.help, "changes": m.changes, "params": m.params, "result": m.result} for m in methods
        },
        "events": dict(EVENTS),
    }
