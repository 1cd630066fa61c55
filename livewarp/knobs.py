"""Knobs: a live parameter, what it is called, what it may be and what it does.

What it may be is its kind's to say (`livewarp.kinds`); `livewarp.parameters` lists the knobs.

Names: a knob takes its group's name as a prefix where the bare word would mislead: `skin_smooth`, `hair_grey`,
`background_blur`, `eye_width`. Only words that name a thing of their own stand alone: `smile`, `nostrils`.

Guarantees: pure, and quick to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livewarp.errors import ControlError, ParameterError
from livewarp.kinds import TYPES, Choice, Colour, Kind, Name, Number, Switch, Value

__all__ = ["TYPES", "Choice", "Colour", "Kind", "Knob", "Name", "Number", "Switch", "Value", "from_description"]


@dataclass(frozen=True, slots=True)
class Knob:
    """One live parameter: what it is called, what it may be and what it does.

    Attributes
    ----------
    group
        Where people find it: "filter", "picture", or the part of the face that it is about.
    keywords
        What people type who search for it, besides words of its name and help.
    ends
        Words for its least and its most; None where a value has no two ends.
    scaled
        Whether `strength` and `enabled` scale it.
    in_presets
        Whether presets hold it.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    group: str = "filter"
    keywords: tuple[str, ...] = ()
    ends: tuple[str, str] | None = None
    scaled: bool = False
    in_presets: bool = False

    @property
    def neutral(self) -> Value:
        """The value that changes nothing; the default where none is such."""
        return self.kind.neutral(self.default)

    def check(self, value: object) -> Value:
        """The value in its own type, or a `ParameterError` that names what is allowed."""
        checked = self.kind.check(value)
        if checked is None:
            raise ParameterError(self.name, value, self.kind.allowed)
        return checked

    def parse(self, text: str) -> Value:
        """The value that a person typed: a number, on or off, #rrggbb, one of the choices; or a `ParameterError`."""
        checked = self.kind.check(self.kind.read(text))
        if checked is None:
            raise ParameterError(self.name, text, self.kind.allowed)
        return checked

    def moved(self, value: Value, by: float) -> tuple[float, float]:
        """Where a relative change leads, and where it stops at the bounds; `ParameterError` for what is no number."""
        moved = self.kind.add(value, by)
        if moved is None:
            allowed = f"set {self.name} to {self.kind.allowed}"
            raise ParameterError(self.name, by, allowed, f"parameter {self.name}: is not a number")
        return moved

    def describe(self) -> dict[str, Any]:
        """The knob as the control port describes it; `from_description` is its reverse."""
        return {
            **self.kind.describe(),
            "default": self.default,
            "help": self.help,
            "area": self.group,
            "group": self.group,
            "keywords": list(self.keywords),
            "ends": None if self.ends is None else list(self.ends),
            "scaled": self.scaled,
            "in_presets": self.in_presets,
        }

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its values, with help and default."""
        return {**self.kind.schema(), "description": self.help, "default": self.default}


def from_description(name: str, described: Mapping[str, Any]) -> Knob:
    """The knob that a daemon, perhaps of another version, describes; `ControlError` for a kind that is new."""
    if described["type"] not in TYPES:
        what = f"parameter {name}: of a kind that this livewarp does not know"
        raise ControlError(what, got=described["type"], allowed=", ".join(TYPES), remedy="use the daemon's version")
    kind = TYPES[described["type"]](described)
    return Knob(name, kind, described["default"], described["help"], described["area"])
