"""What a check finds, in one small object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Verdict = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Mending:
    """Something that `doctor --fix` does, and `doctor --undo` takes back.

    Attributes
    ----------
    what
        For people.
    command, undo
        For a shell; "": nothing.
    root
        Whether it is done as root.
    path, text
        A file that is written, and what is in it; taking it back removes it.
    """

    what: str
    command: str = ""
    undo: str = ""
    root: bool = False
    path: str = ""
    text: str = ""


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
    fix
        What `doctor --fix` would do about it.
    """

    verdict: Verdict
    text: str
    remedy: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    fix: tuple[Mending, ...] = ()

    def fixed_by(self, *steps: Mending) -> Finding:
        """The same, with what `doctor --fix` would do."""
        return replace(self, fix=steps)


def ok(text: str, **data: Any) -> Finding:
    """All is well."""
    return Finding("ok", text, (), data)


def note(text: str, *remedy: str, **data: Any) -> Finding:
    """A call can be made, and this is worth knowing."""
    return Finding("note", text, remedy, data)


def problem(text: str, *remedy: str, **data: Any) -> Finding:
    """No call until this is mended."""
    return Finding("problem", text, remedy, data)
