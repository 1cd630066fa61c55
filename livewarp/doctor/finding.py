"""What a check finds, in one small object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes
    ----------
    verdict
        "problem" keeps one from making a call now; "note" does not, and is worth knowing.
    text
        One line for people.
    remedy
        What mends it, in order: commands to type, as they are, or a sentence where no command can.
    data
        The figures behind the text, for --json.
    """

    verdict: Verdict
    text: str
    remedy: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def ok(text: str, **data: Any) -> Finding:
    """All is well."""
    return Finding("ok", text, (), data)


def note(text: str, *remedy: str, **data: Any) -> Finding:
    """A call can be made, and this is worth knowing."""
    return Finding("note", text, remedy, data)


def problem(text: str, *remedy: str, **data: Any) -> Finding:
    """No call until this is mended."""
    return Finding("problem", text, remedy, data)
